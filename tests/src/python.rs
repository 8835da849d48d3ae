//! Programs in Python that come from PyPI, each in an environment of its own below the target folder, every version pinned.
//!
//! Not here: what a lack of one means to a test; see [`said`] for the line that it is worth.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with the programs of `tests/interop/<name>/requirements.txt`, installed when those versions are not there yet.
///
/// # Errors
/// What is lacking.
pub fn environment(name: &str) -> Result<PathBuf, String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(name).join("requirements.txt");
    let asked = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let profile = own.ancestors().find(|folder| folder.join("deps").is_dir());
    let target = profile.and_then(Path::parent).ok_or_else(|| format!("{} is in no target folder", own.display()))?;
    let folder = target.join("tools").join(name);
    let (programs, complete) = (folder.join("bin"), folder.join("complete"));
    if fs::read_to_string(&complete).is_ok_and(|has| has == asked) {
        return Ok(programs);
    }
    let text = |path: &Path| path.display().to_string();
    let made = Command::new("python3").args(["-m", "venv", "--clear", &text(&folder)]).output();
    let made = made.map_err(|error| format!("python3: {error}"))?;
    if !made.status.success() {
        return Err(format!("python3 -m venv: {}", String::from_utf8_lossy(&made.stderr)));
    }
    let quiet = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", &text(&list)];
    let installed = Command::new(programs.join("pip")).args(quiet).output().map_err(|error| format!("pip: {error}"))?;
    if !installed.status.success() {
        return Err(format!("pip: {}", String::from_utf8_lossy(&installed.stderr)));
    }
    fs::write(&complete, asked).map_err(|error| error.to_string())?;
    Ok(programs)
}

/// The environment, or `None` after a line that says what was not checked.
///
/// # Panics
/// When it cannot be had and `CI` is set.
#[must_use]
pub fn said(name: &str, what: &str) -> Option<PathBuf> {
    match environment(name) {
        Ok(programs) => Some(programs),
        Err(lack) => {
            assert!(std::env::var_os("CI").is_none(), "{name}: {lack}; CI is set, so it must be there");
            // As `shared::folder` does: the test harness keeps what `eprintln!` says to itself.
            let _ = writeln!(std::io::stderr(), "NOT CHECKED: {what}: {lack}");
            None
        }
    }
}
