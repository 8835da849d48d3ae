//! One question as bytes, and its answer as an exit code and JSON (docs/cli.md, `verify-update`).
//!
//! The same codes and members as `log-client verify-update --json`, so that a script cannot tell them apart.

use vitrine_spec::checkpoint::Origin;
use vitrine_spec::floor::Floor;
use vitrine_spec::json::Value;
use vitrine_spec::policy::Policy;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{File, Outcome, Pins, PinsError, Proof, Question, Verdict, Witnessing, verify_update};
use vitrine_spec::watched::Watched;

/// Everything that a verdict depends on [V-10].
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The bytes of `policy`.
    pub policy: &'a [u8],
    /// The bytes of `trust.toml`.
    pub trust: &'a [u8],
    /// tlog-proofs.
    pub proofs: &'a [Proof<'a>],
    /// Bundles.
    pub bundles: &'a [Proof<'a>],
    /// The file that is judged.
    pub file: File<'a>,
    /// Seconds since 1970.
    pub now: Option<u64>,
    /// The floor of this machine; no bytes for one that has verified nothing yet.
    pub floor: Option<&'a [u8]>,
    /// What a watch of this machine has read.
    pub watched: Option<&'a [u8]>,
    /// Whether a policy that says `quorum none` is taken.
    pub unwitnessed: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 0 verified, 1 not verified, 2 usage, 5 not yet.
    pub exit: u8,
    /// The verdict as one JSON document in one line.
    pub json: String,
    /// The floor to store in place of the one given; none when it is as it was.
    pub floor: Option<String>,
}

/// Something that the caller brought cannot be used: exit 2.
struct Unusable {
    code: &'static str,
    what: &'static str,
    reason: String,
}

impl Unusable {
    fn new(code: &'static str, what: &'static str, reason: impl ToString) -> Unusable {
        Unusable { code, what, reason: reason.to_string() }
    }
}

/// Answers a question [V-10].
pub fn judge(given: &Given<'_>) -> Answer {
    match verdict(given) {
        Ok((verdict, floor)) => Answer { exit: exit(verdict.outcome), json: print(&verdict), floor },
        Err(unusable) => usage(unusable.code, unusable.what, &unusable.reason),
    }
}

/// An answer with exit 2: something that the caller brought cannot be used.
pub fn usage(code: &str, what: &str, reason: &str) -> Answer {
    let sides = Value::object([("reason", reason.into())]);
    Answer { exit: 2, json: document("usage", code, what, &[], &[], Some(sides)), floor: None }
}

fn verdict(given: &Given<'_>) -> Result<(Verdict, Option<String>), Unusable> {
    let pins = pins(given)?;
    let watched = match given.watched {
        None => None,
        Some(bytes) => {
            let wrong = |reason: String| {
                Unusable::new("watched.malformed", "this is not what `watch` leaves in its state folder", reason)
            };
            let text = utf8(bytes).map_err(wrong)?;
            Some(Watched::parse(text).map_err(|error| wrong(error.to_string()))?)
        }
    };
    let before = given.floor.map(|bytes| floor(bytes, &pins)).transpose()?;
    let Given { file, proofs, bundles, now, .. } = *given;
    let (floor, watched) = (before.as_ref(), watched.as_ref());
    let verdict = verify_update(&Question { file, proofs, bundles, pins: &pins, now, floor, watched });
    let raised = match (floor, &verdict.raise) {
        (Some(before), Some(raise)) => {
            let mut after = before.clone();
            after.raise(raise);
            (after != *before).then(|| after.print())
        }
        _ => None,
    };
    Ok((verdict, raised))
}

fn pins(given: &Given<'_>) -> Result<Pins, Unusable> {
    let policy = Policy::parse(given.policy)
        .map_err(|error| Unusable::new("policy.malformed", "this is not a policy file", error))?;
    let wrong = |reason: String| Unusable::new("trust.malformed", "this is not a trust file", reason);
    let trust = TrustFile::parse(utf8(given.trust).map_err(wrong)?).map_err(|error| wrong(error.to_string()))?;
    let witnessing = if given.unwitnessed { Witnessing::Unwitnessed } else { Witnessing::Required };
    Pins::new(policy, trust, witnessing).map_err(|error| {
        let code = match error {
            PinsError::Policy(_) => "policy.witness-twice",
            PinsError::LogKey { .. } => "trust.log-key",
            PinsError::QuorumNone => "policy.unwitnessed",
        };
        Unusable::new(code, "policy and trust file do not fit", error)
    })
}

fn floor(bytes: &[u8], pins: &Pins) -> Result<Floor, Unusable> {
    let wrong = |reason: String| {
        let what = "this is not a floor; remove it only to forget which releases were verified";
        Unusable::new("floor.malformed", what, reason)
    };
    if bytes.is_empty() {
        return Origin::new(&pins.trust().origin).map(Floor::nothing).map_err(|error| wrong(error.to_string()));
    }
    Floor::parse(utf8(bytes).map_err(wrong)?).map_err(|error| wrong(error.to_string()))
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    core::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 from byte {} on", error.valid_up_to()))
}

const fn exit(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Verified => 0,
        Outcome::NotVerified => 1,
        Outcome::NotYet => 5,
    }
}

fn print(verdict: &Verdict) -> String {
    let word = verdict.outcome.word();
    document(word, verdict.code.as_str(), &verdict.reason, &verdict.checked, &verdict.not_checked, None)
}

fn document(
    verdict: &str,
    code: &str,
    reason: &str,
    checked: &[String],
    not_checked: &[String],
    sides: Option<Value>,
) -> String {
    let lines = |lines: &[String]| Value::Array(lines.iter().map(|line| line.as_str().into()).collect());
    let members = [
        ("verdict", Some(verdict.into())),
        ("code", Some(code.into())),
        ("reason", Some(reason.into())),
        ("checked", Some(lines(checked))),
        ("not_checked", Some(lines(not_checked))),
        ("sides", sides),
    ];
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    String::from_utf8_lossy(&Value::Object(members.collect()).to_jcs()).into_owned()
}
