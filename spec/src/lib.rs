//! What the log, its witnesses, its clients and its supervisor must agree on: bytes, trees, proofs, admission and verdicts.
//!
//! Bytes and time in, decision out. `no_std` with `alloc`; no I/O, clock or randomness, and no `unsafe`.
//! The requirements are numbered in `docs/`; code and tests cite them as `[H-1]`.
//! The modules stand in reading order: each uses only those above it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod limits;
pub mod text;
pub mod hash;
pub mod tree;
pub mod tiles;
pub mod edge;
pub mod proof;
pub mod key;
pub mod note;
pub mod checkpoint;
pub mod cosignature;
pub mod policy;
pub mod tlog_proof;
pub mod bundle;
pub mod evidence;
pub mod add_checkpoint;
pub mod json;
pub mod refusal;
pub mod words;
pub mod fields;
pub mod commitment;
pub mod wrap;
pub mod envelope;
pub mod statement;
pub mod body;
pub mod event;
pub mod opening;
pub mod sealing;
pub mod state;
pub mod admission;
pub mod request;
pub mod trust;
pub mod watched;
pub mod floor;
pub mod verdict;
