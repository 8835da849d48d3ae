//! `verify-update`: the offline verdict about a file and its proofs (cli.md; 90-verdict.md).
//!
//! Reads files, asks the clock once, calls one pure function, prints its answer. Not here: a socket; any decision.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use vitrine_spec::hash::Hash;
use vitrine_spec::limits::TLOG_PROOF_BYTES_MAX;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{self, Outcome, Pins, PinsError, Proof, Verdict, Witnessing};

use crate::clock;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::limits::POLICY_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::policies;

/// Prefix of the lines of a verdict that say what no log can show.
const LIMIT: &str = "limit: ";

/// Bytes of the judged file that are in memory at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Arguments of `verify-update`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that was downloaded; `-` for standard input
    file: PathBuf,
    /// Folder with `policy` and `trust.toml` [default: /etc/vitrine, then the user's configuration folder]
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// A tlog-proof: of the update, and of its builds, rebuilds, reviews or revocation [default: FILE.tlog-proof]
    #[arg(long = "proof", value_name = "F.tlog-proof")]
    proofs: Vec<PathBuf>,
    /// The time to judge at: `now`, seconds since 1970, or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "T", default_value = "now")]
    now: String,
    /// Take a policy that says `quorum none`; the verdict says so
    #[arg(long)]
    unwitnessed: bool,
}

/// Judges a file; exit 0, 1, 2 or 5.
pub fn run(args: Args, out: &Out) -> Exit {
    match judge(&args) {
        Ok(verdict) => print(verdict, out),
        Err(failure) => out.fail(&failure),
    }
}

fn judge(args: &Args) -> Result<Verdict, Failure> {
    let now = clock::parse(&args.now)?;
    let pins = load_pins(args.trust.as_deref(), args.unwitnessed)?;
    let beside = files::beside(&args.file, "tlog-proof");
    let paths = if args.proofs.is_empty() { std::slice::from_ref(&beside) } else { args.proofs.as_slice() };
    let mut proofs = Vec::with_capacity(paths.len());
    for path in paths {
        proofs.push((path.display().to_string(), files::read_judged(path, TLOG_PROOF_BYTES_MAX as u64)?));
    }
    let (sha256, size) = digest(&args.file)?;
    let name = args.file.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned());
    let file = verdict::File { name: &name, sha256, size };
    let proofs: Vec<Proof<'_>> = proofs.iter().map(|(name, bytes)| Proof { name, bytes }).collect();
    Ok(verdict::verify_update(&file, &proofs, &pins, Some(now)))
}

/// Policy and trust file of a trust folder, fitting each other; anything wrong with them is exit 2.
pub fn load_pins(dir: Option<&Path>, unwitnessed: bool) -> Result<Pins, Failure> {
    let dir = files::trust_dir(dir)?;
    let policy = policies::load(&dir.join("policy"), unwitnessed)?;
    let path = dir.join("trust.toml");
    let trust = TrustFile::parse(&files::read_text(&path, POLICY_FILE_BYTES_MAX)?).map_err(|error| {
        Failure::usage("trust.malformed", "this is not a trust file").side("file", path.display()).side("reason", error)
    })?;
    let witnessing = if unwitnessed { Witnessing::Unwitnessed } else { Witnessing::Required };
    Pins::new(policy, trust, witnessing).map_err(|error| {
        let code = match error {
            PinsError::Policy(_) => "policy.witness-twice",
            PinsError::LogKey { .. } => "trust.log-key",
            PinsError::QuorumNone => "policy.unwitnessed",
        };
        Failure::usage(code, "policy and trust file do not fit").side("folder", dir.display()).side("reason", error)
    })
}

/// SHA-256 and length of a file of any length.
fn digest(path: &Path) -> Result<(Hash, u64), Failure> {
    let mut reader: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|error| unreadable(path, &error))?)
    };
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut size = 0_u64;
    loop {
        let read = reader.read(&mut buffer).map_err(|error| unreadable(path, &error))?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        size += read as u64;
    }
    Ok((Hash::new(hasher.finalize().into()), size))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage("file.read", "the file to judge cannot be read").side("file", path.display()).side("system", error)
}

/// Prints a verdict of `vitrine_spec`; the exit code is its outcome.
pub fn print(verdict: Verdict, out: &Out) -> Exit {
    out.report(&report(verdict))
}

/// The five members as they are; the limits stand where every other command has them.
fn report(verdict: Verdict) -> Report {
    let exit = match verdict.outcome {
        Outcome::Verified => Exit::Done,
        Outcome::NotVerified => Exit::NotVerified,
        Outcome::NotYet => Exit::NotYet,
    };
    let mut report = Report::new(exit, verdict.outcome.word(), verdict.code.as_str(), verdict.reason);
    report.checked = verdict.checked;
    report.not_checked = verdict.not_checked;
    report.not_checked.retain(|line| !line.starts_with(LIMIT));
    report.limits = true;
    report
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use vitrine_spec::verdict::Code;

    fn verdict(code: Code) -> Verdict {
        let mut not_checked = vec!["charter: no proof of entry 0 was given".to_owned()];
        not_checked.extend(verdict::LIMITS.iter().map(|limit| format!("{LIMIT}{limit}")));
        Verdict {
            outcome: code.outcome(),
            code,
            reason: "reason".into(),
            checked: vec!["inclusion: entry 3 of 5".into()],
            not_checked,
        }
    }

    #[test]
    fn the_outcome_is_the_exit_code() {
        for (code, exit) in
            [(Code::Verified, Exit::Done), (Code::FileDigest, Exit::NotVerified), (Code::Quorum, Exit::NotYet)]
        {
            assert_eq!(report(verdict(code)).exit, exit);
        }
    }

    #[test]
    fn json_has_the_limits_in_not_checked_and_people_read_them_once_at_the_end() {
        let json: serde_json::Value = serde_json::from_str(&report(verdict(Code::Verified)).json()).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 5);
        assert_eq!(json["verdict"], "verified");
        assert_eq!(json["not_checked"].as_array().unwrap().len(), 4);
        let human = report(verdict(Code::FileDigest)).human(crate::output::Paint(false));
        for limit in crate::output::LIMITS {
            assert_eq!(human.matches(limit).count(), 1, "{human}");
        }
        assert!(human.starts_with("not-verified: reason\n"), "{human}");
    }

    #[test]
    fn a_proof_that_is_too_long_is_a_wrong_proof_and_no_wrong_command_line() {
        let dir = tempfile::tempdir().unwrap();
        let world = crate::world::World::new();
        let trust = format!(
            "charter = \"{}\"\norigin = \"{}\"\nlog_keys = \"ed\"\n",
            crate::world::charter_event().id().hex(),
            crate::world::ORIGIN
        );
        std::fs::write(dir.path().join("policy"), &world.policy_text).unwrap();
        std::fs::write(dir.path().join("trust.toml"), trust).unwrap();
        let file = dir.path().join("app");
        std::fs::write(&file, b"app").unwrap();
        for length in [0, 1 << 10, TLOG_PROOF_BYTES_MAX as u64 + 1, 1 << 32] {
            std::fs::File::create(files::beside(&file, "tlog-proof")).unwrap().set_len(length).unwrap();
            let (file, trust) = (file.clone(), Some(dir.path().to_owned()));
            let args = Args { file, trust, proofs: Vec::new(), now: "now".into(), unwitnessed: false };
            assert_eq!(judge(&args).unwrap().code, Code::ProofMalformed, "{length}");
        }
    }

    #[test]
    fn a_file_is_hashed_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let bytes = vec![7; BUFFER_BYTES + 3];
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(digest(&path).unwrap(), (Hash::of(&bytes), bytes.len() as u64));
        assert_eq!(digest(&dir.path().join("none")).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn without_a_pin_nothing_is_verified() {
        let dir = tempfile::tempdir().unwrap();
        let failure = load_pins(Some(&dir.path().join("none")), false).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Usage, "trust.missing"));
    }
}
