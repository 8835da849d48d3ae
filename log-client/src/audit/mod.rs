//! `audit`: a verified copy of the log, and what it says (cli.md).

pub mod report;
pub mod source;
pub mod copy;
pub mod walk;
pub mod chains;
pub mod digests;
pub mod times;

use crate::exit::Exit;
use crate::output::Out;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Audits a log.
pub fn run(_args: Args, _out: &Out) -> Exit {
    Exit::Usage
}
