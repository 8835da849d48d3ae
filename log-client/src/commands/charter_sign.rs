//! `charter sign`: each side signs offline, after it has read its own keys here (design-events.md 3).
//!
//! Not here: making a charter (`charter`).

use std::path::PathBuf;

use clap::Args;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::key::Vkey;
use vitrine_spec::text::{hex, unb64};
use vitrine_spec::trust::Fingerprint;
use vitrine_spec::wrap::reader_key_id;

use crate::clock;
use crate::draft::check_members;
use crate::event_file::{EventFile, int};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::keyfile;
use crate::output::{Out, Report};

/// `charter sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// Private key file of the operator or the supervisor
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sign only this one: the fingerprint that was agreed on
    #[arg(long, value_name = "FINGERPRINT")]
    expect: Option<String>,
    /// Where to write the signed charter, instead of replacing FILE
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The charter
    file: PathBuf,
}

/// The keyid of a vkey inside a body; empty when it is none.
pub(super) fn keyid_of(vkey: Option<&Value>) -> String {
    vkey.and_then(Value::as_text).and_then(|text| Vkey::parse(text).ok()).map(|vkey| vkey.keyid()).unwrap_or_default()
}

/// Every key of a charter: what it is for, its vkey.
pub fn keys_of(event: &EventFile) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    if let Some(Value::Array(list)) = event.body("log_keys") {
        keys.extend(list.iter().filter_map(Value::as_text).map(|vkey| ("log".to_owned(), vkey.to_owned())));
    }
    for role in ["operator", "supervisor", "vault"] {
        for (member, suffix) in [("vkey", ""), ("spare", " spare")] {
            if let Some(vkey) = event.body(role).and_then(|value| value.get(member)).and_then(Value::as_text) {
                keys.push((format!("{role}{suffix}"), vkey.to_owned()));
            }
        }
    }
    if let Some(Value::Array(readers)) = event.body("readers") {
        for reader in readers {
            let of = |name: &str| reader.get(name).and_then(Value::as_text).unwrap_or_default();
            keys.push((format!("reader {} ({})", of("name"), of("role")), of("sign").to_owned()));
            let id = unb64(of("seal")).map(|key| hex(&reader_key_id(&key))).unwrap_or_default();
            keys.push((format!("reader {} opens with", of("name")), format!("X-Wing {id}")));
        }
    }
    keys
}

/// Runs `charter sign`.
pub fn run(args: Sign, out: &Out) -> Result<Exit, Failure> {
    let seed = keyfile::read_event_key(&args.key)?;
    let vkey = seed.vkey();
    let mut event = EventFile::read(&args.file)?;
    if event.kind() != Some("charter") {
        return Err(Failure::refused("charter.kind", "this is not a charter")
            .side("file", args.file.display())
            .side("type", event.kind().unwrap_or("none"))
            .now("other events are signed by `event sign`"));
    }
    check_members(&event)?;
    let id = event.id();
    let version = event.body("version").and_then(int).unwrap_or_default();
    let fingerprint = Fingerprint::new(id.0).to_string();
    show(&event, &fingerprint, version, &vkey, out);
    if let Some(expected) = &args.expect {
        let agreed = Fingerprint::parse(expected).map_err(|error| {
            Failure::usage("charter.fingerprint", "this is not a fingerprint").side("reason", error)
        })?;
        if *agreed.event_id() != id.0 {
            return Err(Failure::refused("charter.fingerprint", "this is not the charter that was agreed on")
                .side("agreed", agreed)
                .side("this one", &fingerprint)
                .now("do not sign; find out who changed it"));
        }
    }
    let own: Vec<String> =
        keys_of(&event).into_iter().filter(|(_, text)| *text == vkey.to_string()).map(|(role, _)| role).collect();
    let among_cosigners = event.cosigners().contains(&vkey.keyid().as_str());
    if own.is_empty() && (version == 1 || !(among_cosigners || event.signers().count() <= event.cosigners().len())) {
        return Err(Failure::refused("charter.own-key", "this charter does not name your key")
            .side("your key", vkey.keyid())
            .side("operator", keyid_of(event.body("operator").and_then(|role| role.get("vkey"))))
            .side("supervisor", keyid_of(event.body("supervisor").and_then(|role| role.get("vkey"))))
            .now("do not sign: either the file names another key for your side, or this is the wrong key file"));
    }
    if version == 1 && !own.iter().any(|role| role == "operator" || role == "supervisor") {
        return Err(Failure::refused(
            "charter.own-key",
            "the first charter is signed by operator and supervisor alone",
        )
        .side("your key", vkey.keyid())
        .side("its role here", own.join(", ")));
    }
    event.sign(&seed)?;
    files::emit(Some(args.out.as_deref().unwrap_or(&args.file)), event.print().as_bytes(), out)?;
    let signers: Vec<&str> = event.signers().collect();
    let waiting = event.cosigners().len() + 1 - signers.len().min(event.cosigners().len() + 1);
    let role = if own.is_empty() { "a key of the version before".to_owned() } else { own.join(", ") };
    let rest = match waiting {
        0 => "all have signed".to_owned(),
        1 => "one signature is missing".to_owned(),
        n => format!("{n} signatures are missing"),
    };
    let report = Report::done("charter.signed", format!("signed as {role} by {}; {rest}", vkey.keyid()))
        .checked(format!("your key is in it as {role}"))
        .not_checked("the other keys: compare them with what their owners told you")
        .with("fingerprint", fingerprint)
        .with("version", version)
        .with("signers", signers.iter().map(|signer| serde_json::Value::from(*signer)).collect::<Vec<_>>());
    Ok(out.report(&report))
}

/// Shows everything that the signature stands under.
fn show(event: &EventFile, fingerprint: &str, version: u64, own: &Vkey, out: &Out) {
    out.head(&format!("charter of {}, version {version}", event.header_text("origin").unwrap_or_default()));
    let rows: Vec<(String, String)> = keys_of(event)
        .into_iter()
        .map(|(role, text)| {
            let mark = if text == own.to_string() { "   <- your key" } else { "" };
            // An ML-DSA key has 1.8 kB: its name, hash and fingerprint say as much to a person.
            let shown = if text.len() > 200 {
                let digest = Vkey::parse(&text).map(|vkey| Hash::of(vkey.public()).hex()).unwrap_or_default();
                format!("{} ML-DSA-44, SHA-256 of the key {digest}", keyid_of(Some(&Value::Text(text.clone()))))
            } else {
                text
            };
            (role, format!("{shown}{mark}"))
        })
        .collect();
    out.rows(&rows);
    let list = |name: &str| match event.body(name) {
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| match value.as_text() {
                Some(text) => text.to_owned(),
                None => {
                    let name = value.get("code").or_else(|| value.get("name"));
                    name.and_then(Value::as_text).unwrap_or_default().to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join(" "),
        Some(_) | None => String::new(),
    };
    let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    out.rows(&[
        ("types", list("types")),
        ("sites", none(list("sites"))),
        ("readers", none(list("readers"))),
        (
            "more signers",
            event
                .body("cosign")
                .map_or_else(String::new, |value| String::from_utf8_lossy(&value.to_jcs()).into_owned()),
        ),
        (
            "built here only",
            event
                .body("built_here_only")
                .map_or_else(String::new, |value| String::from_utf8_lossy(&value.to_jcs()).into_owned()),
        ),
        ("recorded", event.header_int("recorded").map_or_else(String::new, clock::show)),
        (if version == 1 { "fingerprint" } else { "event_id" }, fingerprint.to_owned()),
    ]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::world::{access_charter, charter_event, event_key, readers};

    fn unsigned() -> EventFile {
        EventFile::unsigned(charter_event().statement().clone())
    }

    fn sign(key: &str, expect: Option<String>) -> (Result<Exit, Failure>, EventFile) {
        let dir = tempfile::tempdir().unwrap();
        let (key_file, file) = (dir.path().join("key"), dir.path().join("charter.json"));
        keyfile::create(&key_file, &event_key(key)).unwrap();
        std::fs::write(&file, unsigned().print()).unwrap();
        let ended = run(Sign { key: key_file, expect, out: None, file: file.clone() }, &Out::new(true));
        (ended, EventFile::read(&file).unwrap())
    }

    #[test]
    fn each_side_signs_with_a_key_that_the_charter_names_for_it() {
        for key in ["operator", "supervisor"] {
            let (ended, signed) = sign(key, None);
            assert_eq!(ended.unwrap(), Exit::Done);
            assert_eq!(signed.signers().collect::<Vec<_>>(), [event_key(key).vkey().keyid()]);
        }
        for key in ["stranger", "vault"] {
            let (ended, signed) = sign(key, None);
            assert_eq!(ended.unwrap_err().code, "charter.own-key", "{key}");
            assert!(signed.is_unsigned(), "{key} signed nothing");
        }
    }

    #[test]
    fn another_charter_than_the_agreed_one_is_not_signed() {
        let agreed = Fingerprint::new(unsigned().id().0).to_string();
        assert_eq!(sign("operator", Some(agreed)).0.unwrap(), Exit::Done);
        let (ended, signed) = sign("operator", Some("0".repeat(64)));
        assert_eq!(ended.unwrap_err().code, "charter.fingerprint");
        assert!(signed.is_unsigned());
    }

    #[test]
    fn every_key_is_shown() {
        let keys = keys_of(&access_charter());
        let roles: Vec<&str> = keys.iter().map(|(role, _)| role.as_str()).collect();
        assert_eq!(
            roles,
            [
                "log",
                "log",
                "operator",
                "supervisor",
                "vault",
                "reader supervisor-1 (supervisor)",
                "reader supervisor-1 opens with",
                "reader vault-1 (vault)",
                "reader vault-1 opens with"
            ]
        );
        assert_eq!(keys[6].1, format!("X-Wing {}", hex(&readers()[0].1.key_id())));
    }
}
