//! Vectors of add-checkpoint: conversations with a witness, and bodies that are none.
//!
//! The witness here is the three pure steps of `spec` and a map. Not here: the program, which `witness/tests` runs.

use std::collections::BTreeMap;

use serde_json::Value;
use vitrine_spec::add_checkpoint::{AddCheckpoint, Known, WitnessRefusal, check_growth, check_signature};
use vitrine_spec::key::Vkey;

use super::input::{Input, Outcome, array, member, text, vkeys, word};
use super::report::{Report, Want};

/// A witness that remembers.
struct Witness {
    logs: BTreeMap<String, Vec<Vkey>>,
    known: BTreeMap<String, Known>,
}

impl Witness {
    fn following(file: &Value) -> Outcome<Witness> {
        let logs = member(file, "logs")?;
        let origins = logs.as_object().ok_or("logs is no object")?.keys();
        let logs = origins.map(|origin| Ok((origin.clone(), vkeys(logs, origin)?))).collect::<Outcome<_>>()?;
        Ok(Witness { logs, known: BTreeMap::new() })
    }

    fn add(&mut self, body: &[u8]) -> Result<(), WitnessRefusal> {
        let request = AddCheckpoint::parse(body)?;
        let origin = request.checkpoint.origin().as_str();
        check_signature(&request, self.logs.get(origin).map(Vec::as_slice))?;
        let known = check_growth(&request, self.known.get(origin))?;
        self.known.insert(origin.to_owned(), known);
        Ok(())
    }
}

/// The statuses that a step may have: one, or a list where the specification leaves it open.
fn statuses(step: &Value) -> Outcome<Vec<u64>> {
    let status = member(step, "status")?;
    let list = status.as_array().map_or_else(|| vec![status.clone()], Clone::clone);
    list.iter().map(|status| status.as_u64().ok_or_else(|| format!("status {status}"))).collect()
}

fn step(report: &mut Report, id: &str, step: &Value, witness: &mut Witness) -> Outcome {
    let wanted = statuses(step)?;
    let got = witness.add(&text(step, "body")?);
    let status = got.as_ref().err().map_or(200, WitnessRefusal::status);
    report.holds(id, &format!("status {status} is one of {wanted:?}"), wanted.contains(&u64::from(status)));
    if let Err(refusal) = &got {
        let size = (refusal.content_type() == "text/x.tlog.size").then(|| refusal.body());
        report.same(id, "a size as the answer, exactly with 409", &size.is_some(), &(status == 409));
        if let Some(wanted) = step.get("response_body").and_then(Value::as_str) {
            report.same(id, "the body", &size.as_deref(), &Some(wanted));
        }
    }
    let want = match wanted.as_slice() {
        [200] => Want::Ok,
        [_] => Want::Refused,
        _ => Want::Either,
    };
    report.case(id, want, got);
    Ok(())
}

/// `witness/add-checkpoint.json`.
pub(super) fn conversations(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for sequence in array(&file, "sequences")? {
        let mut witness = Witness::following(sequence)?;
        for case in array(sequence, "steps")? {
            let id = format!("{}: {}", word(sequence, "id")?, word(case, "id")?);
            step(report, &id, case, &mut witness)?;
        }
    }
    Ok(())
}

/// `witness/malformed-requests.json`.
pub(super) fn malformed(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        step(report, word(case, "id")?, case, &mut Witness::following(&file)?)?;
    }
    Ok(())
}
