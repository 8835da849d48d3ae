//! The command line: one subcommand per line of cli.md, and nothing decided here.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::Exit;
use crate::output::Out;

#[derive(Debug, Parser)]
#[command(name = "log-client", version, about, long_about = None, propagate_version = true)]
struct Cli {
    /// One JSON document instead of text: {verdict, code, reason, checked[], not_checked[], ...}
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether an update file is the logged one, offline
    VerifyUpdate(crate::verify_update::Args),
    /// Recompute the whole log and report what was found and what was not checked
    Audit(crate::audit::Args),
}

/// Runs the client; `args` begins with the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own help and version are successes; a usage error is 2.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let out = Out::new(cli.json);
    match cli.command {
        Command::VerifyUpdate(args) => crate::verify_update::run(args, &out),
        Command::Audit(args) => crate::audit::run(args, &out),
    }
    .into()
}
