//! The `log-client` binary: everything is in the library (cli.md).

use std::process::ExitCode;

fn main() -> ExitCode {
    vitrine_log_client::run(std::env::args_os())
}
