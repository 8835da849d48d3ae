//! Other people's vectors and our own, by one table: what a file is, who runs it, how many cases it has.
//!
//! A file without a row fails. `VITRINE_VECTORS=DIR` runs another directory by the same table (docs/cli.md). Not here: where
//! the files are (`shared`).

mod reason;
mod input;
mod report;
mod merkle;
mod note;
mod checkpoint;
mod tiles;
mod logs;
mod proof;
mod policy;
mod witness;
mod evidence;
mod json;
mod sealed;
mod leaves;
mod requirements;
mod verdict;
mod drill;
mod table;
mod run;
pub mod make;

pub use reason::all as all_reasons;
pub use report::{Pins, Report};
pub use requirements::CASES as CASES_OF_REQUIREMENTS;
pub use run::{RowReport, files, read_pins, run, uncovered};
pub use table::{ROWS, Row, Whose};
