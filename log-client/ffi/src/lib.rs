//! The offline verdict for programs that are not written in Rust: bytes in, exit code and JSON out (docs/embedding.md).
//!
//! `judge` is the whole of it, in safe Rust; `abi` gives it to C. No file, clock, socket, thread or randomness: the caller
//! brings bytes and time. Not here: any decision, which are all in `vitrine_spec::verdict`.

pub mod judge;
pub mod abi;
