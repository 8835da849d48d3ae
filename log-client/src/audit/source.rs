//! Where the audit reads from: objects of a log by their path (tlog-tiles; design.md 4).
//!
//! One small trait, so that a directory or memory can stand in for the network. Nothing that comes from here is believed.
//! Not here: HTTP itself (`http`), and what the objects mean (`copy`, `walk`).

use crate::exit::Failure;

/// One object that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Path below the log's prefix, for example `tile/0/000`.
    pub path: String,
    /// More bytes than this are refused.
    pub bytes_max: u64,
}

/// A log that can be read.
pub trait Source: Sync {
    /// The bytes of each object, in the order asked for; `None` where the log has no such object.
    ///
    /// Fails when the log cannot be reached, or sends more than was wanted.
    fn read(&self, wants: &[Want]) -> Result<Vec<Option<Vec<u8>>>, Failure>;
}

impl<S: Source + ?Sized> Source for &S {
    fn read(&self, wants: &[Want]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        (**self).read(wants)
    }
}

/// One object, which may be missing.
pub fn read_one(source: &impl Source, path: String, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
    let mut all = source.read(&[Want { path, bytes_max }])?;
    Ok(all.pop().flatten())
}
