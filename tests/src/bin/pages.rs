//! Writes man pages and shell completions: `pages DIR`. They are made of the programs' own command lines.

use std::path::Path;
use std::process::ExitCode;

use vitrine_tests::pages;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let [folder] = words.as_slice() else {
        eprintln!("usage: pages DIR");
        return ExitCode::from(2);
    };
    match pages::write(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pages: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
