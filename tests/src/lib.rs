//! What the tests, the demo and the benchmarks share: processes, worlds, forgeries.

pub mod harness;
pub mod demo;
pub mod bench;
