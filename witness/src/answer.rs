//! What a witness answers: status, type and body, one table (50-policy-proof-witness.md, 55-witness.md).
//!
//! Not here: HTTP itself (`http`).

use crate::clock::ClockError;
use std::time::Duration;
use vitrine_spec::add_checkpoint::WitnessRefusal;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;

const TEXT: &str = "text/plain; charset=utf-8";

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Type of the body.
    pub content_type: &'static str,
    /// Seconds after which asking again makes sense, where it does.
    pub retry_after_s: Option<u32>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSignature {
    /// The request, as tlog-witness says.
    Refused(WitnessRefusal),
    /// The clock of this machine [D-12].
    Clock(ClockError),
    /// Too many requests at one time [D-20].
    Busy,
    /// The log or the address asks too often; the time after which it may [D-50].
    Often(Duration),
    /// The log is known to show two trees [D-22].
    Frozen {
        /// SHA-256 of its origin line.
        origin: Hash,
    },
    /// Another note of the log could not be reconciled for too long [D-23].
    Unreconciled {
        /// SHA-256 of its origin line.
        origin: Hash,
        /// Size of the other note.
        size: TreeSize,
    },
    /// A body above the limit; what the limit is [D-20].
    TooLarge(usize),
    /// A body that did not arrive.
    NoBody,
    /// A body that took too long.
    Slow,
    /// A write or a sync failed: the process ends [D-3].
    Stopped,
    /// No checkpoint of this origin was cosigned [W-10].
    Never,
    /// No log of this origin is frozen [D-22].
    NoEvidence,
    /// No note of this origin is in doubt [D-23].
    NoDoubt,
}

impl Answer {
    fn text(status: u16, retry_after_s: Option<u32>, line: &str) -> Answer {
        Answer { status, content_type: TEXT, retry_after_s, body: format!("{line}\n").into_bytes() }
    }

    /// A file as it is.
    pub fn file(body: Vec<u8>) -> Answer {
        Answer { status: 200, content_type: TEXT, retry_after_s: None, body }
    }

    /// Signature lines, or a checkpoint.
    pub fn ok(body: String) -> Answer {
        Answer { status: 200, content_type: TEXT, retry_after_s: None, body: body.into_bytes() }
    }
}

impl From<NoSignature> for Answer {
    fn from(reason: NoSignature) -> Answer {
        match reason {
            NoSignature::Refused(refusal) => Answer {
                status: refusal.status(),
                content_type: refusal.content_type(),
                retry_after_s: None,
                body: refusal.body().into_bytes(),
            },
            NoSignature::Clock(error) => Answer::text(503, Some(60), &error.to_string()),
            NoSignature::Often(wait) => {
                let seconds = u32::try_from(wait.as_secs().saturating_add(1)).unwrap_or(u32::MAX);
                Answer::text(429, Some(seconds), &format!("asked too often: the next request may come in {seconds} s"))
            }
            NoSignature::Frozen { origin } => Answer::text(
                403,
                None,
                &format!(
                    "this log showed two trees and is frozen here for ever: the evidence is at {}/evidence below the \
                     monitoring prefix",
                    origin.hex()
                ),
            ),
            NoSignature::Unreconciled { origin, size } => Answer::text(
                503,
                Some(10),
                &format!(
                    "a note of this log of size {size} is not reconciled with the one cosigned: both are at \
                     {}/unreconciled below the monitoring prefix; a consistency proof between them lifts this",
                    origin.hex()
                ),
            ),
            NoSignature::Busy => Answer::text(429, Some(1), "this witness is busy, ask again in a second"),
            NoSignature::TooLarge(max) => Answer::text(413, None, &format!("the body is above {max} bytes")),
            NoSignature::NoBody => Answer::text(400, None, "the body did not arrive whole"),
            NoSignature::Slow => Answer::text(408, None, "the body took too long"),
            NoSignature::Stopped => Answer::text(503, Some(10), "this witness has stopped and signs nothing"),
            NoSignature::NoEvidence => {
                Answer::text(404, None, "this witness has no evidence against a log of that origin")
            }
            NoSignature::NoDoubt => Answer::text(404, None, "this witness has no note of that origin in doubt"),
            NoSignature::Never => Answer::text(404, None, "this witness never cosigned a checkpoint of that origin"),
        }
    }
}
