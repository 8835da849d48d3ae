//! Vectors of strict JSON and of DSSE's encoding.
//!
//! The envelope of the DSSE file is signed with ECDSA, which nothing here verifies. Not here: our events (`leaves`).

use serde_json::Value;
use vitrine_spec::envelope::pae_of;
use vitrine_spec::json;

use super::input::{Input, Outcome, array, member, text, unb64, word};
use super::note::want;
use super::report::{Report, Want};
use super::tiles::check;
use crate::oracle;

/// `dsse/protocol-vector.json`.
pub(super) fn dsse(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "pae")? {
        let (kind, payload) = (word(case, "payload_type")?, text(case, "payload")?);
        let same = pae_of(kind, &payload) == text(case, "pae")?;
        report.case(&format!("type {kind:?}"), Want::Ok, check(same, "another encoding"));
    }
    let envelope = member(&file, "envelope")?;
    let (kind, payload) = (word(envelope, "payloadType")?, unb64(word(envelope, "payload")?)?);
    let encodings = array(&file, "pae")?;
    let first = encodings.first().ok_or("no encoding")?;
    report.case("envelope", Want::Ok, check(pae_of(kind, &payload) == text(first, "pae")?, "another encoding"));
    Ok(())
}

/// `json/strict.json`, ours: what the strict reader takes, with its one spelling, and what it refuses.
pub(super) fn strict(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let bytes = text(case, "json")?;
        let got = json::parse(&bytes);
        if let (Ok(value), Some(canonical)) = (&got, case.get("canonical").and_then(Value::as_str)) {
            let printed = value.to_jcs();
            report.same(id, "the one spelling", &String::from_utf8_lossy(&printed).as_ref(), &canonical);
            report.same(id, "the spelling by others", &oracle::json::canonical(&bytes), &Some(printed));
        }
        report.case(id, want(case)?, got.map(|_| ()));
    }
    Ok(())
}
