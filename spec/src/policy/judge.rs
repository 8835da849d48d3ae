//! One checkpoint under one policy (docs/50-policy-proof-witness.md).
//!
//! Log signatures, cosignatures, quorum and age. Not here: inclusion (`tlog_proof`), and what the log holds.

use super::{LineName, Policy, WitnessLine};
use crate::checkpoint::{Origin, SignedCheckpoint};
use crate::cosignature::{self, CosignatureError};
use crate::key::Vkey;
use crate::limits::CLOCK_AHEAD_S;
use crate::note::NoteError;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A cosignature that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigner {
    /// The witness line.
    pub name: LineName,
    /// The time that the witness signed, in seconds since 1970; the latest one where it signed more than once.
    pub time: u64,
}

/// What [`Policy::verify`] found in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The keys of the log that signed, each once.
    pub log_keys: Vec<Vkey>,
    /// The witness lines that cosigned, in the order of the policy; without those too far in the future.
    pub cosigners: Vec<Cosigner>,
    /// The latest time such that the cosignatures of that time or later fulfil the quorum; `None` for `quorum none`.
    pub time: Option<u64>,
}

impl Verified {
    /// Seconds since the quorum was complete: the age of the checkpoint; 0 when that is still to come, `None` for `quorum none`.
    pub fn age_s(&self, now: u64) -> Option<u64> {
        self.time.map(|time| now.saturating_sub(time))
    }
}

/// Why a checkpoint is not accepted under a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// No log line has this origin as its key name.
    #[error("the policy names no log {origin}")]
    UnknownLog {
        /// The origin of the checkpoint.
        origin: Origin,
    },
    /// The log's own signatures.
    #[error("log signature: {0}")]
    Log(NoteError),
    /// A line by a witness of the policy that does not verify; the whole note is refused.
    #[error("witness {name}: {source}")]
    Cosignature {
        /// The witness line.
        name: LineName,
        /// What is wrong.
        source: CosignatureError,
    },
    /// Too few valid cosignatures.
    #[error("the cosignatures of {} of {witnesses} witness lines do not fulfil the quorum; missing: {}", cosigners.len(), list(missing))]
    Quorum {
        /// Those that cosigned and count.
        cosigners: Vec<Cosigner>,
        /// Witness lines of the policy.
        witnesses: usize,
        /// Those without a cosignature that counts.
        missing: Vec<LineName>,
    },
}

fn list(names: &[LineName]) -> String {
    let names: Vec<String> = names.iter().map(LineName::to_string).collect();
    names.join(", ")
}

impl Policy {
    /// Judges a checkpoint: a log of this policy signed it, no line by a known key is wrong, and the quorum is fulfilled [P-6].
    ///
    /// With `now`, a cosignature of more than five minutes later does not count [P-8].
    pub fn verify(&self, signed: &SignedCheckpoint, now: Option<u64>) -> Result<Verified, PolicyRefusal> {
        let log_keys = self.log_keys(signed.origin());
        if log_keys.is_empty() {
            return Err(PolicyRefusal::UnknownLog { origin: signed.origin().clone() });
        }
        let log_keys = signed.verify_log(&log_keys).map_err(PolicyRefusal::Log)?.into_iter().cloned().collect();
        let latest = now.map_or(u64::MAX, |now| now.saturating_add(CLOCK_AHEAD_S));
        let mut times: Vec<Option<u64>> = alloc::vec![None; self.witnesses.len()];
        for line in signed.signatures() {
            for (witness, time) in
                self.witnesses.iter().zip(&mut times).filter(|(witness, _)| line.is_by(&witness.vkey))
            {
                let signed_at = cosignature::verify(&witness.vkey, signed, line)
                    .map_err(|source| PolicyRefusal::Cosignature { name: witness.name.clone(), source })?;
                *time = (*time).max(Some(signed_at).filter(|signed_at| *signed_at <= latest));
            }
        }
        let named = |(witness, time): (&WitnessLine, &Option<u64>)| {
            time.map(|time| Cosigner { name: witness.name.clone(), time })
        };
        let cosigners: Vec<Cosigner> = self.witnesses.iter().zip(&times).filter_map(named).collect();
        match self.time_of_quorum(&times) {
            Some(time) => Ok(Verified { log_keys, cosigners, time: Some(time) }),
            None if self.is_quorum_none() => Ok(Verified { log_keys, cosigners, time: None }),
            None => {
                let silent = self.witnesses.iter().zip(&times).filter(|(_, time)| time.is_none());
                let missing = silent.map(|(witness, _)| witness.name.clone()).collect();
                Err(PolicyRefusal::Quorum { cosigners, witnesses: self.witnesses.len(), missing })
            }
        }
    }

    /// The latest time whose cosignatures, with all later ones, fulfil the quorum [P-8].
    fn time_of_quorum(&self, times: &[Option<u64>]) -> Option<u64> {
        let quorum = self.quorum?;
        let candidates: BTreeSet<u64> = times.iter().flatten().copied().collect();
        candidates.into_iter().rev().find(|since| {
            let by_line: Vec<bool> = times.iter().map(|time| time.is_some_and(|time| time >= *since)).collect();
            self.witnessed(quorum, &by_line)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::support::{log, seed, three, witness};
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::cosignature::{encode, message};
    use crate::hash::Hash;
    use crate::key::KeyKind;
    use crate::note::Signature;
    use crate::tree::TreeSize;

    const NOW: u64 = 1_800_000_000;

    fn checkpoint() -> Checkpoint {
        Checkpoint::new(Origin::new("log.example").unwrap(), TreeSize::new(9), Hash::new([4; 32]))
    }

    fn line(name: &str, kind: KeyKind, time: u64) -> Signature {
        let seed = seed(name, kind);
        let message = message(kind, name, time, &checkpoint()).unwrap();
        let bytes = match kind {
            KeyKind::Ed25519 => seed.sign_ed25519(&message).unwrap().to_vec(),
            KeyKind::Cosign => encode(time, &seed.sign_ed25519(&message).unwrap()),
            KeyKind::MlDsa44 => encode(time, &seed.sign_mldsa_deterministic(&message).unwrap()),
        };
        Signature::by(&seed.vkey(), bytes).unwrap()
    }

    /// The checkpoint with the log's line and cosignatures of these witnesses at these times.
    fn signed(witnesses: &[(&str, u64)]) -> SignedCheckpoint {
        let mut lines = alloc::vec![line("log.example", KeyKind::Ed25519, 0)];
        lines.extend(witnesses.iter().map(|(name, time)| line(name, KeyKind::Cosign, *time)));
        SignedCheckpoint::new(checkpoint(), lines).unwrap()
    }

    fn two_of_three() -> Policy {
        Policy::parse(log("log.example", KeyKind::Ed25519) + &three() + "group q 2 a b c\nquorum q\n").unwrap()
    }

    fn cosigner(name: &str, time: u64) -> Cosigner {
        Cosigner { name: name.into(), time }
    }

    #[test]
    fn a_quorum_and_its_age() {
        // The time of the quorum is that of its last needed cosignature, not of the newest. [P-6] [P-8]
        let policy = two_of_three();
        let cosigned = signed(&[("c.example", NOW), ("a.example", NOW - 500), ("b.example", NOW - 90)]);
        let verified = policy.verify(&cosigned, Some(NOW)).unwrap();
        assert_eq!(verified.time, Some(NOW - 90));
        assert_eq!(verified.age_s(NOW), Some(90));
        assert_eq!(verified.age_s(NOW - 100), Some(0));
        let cosigners = [cosigner("a", NOW - 500), cosigner("b", NOW - 90), cosigner("c", NOW)];
        assert_eq!(verified.cosigners, cosigners);
        assert_eq!(verified.log_keys, [seed("log.example", KeyKind::Ed25519).vkey()]);
        // Of two lines by one key the later one counts, for its age only.
        let again = signed(&[("a.example", NOW - 9), ("a.example", NOW - 500), ("b.example", NOW - 90)]);
        assert_eq!(policy.verify(&again, None).unwrap().cosigners[0], cosigner("a", NOW - 9));
        let short = policy.verify(&signed(&[("a.example", NOW - 9), ("a.example", NOW)]), None);
        let missing = alloc::vec!["b".into(), "c".into()];
        let cosigners = alloc::vec![cosigner("a", NOW)];
        assert_eq!(short, Err(PolicyRefusal::Quorum { cosigners, witnesses: 3, missing }));
    }

    #[test]
    fn the_future_does_not_count() {
        // [P-8]
        let policy = two_of_three();
        let at = |time| policy.verify(&signed(&[("a.example", NOW), ("b.example", time)]), Some(NOW));
        assert_eq!(at(NOW + CLOCK_AHEAD_S).unwrap().cosigners.len(), 2);
        let cosigners = alloc::vec![cosigner("a", NOW)];
        let missing = alloc::vec!["b".into(), "c".into()];
        assert_eq!(at(NOW + CLOCK_AHEAD_S + 1), Err(PolicyRefusal::Quorum { cosigners, witnesses: 3, missing }));
        assert!(policy.verify(&signed(&[("a.example", NOW), ("b.example", NOW + 9_999)]), None).is_ok());
    }

    #[test]
    fn both_keys_of_a_witness() {
        // [P-4] [P-6]
        let policy = log("log.example", KeyKind::Ed25519)
            + &witness("w-ed", "w.example", KeyKind::Cosign)
            + &witness("w-pq", "w.example", KeyKind::MlDsa44)
            + "group w all w-ed w-pq\nquorum w\n";
        let policy = Policy::parse(policy).unwrap();
        let log_line = line("log.example", KeyKind::Ed25519, 0);
        let lines = [line("w.example", KeyKind::Cosign, NOW), line("w.example", KeyKind::MlDsa44, NOW - 1)];
        let both = [core::slice::from_ref(&log_line), &lines].concat();
        let both = SignedCheckpoint::new(checkpoint(), both).unwrap();
        assert_eq!(policy.verify(&both, Some(NOW)).unwrap().time, Some(NOW - 1));
        for one in lines {
            let one = SignedCheckpoint::new(checkpoint(), alloc::vec![log_line.clone(), one]).unwrap();
            assert!(matches!(policy.verify(&one, Some(NOW)), Err(PolicyRefusal::Quorum { .. })));
        }
    }

    #[test]
    fn every_refusal_has_its_reason() {
        // [P-6]
        let policy = two_of_three();
        let other = Policy::parse(log("other.example", KeyKind::Ed25519) + "quorum none\n").unwrap();
        let unknown = PolicyRefusal::UnknownLog { origin: Origin::new("log.example").unwrap() };
        assert_eq!(other.verify(&signed(&[]), None), Err(unknown));
        let witnesses_only = alloc::vec![line("a.example", KeyKind::Cosign, NOW)];
        let unsigned = SignedCheckpoint::new(checkpoint(), witnesses_only).unwrap();
        let log = PolicyRefusal::Log(NoteError::Unsigned { lines: 1, keys: 1 });
        assert_eq!(policy.verify(&unsigned, None), Err(log));
        // A bad line of a known witness condemns the note, with the quorum there all the same.
        let mut lines = signed(&[("a.example", NOW), ("b.example", NOW), ("c.example", NOW)]).note.signatures;
        lines[3].bytes[30] ^= 1;
        let bad = SignedCheckpoint::new(checkpoint(), lines).unwrap();
        let keyid = seed("c.example", KeyKind::Cosign).vkey().keyid();
        let source = CosignatureError::BadSignature { keyid, time: NOW };
        assert_eq!(policy.verify(&bad, None), Err(PolicyRefusal::Cosignature { name: "c".into(), source }));
        // A line of a stranger does not matter.
        let mut lines = signed(&[("a.example", NOW), ("b.example", NOW)]).note.signatures;
        lines.push(Signature { bytes: alloc::vec![1], ..line("d.example", KeyKind::Cosign, NOW) });
        assert!(policy.verify(&SignedCheckpoint::new(checkpoint(), lines).unwrap(), None).is_ok());
        let none = super::super::support::log("log.example", KeyKind::Ed25519) + "quorum none\n";
        let unwitnessed = Policy::parse(none).unwrap().verify(&signed(&[]), Some(NOW)).unwrap();
        assert_eq!((unwitnessed.time, unwitnessed.age_s(NOW)), (None, None));
        let shown = policy.verify(&signed(&[("b.example", NOW)]), None).unwrap_err().to_string();
        assert_eq!(shown, "the cosignatures of 1 of 3 witness lines do not fulfil the quorum; missing: a, c");
    }
}
