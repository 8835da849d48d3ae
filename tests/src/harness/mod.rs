//! Real processes on loopback: the binaries, one server, one command, a whole log with its witnesses.
//!
//! Used by the end-to-end tests, the demo and the benchmarks. Not here: what any of them asserts.

pub mod process;
pub mod http;
pub mod files;
pub mod world;
pub mod forge;
pub mod events;
pub mod sealing;
pub mod accesses;
