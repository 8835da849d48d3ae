//! What a log's answer to a submission must hold before it is believed (design.md 1, "the reply is the proof").
//!
//! Pure: bytes and time in, `Logged` or the fault out. Not here: sending, retrying (`deliver`).

use std::sync::Arc;

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::envelope::{Envelope, pae};
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::{Seed, Vkey};
use vitrine_spec::policy::{Policy, PolicyRefusal, Verified};
use vitrine_spec::tlog_proof::{self, TlogProof};
use vitrine_spec::tree::{LeafIndex, TreeSize};

use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};

/// An entry that is provably logged under the policy.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its index.
    pub index: LeafIndex,
    /// The tree it was proven in.
    pub size: TreeSize,
    /// Who vouched.
    pub verified: Verified,
    /// Origin of the log.
    pub origin: String,
}

impl Logged {
    /// `3 witness keys, complete at 2026-…`, or that nobody was asked.
    pub fn witnessed(&self) -> String {
        match self.verified.time {
            None => "unwitnessed: the policy asks for no witness".to_owned(),
            Some(time) => {
                let names: Vec<String> =
                    self.verified.cosigners.iter().map(|cosigner| cosigner.name.to_string()).collect();
                format!("quorum by {}, complete at {}", names.join(" "), crate::clock::show(time))
            }
        }
    }
}

/// The proof of one entry as it was judged; a batch has one checkpoint for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The leaf as it was logged.
    pub leaf: Vec<u8>,
    /// Its index.
    pub index: LeafIndex,
    /// The path to the root.
    pub hashes: Vec<Hash>,
    /// The checkpoint.
    pub note: Arc<[u8]>,
}

impl Proven {
    /// The parts of a tlog-proof that has its leaf.
    pub fn of(proof: TlogProof) -> Proven {
        let TlogProof { extra, index, hashes, checkpoint } = proof;
        Proven { leaf: extra.unwrap_or_default(), index, hashes, note: checkpoint.into() }
    }

    /// The tlog-proof.
    pub fn print(&self) -> Vec<u8> {
        tlog_proof::print(Some(&self.leaf), self.index, &self.hashes, &self.note)
    }
}

/// Why an answer is not a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// It is no proof at all, or of another log: this is not the log asked for.
    #[error("the answer is not from this log: {0}")]
    NotTheLog(String),
    /// The log's own checkpoint does not carry the policy's quorum yet.
    #[error("too few witnesses so far: {0}")]
    Quorum(String),
    /// The log signed a checkpoint and what it says beside it does not hold.
    #[error("the log answered with a proof that does not hold: {0}")]
    Misbehaved(String),
}

impl AnswerFault {
    /// How a command ends on it.
    pub fn exit(&self) -> Exit {
        match self {
            AnswerFault::NotTheLog(_) => Exit::Unreachable,
            AnswerFault::Quorum(_) => Exit::NotYet,
            AnswerFault::Misbehaved(_) => Exit::Misbehaved,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            AnswerFault::NotTheLog(_) => "answer.not-the-log",
            AnswerFault::Quorum(_) => "quorum",
            AnswerFault::Misbehaved(_) => "answer.misbehaved",
        }
    }
}

impl From<AnswerFault> for Failure {
    fn from(fault: AnswerFault) -> Failure {
        let now = match &fault {
            AnswerFault::NotTheLog(_) => "check that --log and --policy are of the same log",
            AnswerFault::Quorum(_) => "run it again later; the log asks its witnesses for newer checkpoints by itself",
            AnswerFault::Misbehaved(_) => "keep the answer, and tell the supervisor and the witnesses",
        };
        Failure::new(fault.exit(), fault.code(), fault.to_string()).now(now)
    }
}

/// Judges a checkpoint of the log under the policy.
pub fn checkpoint(policy: &Policy, note: &[u8], now: u64) -> Result<(SignedCheckpoint, Verified), AnswerFault> {
    let signed = SignedCheckpoint::parse(note).map_err(|error| AnswerFault::NotTheLog(error.to_string()))?;
    match policy.verify(&signed, Some(now)) {
        Ok(verified) => Ok((signed, verified)),
        Err(refusal @ (PolicyRefusal::UnknownLog { .. } | PolicyRefusal::Log(_))) => {
            Err(AnswerFault::NotTheLog(refusal.to_string()))
        }
        Err(refusal @ PolicyRefusal::Cosignature { .. }) => Err(AnswerFault::Misbehaved(refusal.to_string())),
        Err(refusal @ PolicyRefusal::Quorum { .. }) => Err(AnswerFault::Quorum(refusal.to_string())),
    }
}

/// Judges a tlog-proof for a leaf whose hash is known.
///
/// Order: it parses, the log signed, the leaf is in the tree, then the quorum; so "too few witnesses" is said only of an
/// entry that is logged.
pub fn proof(policy: &Policy, leaf: &Hash, proof: &TlogProof, now: u64) -> Result<Logged, AnswerFault> {
    let judged = checkpoint(policy, &proof.checkpoint, now);
    if let Err(fault @ (AnswerFault::NotTheLog(_) | AnswerFault::Misbehaved(_))) = judged {
        return Err(fault);
    }
    proof.verify_place(leaf).map_err(|error| AnswerFault::Misbehaved(error.to_string()))?;
    let (signed, verified) = judged?;
    Ok(Logged { index: proof.index, size: signed.size(), verified, origin: signed.origin().to_string() })
}

/// An event that was sent, for comparing the leaf with it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// As it was sent.
    pub event: &'a EventFile,
    /// The issuer's key, where it is at hand.
    pub key: Option<&'a Seed>,
    /// Whether the log says that it had been logged before.
    pub duplicate: bool,
}

/// Judges the answer to the submission of one event: a proof whose leaf is the envelope that was sent.
pub fn submission(policy: &Policy, sent: Sent<'_>, answer: &[u8], now: u64) -> Result<(Logged, Proven), AnswerFault> {
    let parsed = TlogProof::parse(answer).map_err(|error| AnswerFault::NotTheLog(error.to_string()))?;
    let judged = checkpoint(policy, &parsed.checkpoint, now);
    if let Err(fault @ (AnswerFault::NotTheLog(_) | AnswerFault::Misbehaved(_))) = judged {
        return Err(fault);
    }
    let leaf = parsed
        .extra
        .as_deref()
        .ok_or_else(|| AnswerFault::Misbehaved("the proof has no `extra` line with the leaf".to_owned()))?;
    same_event(leaf, sent)?;
    let logged = proof(policy, &leaf_hash(leaf), &parsed, now)?;
    Ok((logged, Proven::of(parsed)))
}

/// Checks that a leaf is what was sent, byte for byte.
///
/// Of one payload the first logged envelope counts, so that of a duplicate may have other signatures; but the issuer's must be
/// one: the very one that was sent, or one that its key verifies.
pub fn same_event(leaf: &[u8], sent: Sent<'_>) -> Result<(), AnswerFault> {
    if leaf == sent.event.leaf() {
        return Ok(());
    }
    let misbehaved = |why: String| Err(AnswerFault::Misbehaved(why));
    let logged = match Envelope::parse_leaf(leaf) {
        Ok(logged) => logged,
        Err(error) => return misbehaved(format!("the leaf is not an envelope: {error}")),
    };
    let id = sent.event.id();
    if logged.payload != sent.event.payload() {
        return misbehaved(format!("event {id} was sent, the leaf holds event {}", logged.id()));
    }
    if !sent.duplicate {
        return misbehaved(format!("event {id} was sent, the leaf holds it with other signatures"));
    }
    let cosigners = sent.event.cosigners();
    let vkey = sent.key.map(Seed::vkey);
    let by_issuer = logged.signatures.iter().any(|one| {
        let same = sent.event.envelope().signatures.contains(one) && !cosigners.contains(&one.keyid.as_str());
        let verifies = |vkey: &Vkey| vkey.keyid() == one.keyid && vkey.verify(&pae(&logged.payload), &one.sig);
        same || vkey.as_ref().is_some_and(verifies)
    });
    if by_issuer {
        return Ok(());
    }
    misbehaved(format!("event {id} was sent, the leaf holds it without a valid signature of its issuer"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::world::{World, event_key};

    #[test]
    fn a_leaf_with_our_payload_and_other_signatures_is_not_what_was_sent() {
        let world = World::new();
        let event = world.event(1);
        let key = event_key("release");
        let keyid = key.vkey().keyid();
        let envelope = event.envelope().clone();
        let with = |keyid: &str, sig: Option<[u8; 64]>| {
            let mut other = envelope.clone();
            other.signatures.retain(|one| one.keyid != keyid);
            sig.into_iter().for_each(|sig| other.add(keyid.to_owned(), sig));
            other.leaf()
        };
        let judge = |leaf: &[u8], key: Option<&Seed>, duplicate: bool| {
            same_event(leaf, Sent { event: &event, key, duplicate }).map_err(|fault| fault.to_string())
        };
        for (key, duplicate) in [(None, false), (None, true), (Some(&key), false), (Some(&key), true)] {
            judge(&envelope.leaf(), key, duplicate).unwrap();
            for leaf in [with(&keyid, Some([7; 64])), with(&keyid, None), world.event(0).leaf(), b"{}".to_vec()] {
                judge(&leaf, key, duplicate).unwrap_err();
            }
        }
        // Somebody else's signature, which only its own key could check: of a duplicate the issuer's is enough.
        let operator = event_key("operator").vkey().keyid();
        let leaf = with(&operator, Some([7; 64]));
        assert!(judge(&leaf, Some(&key), false).unwrap_err().contains("other signatures"));
        judge(&leaf, None, true).unwrap();
        // The signature of an event that was sent is compared even where the key is not at hand.
        let other = event_key("gateway");
        judge(&leaf, Some(&other), true).unwrap();
    }
}
