//! One proof, from its bytes to an event that stands in the pinned log (90-verdict.md, V-11 to V-20).
//!
//! Nothing in a leaf is believed before its inclusion is shown. Not here: what the events say about a file (`update`).

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{Code, Fault, Pins, Witnessed};
use crate::checkpoint::{Origin, SignedCheckpoint};
use crate::envelope::{Envelope, pae};
use crate::event::{self, Event, Statement};
use crate::hash::{Hash, leaf_hash};
use crate::refusal::Refusal;
use crate::tlog_proof::{PlaceError, TlogProof};
use crate::tree::{LeafIndex, TreeSize};
use crate::trust::{TrustFile, TrustedIssuer};

/// A proof that was given, with the name that the person knows it by.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// For messages alone, normally the file's name.
    pub name: &'a str,
    /// The bytes of the tlog-proof.
    pub bytes: &'a [u8],
}

/// An event that was shown to stand in the pinned log.
#[derive(Clone, Debug)]
pub(super) struct Proven {
    /// Where it stands.
    pub(super) index: LeafIndex,
    /// The event, as it was read from the leaf.
    pub(super) event: Event,
    /// Size and root of the checkpoint that covers it.
    pub(super) size: TreeSize,
    pub(super) root: Hash,
    /// Who vouches for that checkpoint.
    pub(super) witnessed: Witnessed,
    /// Keyids of signers without a line in the trust file.
    pub(super) unknown_signers: Vec<String>,
}

impl Proven {
    /// Shows that a proof holds, or says why it does not. `judged` holds the checkpoints of the proofs before this one.
    pub(super) fn read(
        proof: &Proof<'_>,
        pins: &Pins,
        now: Option<u64>,
        judged: &mut Vec<(SignedCheckpoint, Witnessed)>,
    ) -> Result<Proven, Fault> {
        Proven::show(proof.bytes, pins, now, judged)
            .map_err(|fault| Fault::new(fault.code, format!("{}: {}", proof.name, fault.reason)))
    }

    fn show(
        bytes: &[u8],
        pins: &Pins,
        now: Option<u64>,
        judged: &mut Vec<(SignedCheckpoint, Witnessed)>,
    ) -> Result<Proven, Fault> {
        let malformed = |reason: String| Fault::new(Code::ProofMalformed, reason); // [V-11]
        let proof = TlogProof::parse(bytes).map_err(|error| malformed(format!("not a tlog-proof: {error}")))?;
        let checkpoint = proof.signed_checkpoint().map_err(|error| malformed(error.to_string()))?;
        let leaf =
            proof.extra.as_deref().ok_or_else(|| malformed("its `extra` line with the leaf is missing".into()))?;
        // Proofs of one release mostly share their checkpoint, and its signatures are most of the work.
        let witnessed = match judged.iter().find(|(known, _)| *known == checkpoint) {
            Some((_, witnessed)) => witnessed.clone(),
            None => {
                let witnessed = pins.judge(&checkpoint, now)?;
                judged.push((checkpoint.clone(), witnessed.clone()));
                witnessed
            }
        };
        proof.verify_place(&leaf_hash(leaf)).map_err(|error| match error {
            PlaceError::Checkpoint(error) => malformed(error.to_string()),
            PlaceError::Inclusion(error) => Fault::new(Code::Inclusion, error.to_string()), // [V-14]
        })?;
        let envelope = Envelope::parse_leaf(leaf).map_err(unreadable)?;
        let event = read_event(envelope, checkpoint.origin())?;
        let unknown_signers = check_signers(&event, pins.trust())?;
        Ok(Proven {
            index: proof.index,
            event,
            size: checkpoint.size(),
            root: *checkpoint.root(),
            witnessed,
            unknown_signers,
        })
    }

    /// "entry 12 (build of farm)", for messages.
    pub(super) fn what(&self) -> String {
        format!(
            "entry {} ({} of {})",
            self.index,
            self.event.statement.kind,
            self.event.statement.header.issuer.as_str()
        )
    }

    /// The line of the issuer that lets this event support a "yes", or why it supports none [V-19] [V-20].
    pub(super) fn support<'t>(&self, trust: &'t TrustFile) -> Result<&'t TrustedIssuer, Fault> {
        let line = issuer_line(&self.event, trust).map_err(|fault| self.name(fault))?;
        if line.disowns(self.index) {
            let until = line.until.map_or_else(String::new, |until| until.to_string());
            let reason = format!("{} epoch {} is disowned from entry {until} on", line.name, line.epoch);
            return Err(self.name(Fault::new(Code::IssuerDisowned, reason)));
        }
        Ok(line)
    }

    /// Whether the trust file disowns this event.
    pub(super) fn is_disowned(&self, trust: &TrustFile) -> bool {
        let header = &self.event.statement.header;
        trust.issuer(header.issuer.as_str(), header.epoch).is_some_and(|line| line.disowns(self.index))
    }

    fn name(&self, fault: Fault) -> Fault {
        Fault::new(fault.code, format!("{}: {}", self.what(), fault.reason))
    }
}

/// Reads the event of an envelope; its origin comes before anything else of it [V-12] [V-17].
pub(super) fn read_event(envelope: Envelope, origin: &Origin) -> Result<Event, Fault> {
    let payload = event::parse_payload(&envelope.payload).map_err(unreadable)?;
    event::check_origin(&payload, origin).map_err(unreadable)?;
    let statement = Statement::read(&payload, envelope.payload.len()).map_err(unreadable)?;
    Ok(Event { id: envelope.id(), envelope, statement })
}

/// Why an event cannot be read: another log's, one of a type that is not known here, or none at all.
pub(super) fn unreadable(refusal: Refusal) -> Fault {
    let code = match &refusal {
        Refusal::Origin { .. } => Code::EventOrigin,
        Refusal::TypeUnknown(_) | Refusal::TypeLater(_) => Code::EventUnknown,
        _ => Code::EventMalformed,
    };
    Fault::new(code, format!("{}: {refusal}", refusal.code()))
}

/// The line of an event's issuer, of whose types this one is [V-19].
pub(super) fn issuer_line<'t>(event: &Event, trust: &'t TrustFile) -> Result<&'t TrustedIssuer, Fault> {
    let header = &event.statement.header;
    let (issuer, epoch, kind) = (header.issuer.as_str(), header.epoch, event.statement.kind);
    let Some(line) = trust.issuer(issuer, epoch) else {
        let known: Vec<String> =
            trust.issuers().filter(|line| line.name == issuer).map(|line| line.epoch.to_string()).collect();
        let reason = if known.is_empty() {
            format!("the trust file names no issuer {issuer}")
        } else {
            format!("the trust file names {issuer} in epoch {}, not in epoch {epoch}", known.join(", "))
        };
        return Err(Fault::new(Code::IssuerUnknown, reason));
    };
    if !line.may(kind.name()) {
        let types: Vec<&str> = line.types.iter().map(String::as_str).collect();
        let reason = format!("the trust file lets {issuer} epoch {epoch} say {}, not {kind}", types.join(", "));
        return Err(Fault::new(Code::IssuerType, reason));
    }
    Ok(line)
}

/// Checks that exactly the issuer's key and the cosigners signed, each signature with the trust file's key [V-18].
///
/// Gives the signers whose keys the trust file does not hold: their signatures are not checked. An issuer without a line
/// has signed with a key that nobody here knows; then all that is left to check is the number.
pub(super) fn check_signers(event: &Event, trust: &TrustFile) -> Result<Vec<String>, Fault> {
    let header = &event.statement.header;
    let signers = &event.envelope.signatures;
    let line = trust.issuer(header.issuer.as_str(), header.epoch);
    let own = line.map(|line| line.vkey.keyid());
    let mut rest: Vec<&str> = signers.iter().map(|signature| signature.keyid.as_str()).collect();
    for cosigner in &header.cosigners {
        match rest.iter().position(|keyid| keyid == cosigner) {
            Some(at) => drop(rest.remove(at)),
            None => return Err(Fault::new(Code::EventSigners, format!("{cosigner} is asked for and did not sign"))),
        }
    }
    match (rest.as_slice(), own.as_deref()) {
        ([one], Some(own)) if *one != own => {
            let reason = format!(
                "signed by {one}, the trust file has {own} for {} epoch {}",
                header.issuer.as_str(),
                header.epoch
            );
            return Err(Fault::new(Code::EventSigners, reason));
        }
        ([_], _) => {}
        (rest, _) => {
            let reason = format!("{} signatures of issuers, one is wanted: {}", rest.len(), rest.join(", "));
            return Err(Fault::new(Code::EventSigners, reason));
        }
    }
    let message = pae(&event.envelope.payload);
    let mut unknown = Vec::new();
    for signature in signers {
        let own = line.filter(|line| line.vkey.keyid() == signature.keyid);
        match own.or_else(|| trust.key(&signature.keyid)) {
            Some(line) if line.vkey.verify(&message, &signature.sig) => {}
            Some(line) => {
                let reason = format!("the signature of {} does not verify with {}", signature.keyid, line.vkey);
                return Err(Fault::new(Code::EventSignature, reason));
            }
            None => unknown.push(signature.keyid.clone()),
        }
    }
    Ok(unknown)
}
