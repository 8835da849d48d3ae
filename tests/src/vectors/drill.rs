//! The drill: verdicts about files by bundles, and the three text files that a verifier reads besides. All of them are ours.
//!
//! Not here: verdicts by proofs that a JSON file holds (`verdict`).

use serde_json::Value;
use vitrine_spec::bundle::Bundle;
use vitrine_spec::floor::Floor;
use vitrine_spec::hash::Hash;
use vitrine_spec::policy::Policy;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{DEVELOPMENT, File, Pins, Proof, Question, Witnessing, verify_update};
use vitrine_spec::watched::Watched;

use super::input::{Input, Outcome, array, text, word, words};
use super::note::want;
use super::reason::Reason;
use super::report::{Report, Want};

/// `drill/`: a case names its files.
pub(super) fn cases(input: &Input, report: &mut Report) -> Outcome {
    let list: Value = serde_json::from_str(&input.text("cases.json")?).map_err(|error| error.to_string())?;
    for case in array(&list, "cases")? {
        let id = word(case, "id")?;
        let wrong = |what: &str, error: &dyn std::fmt::Display| format!("{id}: {what}: {error}");
        let (path, folder) = (word(case, "file")?, word(case, "trust")?);
        let bytes = input.read(path)?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let file = File { name, sha256: Hash::of(&bytes), size: bytes.len() as u64 };
        let trust = TrustFile::parse(&input.text(&format!("{folder}/trust.toml"))?).map_err(|e| wrong("trust", &e))?;
        let policy = Policy::parse(input.text(&format!("{folder}/policy"))?).map_err(|e| wrong("policy", &e))?;
        let pins = Pins::new(policy, trust, Witnessing::Required).map_err(|error| wrong("pins", &error))?;
        let given = |member| -> Outcome<Vec<(String, Vec<u8>)>> {
            words(case, member)?.into_iter().map(|path| input.read(&path).map(|bytes| (path, bytes))).collect()
        };
        let (bundles, proofs) = (given("bundles")?, given("proofs")?);
        let own = |member| case.get(member).and_then(Value::as_str).map(|path| input.text(path)).transpose();
        let floor = own("floor")?.map(|text| Floor::parse(&text)).transpose().map_err(|e| wrong("floor", &e))?;
        let watched =
            own("watched")?.map(|text| Watched::parse(&text)).transpose().map_err(|e| wrong("watched", &e))?;
        let verdict = verify_update(&Question {
            file,
            proofs: &named(&proofs),
            bundles: &named(&bundles),
            pins: &pins,
            now: case.get("now").and_then(Value::as_u64),
            floor: floor.as_ref(),
            watched: watched.as_ref(),
        });
        report.same(id, "the verdict", &verdict.outcome.word(), &word(case, "verdict")?);
        let development = verdict.not_checked.iter().any(|line| line.starts_with("log: a development log"));
        report.same(id, "a development log", &development, &pins.trust().origin.starts_with(DEVELOPMENT));
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

fn named(given: &[(String, Vec<u8>)]) -> Vec<Proof<'_>> {
    given.iter().map(|(name, bytes)| Proof { name, bytes }).collect()
}

/// `bundle/files.json`: a bundle is read, printed as it was, and holds.
pub(super) fn bundles(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let (id, bytes) = (word(case, "id")?, text(case, "bundle")?);
        let got = Bundle::parse(&bytes).and_then(|bundle| {
            report.holds(id, "the print", bundle.print() == bytes);
            bundle.verify_places()
        });
        report.case(id, want(case)?, got.map(|_| ()));
    }
    Ok(())
}

/// `watched/files.json`.
pub(super) fn watches(input: &Input, report: &mut Report) -> Outcome {
    own_notes(input, report, "watched", |text| Watched::parse(text).map(|watched| watched.print()))
}

/// `floor/files.json`.
pub(super) fn floors(input: &Input, report: &mut Report) -> Outcome {
    own_notes(input, report, "floor", |text| Floor::parse(text).map(|floor| floor.print()))
}

fn own_notes<E: Reason>(
    input: &Input,
    report: &mut Report,
    member: &str,
    read: fn(&str) -> Result<String, E>,
) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let text = String::from_utf8(text(case, member)?).map_err(|error| format!("{id}: {error}"))?;
        let got = read(&text).map(|print| report.holds(id, "the print", print == text));
        report.case(id, want(case)?, got);
    }
    Ok(())
}
