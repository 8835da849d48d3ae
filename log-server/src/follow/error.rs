//! Why there is no copy, and the exit code of each reason (cli.md).
//!
//! Not here: what is checked (`follow`).

use std::path::PathBuf;

use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;

use super::copy::{CopyError, Place};
use super::remote::RemoteError;
use crate::batch::BatchError;
use crate::index::IndexError;
use crate::keys::KeysError;
use crate::open::OpenError;
use crate::reader::ReadError;
use crate::sealed::SealedError;
use crate::stop::Stop;
use crate::store::{LockError, StoreError};

/// The exit code when the log misbehaved: what it signed is kept.
pub(super) const EXIT_MISBEHAVED: u8 = 3;

/// Why there is no copy, or none of the log as it is now.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log was not reached, or answered with something else.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The store failed.
    #[error("{0}; {advice}", advice = .0.advice())]
    Store(#[from] StoreError),
    /// Another process uses the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The folder is none for a copy.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A key file that cannot be read.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// A policy file that cannot be used.
    #[error("{}: {reason}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Another log's charter.
    #[error("{url} begins with the charter {got}, {want} was asked for: this is another log")]
    Charter {
        /// The log.
        url: String,
        /// Event_id of its entry 0.
        got: String,
        /// What was asked for, or what the copy has.
        want: String,
    },
    /// A checkpoint that the policy does not take.
    #[error("{url}/checkpoint is not witnessed as the policy asks: {reason}")]
    Witnesses {
        /// The log.
        url: String,
        /// What is missing.
        reason: String,
    },
    /// A note that is not this log's, or not a note.
    #[error("{url}/{path}: {reason}")]
    Note {
        /// The log.
        url: String,
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The log is smaller than the copy.
    #[error(
        "{url} shows an older checkpoint than this copy has: the copy has {copy} entries, the log {remote}; the log was \
         restored from a backup, or this is another server's"
    )]
    Older {
        /// The log.
        url: String,
        /// Entries of the copy.
        copy: TreeSize,
        /// Entries of the log.
        remote: TreeSize,
    },
    /// The log does not contain the copy.
    #[error("{url} does not extend this copy: the copy has {copy}, the log {remote} ({reason})")]
    Forked {
        /// The log.
        url: String,
        /// The copy.
        copy: Box<Place>,
        /// The log's checkpoint.
        remote: Box<Place>,
        /// What the proof lacks.
        reason: String,
    },
    /// Entries that are not those of the checkpoint.
    #[error("the entries {from} to {to} from {url} are not those of its checkpoint: {reason}")]
    Entries {
        /// The log.
        url: String,
        /// The first of them.
        from: TreeSize,
        /// The one after the last.
        to: TreeSize,
        /// Why not.
        reason: String,
    },
    /// An entry 0 that is no charter, or an entry that admission refuses.
    #[error("{url} holds what no log admits: {reason}")]
    Admission {
        /// The log.
        url: String,
        /// Which entry, and why.
        reason: String,
    },
    /// A record that is not the leaf's, is missing, or is zero for no reason.
    #[error("the sealed record of entry {index} from {url}: {reason}")]
    Record {
        /// The log.
        url: String,
        /// The entry.
        index: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A record that is zero, and no erasure that the copy has names it.
    #[error("the sealed record of entry {index} from {url} is zero, and no erasure below size {size} names it")]
    Zero {
        /// The log.
        url: String,
        /// The entry.
        index: u64,
        /// Entries that were looked at.
        size: TreeSize,
    },
    /// Sealed records, and no key to ask for them.
    #[error(
        "entry {index} has a sealed record, which only a reader of the charter gets: give --reader-key FILE; without its \
         records the copy could not go on as this log"
    )]
    ReaderKey {
        /// The first such entry.
        index: u64,
    },
    /// An attachment that is not what an event names.
    #[error("the attachment {sha256} from {url}: {reason}")]
    Attachment {
        /// The log.
        url: String,
        /// Its digest, in hexadecimal.
        sha256: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A kept checkpoint that the tree does not contain.
    #[error("{path} from {url} has root {got} at size {size}, the entries give {want}")]
    Kept {
        /// The log.
        url: String,
        /// Its path.
        path: String,
        /// Its size.
        size: TreeSize,
        /// Its root.
        got: Hash,
        /// Root of the entries.
        want: Hash,
    },
    /// What was copied before cannot be read.
    #[error("this copy cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The right edge of what was copied before is damaged.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A sealed object of this copy cannot be read.
    #[error("this copy cannot be read: {0}")]
    Sealed(#[from] SealedError),
    /// The index failed.
    #[error(transparent)]
    Index(IndexError),
    /// A fault of this program.
    #[error("{0}: this is a fault of the program")]
    Batch(#[from] BatchError),
}

impl FollowError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            FollowError::Remote(_) => Stop::Unreachable,
            FollowError::Store(error) => error.stop(),
            FollowError::Lock(error) => error.stop(),
            FollowError::Copy(error) => error.stop(),
            FollowError::Key(error) => error.stop(),
            FollowError::Policy { .. } => Stop::Policy,
            FollowError::Charter { .. } => Stop::FollowOtherLog,
            FollowError::Witnesses { .. } => Stop::FollowUnwitnessed,
            FollowError::Note { .. }
            | FollowError::Older { .. }
            | FollowError::Forked { .. }
            | FollowError::Entries { .. }
            | FollowError::Admission { .. }
            | FollowError::Record { .. }
            | FollowError::Zero { .. }
            | FollowError::Attachment { .. }
            | FollowError::Kept { .. } => Stop::FollowMisbehaved,
            FollowError::ReaderKey { .. } => Stop::FollowReader,
            FollowError::Read(_) => Stop::LogDamaged,
            FollowError::Open(error) => error.stop(),
            FollowError::Sealed(error) => error.stop(),
            FollowError::Index(error) => error.stop(),
            FollowError::Batch(_) => Stop::Program,
        }
    }

    /// The exit code [cli.md]: 3 when the log misbehaved.
    pub fn exit_code(&self) -> u8 {
        match self {
            FollowError::Charter { .. } | FollowError::Witnesses { .. } => 1,
            FollowError::Lock(_)
            | FollowError::Copy(CopyError::Log { .. } | CopyError::Progress { .. })
            | FollowError::Key(_)
            | FollowError::Policy { .. }
            | FollowError::ReaderKey { .. } => 2,
            FollowError::Note { .. }
            | FollowError::Older { .. }
            | FollowError::Forked { .. }
            | FollowError::Entries { .. }
            | FollowError::Admission { .. }
            | FollowError::Record { .. }
            | FollowError::Zero { .. }
            | FollowError::Attachment { .. }
            | FollowError::Kept { .. } => EXIT_MISBEHAVED,
            FollowError::Remote(_)
            | FollowError::Store(_)
            | FollowError::Copy(_)
            | FollowError::Read(_)
            | FollowError::Open(_)
            | FollowError::Sealed(_)
            | FollowError::Index(_)
            | FollowError::Batch(_) => 4,
        }
    }
}
