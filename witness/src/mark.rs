//! The "has signed" mark beside the keys: which journal they last signed from (55-witness.md).
//!
//! Without it a lost journal would look like a fresh one. Not here: what is done about it (`core`).

use crate::disk::{self, Disk, DiskError};
use crate::limits::SMALL_FILE_BYTES_MAX;
use crate::record::JournalId;
use crate::stop::Stop;

/// The mark's file name, in `--keys`.
pub const NAME: &str = "has-signed";
const FIRST_LINE: &str = "vitrine witness has-signed 1";

/// Why the mark cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// A step on the directory failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file holds something else.
    #[error("{NAME} in the keys directory is not a mark of this version; restore it, or start with new keys")]
    Unknown,
}

impl MarkError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            MarkError::Disk(error) => error.stop(),
            MarkError::Unknown => Stop::Mark,
        }
    }
}

/// The journal that these keys signed from; `None` when they never signed [D-9].
pub fn read(keys: &dyn Disk) -> Result<Option<JournalId>, MarkError> {
    let Some(bytes) = disk::read_small(keys, NAME, SMALL_FILE_BYTES_MAX)? else { return Ok(None) };
    std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.strip_prefix(FIRST_LINE)?.strip_prefix("\njournal ")?.strip_suffix('\n'))
        .and_then(JournalId::from_hex)
        .map(Some)
        .ok_or(MarkError::Unknown)
}

/// Writes the mark; durable when it returns [D-9].
pub fn write(keys: &dyn Disk, id: JournalId) -> Result<(), DiskError> {
    disk::replace_small(keys, NAME, format!("{FIRST_LINE}\njournal {}\n", id.hex()).as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    #[test]
    fn one_spelling() {
        // [D-9]
        let dir = tempfile::tempdir().unwrap();
        let disk = OsDisk::open(dir.path());
        assert_eq!(read(&disk).unwrap(), None);
        let id = JournalId::new([0xab; 16]);
        write(&disk, id).unwrap();
        assert_eq!(read(&disk).unwrap(), Some(id));
        let text = std::fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert_eq!(text, format!("vitrine witness has-signed 1\njournal {}\n", "ab".repeat(16)));
        for wrong in ["", "vitrine witness has-signed 2\n", &text.to_uppercase(), &text[..text.len() - 1]] {
            std::fs::write(dir.path().join(NAME), wrong).unwrap();
            assert!(matches!(read(&OsDisk::open(dir.path())), Err(MarkError::Unknown)), "{wrong:?}");
        }
    }
}
