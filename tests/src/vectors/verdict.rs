//! Vectors of trust files, of pins that do not fit, of verdicts, and of the statuses of refusals. All of them are ours.
//!
//! A case of a verdict names proofs of its file, so that one proof serves many cases. Not here: audits.

use serde_json::Value;
use vitrine_spec::hash::Hash;
use vitrine_spec::policy::Policy;
use vitrine_spec::refusal::{CODES, WAIT_CODES};
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{File, Pins, Proof, Question, Witnessing, verify_update};

use super::input::{Input, Outcome, array, member, number, text, word, words};
use super::note::want;
use super::reason::Reason;
use super::report::{Report, Want};

fn trust_file(case: &Value) -> Outcome<Result<TrustFile, String>> {
    let text = String::from_utf8(text(case, "trust")?).map_err(|error| error.to_string())?;
    Ok(TrustFile::parse(&text).map_err(|error| error.reason()))
}

fn pins(case: &Value) -> Outcome<Result<Pins, String>> {
    let id = word(case, "id")?;
    let trust = trust_file(case)?.map_err(|reason| format!("{id}: {reason}"))?;
    let policy = Policy::parse(text(case, "policy")?).map_err(|error| format!("{id}: {error}"))?;
    let unwitnessed = case.get("unwitnessed") == Some(&Value::Bool(true));
    let witnessing = if unwitnessed { Witnessing::Unwitnessed } else { Witnessing::Required };
    Ok(Pins::new(policy, trust, witnessing).map_err(|error| error.reason()))
}

/// `trust/files.json`.
pub(super) fn trust(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        report.case(word(case, "id")?, want(case)?, trust_file(case)?.map(|_| ()));
    }
    Ok(())
}

/// `trust/pins.json`.
pub(super) fn pinning(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        report.case(word(case, "id")?, want(case)?, pins(case)?.map(|_| ()));
    }
    Ok(())
}

/// `verdict/updates.json`; policy and trust file of a case without its own are those of the file.
pub(super) fn updates(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    let proofs = member(&file, "proofs")?;
    for case in array(&file, "verdicts")? {
        let id = word(case, "id")?;
        let mut whole = case.clone();
        for name in ["policy", "trust"] {
            if whole.get(name).is_none() {
                whole[name] = member(&file, name)?.clone();
            }
        }
        let pins = pins(&whole)?.map_err(|reason| format!("{id}: {reason}"))?;
        let names = words(case, "proofs")?;
        let texts = names.iter().map(|name| text(proofs, name)).collect::<Outcome<Vec<_>>>()?;
        let given: Vec<Proof<'_>> = names.iter().zip(&texts).map(|(name, bytes)| Proof { name, bytes }).collect();
        let judged = member(case, "file")?;
        let sha256 = Hash::from_hex(word(judged, "sha256")?).map_err(|error| error.to_string())?;
        let judged = File { name: word(judged, "name")?, sha256, size: number(judged, "size")? };
        let verdict = verify_update(&Question::new(judged, &given, &pins, case.get("now").and_then(Value::as_u64)));
        report.same(id, "the verdict", &verdict.outcome.word(), &word(case, "verdict")?);
        let (wanted, got) = (word(case, "code")?, verdict.code.reason());
        report.named.insert(got.clone());
        if wanted == "verified" {
            report.case(id, Want::Ok, if got == "verdict:verified" { Ok(()) } else { Err(verdict.reason) });
        } else {
            report.case(id, Want::RefusedFor(&[&format!("verdict:{wanted}")]), Err::<(), _>(got));
        }
    }
    Ok(())
}

/// `refusals/statuses.json`: every code, its status, and who gives it: `fold`, `server` or a `later` version.
pub(super) fn statuses(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    let rows = array(&file, "codes")?;
    report.same("codes", "their number", &rows.len(), &(CODES.len() + WAIT_CODES.len()));
    for row in rows {
        let code = word(row, "code")?;
        let ours =
            CODES.iter().chain(&WAIT_CODES).find(|(ours, _)| *ours == code).map(|(_, status)| u64::from(*status));
        report.same(code, "the status", &ours, &Some(number(row, "status")?));
        match word(row, "given_by")? {
            // Named by a case that is refused, not by this list.
            "fold" => {}
            "server" | "later" => {
                report.named.insert(format!("refusal:{code}"));
            }
            other => return Err(format!("{code}: given_by {other:?}")),
        }
        report.case::<String>(code, Want::Ok, Ok(()));
    }
    Ok(())
}
