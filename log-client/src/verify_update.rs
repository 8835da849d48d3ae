//! `verify-update`: the offline verdict on a file and its proofs (cli.md).

use crate::exit::Exit;
use crate::output::Out;

/// Arguments of `verify-update`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Judges a file.
pub fn run(_args: Args, _out: &Out) -> Exit {
    Exit::Usage
}
