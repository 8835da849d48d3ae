//! The offline verdict: bytes and time in, verdict out (90-verdict.md, V-10 to V-49).
//!
//! One function per question: `verify_update` for a file with its proofs, `verify_event` for a signed event that need not be
//! logged. A verdict says what was checked and, just as loudly, what was not. Not here: reading files, hashing the file
//! judged, a clock, a socket; what a whole log looks like (the audit of log-client).

mod pins;
mod proven;
mod roles;
mod signed;
mod case;
mod against;
mod behind;
mod update;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Serialize, Serializer};

use crate::floor::Raise;

pub use pins::{Pins, PinsError, Witnessed, Witnessing};
pub use proven::Proof;
pub use signed::verify_event;
pub use update::{DEVELOPMENT, File, Question, verify_update};

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
    /// A bundle is not one in its one spelling.
    BundleMalformed,
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
    /// The latest charter shown is older than the trust file asks for.
    CharterVersion,
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
    /// The update is not for this verifier.
    UpdateAudience,
    /// The release is lower than the trust file or this machine takes.
    UpdateBelowFloor,
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
    /// A verdict about the update says that it failed.
    VerdictFailed,
    /// A review is required, and one of the source has critical findings.
    ReviewFindings,
    /// A review is required and none that counts was given yet.
    ReviewPending,
    /// A review is required, and the time to wait for it is over.
    ReviewMissing,
    /// Too few issuers made the files again, and those that are left are not enough.
    RebuildFailed,
    /// Too few issuers have made the files again yet.
    RebuildPending,
    /// Too few issuers made the files again, and the time to wait for it is over.
    RebuildMissing,
    /// A verdict is required and none that counts was given yet.
    VerdictPending,
    /// A verdict is required, and the time to wait for it is over.
    VerdictMissing,
    /// The checkpoint is older than the trust file bears.
    CheckpointStale,
}

impl Code {
    /// Every code, in the order in which they are looked for.
    pub const ALL: [Code; 42] = [
        Code::Verified,
        Code::ProofMalformed,
        Code::BundleMalformed,
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
        Code::CharterVersion,
        Code::UpdateMissing,
        Code::FileDigest,
        Code::FileSize,
        Code::StreamUnknown,
        Code::StreamIssuer,
        Code::UpdateAudience,
        Code::UpdateBelowFloor,
        Code::UpdateRevoked,
        Code::UpdateSecondDigest,
        Code::UpdateNotBefore,
        Code::BuildNotHere,
        Code::BuildMissing,
        Code::RebuildDifferent,
        Code::VerdictFailed,
        Code::ReviewFindings,
        Code::ReviewPending,
        Code::ReviewMissing,
        Code::RebuildFailed,
        Code::RebuildPending,
        Code::RebuildMissing,
        Code::VerdictPending,
        Code::VerdictMissing,
        Code::CheckpointStale,
    ];

    /// The word that scripts see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Verified => "verified",
            Code::ProofMalformed => "proof.malformed",
            Code::BundleMalformed => "bundle.malformed",
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
            Code::CharterVersion => "charter.version",
            Code::UpdateMissing => "update.missing",
            Code::FileDigest => "file.digest",
            Code::FileSize => "file.size",
            Code::StreamUnknown => "stream.unknown",
            Code::StreamIssuer => "stream.issuer",
            Code::UpdateAudience => "update.audience",
            Code::UpdateBelowFloor => "update.below-floor",
            Code::UpdateRevoked => "update.revoked",
            Code::UpdateSecondDigest => "update.second-digest",
            Code::UpdateNotBefore => "update.not-before",
            Code::BuildNotHere => "build.not-here",
            Code::BuildMissing => "build.missing",
            Code::RebuildDifferent => "rebuild.different",
            Code::VerdictFailed => "verdict.failed",
            Code::ReviewFindings => "review.findings",
            Code::ReviewPending => "review.pending",
            Code::ReviewMissing => "review.missing",
            Code::RebuildFailed => "rebuild.failed",
            Code::RebuildPending => "rebuild.pending",
            Code::RebuildMissing => "rebuild.missing",
            Code::VerdictPending => "verdict.pending",
            Code::VerdictMissing => "verdict.missing",
            Code::CheckpointStale => "checkpoint.stale",
        }
    }

    /// What a verdict with this code ends as: time can mend some of them, nothing mends the others.
    pub const fn outcome(self) -> Outcome {
        match self {
            Code::Verified => Outcome::Verified,
            Code::Quorum
            | Code::UpdateNotBefore
            | Code::ReviewPending
            | Code::RebuildPending
            | Code::VerdictPending => Outcome::NotYet,
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
            | Code::RebuildDifferent
            | Code::BundleMalformed
            | Code::CharterVersion
            | Code::UpdateAudience
            | Code::UpdateBelowFloor
            | Code::VerdictFailed
            | Code::ReviewFindings
            | Code::ReviewMissing
            | Code::RebuildFailed
            | Code::RebuildMissing
            | Code::VerdictMissing
            | Code::CheckpointStale => Outcome::NotVerified,
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
    /// What a verified update raises the floor to; not printed [V-45].
    #[serde(skip)]
    pub raise: Option<Raise>,
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

    /// The same, said of one piece of evidence.
    fn of(self, name: &str) -> Fault {
        Fault { reason: alloc::format!("{name}: {}", self.reason), ..self }
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
        let (checked, not_checked) = (self.checked, self.not_checked);
        Verdict { outcome: code.outcome(), code, reason, checked, not_checked, raise: None }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod world;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
