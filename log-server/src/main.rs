//! The binary `log-server` (cli.md). Not here: everything, it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    vitrine_log_server::run(std::env::args_os())
}
