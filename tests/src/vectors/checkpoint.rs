//! Vectors of checkpoints and cosignatures.
//!
//! A log's key need not be named like the origin here: these files say which keys count. Not here: quorums (`policy`).

use serde_json::Value;
use vitrine_spec::checkpoint::{Checkpoint, CheckpointError, Origin, SignedCheckpoint};
use vitrine_spec::cosignature;
use vitrine_spec::hash::Hash;
use vitrine_spec::key::{KeyKind, Vkey};
use vitrine_spec::note::{NoteError, Signature};

use super::input::{Input, Outcome, array, member, number, text, vkeys, word, words};
use super::note::{sorted, want};
use super::reason::Reason;
use super::report::{Report, Want};

/// Compares a checkpoint with the members `origin`, `size`, `root`, `extensions`.
fn compare(report: &mut Report, id: &str, checkpoint: &Checkpoint, case: &Value) -> Outcome {
    report.same(id, "the origin", &checkpoint.origin.as_str(), &word(case, "origin")?);
    report.same(id, "the size", &checkpoint.size.get(), &number(case, "size")?);
    report.same(id, "the root", &checkpoint.root.to_string().as_str(), &word(case, "root")?);
    report.same(id, "the extension lines", &checkpoint.extensions, &words(case, "extensions")?);
    Ok(())
}

/// `checkpoint/body-parse.json`.
pub(super) fn bodies(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let bytes = text(case, "text")?;
        let got = match std::str::from_utf8(&bytes) {
            Ok(body) => Checkpoint::parse(body).map_err(|error| error.reason()),
            Err(error) => Err(NoteError::NotUtf8 { at: error.valid_up_to() }.reason()),
        };
        if let (Ok(checkpoint), "ok") = (&got, word(case, "expect")?) {
            compare(report, id, checkpoint, case)?;
            report.same(id, "the text printed", &checkpoint.text().as_bytes(), &bytes.as_slice());
        }
        report.case(id, want(case)?, got.map(|_| ()));
    }
    for case in file.get("origin_ids").and_then(Value::as_array).into_iter().flatten() {
        let id = word(case, "origin")?;
        let got = Origin::new(id);
        if let Ok(origin) = &got {
            // The id of witness networks, which the product has no use for, is over `o:` and the origin.
            let listed = Hash::of(format!("o:{origin}").as_bytes());
            report.same(id, "the id", &listed.hex().as_str(), &word(case, "sha256")?);
        }
        report.case(id, Want::Ok, got.map(|_| ()));
    }
    Ok(())
}

/// `checkpoint/signed.json`.
pub(super) fn signed(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let keys = vkeys(case, "vkeys")?;
        let opened = SignedCheckpoint::parse(&text(case, "note")?).and_then(|signed| {
            let signers = sorted(signed.verify_log(&keys)?.into_iter().map(Vkey::keyid));
            Ok((signed, signers))
        });
        if let (Ok((signed, signers)), "ok") = (&opened, word(case, "expect")?) {
            compare(report, id, &signed.checkpoint, case)?;
            report.same(id, "the signers", signers, &sorted(words(case, "verified")?));
        }
        report.case(id, want(case)?, opened.map(|_| ()));
    }
    Ok(())
}

/// `checkpoint/sigstore-java`: ECDSA, which nothing here verifies: its lines are those of an unknown key.
pub(super) fn sigstore_java(input: &Input, report: &mut Report) -> Outcome {
    let valid = SignedCheckpoint::parse(&input.read("valid.txt")?);
    if let Ok(signed) = &valid {
        let id = "valid";
        report.same(id, "extension lines", &signed.checkpoint.extensions.len(), &1);
        let lines: Vec<String> = signed.signatures().iter().map(|line| line.id.to_string()).collect();
        report.same(id, "key ids", &lines, &vec!["c0d23d6a".to_owned()]);
        let trusted = signed.verify_log(&[]);
        report.same(id, "trust", &trusted, &Err(NoteError::Unsigned { lines: 1, keys: 0 }));
    }
    report.case("valid", Want::Ok, valid.map(|_| ()));
    for (name, wanted) in [
        ("error_header_body_separator", "note:NoSignatures"),
        ("error_no_signatures", "note:NoSignatures"),
        ("error_not_a_number", "checkpoint:Size"),
        ("error_signature_format_invalid", "note:SignatureLine"),
    ] {
        let got: Result<SignedCheckpoint, CheckpointError> =
            SignedCheckpoint::parse(&input.read(&format!("{name}.txt"))?);
        report.case(name, Want::RefusedFor(&[wanted, &format!("checkpoint:Note>{wanted}")]), got.map(|_| ()));
    }
    Ok(())
}

/// The time of a line by a key that may be a log's or a cosigner's.
fn verify(key: &Vkey, signed: &SignedCheckpoint, line: &Signature) -> Result<Option<u64>, String> {
    match key.kind() {
        KeyKind::Ed25519 if key.verify(signed.text().as_bytes(), &line.bytes) => Ok(None),
        KeyKind::Ed25519 => Err(NoteError::BadSignature { keyid: key.keyid() }.reason()),
        KeyKind::Cosign | KeyKind::MlDsa44 => {
            cosignature::verify(key, signed, line).map(Some).map_err(|error| error.reason())
        }
    }
}

/// `cosignature/cosigned-checkpoints.json`: a case is one line of one checkpoint.
pub(super) fn cosignatures(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let keys = vkeys(case, "vkeys")?;
        let signed = SignedCheckpoint::parse(&text(case, "note")?).map_err(|error| format!("{id}: {error}"))?;
        compare(report, id, &signed.checkpoint, member(case, "checkpoint")?)?;
        let lines = array(case, "signatures")?;
        report.same(id, "signature lines", &signed.signatures().len(), &lines.len());
        for (at, (line, wanted)) in signed.signatures().iter().zip(lines).enumerate() {
            let id = format!("{id} line {}", at + 1);
            report.same(&id, "the name", &line.name.as_str(), &word(wanted, "name")?);
            report.same(&id, "the key id", &line.id.to_string().as_str(), &word(wanted, "key_id")?);
            // Own vectors name the key that is tried, whether or not the line claims to be by it.
            let tried = wanted.get("tried").and_then(Value::as_str);
            let key = keys.iter().find(|key| match tried {
                Some(keyid) => key.keyid() == keyid,
                None => line.is_by(key),
            });
            let got = match key {
                Some(key) => {
                    if let Some(kind) = wanted.get("signature_type").and_then(Value::as_str) {
                        report.same(&id, "the type", &format!("{:#04x}", key.kind().byte()).as_str(), &kind);
                    }
                    let got = match tried {
                        Some(_) => cosignature::verify(key, &signed, line).map(Some).map_err(|error| error.reason()),
                        None => verify(key, &signed, line),
                    };
                    got.map(|time| {
                        let wanted = wanted.get("timestamp").and_then(Value::as_u64);
                        report.same(&id, "the time", &time, &wanted);
                    })
                }
                None => Err("unknown-key".to_owned()),
            };
            let want = match member(wanted, "verifies")?.as_bool() {
                Some(true) => Want::Ok,
                Some(false) => Want::RefusedFor(&["note:BadSignature", "cosignature:"]),
                None => Want::RefusedFor(&["unknown-key"]),
            };
            if let Some(length) = wanted.get("length").and_then(Value::as_u64) {
                report.same(&id, "the length behind the key id", &(line.bytes.len() as u64), &length);
            }
            report.case(&id, want, got);
        }
    }
    Ok(())
}
