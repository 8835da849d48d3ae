//! `opening verify`: some fields of one event, shown to anybody, offline (cli.md; leaf-format.md 5, "Opening").
//!
//! Needs no reader's key: the log vouches for the leaf, the leaf for the commitment, the commitment for the fields. Not here: making
//! an opening (`open`).

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vitrine_spec::event::Event;
use vitrine_spec::fields::Field;
use vitrine_spec::hash::leaf_hash;
use vitrine_spec::limits::TLOG_PROOF_BYTES_MAX;
use vitrine_spec::opening::{Opening, OpeningError};
use vitrine_spec::policy::Policy;
use vitrine_spec::tlog_proof::TlogProof;

use crate::answer::{self, AnswerFault, Logged};
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::explain::{json_of, value_text};
use crate::files;
use crate::limits::OPENING_BYTES_MAX;
use crate::output::{Out, Report};
use crate::policies;

/// `opening`.
#[derive(Debug, Subcommand)]
pub enum OpeningCommand {
    /// Say which fields of a logged access are shown, and what that does not show; offline
    Verify(Verify),
}

/// `opening verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Whom to believe
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The proof that the access is logged, with its leaf
    #[arg(long, value_name = "F.tlog-proof")]
    proof: PathBuf,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
    /// The time to judge by, instead of now: seconds since 1970 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "T")]
    now: Option<String>,
    /// The opening
    #[arg(value_name = "OPENING.json")]
    file: PathBuf,
}

/// Runs `opening`.
pub fn run(command: OpeningCommand, out: &Out) -> Result<Exit, Failure> {
    let OpeningCommand::Verify(args) = command;
    let policy = policies::load(&args.policy, args.unwitnessed)?;
    let now = args.now.as_deref().map_or_else(|| Ok(clock::now()), clock::parse)?;
    let proof = files::read_judged(&args.proof, TLOG_PROOF_BYTES_MAX as u64)?;
    let opening = files::read_judged(&args.file, OPENING_BYTES_MAX)?;
    Ok(out.report(&verdict(&policy, &proof, &opening, now)))
}

/// Why an opening is not verified: code, exit, reason.
type Fault = (&'static str, Exit, String);

fn verdict(policy: &Policy, proof: &[u8], opening: &[u8], now: u64) -> Report {
    let report = match judge(policy, proof, opening, now) {
        Ok((logged, event, opening)) => shown(&logged, &event, &opening),
        Err((code, exit, why)) => Report::new(exit, exit.word(), code, why),
    };
    Report { limits: true, ..report }
}

/// The opening, its leaf, and where that is logged.
///
/// Too few witnesses is said last: of an opening that holds for an entry that is logged.
fn judge(policy: &Policy, proof: &[u8], bytes: &[u8], now: u64) -> Result<(Logged, Event, Opening), Fault> {
    let no = |code: &'static str, why: String| (code, Exit::NotVerified, why);
    let proof =
        TlogProof::parse(proof).map_err(|error| no("proof.malformed", format!("this is not a tlog-proof: {error}")))?;
    let leaf = proof
        .extra
        .as_deref()
        .ok_or_else(|| no("opening.leaf", "the proof has no `extra` line with the leaf".to_owned()))?;
    let logged = match answer::proof(policy, &leaf_hash(leaf), &proof, now) {
        Err(AnswerFault::NotTheLog(why)) => return Err(no("proof.log", why)),
        Err(AnswerFault::Misbehaved(why)) => {
            return Err(no("proof.inclusion", format!("the proof does not hold for its leaf: {why}")));
        }
        Err(AnswerFault::Quorum(why)) => Err(why),
        Ok(logged) => Ok(logged),
    };
    let event =
        Event::read_leaf(leaf).map_err(|refusal| no("opening.leaf", format!("the leaf is no event: {refusal}")))?;
    if let Ok(logged) = &logged
        && event.statement.header.origin != logged.origin
    {
        let why = format!("the leaf is of the log {}, the proof of {}", event.statement.header.origin, logged.origin);
        return Err(no("opening.origin", why));
    }
    let opening = Opening::parse(bytes).map_err(|error| no("opening.malformed", error.to_string()))?;
    opening.verify(&event).map_err(|error| {
        let code = match error {
            OpeningError::Event { .. } => "opening.event",
            OpeningError::NotSealed(_) => "opening.not-sealed",
            OpeningError::Commitment { .. } => "opening.commitment",
            OpeningError::Json(_) | OpeningError::Spelling(_) | OpeningError::Shape(_) | OpeningError::Nothing => {
                "opening.malformed"
            }
        };
        no(code, error.to_string())
    })?;
    match logged {
        Ok(logged) => Ok((logged, event, opening)),
        Err(why) => {
            let why = format!("the fields are those of a logged access, with too few witnesses: {why}");
            Err(("quorum", Exit::NotYet, why))
        }
    }
}

fn shown(logged: &Logged, event: &Event, opening: &Opening) -> Report {
    let header = &event.statement.header;
    let shown = opening.shown();
    let hidden: Vec<&str> = Field::ALL
        .into_iter()
        .filter(|field| !shown.iter().any(|(shown, _)| shown == field))
        .map(Field::name)
        .collect();
    let mut report = Report::verified(
        "opening.verified",
        format!(
            "entry {} of {}, logged by {} epoch {} in the hour of {}: {} fields are shown, {} are hidden",
            logged.index,
            logged.origin,
            header.issuer,
            header.epoch,
            clock::show(header.recorded.get()),
            shown.len(),
            hidden.len()
        ),
    )
    .checked("log signature: a key of the policy signed the checkpoint")
    .checked(format!("inclusion: the leaf of event {} is entry {}", event.id, logged.index))
    .checked(format!("witnesses: {}", logged.witnessed()))
    .checked("commitment: the 24 fields, shown and hidden, give the one in the leaf");
    let mut fields = serde_json::Map::new();
    for (field, value) in &shown {
        report = report.checked(format!("shown: {field} = {}", value_text(value)));
        fields.insert(field.name().to_owned(), json_of(value));
    }
    for broken in opening.broken() {
        report = report.checked(format!("the issuer sealed a value that breaks the table (record-invalid): {broken}"));
    }
    if !hidden.is_empty() {
        report = report.not_checked(format!("hidden: {}", hidden.join(", ")));
    }
    report
        .not_checked("whether what is shown is true: the issuer committed to it when it logged the access, and vouches alone")
        .not_checked("the leaf's signatures: their keys are registered in the log, `audit` repeats its admission")
        .not_checked("other entries: whether a later one erased the record, disowned the event or reported it, and what else was accessed")
        .with("index", logged.index.get())
        .with("size", logged.size.get())
        .with("origin", logged.origin.clone())
        .with("event_id", event.id.hex())
        .with("issuer", serde_json::json!({"name": header.issuer.as_str(), "epoch": header.epoch, "seq": header.seq}))
        .with("recorded", header.recorded.get())
        .with("witnessed_at", logged.verified.time)
        .with("fields", fields)
        .with("hidden", hidden)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::open::tests::{log_with_accesses, opened};
    use super::*;
    use crate::world::{Bend, NOW, World};

    fn opening(world: &World, index: usize, fields: &[Field]) -> Vec<u8> {
        let opened = opened(world, index, 0).unwrap();
        Opening::make(world.logged(index).id, &opened.key, &opened.values, fields).print()
    }

    #[test]
    fn the_fields_shown_are_named_with_their_values_and_the_others_by_name_alone() {
        let world = log_with_accesses();
        let bytes = opening(&world, 3, &[Field::Op, Field::NativeId, Field::Actor]);
        let report = verdict(&world.policy(), &world.proof(3, None), &bytes, NOW);
        assert_eq!((report.code.as_str(), report.exit), ("opening.verified", Exit::Done), "{}", report.reason);
        for line in ["shown: op = read", "shown: native_id = one", "shown: actor = null"] {
            assert!(report.checked.iter().any(|checked| checked == line), "{line}: {:?}", report.checked);
        }
        let hidden = report.not_checked.iter().find(|line| line.starts_with("hidden: ")).unwrap();
        assert!(hidden.contains("occurred_at") && !hidden.contains("native_id"), "{hidden}");
        assert_eq!(report.details["fields"].as_object().unwrap().len(), 3);
        assert_eq!(report.details["hidden"].as_array().unwrap().len(), 21);
        assert!(report.limits && report.not_checked.iter().any(|line| line.contains("whether what is shown is true")));
        assert!(!report.human(crate::output::Paint(false)).contains("2026-11-21T16:03:01"), "what is hidden stays so");
    }

    #[test]
    fn an_opening_is_of_its_leaf_and_of_nothing_else() {
        //
        let world = log_with_accesses();
        let bytes = opening(&world, 3, &[Field::Op]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let other_event = text.replace(&world.logged(3).id.hex(), &world.logged(4).id.hex());
        let not_sealed = text.replace(&world.logged(3).id.hex(), &world.logged(1).id.hex());
        for (index, bend, bytes, code, exit) in [
            (3, None, text.replace("\"read\"", "\"store\""), "opening.commitment", Exit::NotVerified),
            (4, None, text.clone(), "opening.event", Exit::NotVerified),
            (4, None, other_event, "opening.commitment", Exit::NotVerified),
            (1, None, not_sealed, "opening.not-sealed", Exit::NotVerified),
            (3, None, format!("{text}\n"), "opening.malformed", Exit::NotVerified),
            (3, None, text.replace("{\"event_id\"", "{ \"event_id\""), "opening.malformed", Exit::NotVerified),
            (3, None, "{}".to_owned(), "opening.malformed", Exit::NotVerified),
            (3, Some(Bend::OtherLog), text.clone(), "proof.log", Exit::NotVerified),
            (3, Some(Bend::WrongPath), text.clone(), "proof.inclusion", Exit::NotVerified),
            (3, Some(Bend::NoWitness), text.clone(), "quorum", Exit::NotYet),
            // Too few witnesses is said only of an opening that holds.
            (4, Some(Bend::NoWitness), text.clone(), "opening.event", Exit::NotVerified),
        ] {
            let report = verdict(&world.policy(), &world.proof(index, bend), bytes.as_bytes(), NOW);
            assert_eq!((report.code.as_str(), report.exit), (code, exit), "{}", report.reason);
            assert!(report.checked.is_empty() && report.details.is_empty(), "a refusal shows nothing");
        }
        let report = verdict(&world.policy(), b"hello", &bytes, NOW);
        assert_eq!(report.code, "proof.malformed");
    }
}
