//! The oracle: what trees, tiles, messages and JSON are, written from their definitions and sharing no code with `spec`.
//!
//! Slow and plain on purpose; hashes are byte arrays, sizes are `usize` or `u64`. Not here: parsing of notes and policies,
//! which the vectors judge.

pub mod merkle;
pub mod verify;
pub mod subtree;
pub mod tiles;
pub mod messages;
pub mod json;

/// SHA-256 of some bytes.
pub type Digest = [u8; 32];
