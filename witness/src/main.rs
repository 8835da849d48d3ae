//! The program `witness`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    vitrine_witness::run()
}
