//! The main job, told step by step: what `./demo` shows and what the end-to-end test runs with small files.
//!
//! Every step is done by the binaries' own commands and must end as it says; the first that does not stops the demo.

pub mod show;
pub mod product;
pub mod customer;
pub mod debian;
pub mod refusals;
pub mod forgeries;
pub mod killing;
pub mod imported;
pub mod access;
pub mod wronged;
