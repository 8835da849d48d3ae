//! `evidence`: two heads of one log that no one tree explains, judged and made (cli.md; 58-evidence.md).
//!
//! A judgement needs the log's keys and nothing else. Not here: what a witness does with it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::evidence::{Compared, Evidence, EvidenceError, Judged, compare, with_proof};
use vitrine_spec::key::Vkey;
use vitrine_spec::limits::{EVIDENCE_BYTES_MAX, NOTE_BYTES_MAX, TILE_WIDTH};
use vitrine_spec::proof::{Tiles, consistency, root_from_tiles};
use vitrine_spec::tiles::TileId;

use crate::exit::{Exit, Failure};
use crate::files;
use crate::http::{HttpError, Log};
use crate::output::{Out, Report};

/// `evidence`.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Say whether a file shows that a log signed two heads which no one tree explains; offline
    Verify(Verify),
    /// Make such a file of two checkpoints that a log signed, with a proof from its tiles where their sizes differ
    Make(Make),
}

/// `evidence verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// A key of the log, as its policy or its charter has it; may be given again
    #[arg(long, value_name = "VKEY", required = true)]
    vkey: Vec<String>,
    /// The evidence
    file: PathBuf,
}

/// `evidence make`.
#[derive(Debug, Args)]
pub struct Make {
    /// A key of the log; may be given again
    #[arg(long, value_name = "VKEY", required = true)]
    vkey: Vec<String>,
    /// Where the tiles of the larger checkpoint are, when the sizes differ
    #[arg(long, value_name = "URL")]
    log: Option<String>,
    /// Where it goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One checkpoint
    first: PathBuf,
    /// The other
    second: PathBuf,
}

/// Runs `evidence`.
pub fn run(command: EvidenceCommand, out: &Out) -> Result<Exit, Failure> {
    match command {
        EvidenceCommand::Verify(args) => {
            let keys = keys(&args.vkey)?;
            let bytes = files::read_judged(&args.file, EVIDENCE_BYTES_MAX as u64)?;
            Ok(out.report(&judge(&bytes, &keys)))
        }
        EvidenceCommand::Make(args) => make(&args, out),
    }
}

fn keys(given: &[String]) -> Result<Vec<Vkey>, Failure> {
    let parse = |text: &String| {
        Vkey::parse(text).map_err(|error| {
            Failure::usage("evidence.vkey", "--vkey is no verifier key").side("given", text).side("reason", error)
        })
    };
    given.iter().map(parse).collect()
}

fn judge(bytes: &[u8], keys: &[Vkey]) -> Report {
    match Evidence::parse(bytes).and_then(|evidence| evidence.verify(keys)) {
        Ok(forked) => {
            let ((first, one), (second, other)) = (forked.first, forked.second);
            let reason = format!("{} signed two heads that no one tree explains", forked.origin);
            let report = Report::verified("evidence.verified", reason)
                .checked(format!("first: size {first} with root {one}, signed by {}", forked.first_signers.join(", ")));
            let report = match forked.second_signers.as_slice() {
                [] => report.checked(format!("the tree of size 0 has the root {other} and no other")),
                signers => report
                    .checked(format!("second: size {second} with root {other}, signed by {}", signers.join(", ")))
                    .checked(format!("the tree of the second has the root {} at size {first}", forked.at_first)),
            };
            report
                .not_checked("when the log signed them: a checkpoint has no time of its own")
                .with("origin", forked.origin.as_str())
                .with("first_size", first.get())
                .with("second_size", second.get())
        }
        Err(error) => {
            let (code, reason) = match error {
                EvidenceError::NoKey { .. } => ("evidence.vkey", error.to_string()),
                EvidenceError::FirstUnsigned(_) | EvidenceError::SecondUnsigned(_) => {
                    ("evidence.unsigned", error.to_string())
                }
                EvidenceError::EmptyTree { .. }
                | EvidenceError::SameHead { .. }
                | EvidenceError::Proof { .. }
                | EvidenceError::Consistent { .. } => ("evidence.no-fork", format!("it shows no fork: {error}")),
                _ => ("evidence.malformed", format!("this is no evidence file: {error}")),
            };
            Report::new(Exit::NotVerified, Exit::NotVerified.word(), code, reason)
        }
    }
}

/// The tiles of a log that is asked; a partial one that is gone is the beginning of the full one.
struct Remote<'a>(&'a Log);

impl Tiles for Remote<'_> {
    type Error = HttpError;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, HttpError> {
        match (self.0.tile(&id), TileId::new(id.level(), id.index(), TILE_WIDTH)) {
            (Err(error), Ok(full)) if error.is_not_found() && id.width() < TILE_WIDTH => {
                let mut bytes = self.0.tile(&full)?;
                bytes.truncate(id.bytes());
                Ok(bytes)
            }
            (read, _) => read,
        }
    }
}

fn make(args: &Make, out: &Out) -> Result<Exit, Failure> {
    let keys = keys(&args.vkey)?;
    let note = |path: &PathBuf| -> Result<SignedCheckpoint, Failure> {
        let bytes = files::read(path, NOTE_BYTES_MAX as u64)?;
        let refused = |why: String| {
            Failure::refused("evidence.note", format!("{} is no checkpoint that the log signed", path.display()))
                .side("reason", why)
        };
        let note = SignedCheckpoint::parse(&bytes).map_err(|error| refused(error.to_string()))?;
        note.verify_log(&keys).map_err(|error| refused(error.to_string()))?;
        Ok(note)
    };
    let (one, other) = (note(&args.first)?, note(&args.second)?);
    let (smaller, larger) = if one.size() <= other.size() { (one, other) } else { (other, one) };
    let no = |why: String| Failure::refused("evidence.no-fork", "the two checkpoints show no fork").side("reason", why);
    let compared = match compare(&smaller, &larger) {
        Ok(Compared::NeedsProof { from, to }) => {
            let url = args.log.as_deref().ok_or_else(|| {
                Failure::usage("evidence.log", format!("between sizes {from} and {to} a proof is needed"))
                    .now("give the address of the log's tiles by --log")
            })?;
            let log = Log::new(url)?;
            let failed = |error: vitrine_spec::proof::BuildError<HttpError>| {
                Failure::new(Exit::Unreachable, "evidence.tiles", "the log's tiles give no proof").side("reason", error)
            };
            let tiles = Remote(&log);
            let served = root_from_tiles(&tiles, to).map_err(failed)?;
            if served != *larger.root() {
                return Err(no(format!(
                    "the log serves the root {served} at size {to}, the larger checkpoint has {}; only its own tiles can show a fork",
                    larger.root()
                )));
            }
            let root = root_from_tiles(&tiles, from).map_err(failed)?;
            let path = consistency(&tiles, from, to).map_err(failed)?;
            with_proof(&smaller, &larger, root, path)
        }
        Ok(Compared::Same) => Ok(Judged::Consistent),
        Ok(Compared::Forked(evidence)) => Ok(Judged::Forked(evidence)),
        Err(error) => Err(error),
    };
    match compared.map_err(|error| no(error.to_string()))? {
        Judged::Consistent => Err(no("one continues the other".to_owned())),
        Judged::Forked(evidence) => {
            let bytes = evidence.print();
            let report = judge(&bytes, &keys);
            files::replace(&args.out, &bytes)?;
            Ok(out.report(&report.with("file", args.out.display().to_string())))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use vitrine_spec::checkpoint::{Checkpoint, Origin};
    use vitrine_spec::hash::Hash;
    use vitrine_spec::key::{KeyKind, Seed};
    use vitrine_spec::note::Signature;
    use vitrine_spec::tree::TreeSize;

    fn seed(name: &str) -> Seed {
        Seed::new(name, KeyKind::Ed25519, [7; 32]).unwrap()
    }

    fn note(size: u64, root: &[u8]) -> SignedCheckpoint {
        let origin = Origin::new("log.example").unwrap();
        let checkpoint = Checkpoint::new(origin, TreeSize::new(size), Hash::of(root));
        let signature = seed("log.example").sign_ed25519(checkpoint.text().as_bytes()).unwrap();
        let line = Signature::by(&seed("log.example").vkey(), signature.to_vec()).unwrap();
        SignedCheckpoint::new(checkpoint, vec![line]).unwrap()
    }

    #[test]
    fn a_file_is_judged_by_the_logs_key_alone() {
        let Ok(Compared::Forked(evidence)) = compare(&note(5, b"one"), &note(5, b"other")) else { panic!("a fork") };
        let (bytes, keys) = (evidence.print(), [seed("log.example").vkey()]);
        let report = judge(&bytes, &keys);
        assert_eq!((report.exit, report.code.as_str()), (Exit::Done, "evidence.verified"), "{}", report.reason);
        assert!(report.checked.iter().any(|line| line.contains("size 5") && line.contains(&keys[0].keyid())));
        let refused = |bytes: &[u8], keys: &[Vkey]| {
            let report = judge(bytes, keys);
            assert_eq!(report.exit, Exit::NotVerified, "{}", report.reason);
            report.code
        };
        assert_eq!(refused(&bytes, &[seed("log.example/two").vkey()]), "evidence.vkey");
        let stranger = Seed::new("log.example", KeyKind::Ed25519, [8; 32]).unwrap().vkey();
        assert_eq!(refused(&bytes, &[stranger]), "evidence.unsigned");
        assert_eq!(refused(b"vitrine-evidence/v0\n", &keys), "evidence.malformed");
        let same = String::from_utf8(bytes).unwrap();
        let (head, notes) = same.split_once("\n\n").unwrap();
        let first = &notes[..notes.len() / 2];
        assert_eq!(refused(format!("{head}\n\n{first}\n{first}").as_bytes(), &keys), "evidence.no-fork");
    }

    #[test]
    fn a_file_is_made_of_two_checkpoints_and_kept_only_when_it_convinces() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, note: &SignedCheckpoint| {
            let path = dir.path().join(name);
            std::fs::write(&path, note.print()).unwrap();
            path
        };
        let make = |first: PathBuf, second: PathBuf| {
            let args = Make {
                vkey: vec![seed("log.example").vkey().to_string()],
                log: None,
                out: dir.path().join("evidence"),
                first,
                second,
            };
            super::make(&args, &Out::new(true))
        };
        let (one, other, larger) =
            (write("a", &note(5, b"one")), write("b", &note(5, b"other")), write("c", &note(9, b"larger")));
        let same = make(one.clone(), one.clone()).unwrap_err();
        assert_eq!((same.code.as_str(), same.exit), ("evidence.no-fork", Exit::NotVerified));
        assert_eq!(make(larger, one.clone()).unwrap_err().code, "evidence.log");
        assert!(!dir.path().join("evidence").exists());
        assert_eq!(make(one, other).unwrap(), Exit::Done);
        let bytes = std::fs::read(dir.path().join("evidence")).unwrap();
        assert_eq!(judge(&bytes, &[seed("log.example").vkey()]).exit, Exit::Done);
    }
}
