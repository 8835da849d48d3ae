//! `verify-update`: the offline verdict about a file and its proofs (cli.md; 90-verdict.md).
//!
//! Reads files, asks the clock once, calls one pure function, raises the floor, prints the answer. Not here: a socket; any decision.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::floor::{Floor, Raise};
use vitrine_spec::hash::Hash;
use vitrine_spec::limits::{FLOOR_BYTES_MAX, RELEASE_BYTES_MAX, TLOG_PROOF_BYTES_MAX, WATCHED_BYTES_MAX};
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{self, Outcome, Pins, PinsError, Proof, Question, Verdict, Witnessing};
use vitrine_spec::watched::Watched;

use crate::clock;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::limits::{POLICY_FILE_BYTES_MAX, RELEASES_MAX};
use crate::output::{Out, Report};
use crate::policies;

/// Prefix of the lines of a verdict that say what no log can show.
const LIMIT: &str = "limit: ";

/// Bytes of the judged file that are in memory at once.
const BUFFER_BYTES: usize = 1 << 20;

/// The file in which a watch leaves what it has read, in its state folder (94-watched.md).
pub const WATCHED: &str = "watched";

mod folder;

/// Arguments of `verify-update`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that was downloaded, or a folder of files with their proofs or bundles beside them; `-` for standard input
    #[arg(value_name = "FILE|DIR")]
    file: PathBuf,
    /// Folder with `policy` and `trust.toml` [default: /etc/vitrine, then the user's configuration folder]
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// A tlog-proof: of the update, and of its builds, rebuilds, reviews or revocation [default: FILE.tlog-proof and
    /// FILE.build.tlog-proof, if there]
    #[arg(long = "proof", value_name = "F.tlog-proof")]
    proofs: Vec<PathBuf>,
    /// A bundle: the update and what stands behind it in one file [default: FILE.vitrine, if there]
    #[arg(long = "bundle", value_name = "F.vitrine")]
    bundles: Vec<PathBuf>,
    /// The state folder of `watch`: revocations, second digests and disowned events that it has read count
    #[arg(long, value_name = "DIR")]
    watch_state: Option<PathBuf>,
    /// Remember in FILE the newest release of each stream that was verified, and refuse older ones
    #[arg(long, value_name = "FILE")]
    floor: Option<PathBuf>,
    /// Of a folder: write the table to FILE too
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// The time to judge at: `now`, seconds since 1970, or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "T", default_value = "now")]
    now: String,
    /// Take a policy that says `quorum none`; the verdict says so
    #[arg(long)]
    unwitnessed: bool,
}

/// Judges a file or a folder; exit 0, 1, 2 or 5.
pub fn run(args: &Args, out: &Out) -> Exit {
    let ended = if args.file.is_dir() {
        folder::run(args, out)
    } else {
        judge(args).map(|verdict| out.report(&report(verdict)))
    };
    ended.unwrap_or_else(|failure| out.fail(&failure))
}

fn judge(args: &Args) -> Result<Verdict, Failure> {
    if let Some(csv) = &args.csv {
        return Err(Failure::usage("verify.csv", "a table is written of a folder, and this is none")
            .side("given", args.file.display())
            .side("table", csv.display()));
    }
    let machine = Machine::load(args)?;
    let (proofs, bundles) = evidence(&args.file, &args.proofs, &args.bundles)?;
    let verdict = judge_file(&args.file, &proofs, &bundles, &machine)?;
    machine.raise(verdict.raise.as_slice())?;
    Ok(verdict)
}

/// Everything that a verdict depends on besides the file and its evidence.
#[derive(Debug)]
pub struct Machine {
    pins: Pins,
    now: u64,
    watched: Option<Watched>,
    /// The floor and its file.
    floor: Option<(PathBuf, Floor)>,
}

impl Machine {
    fn load(args: &Args) -> Result<Machine, Failure> {
        let now = clock::parse(&args.now)?;
        let pins = load_pins(args.trust.as_deref(), args.unwitnessed)?;
        let watched = args.watch_state.as_deref().map(load_watched).transpose()?;
        let floor = args.floor.as_deref().map(|path| load_floor(path, &pins)).transpose()?;
        let floor = args.floor.clone().zip(floor);
        Ok(Machine { pins, now, watched, floor })
    }

    /// Raises the floor in its file, if there is one.
    fn raise(&self, raises: &[Raise]) -> Result<(), Failure> {
        match &self.floor {
            Some((path, _)) if !raises.is_empty() => raise_floor(path, &self.pins, raises),
            Some(_) | None => Ok(()),
        }
    }
}

/// Raises the floor in a file, from what stands there now: another run may have raised it since it was judged by.
fn raise_floor(path: &Path, pins: &Pins, raises: &[Raise]) -> Result<(), Failure> {
    let lock = files::beside(path, "lock");
    let locked = File::options().create(true).truncate(false).write(true).open(&lock).and_then(|file| {
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    });
    let _locked = locked.map_err(|error| {
        Failure::usage("file.write", "the floor cannot be raised").side("file", lock.display()).side("system", error)
    })?;
    let before = load_floor(path, pins)?;
    let mut floor = before.clone();
    raises.iter().for_each(|raise| floor.raise(raise));
    if floor == before { Ok(()) } else { files::replace(path, floor.print().as_bytes()) }
}

/// A file of evidence: its path, for messages, and its bytes.
pub type Given = (String, Vec<u8>);

/// The proofs and bundles of a file: those given, else those beside it, of which there is one at least.
pub fn evidence(file: &Path, proofs: &[PathBuf], bundles: &[PathBuf]) -> Result<(Vec<Given>, Vec<Given>), Failure> {
    let (mut proofs, mut bundles) = (proofs.to_vec(), bundles.to_vec());
    if proofs.is_empty() && bundles.is_empty() {
        let (proof, bundle) = (&files::beside(file, "tlog-proof"), files::beside(file, "vitrine"));
        proofs.extend(proof.exists().then(|| proof.clone()));
        // What `log` wrote there with the update's.
        let builds =
            (0..RELEASES_MAX).map(|at| files::beside(file, &build_ending(at))).take_while(|path| path.exists());
        proofs.extend(builds);
        bundles.extend(bundle.exists().then(|| bundle.clone()));
        if proofs.is_empty() && bundles.is_empty() {
            if file != Path::new("-") {
                File::open(file).map_err(|error| unreadable(file, &error))?;
            }
            return Err(Failure::usage("proof.none", "there is neither a proof nor a bundle of this file")
                .side("proof", proof.display())
                .side("bundle", bundle.display())
                .now("give --proof or --bundle; `log-client bundle` gets one from the log"));
        }
    }
    let read = |paths: &[PathBuf], most: usize| -> Result<Vec<Given>, Failure> {
        paths.iter().map(|path| Ok((path.display().to_string(), files::read_judged(path, most as u64)?))).collect()
    };
    Ok((read(&proofs, TLOG_PROOF_BYTES_MAX)?, read(&bundles, RELEASE_BYTES_MAX)?))
}

/// What the name of a proof ends in that lies beside a file, of its build number `at`.
pub fn build_ending(at: usize) -> String {
    if at == 0 { "build.tlog-proof".to_owned() } else { format!("build-{}.tlog-proof", at + 1) }
}

/// Hashes a file and asks the one question about it.
fn judge_file(path: &Path, proofs: &[Given], bundles: &[Given], machine: &Machine) -> Result<Verdict, Failure> {
    let (sha256, size) = digest(path)?;
    let name = path.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned());
    let question = Question {
        file: verdict::File { name: &name, sha256, size },
        proofs: &named(proofs),
        bundles: &named(bundles),
        pins: &machine.pins,
        now: Some(machine.now),
        floor: machine.floor.as_ref().map(|(_, floor)| floor),
        watched: machine.watched.as_ref(),
    };
    Ok(verdict::verify_update(&question))
}

fn named(given: &[Given]) -> Vec<Proof<'_>> {
    given.iter().map(|(name, bytes)| Proof { name, bytes }).collect()
}

/// What a watch has read; a folder without it is exit 2.
pub fn load_watched(dir: &Path) -> Result<Watched, Failure> {
    let path = dir.join(WATCHED);
    if !path.exists() {
        return Err(Failure::usage("watched.missing", "this is not the state folder of a watch")
            .side("folder", dir.display())
            .side("it has no", WATCHED)
            .now("give the folder that `log-client watch --state` keeps; that of an audit is another one"));
    }
    Watched::parse(&files::read_text(&path, WATCHED_BYTES_MAX as u64)?).map_err(|error| {
        Failure::usage("watched.malformed", "this is not what `watch` leaves in its state folder")
            .side("file", path.display())
            .side("reason", error)
    })
}

/// The floor in a file; one that is not there yet holds nothing.
pub fn load_floor(path: &Path, pins: &Pins) -> Result<Floor, Failure> {
    let malformed = |reason: String| {
        Failure::usage("floor.malformed", "this is not a floor; remove it only to forget which releases were verified")
            .side("file", path.display())
            .side("reason", reason)
    };
    if !path.try_exists().map_err(|error| malformed(error.to_string()))? {
        let origin = Origin::new(&pins.trust().origin).map_err(|error| malformed(error.to_string()))?;
        return Ok(Floor::nothing(origin));
    }
    Floor::parse(&files::read_text(path, FLOOR_BYTES_MAX as u64)?).map_err(|error| malformed(error.to_string()))
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
pub fn digest(path: &Path) -> Result<(Hash, u64), Failure> {
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
pub fn report(verdict: Verdict) -> Report {
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

    fn args(file: PathBuf, trust: Option<PathBuf>) -> Args {
        Args {
            file,
            trust,
            proofs: Vec::new(),
            bundles: Vec::new(),
            watch_state: None,
            floor: None,
            csv: None,
            now: "now".into(),
            unwitnessed: false,
        }
    }

    fn verdict(code: Code) -> Verdict {
        let mut not_checked = vec!["charter: no proof of entry 0 was given".to_owned()];
        not_checked.extend(verdict::LIMITS.iter().map(|limit| format!("{LIMIT}{limit}")));
        Verdict {
            outcome: code.outcome(),
            code,
            reason: "reason".into(),
            checked: vec!["inclusion: entry 3 of 5".into()],
            not_checked,
            raise: None,
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
            let args = args(file, trust);
            assert_eq!(judge(&args).unwrap().code, Code::ProofMalformed, "{length}");
        }
    }

    #[test]
    fn a_floor_loses_nothing_to_runs_beside_each_other() {
        // [V-44]
        let dir = tempfile::tempdir().unwrap();
        let world = crate::world::World::new();
        let trust = format!(
            "charter = \"{}\"\norigin = \"{}\"\nlog_keys = \"ed\"\n",
            crate::world::charter_event().id().hex(),
            crate::world::ORIGIN
        );
        let trust = TrustFile::parse(&trust).unwrap();
        let pins = Pins::new(world.policy(), trust, Witnessing::Required).unwrap();
        let (path, stable) = (dir.path().join("floor"), vitrine_spec::words::Name::new("stable").unwrap());
        let raise = |package: &str, release_seq: u64| Raise {
            size: vitrine_spec::tree::TreeSize::new(release_seq),
            root: Hash::of(&release_seq.to_be_bytes()),
            package_id: package.into(),
            channel: stable.clone(),
            release_seq,
        };
        std::thread::scope(|scope| {
            for run in 0..8 {
                let (path, pins, raise) = (&path, &pins, &raise);
                scope.spawn(move || {
                    for release in [9, 3] {
                        raise_floor(path, pins, &[raise(&format!("app-{run}"), release)]).unwrap();
                    }
                });
            }
        });
        let floor = load_floor(&path, &pins).unwrap();
        for run in 0..8 {
            assert_eq!(floor.release(&format!("app-{run}"), &stable), Some(9));
        }
        assert_eq!(floor.size.get(), 9);
        // What cannot be looked at is no floor that is missing.
        std::fs::write(dir.path().join("a"), b"").unwrap();
        assert_eq!(load_floor(&dir.path().join("a/floor"), &pins).unwrap_err().code, "floor.malformed");
    }

    #[test]
    fn the_proofs_beside_a_file_are_those_that_log_writes_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("app");
        let given = |proofs: &[PathBuf]| -> Vec<String> {
            let (proofs, _) = evidence(&file, proofs, &[]).unwrap();
            proofs.iter().map(|(path, _)| Path::new(path).file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        let failure = evidence(&file, &[], &[]).unwrap_err();
        assert_eq!(failure.code, "file.read", "the file itself is what is not there");
        std::fs::write(&file, b"app").unwrap();
        assert_eq!(evidence(&file, &[], &[]).unwrap_err().code, "proof.none");
        let names = ["app.tlog-proof", "app.build.tlog-proof", "app.build-2.tlog-proof", "app.build-3.tlog-proof"];
        for (at, name) in names.iter().enumerate() {
            std::fs::write(dir.path().join(name), b"").unwrap();
            assert_eq!(given(&[]), names[..=at]);
        }
        assert_eq!(given(&[dir.path().join("app.tlog-proof")]), ["app.tlog-proof"], "what is given is all");
    }

    #[test]
    fn the_state_of_an_audit_is_not_taken_for_that_of_a_watch() {
        let dir = tempfile::tempdir().unwrap();
        let failure = load_watched(dir.path()).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Usage, "watched.missing"));
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
