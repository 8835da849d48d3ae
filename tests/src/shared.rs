//! Where other people's files are: `../shared` beside the project, or `VITRINE_SHARED` (CONTRIBUTING.md); and their programs.
//!
//! A test that needs them fails when they are missing and `CI` is set; elsewhere it says that it checked nothing. Not
//! here: reading any of them (`vectors`).

use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder with `vectors/` and `data/`; `None` when it is missing and `CI` is not set, after a line on standard error.
///
/// # Panics
/// When it is missing and `CI` is set.
#[must_use]
pub fn folder(test: &str) -> Option<PathBuf> {
    found(test, &place(), std::env::var_os("CI").is_some())
}

/// The vectors inside it, on the same terms.
///
/// # Panics
/// As [`folder`].
#[must_use]
pub fn vectors(test: &str) -> Option<PathBuf> {
    folder(test).map(|folder| folder.join("vectors"))
}

fn place() -> PathBuf {
    // Cargo runs tests in the folder of their crate; whoever set the variable was in the project's.
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    project.join(std::env::var_os("VITRINE_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from))
}

fn found(test: &str, folder: &Path, required: bool) -> Option<PathBuf> {
    if folder.join("vectors").is_dir() {
        return Some(folder.to_owned());
    }
    let lack = format!("{} is not there, set VITRINE_SHARED", folder.join("vectors").display());
    assert!(!required, "{test}: {lack}; CI is set, so it must be");
    not_checked(test, &lack);
    None
}

/// Whether these programs of the system are there; otherwise a line on standard error says what was not checked.
///
/// # Panics
/// When one is missing and `CI` is set.
#[must_use]
pub fn programs(test: &str, names: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |name: &str| {
        let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
        std::env::split_paths(&path).chain(system).any(|folder| folder.join(name).is_file())
    };
    let missing: Vec<&str> = names.iter().copied().filter(|name| !there(name)).collect();
    if missing.is_empty() {
        return true;
    }
    let lack = format!("missing {}; ./check installs what it can", missing.join(", "));
    assert!(std::env::var_os("CI").is_none(), "{test}: {lack}; CI is set, so they must be there");
    not_checked(test, &lack);
    false
}

/// One line about what was not checked, for whoever runs the tests.
pub fn not_checked(test: &str, lack: &str) {
    // Not `eprintln!`, whose text the test harness keeps to itself when a test passes. If standard error is closed, the
    // note is lost and nothing else.
    let _ = writeln!(std::io::stderr(), "NOT CHECKED: {test}: {lack}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_a_lack_is_said() {
        assert_eq!(found("a test of lacks", Path::new("/nowhere"), false), None);
    }

    #[test]
    #[should_panic(expected = "CI is set")]
    fn in_ci_a_lack_fails() {
        let _ = found("a test of lacks", Path::new("/nowhere"), true);
    }
}
