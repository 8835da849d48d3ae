//! The client of a Vitrine log: for issuers, customers, monitors and the supervisor (cli.md; design.md 5).
//!
//! Modules in reading order; a module uses only those above it. The verdicts are pure functions of `vitrine_spec`;
//! `verify_update` and everything it uses opens no socket: `http` asks logs, `gateway` listens on loopback, nothing else does.

pub mod limits;
pub mod exit;
pub mod output;
pub mod files;
pub mod clock;
pub mod keyfile;
pub mod policies;
pub mod verify_update;
pub mod event_file;
pub mod explain;
pub mod answer;
pub mod upload;
pub mod http;
pub mod place;
pub mod draft;
pub mod given;
pub mod spool;
pub mod batch;
pub mod found;
pub mod sealer;
pub mod readers;
pub mod deliver;
pub mod gateway;
pub mod import;
pub mod replay;
pub mod sealed_source;
pub mod audit;
pub mod watch;
pub mod commands;
pub mod cli;
#[cfg(test)]
mod world;

pub use cli::{command, run};
