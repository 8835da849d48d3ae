//! The states in which a witness stops or does not start, each with the word under which the runbook says what to do.
//!
//! A person sees the word behind `runbook:` on standard error; `docs/runbook.md` has one section for each, and a test
//! compares the two. Not here: refusals of a request (`answer`).

use std::io;

/// A state to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The disk has no room.
    StoreFull,
    /// This user may not read or write there.
    StoreDenied,
    /// A read, write or sync failed for another reason.
    StoreFailed,
    /// Another process has the folder.
    FolderInUse,
    /// The folders of journal and keys are not two, or not there.
    FolderUnfit,
    /// There is no journal, and the keys never signed.
    JournalNone,
    /// The keys signed, and their journal is not here.
    JournalLost,
    /// The journal is not the keys' one.
    JournalOther,
    /// Something to confirm, and nothing lost.
    JournalWhole,
    /// The journal is damaged.
    JournalDamaged,
    /// A journal of a version that this program does not know.
    JournalVersion,
    /// The mark beside the keys is none.
    Mark,
    /// The file of `--confirm-state` confirms nothing.
    Confirm,
    /// The list of logs cannot be used.
    Logs,
    /// The list of peers cannot be used.
    Peers,
    /// A key file is not there.
    KeysMissing,
    /// A key file that cannot be used.
    KeysUnusable,
    /// A signature could not be made.
    KeysSign,
    /// The address cannot be had.
    Listen,
    /// The system gave no thread, file descriptors, randomness or signal handler.
    System,
    /// A fault of this program.
    Program,
}

impl Stop {
    /// The word of its section.
    pub const fn word(self) -> &'static str {
        match self {
            Stop::StoreFull => "store.full",
            Stop::StoreDenied => "store.denied",
            Stop::StoreFailed => "store.failed",
            Stop::FolderInUse => "folder.in-use",
            Stop::FolderUnfit => "folder.unfit",
            Stop::JournalNone => "journal.none",
            Stop::JournalLost => "journal.lost",
            Stop::JournalOther => "journal.other",
            Stop::JournalWhole => "journal.whole",
            Stop::JournalDamaged => "journal.damaged",
            Stop::JournalVersion => "journal.version",
            Stop::Mark => "journal.mark",
            Stop::Confirm => "confirm-state",
            Stop::Logs => "logs",
            Stop::Peers => "peers",
            Stop::KeysMissing => "keys.missing",
            Stop::KeysUnusable => "keys.unusable",
            Stop::KeysSign => "keys.sign",
            Stop::Listen => "listen",
            Stop::System => "system",
            Stop::Program => "program",
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
