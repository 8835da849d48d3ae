//! `bundle`: gets an update with what stands behind it from a log, judges it as `verify-update` would, and keeps it (cli.md).
//!
//! What is kept verifies offline, wherever it is copied to. Not here: the verdict (`verify_update`), what a log puts into a
//! bundle and what it may leave out (92-bundle.md).

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use vitrine_spec::body::Body;
use vitrine_spec::bundle::Bundle;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::verdict::{File, Outcome, Pins, Proof, Question, Verdict, verify_update};

use crate::clock;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::http::{HttpError, Log};
use crate::output::Out;
use crate::verify_update::{self, load_pins};

/// `bundle`.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("of").required(true).args(["file", "sha256"]),
    after_help = "\
FILE.vitrine goes to whoever gets FILE: `log-client verify-update FILE` finds it and asks nobody.
What does not verify is not kept, unless it is only too early (exit 5): then the same command gets
a later one."
)]
pub struct BundleArgs {
    /// The update
    file: Option<PathBuf>,
    /// The update's SHA-256, when the file is not here
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// The log
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// Folder with `policy` and `trust.toml` [default: /etc/vitrine, then the user's configuration folder]
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// Where it goes [default: FILE.vitrine, or HEX.vitrine in this folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Take a policy that says `quorum none`; the verdict says so
    #[arg(long)]
    unwitnessed: bool,
}

/// Runs `bundle`.
pub fn run(args: &BundleArgs, out: &Out) -> Result<Exit, Failure> {
    let pins = load_pins(args.trust.as_deref(), args.unwitnessed)?;
    let (name, sha256, size) = match (&args.file, &args.sha256) {
        (Some(path), _) => {
            let (sha256, size) = verify_update::digest(path)?;
            (
                path.file_name().map_or_else(|| "-".into(), |name| name.to_string_lossy().into_owned()),
                sha256,
                Some(size),
            )
        }
        (None, given) => {
            let given = given.as_deref().unwrap_or_default();
            let sha256 = Hash::from_hex(given).map_err(|error| {
                Failure::usage("bundle.sha256", "this is no SHA-256").side("given", given).side("reason", error)
            })?;
            (given.to_owned(), sha256, None)
        }
    };
    let path = match (&args.out, &args.file) {
        (Some(path), _) => path.clone(),
        (None, Some(file)) if file != Path::new("-") => files::beside(file, "vitrine"),
        (None, _) => PathBuf::from(format!("{}.vitrine", sha256.hex())),
    };
    let log = Log::new(&args.log)?;
    let bytes = log.update_bundle(&sha256).map_err(|error| none(error, &sha256))?;
    let (verdict, known) = judge(&name, sha256, size, &bytes, &pins, clock::now());
    let keep = verdict.outcome != Outcome::NotVerified;
    if keep {
        files::replace(&path, &bytes)?;
    }
    let mut report = verify_update::report(verdict);
    if !known {
        report = report.not_checked("file: its size and its bytes; only its SHA-256 was given");
    }
    report = report.with("bundle", keep.then(|| path.display().to_string()));
    if keep {
        let count = Bundle::parse(&bytes).map_or(0, |bundle| bundle.entries.len());
        out.note(&format!("{}: {count} entries, {} bytes", path.display(), bytes.len()));
    }
    Ok(out.report(&report))
}

/// The verdict about a file by its bundle alone; and whether the size of the file was known.
fn judge(name: &str, sha256: Hash, size: Option<u64>, bytes: &[u8], pins: &Pins, now: u64) -> (Verdict, bool) {
    let known = size.is_some();
    let size = size.or_else(|| said(bytes, &sha256)).unwrap_or_default();
    let bundles = [Proof { name: "the log's bundle", bytes }];
    let file = File { name, sha256, size };
    let question = Question { bundles: &bundles, ..Question::new(file, &[], pins, Some(now)) };
    (verify_update(&question), known)
}

/// The size that an update of the bundle gives the file.
fn said(bytes: &[u8], sha256: &Hash) -> Option<u64> {
    let bundle = Bundle::parse(bytes).ok()?;
    bundle.entries.iter().find_map(|(_, leaf)| {
        let statement = Event::read_leaf(leaf).ok()?.statement;
        let of_file = statement.subject.iter().find(|file| file.digest.sha256 == Some(*sha256))?;
        matches!(statement.body, Body::Update(_)).then_some(of_file.size)?
    })
}

fn none(error: HttpError, sha256: &Hash) -> Failure {
    if !error.is_not_found() {
        return error.into();
    }
    Failure::refused("bundle.none", "the log has published no update that holds this file")
        .side("SHA-256", sha256.hex())
        .side("answer", error)
        .now("check that the file is the one that was released, and the log the one that its vendor names")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::http::Problem;

    #[test]
    fn a_log_without_the_file_says_no_and_one_that_is_busy_says_nothing() {
        let sha256 = Hash::of(b"app");
        let ended = |status: u16, code: &str| {
            let problem = Problem { code: code.into(), ..Problem::default() };
            let (url, body) = (String::new(), String::new());
            none(HttpError::Status { url, status, retry_after: None, problem: Some(Box::new(problem)), body }, &sha256)
        };
        let of = |failure: Failure| (failure.exit, failure.code);
        assert_eq!(of(ended(404, "not-found")), (Exit::NotVerified, "bundle.none".into()));
        assert!(ended(404, "not-found").to_string().contains(&sha256.hex()));
        assert_eq!(of(ended(422, "bundle-full")), (Exit::NotVerified, "bundle-full".into()));
        assert_eq!(of(ended(503, "busy")), (Exit::Unreachable, "busy".into()));
    }

    #[test]
    fn what_is_no_bundle_gives_no_size() {
        assert_eq!(said(b"vitrine.example/bundle@v0\n", &Hash::of(b"app")), None);
        let folder = tempfile::tempdir().unwrap();
        let args = BundleArgs {
            file: None,
            sha256: Some("ab".into()),
            log: "http://127.0.0.1:9".into(),
            trust: Some(folder.path().join("none")),
            out: None,
            unwitnessed: false,
        };
        assert_eq!(run(&args, &Out::new(true)).unwrap_err().code, "trust.missing", "nothing is believed on first use");
    }
}
