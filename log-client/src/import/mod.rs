//! Importers: records of other systems become access events, attestations of builds become builds (docs/import.md).
//!
//! Modules in reading order: what the mapping file and its tables say, what a record says and what becomes of it, the three
//! sources, the run that logs each record once; then `slsa`, which shares nothing with them. What a source does not say is UNKNOWN or null and counted, never guessed.
//! Not here: sealing (`sealer`), sending (`deliver`), the command line.

pub mod tables;
pub mod mapping;
pub mod counts;
pub mod found;
pub mod lines;
pub mod sql;
pub mod cloudtrail;
pub mod csv;
pub mod pgaudit;
pub mod importer;
pub mod natives;
pub mod done;
pub mod run;
pub mod slsa;
#[cfg(test)]
mod tests;

pub use importer::{Imported, Importer, Kind};
pub use mapping::Mapping;
