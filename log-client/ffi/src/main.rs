//! `vitrine-verify`: the offline verdict as one small program that has nothing but `vitrine_spec` and files (docs/embedding.md).
//!
//! Reads files, asks the clock once, prints the verdict as JSON; the exit code is that of `log-client verify-update`. Not here: a
//! socket, a thread, colours, a default for where trust is.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use vitrine::judge::{Answer, Given, judge, usage};
use vitrine_spec::hash::Hash;
use vitrine_spec::limits::{
    FLOOR_BYTES_MAX, POLICY_BYTES_MAX, RELEASE_BYTES_MAX, TLOG_PROOF_BYTES_MAX, WATCHED_BYTES_MAX,
};
use vitrine_spec::verdict::{self, Proof};

const USAGE: &str = "vitrine-verify FILE --trust DIR [--proof F.tlog-proof]... [--bundle F.vitrine]... [--floor FILE] [--watch-state DIR] [--now SECONDS] [--unwitnessed]";

/// Bytes of the judged file that are in memory at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Builds of one update whose proofs are looked for beside the file.
const BUILDS_MAX: usize = 16;

fn main() -> ExitCode {
    let answer = Arguments::read(std::env::args_os().skip(1)).and_then(|arguments| run(&arguments));
    let answer = answer.unwrap_or_else(|failure| usage(failure.0, failure.1, &failure.2));
    let printed = writeln!(io::stdout(), "{}", answer.json);
    // A verdict that nobody could read is none.
    ExitCode::from(if printed.is_ok() { answer.exit } else { 4 })
}

/// Code, sentence and reason of exit 2.
struct Failure(&'static str, &'static str, String);

type Outcome<T> = Result<T, Failure>;

#[derive(Default)]
struct Arguments {
    file: PathBuf,
    trust: PathBuf,
    proofs: Vec<PathBuf>,
    bundles: Vec<PathBuf>,
    floor: Option<PathBuf>,
    watched: Option<PathBuf>,
    now: Option<u64>,
    unwitnessed: bool,
}

impl Arguments {
    fn read(mut given: impl Iterator<Item = std::ffi::OsString>) -> Outcome<Arguments> {
        let wrong = |reason: String| Failure("usage", "the command line cannot be used", format!("{reason}; {USAGE}"));
        let mut read = Arguments::default();
        while let Some(word) = given.next() {
            let mut value = || given.next().ok_or_else(|| wrong(format!("{} stands alone", word.display())));
            match word.to_str() {
                Some("--trust") => read.trust = value()?.into(),
                Some("--proof") => read.proofs.push(value()?.into()),
                Some("--bundle") => read.bundles.push(value()?.into()),
                Some("--floor") => read.floor = Some(value()?.into()),
                Some("--watch-state") => read.watched = Some(PathBuf::from(value()?).join("watched")),
                Some("--now") => {
                    let value = value()?;
                    let now = value.to_str().and_then(|text| vitrine_spec::text::decimal(text).ok());
                    read.now = Some(now.ok_or_else(|| wrong(format!("--now {} is no time", value.display())))?);
                }
                Some("--unwitnessed") => read.unwitnessed = true,
                Some(word) if word.starts_with('-') => return Err(wrong(format!("{word} is not known"))),
                _ if read.file.as_os_str().is_empty() => read.file = word.into(),
                _ => return Err(wrong(format!("{} is a second file", word.display()))),
            }
        }
        if read.file.as_os_str().is_empty() || read.trust.as_os_str().is_empty() {
            return Err(wrong("a file and --trust are needed".to_owned()));
        }
        if read.proofs.is_empty() && read.bundles.is_empty() {
            read.proofs.extend(beside(&read.file, ".tlog-proof"));
            // What `log-client log` wrote there with the update's.
            let builds = std::iter::once(".build.tlog-proof".to_owned())
                .chain((2..=BUILDS_MAX).map(|number| format!(".build-{number}.tlog-proof")));
            read.proofs.extend(builds.map_while(|ending| beside(&read.file, &ending)));
            read.bundles.extend(beside(&read.file, ".vitrine"));
            if read.proofs.is_empty() && read.bundles.is_empty() {
                let reason = format!("{}.vitrine and .tlog-proof", read.file.display());
                return Err(Failure("proof.none", "there is neither a proof nor a bundle of this file", reason));
            }
        }
        Ok(read)
    }
}

/// The file whose name is that of `file` with an ending more, when there is one.
fn beside(file: &Path, ending: &str) -> Option<PathBuf> {
    let mut path = file.as_os_str().to_owned();
    path.push(ending);
    Some(PathBuf::from(path)).filter(|path| path.exists())
}

fn run(arguments: &Arguments) -> Outcome<Answer> {
    let policy = read(&arguments.trust.join("policy"), POLICY_BYTES_MAX)?;
    let trust = read(&arguments.trust.join("trust.toml"), POLICY_BYTES_MAX)?;
    let evidence = |paths: &[PathBuf], most| -> Outcome<Vec<(String, Vec<u8>)>> {
        paths.iter().map(|path| Ok((path.display().to_string(), read(path, most)?))).collect()
    };
    let proofs = evidence(&arguments.proofs, TLOG_PROOF_BYTES_MAX)?;
    let bundles = evidence(&arguments.bundles, RELEASE_BYTES_MAX)?;
    let floor = match &arguments.floor {
        Some(path) if path.exists() => Some(read(path, FLOOR_BYTES_MAX)?),
        Some(_) => Some(Vec::new()),
        None => None,
    };
    let watched = arguments.watched.as_deref().map(|path| read(path, WATCHED_BYTES_MAX)).transpose()?;
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (sha256, size) = digest(&arguments.file)?;
    let name = arguments.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let answer = judge(&Given {
        policy: &policy,
        trust: &trust,
        proofs: &named(&proofs),
        bundles: &named(&bundles),
        file: verdict::File { name: &name, sha256, size },
        now: Some(arguments.now.unwrap_or_else(clock)),
        floor: floor.as_deref(),
        watched: watched.as_deref(),
        unwitnessed: arguments.unwitnessed,
    });
    if let (Some(path), Some(floor)) = (&arguments.floor, &answer.floor) {
        replace(path, floor.as_bytes()).map_err(|error| {
            Failure("floor.write", "the floor cannot be written", format!("{}: {error}", path.display()))
        })?;
    }
    Ok(answer)
}

fn named(given: &[(String, Vec<u8>)]) -> Vec<Proof<'_>> {
    given.iter().map(|(name, bytes)| Proof { name, bytes }).collect()
}

/// A file, and one byte more than it may have when it is longer: whoever reads it says that.
fn read(path: &Path, most: usize) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| Failure("file.read", "a file cannot be read", format!("{}: {error}", path.display())))?;
    Ok(bytes)
}

/// SHA-256 and length of a file of any length.
fn digest(path: &Path) -> Outcome<(Hash, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut size = 0;
    let mut hash = || -> io::Result<()> {
        let mut file = File::open(path)?;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
            size += read as u64;
        }
    };
    hash().map_err(|error| {
        Failure("file.read", "the file to judge cannot be read", format!("{}: {error}", path.display()))
    })?;
    Ok((Hash::new(hasher.finalize().into()), size))
}

/// Writes a file whole or not at all: a name beside it first, then renamed, each made durable.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
