//! `proof verify`: a tlog-proof under a policy, offline (cli.md; C2SP tlog-proof).
//!
//! Says that an entry is logged. Not here: what the entry means (`event verify`, `verify-update`).

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::limits::TLOG_PROOF_BYTES_MAX;
use vitrine_spec::tlog_proof::TlogProof;

use crate::answer::{self, AnswerFault};
use crate::clock;
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::limits::EVENT_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::policies;

/// `proof`.
#[derive(Debug, Subcommand)]
pub enum Proof {
    /// Say whether an entry is in a log that the policy names, with its quorum of witnesses; offline
    Verify(Verify),
}

/// `proof verify`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["entry", "leaf_hash"]))]
pub struct Verify {
    /// Whom to believe
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The entry: its exact bytes, or an event file, whose leaf is then meant
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    /// The hash of the entry's leaf, base64
    #[arg(long, value_name = "B64")]
    leaf_hash: Option<String>,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
    /// The time to judge by, instead of now: seconds since 1970 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "T")]
    now: Option<String>,
    /// The proof
    file: PathBuf,
}

/// Runs `proof`.
pub fn run(command: Proof, out: &Out) -> Result<Exit, Failure> {
    let Proof::Verify(args) = command;
    let policy = policies::load(&args.policy, args.unwitnessed)?;
    let now = args.now.as_deref().map_or_else(|| Ok(clock::now()), clock::parse)?;
    let bytes = files::read_judged(&args.file, TLOG_PROOF_BYTES_MAX as u64)?;
    let (leaf, spelled) = match (&args.entry, &args.leaf_hash) {
        (Some(path), _) => {
            let entry = files::read(path, EVENT_FILE_BYTES_MAX)?;
            // An event file differs from its leaf by the newline at least.
            match EventFile::parse(&entry) {
                Ok(event) if !event.is_unsigned() => (leaf_hash(&event.leaf()), "leaf of the event file"),
                Ok(_) | Err(_) => (leaf_hash(&entry), "bytes of the file"),
            }
        }
        (None, Some(text)) => {
            let hash = Hash::from_b64(text).map_err(|error| {
                Failure::usage("proof.leaf-hash", "the leaf hash is not base64 of 32 bytes")
                    .side("given", text)
                    .side("reason", error)
            })?;
            (hash, "leaf hash given")
        }
        (None, None) => return Err(Failure::usage("proof.entry", "neither --entry nor --leaf-hash was given")),
    };
    Ok(out.report(&verdict(&policy, &leaf, spelled, &bytes, now)))
}

fn verdict(policy: &vitrine_spec::policy::Policy, leaf: &Hash, spelled: &str, bytes: &[u8], now: u64) -> Report {
    let judged = TlogProof::parse(bytes)
        .map_err(|error| ("proof.malformed", Exit::NotVerified, format!("this is not a tlog-proof: {error}")))
        .and_then(|parsed| {
            answer::proof(policy, leaf, &parsed, now).map_err(|fault| match fault {
                // A file that does not hold is the file's fault: nobody asked a log.
                AnswerFault::NotTheLog(why) => ("proof.log", Exit::NotVerified, why),
                AnswerFault::Misbehaved(why) => {
                    ("proof.inclusion", Exit::NotVerified, format!("the proof does not hold for the {spelled}: {why}"))
                }
                AnswerFault::Quorum(why) => {
                    ("quorum", Exit::NotYet, format!("the entry is logged, with too few witnesses: {why}"))
                }
            })
        });
    let report = match judged {
        Ok(logged) => Report::verified(
            "proof.verified",
            format!("logged at {} of {} entries of {}", logged.index, logged.size, logged.origin),
        )
        .checked("log signature: a key of the policy signed the checkpoint")
        .checked(format!("inclusion: the {spelled} is entry {}", logged.index))
        .checked(format!("witnesses: {}", logged.witnessed()))
        .with("index", logged.index.get())
        .with("size", logged.size.get())
        .with("origin", logged.origin.clone())
        .with("witnessed_at", logged.verified.time),
        Err((code, exit, why)) => Report::new(exit, exit.word(), code, why),
    };
    Report {
        limits: true,
        ..report.not_checked(
            "what the entry says, and whether its signers may say it: see `event verify` and `verify-update`",
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::world::{Bend, NOW, World};

    #[test]
    fn a_proof_is_of_its_entry_under_its_policy_and_nothing_else() {
        let world = World::new();
        let leaf = |at: usize| leaf_hash(&world.leaves.borrow()[at]);
        let judge = |at: usize, bytes: &[u8]| verdict(&world.policy(), &leaf(at), "entry", bytes, NOW);
        assert_eq!(judge(1, &world.proof(1, None)).code, "proof.verified");
        for (at, bytes, code, exit) in [
            (0, world.proof(1, None), "proof.inclusion", Exit::NotVerified),
            (1, world.proof(1, Some(Bend::WrongPath)), "proof.inclusion", Exit::NotVerified),
            (1, world.proof(1, Some(Bend::OtherLog)), "proof.log", Exit::NotVerified),
            (1, world.proof(1, Some(Bend::NoWitness)), "quorum", Exit::NotYet),
            // Too few witnesses is said only of an entry that is logged.
            (0, world.proof(1, Some(Bend::NoWitness)), "proof.inclusion", Exit::NotVerified),
            (1, b"hello".to_vec(), "proof.malformed", Exit::NotVerified),
        ] {
            let report = judge(at, &bytes);
            assert_eq!((report.code.as_str(), report.exit), (code, exit), "{}", report.reason);
            assert!(report.limits && report.checked.is_empty(), "nothing is called checked in a refusal");
        }
    }
}
