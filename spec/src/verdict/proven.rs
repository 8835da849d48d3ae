//! Proofs and bundles, from their bytes to events that stand in the pinned log (90-verdict.md, V-11 to V-20).
//!
//! Nothing in a leaf is believed before its inclusion is shown. Not here: what the events say about a file (`update`).

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{Code, Fault, Pins, Witnessed};
use crate::body::Body;
use crate::bundle::{Bundle, BundleError};
use crate::checkpoint::{Origin, SignedCheckpoint};
use crate::envelope::{Envelope, pae};
use crate::event::{self, Event, Statement};
use crate::hash::{Hash, leaf_hash};
use crate::key::Vkey;
use crate::refusal::Refusal;
use crate::tlog_proof::TlogProof;
use crate::tree::{LeafIndex, TreeSize};
use crate::trust::{TrustFile, TrustedIssuer};

/// A proof or a bundle that was given, with the name that the person knows it by.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// For messages alone, normally the file's name.
    pub name: &'a str,
    /// The bytes of the tlog-proof, or of the bundle.
    pub bytes: &'a [u8],
}

/// An event that was shown to stand in the pinned log; who signed it is checked apart, because a charter may name the keys.
#[derive(Clone, Debug)]
pub(super) struct Proven {
    /// What it was given in, for messages alone.
    name: String,
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

/// Shows that each proof and bundle holds, every entry of them once, or says why one does not [V-11] [B-4].
pub(super) fn read_all(
    proofs: &[Proof<'_>],
    bundles: &[Proof<'_>],
    pins: &Pins,
    now: Option<u64>,
) -> Result<Vec<Proven>, Fault> {
    let mut reading = Reading { pins, now, judged: Vec::new(), proven: Vec::with_capacity(proofs.len()) };
    for proof in proofs {
        reading.proof(proof).map_err(|fault| fault.of(proof.name))?;
    }
    for bundle in bundles {
        reading.bundle(bundle).map_err(|fault| fault.of(bundle.name))?;
    }
    Ok(reading.proven)
}

/// What was read so far. Proofs of one release mostly share their checkpoint, and its signatures are most of the work.
struct Reading<'a> {
    pins: &'a Pins,
    now: Option<u64>,
    judged: Vec<(SignedCheckpoint, Witnessed)>,
    proven: Vec<Proven>,
}

impl Reading<'_> {
    fn proof(&mut self, given: &Proof<'_>) -> Result<(), Fault> {
        let malformed = |reason: String| Fault::new(Code::ProofMalformed, reason); // [V-11]
        let read = TlogProof::parse_signed(given.bytes);
        let (proof, checkpoint) = read.map_err(|error| malformed(format!("not a tlog-proof: {error}")))?;
        let leaf =
            proof.extra.as_deref().ok_or_else(|| malformed("its `extra` line with the leaf is missing".into()))?;
        let witnessed = self.judge(&checkpoint)?;
        let place = proof.verify_place_in(&checkpoint, &leaf_hash(leaf));
        place.map_err(|error| Fault::new(Code::Inclusion, error.to_string()))?; // [V-14]
        self.take(given.name, proof.index, leaf, &checkpoint, &witnessed)
    }

    fn bundle(&mut self, given: &Proof<'_>) -> Result<(), Fault> {
        let malformed = |error: BundleError| Fault::new(Code::BundleMalformed, format!("not a bundle: {error}"));
        let (bundle, checkpoint) = Bundle::parse_signed(given.bytes).map_err(malformed)?;
        let witnessed = self.judge(&checkpoint)?;
        let places = bundle.verify_places_in(&checkpoint);
        places.map_err(|error| Fault::new(Code::Inclusion, error.to_string()))?; // [V-14] [B-3]
        for (index, leaf) in &bundle.entries {
            self.take(given.name, *index, leaf, &checkpoint, &witnessed)?;
        }
        Ok(())
    }

    fn judge(&mut self, checkpoint: &SignedCheckpoint) -> Result<Witnessed, Fault> {
        if let Some((_, witnessed)) = self.judged.iter().find(|(known, _)| known == checkpoint) {
            return Ok(witnessed.clone());
        }
        let witnessed = self.pins.judge(checkpoint, self.now)?;
        self.judged.push((checkpoint.clone(), witnessed.clone()));
        Ok(witnessed)
    }

    /// Reads the event of a leaf whose place was shown. What was given twice in one tree is one piece of evidence.
    fn take(
        &mut self,
        name: &str,
        index: LeafIndex,
        leaf: &[u8],
        checkpoint: &SignedCheckpoint,
        witnessed: &Witnessed,
    ) -> Result<(), Fault> {
        let (size, root) = (checkpoint.size(), *checkpoint.root());
        let envelope = Envelope::parse_leaf(leaf).map_err(unreadable)?;
        let event = read_event(envelope, checkpoint.origin())?;
        let same = |known: &Proven| {
            known.index == index
                && known.event.id == event.id
                && known.root == root
                && known.witnessed.short == witnessed.short
        };
        if !self.proven.iter().any(same) {
            let (name, witnessed) = (name.to_string(), witnessed.clone());
            self.proven.push(Proven { name, index, event, size, root, witnessed, unknown_signers: Vec::new() });
        }
        Ok(())
    }
}

impl Proven {
    /// Checks who signed it [V-18].
    pub(super) fn check_signers(&mut self, trust: &TrustFile, roles: &[Vkey]) -> Result<(), Fault> {
        self.unknown_signers = check_signers(&self.event, trust, roles).map_err(|fault| fault.of(&self.name))?;
        Ok(())
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
    match &statement.body {
        Body::Rebuild(rebuild) => rebuild.check(&statement.subject),
        Body::Review(review) => review.check(),
        Body::Verdict(verdict) => verdict.check(),
        _ => Ok(()),
    }
    .map_err(unreadable)?;
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

/// The one signer who is no cosigner: each cosigner signed, and nobody else but one [V-18].
pub(super) fn issuer_signer(event: &Event) -> Result<&str, Fault> {
    let mut rest: Vec<&str> = event.envelope.signatures.iter().map(|signature| signature.keyid.as_str()).collect();
    for cosigner in &event.statement.header.cosigners {
        match rest.iter().position(|keyid| keyid == cosigner) {
            Some(at) => drop(rest.remove(at)),
            None => return Err(Fault::new(Code::EventSigners, format!("{cosigner} is asked for and did not sign"))),
        }
    }
    match rest.as_slice() {
        [one] => Ok(*one),
        rest => {
            let reason = format!("{} signatures of issuers, one is wanted: {}", rest.len(), rest.join(", "));
            Err(Fault::new(Code::EventSigners, reason))
        }
    }
}

/// Checks that exactly the issuer's key and the cosigners signed, each signature with the key of the trust file or of a role [V-18].
///
/// Gives the signers whose keys neither holds: their signatures are not checked. An issuer without a line
/// has signed with a key that nobody here knows; then all that is left to check is the number.
pub(super) fn check_signers(event: &Event, trust: &TrustFile, roles: &[Vkey]) -> Result<Vec<String>, Fault> {
    let header = &event.statement.header;
    let signers = &event.envelope.signatures;
    let line = trust.issuer(header.issuer.as_str(), header.epoch);
    let signer = issuer_signer(event)?;
    if let Some(own) = line.map(|line| line.vkey.keyid()).filter(|own| own != signer) {
        let issuer = header.issuer.as_str();
        let reason = format!("signed by {signer}, the trust file has {own} for {issuer} epoch {}", header.epoch);
        return Err(Fault::new(Code::EventSigners, reason));
    }
    let message = pae(&event.envelope.payload);
    let mut unknown = Vec::new();
    for signature in signers {
        let own = line.filter(|line| line.vkey.keyid() == signature.keyid);
        let known = own.or_else(|| trust.key(&signature.keyid)).map(|line| &line.vkey);
        match known.or_else(|| roles.iter().find(|vkey| vkey.keyid() == signature.keyid)) {
            Some(vkey) if vkey.verify(&message, &signature.sig) => {}
            Some(vkey) => {
                let reason = format!("the signature of {} does not verify with {vkey}", signature.keyid);
                return Err(Fault::new(Code::EventSignature, reason));
            }
            None => unknown.push(signature.keyid.clone()),
        }
    }
    Ok(unknown)
}
