//! What the tests, the demo and the benchmarks share: other people's files, Python, man pages, the oracle, vectors, other readers, processes, worlds, forgeries.

pub mod shared;
pub mod python;
pub mod pages;
pub mod oracle;
pub mod vectors;
pub mod interop;
pub mod harness;
pub mod demo;
pub mod scenario;
pub mod bench;
