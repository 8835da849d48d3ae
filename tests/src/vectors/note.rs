//! Vectors of notes and verifier keys.
//!
//! A note is opened with the keys of its case, as 0x01 keys sign it. Not here: checkpoints inside notes (`checkpoint`).

use serde_json::Value;
use vitrine_spec::key::{Seed, Vkey, check_name};
use vitrine_spec::note::{Note, NoteError, Signature};

use super::input::{Input, Outcome, array, member, text, vkeys, word, words};
use super::reason::Reason;
use super::report::{Report, Want};

/// What the words of the sources mean in our reasons.
pub(super) fn want(case: &Value) -> Outcome<Want<'static>> {
    Ok(match word(case, "expect")? {
        "ok" => Want::Ok,
        "fail" => Want::Refused,
        "either" => Want::Either,
        "malformed" => Want::RefusedFor(&[
            "note:TooLong",
            "note:NotUtf8",
            "note:Control",
            "note:NoSignatures",
            "note:TextEnd",
            "note:LastLine",
            "note:SignatureLine",
            "note:Name",
            "note:Base64",
            "note:TooShort",
            "note:TooManySignatures",
            "checkpoint:Note>note",
        ]),
        "invalid-signature" => Want::RefusedFor(&["note:BadSignature"]),
        "unverified" => Want::RefusedFor(&["note:Unsigned"]),
        "ambiguous-key" => Want::RefusedFor(&["note:AmbiguousKey"]),
        other => return Err(format!("expect is {other:?}")),
    })
}

/// Name and id of lines by keys that are not among `keys`, sorted, each once.
fn unknown(note: &Note, keys: &[Vkey]) -> Vec<String> {
    let others = note.signatures.iter().filter(|line| !keys.iter().any(|key| line.is_by(key)));
    sorted(others.map(|line| format!("{}+{}", line.name, line.id)))
}

/// Sorted, each once.
pub(super) fn sorted(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let set: std::collections::BTreeSet<String> = names.into_iter().collect();
    set.into_iter().collect()
}

/// `note/golang-sumdb-note.json` and `note/c2sp-signed-note-examples.json`.
pub(super) fn notes(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let keys = vkeys(case, "vkeys")?;
        let bytes = text(case, "note")?;
        let opened = Note::parse(&bytes).and_then(|note| {
            let signers = sorted(note.verify(&keys)?.into_iter().map(Vkey::keyid));
            Ok((note, signers))
        });
        if let Ok((note, signers)) = &opened {
            report.same(id, "the text", &note.text.as_str(), &word(case, "text")?);
            report.same(id, "the signers", signers, &sorted(words(case, "verified")?));
            report.same(id, "the lines by unknown keys", &unknown(note, &keys), &sorted(words(case, "unverified")?));
            report.same(id, "the note printed", &note.print().as_bytes(), &bytes.as_slice());
        } else if let (Some(wanted), Ok(note)) = (case.get("text").and_then(Value::as_str), Note::parse(&bytes)) {
            report.same(id, "the text of an unverified note", &note.text.as_str(), &wanted);
        }
        report.case(id, want(case)?, opened.map(|_| ()));
    }
    for case in file.get("signing").and_then(Value::as_array).into_iter().flatten() {
        let id = word(case, "id")?;
        let body = word(case, "text")?;
        let signed = Seed::parse(word(case, "skey")?).and_then(|seed| {
            let signature = seed.sign_ed25519(body.as_bytes())?.to_vec();
            Ok((seed.vkey(), signature))
        });
        let signed = signed.map_err(|error| error.reason()).and_then(|(key, signature)| {
            let line = Signature::by(&key, signature).map_err(|error| error.reason())?;
            Note::new(body.to_owned(), vec![line]).map_err(|error| error.reason())
        });
        if let Ok(note) = &signed {
            report.same(id, "the note", &note.print().as_str(), &word(case, "signed_note")?);
        }
        report.case(id, Want::Ok, signed.map(|_| ()));
    }
    for case in file.get("sign_must_fail").and_then(Value::as_array).into_iter().flatten() {
        let id = word(case, "id")?;
        let got = match case.get("name").and_then(Value::as_str) {
            Some(name) => check_name(name).map_err(|error| error.reason()),
            None => Note::new(word(case, "text")?.to_owned(), Vec::new()).map(|_| ()).map_err(|error| error.reason()),
        };
        report.case(id, Want::Refused, got);
    }
    Ok(())
}

/// `note/vkeys.json`; `strict` asks for the rule of keys in leaves, `private` for the text of a seed.
pub(super) fn keys(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        if let Some(private) = case.get("private").and_then(Value::as_str) {
            let got = Seed::parse(private).and_then(|seed| match case.get("signs").and_then(Value::as_str) {
                Some(body) => seed.sign_ed25519(body.as_bytes()).map(|_| ()),
                None => Ok(()),
            });
            report.case(id, want(case)?, got);
            continue;
        }
        let vkey = word(case, "vkey")?;
        let strict = case.get("strict") == Some(&Value::Bool(true));
        let got = if strict { Vkey::parse_strict(vkey) } else { Vkey::parse(vkey) };
        if let Ok(key) = &got {
            report.same(id, "the name", &key.name(), &word(case, "name")?);
            report.same(id, "the id", &key.id().to_string().as_str(), &word(case, "key_id")?);
            let kind = format!("{:#04x}", key.kind().byte());
            report.same(id, "the type", &kind.as_str(), &word(case, "signature_type")?);
            report.same(id, "the vkey printed", &key.to_string().as_str(), &vkey);
        }
        report.case(id, want(case)?, got.map(|_| ()));
    }
    for rule in file.get("rules").and_then(Value::as_array).into_iter().flatten() {
        let id = word(rule, "id")?;
        let vkey = word(rule, "vkey")?;
        let changed: Vec<String> = match id {
            "every-proper-substring-fails" => (0..vkey.len())
                .flat_map(|from| (from..=vkey.len()).map(move |to| (from, to)))
                .filter(|range| *range != (0, vkey.len()))
                .map(|(from, to)| vkey[from..to].to_owned())
                .collect(),
            "every-byte-incremented-fails" => (0..vkey.len())
                .map(|at| {
                    let byte = |(here, byte): (usize, u8)| char::from(if here == at { byte + 1 } else { byte });
                    vkey.bytes().enumerate().map(byte).collect()
                })
                .collect(),
            other => return Err(format!("rule {other:?}: {}", member(rule, "rule")?)),
        };
        let taken: Vec<&String> = changed.iter().filter(|text| Vkey::parse(text).is_ok()).collect();
        report.holds(id, "there are changed keys", changed.len() >= vkey.len());
        report.case(id, Want::Ok, if taken.is_empty() { Ok(()) } else { Err(format!("taken: {taken:?}")) });
    }
    Ok(())
}

/// `note/armored-witness/ci`: real notes, each with the key of its serial number.
pub(super) fn armored(input: &Input, report: &mut Report) -> Outcome {
    let folder = input.root.join(&input.path);
    let names = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let names = sorted(names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()));
    for name in names.iter().filter(|name| name.ends_with(".0")) {
        let serial = name.split('.').next().unwrap_or_default();
        let key = Vkey::parse(input.text(&format!("{serial}.pub"))?.trim_end()).map_err(|error| error.reason())?;
        let keys = [key];
        let opened = Note::parse(&input.read(name)?).and_then(|note| note.verify(&keys).map(|_| note.clone()));
        if let Ok(note) = &opened {
            let line = |number: usize| note.text.lines().nth(number).unwrap_or_default();
            report.same(name, "the serial number", &line(1), &serial);
            report.holds(
                name,
                "line 4 is a vkey, of a witness only",
                Vkey::parse(line(3)).is_ok() == name.contains("witness"),
            );
        }
        report.case::<NoteError>(name, Want::Ok, opened.map(|_| ()));
    }
    Ok(())
}
