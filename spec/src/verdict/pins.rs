//! Policy and trust file that fit together, and what they make of a checkpoint (90-verdict.md, V-9, V-12, V-13, V-15).
//!
//! Not here: what a checkpoint covers (`proven`), and reading the two files (`policy`, `trust`).

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{Code, Fault};
use crate::checkpoint::SignedCheckpoint;
use crate::key::Vkey;
use crate::policy::{LineName, Policy, PolicyFault, PolicyRefusal};
use crate::trust::TrustFile;

/// Whether a policy without witnesses is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witnessing {
    /// A quorum is needed, the default.
    Required,
    /// `quorum none` is taken, and every verdict says so.
    Unwitnessed,
}

/// Policy and trust file that fit together; no verdict is made without [V-9].
#[derive(Clone, Debug)]
pub struct Pins {
    policy: Policy,
    trust: TrustFile,
    log_keys: Vec<Vkey>,
    unwitnessed: bool,
}

/// Why a policy and a trust file cannot be used together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinsError {
    /// A witness could be counted twice, or is the log itself.
    #[error("policy: {0}")]
    Policy(PolicyFault),
    /// The policy has no key of the kind that the trust file asks for.
    #[error(
        "policy has no `log` line for {origin} with a key of type 0x{kind:02x}, trust file has log_keys = \"{log_keys}\""
    )]
    LogKey {
        /// The trust file's log.
        origin: String,
        /// The type byte that is missing.
        kind: u8,
        /// The trust file's word.
        log_keys: &'static str,
    },
    /// No witness is asked for.
    #[error("policy says `quorum none`: nobody but the log vouches for its checkpoints")]
    QuorumNone,
}

impl Pins {
    /// Puts policy and trust file together, or says why they do not fit [V-9].
    pub fn new(policy: Policy, trust: TrustFile, witnessing: Witnessing) -> Result<Pins, PinsError> {
        policy.check_one_witness_two_keys().map_err(PinsError::Policy)?;
        let unwitnessed = policy.is_quorum_none();
        if unwitnessed && witnessing == Witnessing::Required {
            return Err(PinsError::QuorumNone);
        }
        let mut log_keys = Vec::new();
        for kind in trust.log_keys.kinds() {
            let mut found = policy
                .logs
                .iter()
                .map(|line| &line.vkey)
                .filter(|vkey| vkey.name() == trust.origin && vkey.kind() == *kind)
                .cloned()
                .peekable();
            if found.peek().is_none() {
                return Err(PinsError::LogKey {
                    origin: trust.origin.clone(),
                    kind: kind.byte(),
                    log_keys: trust.log_keys.word(),
                });
            }
            log_keys.extend(found);
        }
        Ok(Pins { policy, trust, log_keys, unwitnessed })
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The trust file.
    pub fn trust(&self) -> &TrustFile {
        &self.trust
    }

    /// The log's keys whose signatures are needed [V-4].
    pub fn log_keys(&self) -> &[Vkey] {
        &self.log_keys
    }

    /// Whether no witness is asked for; verdicts say so.
    pub fn unwitnessed(&self) -> bool {
        self.unwitnessed
    }

    /// Judges a checkpoint: the pinned log, its own signatures, and every line of a known witness.
    ///
    /// With `now`, a cosignature more than five minutes later does not count. A quorum that is not fulfilled is no error here:
    /// what the log signed can be judged all the same, and the caller says "not yet" when nothing else is wrong [V-15].
    pub fn judge(&self, checkpoint: &SignedCheckpoint, now: Option<u64>) -> Result<Witnessed, Fault> {
        let origin = checkpoint.origin().as_str();
        if origin != self.trust.origin {
            let reason = format!("the checkpoint is of {origin}, the trust file names {}", self.trust.origin);
            return Err(Fault::new(Code::OriginUnknown, reason)); // [V-12]
        }
        let (witnessed, signed) = match self.policy.verify(checkpoint, now) {
            Ok(verified) => {
                let cosigners = verified.cosigners.into_iter().map(|cosigner| cosigner.name).collect();
                (Witnessed { time: verified.time, cosigners, short: None }, verified.log_keys)
            }
            Err(refusal) => {
                let reason = refusal.to_string();
                match refusal {
                    PolicyRefusal::UnknownLog { .. } => return Err(Fault::new(Code::OriginUnknown, reason)),
                    PolicyRefusal::Log(_) => return Err(Fault::new(Code::LogSignature, reason)),
                    PolicyRefusal::Cosignature { .. } => return Err(Fault::new(Code::Cosignature, reason)),
                    PolicyRefusal::Quorum { cosigners, .. } => {
                        let signed = checkpoint
                            .verify_log(&self.log_keys)
                            .map_err(|error| Fault::new(Code::LogSignature, error.to_string()))?;
                        let cosigners = cosigners.into_iter().map(|cosigner| cosigner.name).collect();
                        let short = Some(Fault::new(Code::Quorum, reason));
                        (Witnessed { time: None, cosigners, short }, signed.into_iter().cloned().collect())
                    }
                }
            }
        };
        for kind in self.trust.log_keys.kinds() {
            if !signed.iter().any(|key| key.kind() == *kind) {
                let reason = format!(
                    "the checkpoint has no {kind} signature of {origin}, the trust file has log_keys = \"{}\"",
                    self.trust.log_keys.word()
                );
                return Err(Fault::new(Code::LogSignature, reason)); // [V-13]
            }
        }
        Ok(witnessed)
    }
}

/// Who vouches for a checkpoint that the pinned log signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The latest time at which the quorum was complete; none without a quorum.
    pub time: Option<u64>,
    /// The witness lines that cosigned, in the order of the policy.
    pub cosigners: Vec<LineName>,
    /// Why the quorum is not fulfilled, when it is not.
    pub short: Option<Fault>,
}
