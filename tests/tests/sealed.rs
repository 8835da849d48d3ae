//! Sealing beside two other implementations: Go's standard library, both ways, and the Python oracle that made our vectors.
//!
//! Neither shares code with `spec`, and both are without dependencies. Where `CI` is set a missing Go or Python fails; elsewhere
//! a line says that it is missing. Not here: the vectors themselves (`vectors`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use vitrine_spec::commitment::{self, RecordKey};
use vitrine_spec::fields::{Field, Values, nothing};
use vitrine_spec::text::hex;
use vitrine_spec::wrap::{ReaderSeed, WindowKey, WrapError, WrapFor, reader_key_id, unwrap, wrap};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Says past the harness that a test does nothing here; where `CI` is set it fails instead.
fn lacking(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what}, and CI is set");
    writeln!(std::io::stdout().lock(), "sealed: not compared: {what}").unwrap();
}

/// Our Go program, built once; `None` where there is no Go with HPKE.
fn go() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        let command = |argument: &str| {
            let mut go = Command::new("go");
            // Never another toolchain and no network: the module has no dependencies.
            go.args([argument]).envs([("GOTOOLCHAIN", "local"), ("GOPROXY", "off"), ("GOFLAGS", "-mod=readonly")]);
            go.current_dir(project().join("tests/interop/go"));
            go
        };
        let Ok(version) = command("version").output() else {
            lacking("there is no Go");
            return None;
        };
        let version = String::from_utf8(version.stdout).unwrap();
        let minor = version.split("go1.").nth(1).and_then(|rest| rest.split(['.', ' ', 'r']).next()?.parse().ok());
        if minor.is_none_or(|minor: u32| minor < 26) {
            lacking(&format!("Go 1.26 is the first with crypto/hpke, this is {}", version.trim()));
            return None;
        }
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-interop");
        let built = command("build").arg("-o").arg(&program).arg(".").output().unwrap();
        assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
        Some(program)
    };
    BUILT.get_or_init(build).as_deref()
}

/// What the Go program answers, request by request.
fn answers(program: &Path, requests: &[Value]) -> Vec<Value> {
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let mut input = child.stdin.take().unwrap();
    // From another thread: its answers would else fill the pipe before it has read all.
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), requests.len());
    answers
}

fn request(task: &str, target: &WrapFor<'_>, more: &[(&str, String)]) -> Value {
    let mut request = json!({"do": task, "origin": target.origin, "issuer": target.issuer, "epoch": target.epoch,
        "seq": target.seq, "reader": target.reader});
    for (name, value) in more {
        request[*name] = value.as_str().into();
    }
    request
}

fn bytes(answer: &Value, name: &str) -> Vec<u8> {
    let text = answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}"));
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

const TARGETS: [WrapFor<'_>; 3] = [
    WrapFor { origin: "example.com/access", issuer: "gateway", epoch: 1, seq: 2, reader: "supervisor" },
    WrapFor { origin: "a", issuer: "vault", epoch: u32::MAX, seq: (1 << 53) - 1, reader: "a-reader-of-the-vault" },
    WrapFor { origin: "example.com/accessg", issuer: "ateway", epoch: 1, seq: 2, reader: "supervisor" },
];

#[test]
fn go_opens_our_wraps_and_we_open_those_of_go() {
    //
    let Some(go) = go() else { return };
    for (number, target) in (1..).zip(&TARGETS) {
        let (seed, other) = (ReaderSeed::new([number; 32]), ReaderSeed::new([100 + number; 32]));
        let window = WindowKey::new([50 + number; 32]);
        let ours = wrap(&window, &seed.public(), target, &[150 + number; 64]).unwrap();
        let mut spoilt = ours.clone();
        spoilt[500] ^= 1;
        let elsewhere = WrapFor { seq: target.seq - 1, ..*target };
        let (seed_text, wrap_text) = (("seed", hex(&[number; 32])), ("wrap", hex(&ours)));
        let answers = answers(
            go,
            &[
                request("public", target, std::slice::from_ref(&seed_text)),
                request("unwrap", target, &[seed_text.clone(), wrap_text.clone()]),
                request("unwrap", &elsewhere, &[seed_text.clone(), wrap_text.clone()]),
                request("unwrap", target, &[("seed", hex(&[100 + number; 32])), wrap_text]),
                request("unwrap", target, &[seed_text, ("wrap", hex(&spoilt))]),
                request("wrap", target, &[("public", hex(&seed.public())), ("W", hex(window.bytes()))]),
            ],
        );
        let [key, opened, of_elsewhere, of_other, of_spoilt, made] = answers.as_slice() else { panic!() };
        assert_eq!(bytes(key, "public"), seed.public());
        assert_eq!(bytes(key, "key_id"), reader_key_id(&seed.public()));
        assert_eq!(bytes(opened, "W"), window.bytes());
        assert_eq!(bytes(opened, "check"), window.check().as_bytes());
        for refused in [of_elsewhere, of_other, of_spoilt] {
            assert!(refused["error"].is_string() && refused["W"].is_null(), "{refused}");
        }
        let theirs = bytes(made, "wrap");
        assert_ne!(theirs, ours, "fresh randomness");
        assert_eq!(unwrap(&seed, target, &theirs, &window.check()).unwrap().bytes(), window.bytes());
        assert_eq!(unwrap(&seed, &elsewhere, &theirs, &window.check()).unwrap_err(), WrapError::Open);
        assert_eq!(unwrap(&other, target, &theirs, &window.check()).unwrap_err(), WrapError::Open);
    }
}

#[test]
fn go_says_of_our_vectors_of_wraps_what_they_expect() {
    //
    let Some(go) = go() else { return };
    let file = std::fs::read(project().join("spec/vectors/sealed/wraps.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let unwrap = |case: &Value| {
        let mut request = case.clone();
        request["do"] = "unwrap".into();
        request["wrap"] = hex(&STANDARD.decode(case["wrap"].as_str().unwrap()).unwrap()).into();
        for name in ["name", "check", "expect"] {
            request.as_object_mut().unwrap().remove(name);
        }
        request
    };
    let requests: Vec<Value> = cases.iter().map(unwrap).collect();
    for (case, answer) in cases.iter().zip(answers(go, &requests)) {
        let got = if answer["error"].is_string() {
            "no"
        } else if answer["check"] == case["check"] {
            "ok"
        } else {
            "check"
        };
        let wanted = case["expect"].as_str().unwrap();
        assert_eq!(got, if ["ok", "check"].contains(&wanted) { wanted } else { "no" }, "{}", case["name"]);
    }
}

#[test]
fn go_commits_to_the_same() {
    //
    let Some(go) = go() else { return };
    let mut values = nothing();
    values[Field::OccurredAt.number()] = "2026-11-21T16:03:01.123Z".into();
    values[Field::Op.number()] = "read".into();
    values[Field::NativeOp.number()] = "quote \" backslash \\ slash / & < > é 🔒".into();
    values[Field::Outcome.number()] = vitrine_spec::json::Value::object([("result", "success".into())]);
    let values = Values::new(values).unwrap();
    let key = RecordKey::new([7; 32]);
    let mine: Value = serde_json::from_slice(&values.to_value().to_jcs()).unwrap();
    let file = std::fs::read(project().join("spec/vectors/sealed/records.json")).unwrap();
    let file: Value = serde_json::from_slice(&file).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let mut requests = vec![json!({"do": "commit", "K": hex(key.bytes()), "values": mine})];
    requests.extend(cases.iter().map(|case| json!({"do": "commit", "K": case["K"], "values": case["values"]})));
    let answers = answers(go, &requests);
    let commitments = commitment::commitments(&key, values.all());
    assert_eq!(bytes(&answers[0], "commit"), commitment::commit(&commitments).as_bytes());
    let each: Vec<String> = commitments.iter().map(|hash| hash.hex()).collect();
    assert_eq!(answers[0]["commitments"], json!(each));
    for (case, answer) in cases.iter().zip(&answers[1..]) {
        assert_eq!(
            (&case["commitments"], &case["commit"]),
            (&answer["commitments"], &answer["commit"]),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn the_sealed_vectors_are_as_the_oracle_makes_them() {
    let oracle = project().join("tests/interop/python/vectors.py");
    let Ok(checked) = Command::new("python3").arg("-B").arg(&oracle).arg("check").output() else {
        lacking("there is no python3");
        return;
    };
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}\n`python3 {} write` writes them", oracle.display());
}
