//! The states in which this program stops or refuses, each with the word under which the runbook says what to do.
//!
//! A person sees the word behind `runbook:` on standard error, or as `code` with `--json`; `docs/runbook.md` has one section
//! for each, and a test compares the two. Each error says its state beside its own definition, so that a new one has to.
//! Not here: the words of a server that runs and waits (`view`), nor those of refusals (`vitrine_spec::refusal`).

use std::io;

/// A state to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The disk has no room.
    StoreFull,
    /// This user may not read or write there.
    StoreDenied,
    /// A read, write or sync failed for another reason.
    StoreFailed,
    /// Another process has the folder.
    FolderInUse,
    /// The folder was last used on another machine.
    OtherMachine,
    /// The folder is a copy.
    Copy,
    /// The folder is a copy that is not whole.
    CopyUnfinished,
    /// There is no log in the folder.
    LogEmpty,
    /// There is something in the folder where a log is to begin or to be copied to.
    FolderTaken,
    /// Objects and keys are of two logs.
    LogOther,
    /// An object of the log is missing or damaged.
    LogDamaged,
    /// The checkpoint is ahead of the head.
    LogLostEntries,
    /// An object of a version that this program does not know.
    LogVersion,
    /// The log holds what this program does not admit.
    LogNotAdmissible,
    /// An object of sealed records is missing or damaged.
    SealedDamaged,
    /// The record of an attachment is none.
    AttachmentRecord,
    /// The index failed.
    Index,
    /// A key file is not there.
    KeysMissing,
    /// A key file that cannot be used.
    KeysUnusable,
    /// A signature could not be made.
    KeysSign,
    /// The charter is refused, or of other keys.
    Charter,
    /// The policy file cannot be used.
    Policy,
    /// An option that names what is not there.
    CommandLine,
    /// The address cannot be had.
    Listen,
    /// The system gave no thread, runtime, randomness or signal handler.
    System,
    /// A fault of this program.
    Program,
    /// `fsck` found something.
    Fsck,
    /// A log or server was not reached.
    Unreachable,
    /// `follow` met a log with another charter.
    FollowOtherLog,
    /// `follow` met a checkpoint without a quorum.
    FollowUnwitnessed,
    /// `follow` met what no honest log serves.
    FollowMisbehaved,
    /// `follow` needs a reader's key.
    FollowReader,
    /// A development log lacks a witness, or could not open its issuers.
    Development,
}

impl Stop {
    /// The word of its section.
    pub const fn word(self) -> &'static str {
        match self {
            Stop::StoreFull => "store.full",
            Stop::StoreDenied => "store.denied",
            Stop::StoreFailed => "store.failed",
            Stop::FolderInUse => "folder.in-use",
            Stop::OtherMachine => "folder.other-machine",
            Stop::Copy => "folder.copy",
            Stop::CopyUnfinished => "folder.unfinished",
            Stop::LogEmpty => "log.empty",
            Stop::FolderTaken => "folder.taken",
            Stop::LogOther => "log.other",
            Stop::LogDamaged => "log.damaged",
            Stop::LogLostEntries => "log.lost-entries",
            Stop::LogVersion => "log.version",
            Stop::LogNotAdmissible => "log.not-admissible",
            Stop::SealedDamaged => "sealed.damaged",
            Stop::AttachmentRecord => "attachment.record",
            Stop::Index => "index.damaged",
            Stop::KeysMissing => "keys.missing",
            Stop::KeysUnusable => "keys.unusable",
            Stop::KeysSign => "keys.sign",
            Stop::Charter => "charter",
            Stop::Policy => "policy",
            Stop::CommandLine => "command-line",
            Stop::Listen => "listen",
            Stop::System => "system",
            Stop::Program => "program",
            Stop::Fsck => "fsck.findings",
            Stop::Unreachable => "unreachable",
            Stop::FollowOtherLog => "follow.other-log",
            Stop::FollowUnwitnessed => "follow.unwitnessed",
            Stop::FollowMisbehaved => "follow.misbehaved",
            Stop::FollowReader => "follow.reader",
            Stop::Development => "dev",
        }
    }

    /// What a disk that refused says.
    pub fn of_io(error: &io::Error) -> Stop {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Stop::StoreFull,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Stop::StoreDenied,
            _ => Stop::StoreFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_says_why_it_refused() {
        let of = |kind: io::ErrorKind| Stop::of_io(&io::Error::from(kind)).word();
        assert_eq!(of(io::ErrorKind::StorageFull), "store.full");
        assert_eq!(of(io::ErrorKind::ReadOnlyFilesystem), "store.denied");
        assert_eq!(of(io::ErrorKind::TimedOut), "store.failed");
    }
}
