//! The offline verdict: bytes and time in, verdict out (90-verdict.md, V-10 to V-33).
//!
//! One function per question: `verify_update` for a file with its proofs, `verify_event` for a signed event that need not be
//! logged. A verdict says what was checked and, just as loudly, what was not. Not here: reading files, hashing the file
//! judged, a clock, a socket; what a whole log looks like (the audit of log-client).

mod pins;
mod proven;
mod signed;
mod update;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Serialize, Serializer};

pub use pins::{Pins, PinsError, Witnessed, Witnessing};
pub use proven::Proof;
pub use signed::verify_event;
pub use update::{File, verify_update};

/// What no verdict of a log can say; every verdict says so [V-30].
pub const LIMITS: [&str; 3] = [
    "a log proves what was recorded, not what was not",
    "a person's location rests on the issuer's evidence",
    "a rebuild shows that binary equals source, not that the source is good",
];

/// How a verdict ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that the trust file and the policy require was checked and holds.
    Verified,
    /// Something is wrong inside what was judged.
    NotVerified,
    /// Nothing is wrong, something is missing that time can bring: cosignatures, the release date.
    NotYet,
}

impl Outcome {
    /// The member `verdict`.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Verified => "verified",
            Outcome::NotVerified => "not-verified",
            Outcome::NotYet => "not-yet",
        }
    }
}

/// The reason of a verdict as a stable word; scripts rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Code {
    /// All that is required holds.
    Verified,
    /// A proof is not a tlog-proof with a leaf.
    ProofMalformed,
    /// A checkpoint of a log that the trust file does not name.
    OriginUnknown,
    /// The log's own signatures are missing or wrong.
    LogSignature,
    /// A line of a witness that the policy knows is wrong.
    Cosignature,
    /// The leaf is not the entry that the checkpoint holds at that index.
    Inclusion,
    /// Two checkpoints given cannot both be of one log.
    CheckpointFork,
    /// Too few cosignatures.
    Quorum,
    /// The entry is not an event in its one spelling.
    EventMalformed,
    /// An event of a type or protocol that this verifier does not know.
    EventUnknown,
    /// The event names another log than the checkpoint.
    EventOrigin,
    /// More, fewer or other signers than the event asks for.
    EventSigners,
    /// A signature does not verify.
    EventSignature,
    /// The trust file has no line for this issuer and epoch.
    IssuerUnknown,
    /// The trust file does not let this issuer say such a thing.
    IssuerType,
    /// Logged at or after the index from which the trust file disowns the key.
    IssuerDisowned,
    /// The first charter is not the pinned one.
    Charter,
    /// No proof of an update was given.
    UpdateMissing,
    /// The update does not hold the file's digest.
    FileDigest,
    /// The update gives another size for the file.
    FileSize,
    /// The trust file does not take this stream.
    StreamUnknown,
    /// The stream belongs to another issuer.
    StreamIssuer,
    /// The update was revoked.
    UpdateRevoked,
    /// Another update gives another digest for the same file of the same version and channel.
    UpdateSecondDigest,
    /// The update says that it must not be installed before a later time.
    UpdateNotBefore,
    /// A build is required and the update says that it was not built here.
    BuildNotHere,
    /// A build is required and none that counts was given for a digest of the update.
    BuildMissing,
    /// A rebuild of a file of the update gave other bytes.
    RebuildDifferent,
}

impl Code {
    /// Every code, in the order in which they are looked for.
    pub const ALL: [Code; 28] = [
        Code::Verified,
        Code::ProofMalformed,
        Code::OriginUnknown,
        Code::LogSignature,
        Code::Cosignature,
        Code::Inclusion,
        Code::CheckpointFork,
        Code::Quorum,
        Code::EventMalformed,
        Code::EventUnknown,
        Code::EventOrigin,
        Code::EventSigners,
        Code::EventSignature,
        Code::IssuerUnknown,
        Code::IssuerType,
        Code::IssuerDisowned,
        Code::Charter,
        Code::UpdateMissing,
        Code::FileDigest,
        Code::FileSize,
        Code::StreamUnknown,
        Code::StreamIssuer,
        Code::UpdateRevoked,
        Code::UpdateSecondDigest,
        Code::UpdateNotBefore,
        Code::BuildNotHere,
        Code::BuildMissing,
        Code::RebuildDifferent,
    ];

    /// The word that scripts see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Verified => "verified",
            Code::ProofMalformed => "proof.malformed",
            Code::OriginUnknown => "origin.unknown",
            Code::LogSignature => "log.signature",
            Code::Cosignature => "cosignature",
            Code::Inclusion => "inclusion",
            Code::CheckpointFork => "checkpoint.fork",
            Code::Quorum => "quorum",
            Code::EventMalformed => "event.malformed",
            Code::EventUnknown => "event.unknown",
            Code::EventOrigin => "event.origin",
            Code::EventSigners => "event.signers",
            Code::EventSignature => "event.signature",
            Code::IssuerUnknown => "issuer.unknown",
            Code::IssuerType => "issuer.type",
            Code::IssuerDisowned => "issuer.disowned",
            Code::Charter => "charter",
            Code::UpdateMissing => "update.missing",
            Code::FileDigest => "file.digest",
            Code::FileSize => "file.size",
            Code::StreamUnknown => "stream.unknown",
            Code::StreamIssuer => "stream.issuer",
            Code::UpdateRevoked => "update.revoked",
            Code::UpdateSecondDigest => "update.second-digest",
            Code::UpdateNotBefore => "update.not-before",
            Code::BuildNotHere => "build.not-here",
            Code::BuildMissing => "build.missing",
            Code::RebuildDifferent => "rebuild.different",
        }
    }

    /// What a verdict with this code ends as: time can mend two of them, nothing mends the others.
    pub const fn outcome(self) -> Outcome {
        match self {
            Code::Verified => Outcome::Verified,
            Code::Quorum | Code::UpdateNotBefore => Outcome::NotYet,
            Code::ProofMalformed
            | Code::OriginUnknown
            | Code::LogSignature
            | Code::Cosignature
            | Code::Inclusion
            | Code::CheckpointFork
            | Code::EventMalformed
            | Code::EventUnknown
            | Code::EventOrigin
            | Code::EventSigners
            | Code::EventSignature
            | Code::IssuerUnknown
            | Code::IssuerType
            | Code::IssuerDisowned
            | Code::Charter
            | Code::UpdateMissing
            | Code::FileDigest
            | Code::FileSize
            | Code::StreamUnknown
            | Code::StreamIssuer
            | Code::UpdateRevoked
            | Code::UpdateSecondDigest
            | Code::BuildNotHere
            | Code::BuildMissing
            | Code::RebuildDifferent => Outcome::NotVerified,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// The verdict, as printed and as JSON: exactly these five members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How it ends.
    #[serde(rename = "verdict")]
    pub outcome: Outcome,
    /// The first reason, as a stable word.
    pub code: Code,
    /// The same in a sentence that names both sides.
    pub reason: String,
    /// What was checked and holds, each `subject: text`.
    pub checked: Vec<String>,
    /// What was not checked, the limits of every log and the experimental format included [V-30].
    pub not_checked: Vec<String>,
}

/// Why something is not verified, before it becomes a verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Fault {
    /// The stable word.
    pub code: Code,
    /// A sentence that names both sides.
    pub reason: String,
}

impl Fault {
    fn new(code: Code, reason: impl Into<String>) -> Fault {
        Fault { code, reason: reason.into() }
    }
}

/// What was and was not checked, while it is being checked.
#[derive(Clone, Debug, Default)]
struct Account {
    checked: Vec<String>,
    not_checked: Vec<String>,
}

impl Account {
    fn checked(&mut self, line: impl Into<String>) {
        self.checked.push(line.into());
    }

    fn not_checked(&mut self, line: impl Into<String>) {
        self.not_checked.push(line.into());
    }

    /// Closes the account: the format and the three limits are said in every verdict, good or bad [V-30].
    fn close(mut self, end: Result<String, Fault>) -> Verdict {
        if end.is_err() {
            self.not_checked("rest: what comes after the first thing that is wrong or missing");
        }
        self.not_checked("format: experimental, every type is v0");
        for limit in LIMITS {
            self.not_checked(alloc::format!("limit: {limit}"));
        }
        let (code, reason) = match end {
            Ok(reason) => (Code::Verified, reason),
            Err(fault) => (fault.code, fault.reason),
        };
        Verdict { outcome: code.outcome(), code, reason, checked: self.checked, not_checked: self.not_checked }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod world;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
