//! `spec/verify.py`, written by somebody who read the documents alone, gives the verdicts of Rust on every case of the drill.
//!
//! Where `CI` is set a lack of its Python fails; elsewhere one line says that it checked nothing. Not here: C and ctypes, which
//! call the same Rust (`log-client/ffi/tests`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rayon::prelude::*;
use serde_json::Value;
use vitrine_spec::floor::Floor;
use vitrine_spec::hash::Hash;
use vitrine_spec::policy::Policy;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{File, Outcome, Pins, Proof, Question, Witnessing, verify_update};
use vitrine_spec::watched::Watched;
use vitrine_tests::python;

/// One question: paths of files.
struct Case {
    id: String,
    file: PathBuf,
    trust: PathBuf,
    bundles: Vec<PathBuf>,
    proofs: Vec<PathBuf>,
    now: Option<u64>,
    floor: Option<PathBuf>,
    watched: Option<PathBuf>,
}

/// Exit code, verdict and code.
type Said = (i32, String, String);

fn cases(folder: &Path) -> Vec<Case> {
    let list: Value = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let read = |case: &Value| {
        let path = |member: &str| case.get(member).map(|path| folder.join(path.as_str().unwrap()));
        let paths = |member: &str| -> Vec<PathBuf> {
            let given = case.get(member).and_then(Value::as_array).into_iter().flatten();
            given.map(|path| folder.join(path.as_str().unwrap())).collect()
        };
        Case {
            id: case["id"].as_str().unwrap().to_owned(),
            file: path("file").unwrap(),
            trust: path("trust").unwrap(),
            bundles: paths("bundles"),
            proofs: paths("proofs"),
            now: case.get("now").and_then(Value::as_u64),
            floor: path("floor"),
            watched: path("watched"),
        }
    };
    list["cases"].as_array().unwrap().iter().map(read).collect()
}

fn rust(case: &Case) -> Said {
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let bytes = |paths: &[PathBuf]| -> Vec<(String, Vec<u8>)> {
        paths.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
    };
    let policy = Policy::parse(text(&case.trust.join("policy"))).unwrap();
    let trust = TrustFile::parse(&text(&case.trust.join("trust.toml"))).unwrap();
    let pins = Pins::new(policy, trust, Witnessing::Required).unwrap();
    let (proofs, bundles) = (bytes(&case.proofs), bytes(&case.bundles));
    let file = fs::read(&case.file).unwrap();
    let verdict = verify_update(&Question {
        file: File { name: &case.id, sha256: Hash::of(&file), size: file.len() as u64 },
        proofs: &named(&proofs),
        bundles: &named(&bundles),
        pins: &pins,
        now: case.now,
        floor: case.floor.as_deref().map(|path| Floor::parse(&text(path)).unwrap()).as_ref(),
        watched: case.watched.as_deref().map(|path| Watched::parse(&text(path)).unwrap()).as_ref(),
    });
    let exit = match verdict.outcome {
        Outcome::Verified => 0,
        Outcome::NotVerified => 1,
        Outcome::NotYet => 5,
    };
    (exit, verdict.outcome.word().to_owned(), verdict.code.as_str().to_owned())
}

fn named(given: &[(String, Vec<u8>)]) -> Vec<Proof<'_>> {
    given.iter().map(|(name, bytes)| Proof { name, bytes }).collect()
}

fn second(python: &Path, verifier: &Path, case: &Case) -> Result<Said, String> {
    let mut command = Command::new(python);
    command.arg(verifier).arg(&case.file).arg("--trust").arg(&case.trust);
    let lists = [("--bundle", &case.bundles), ("--proof", &case.proofs)];
    for (option, path) in lists.into_iter().flat_map(|(option, paths)| paths.iter().map(move |path| (option, path))) {
        command.arg(option).arg(path);
    }
    for (option, path) in [("--floor", &case.floor), ("--watched", &case.watched)] {
        path.iter().for_each(|path| {
            command.arg(option).arg(path);
        });
    }
    if let Some(now) = case.now {
        command.args(["--now", &now.to_string()]);
    }
    let output = command.output().map_err(|error| format!("{}: {error}", python.display()))?;
    let errors = || String::from_utf8_lossy(&output.stderr).into_owned();
    let said: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", errors()))?;
    let word = |member: &str| said[member].as_str().map(str::to_owned).ok_or_else(|| format!("no {member} in {said}"));
    Ok((output.status.code().unwrap_or(-1), word("verdict")?, word("code")?))
}

#[test]
fn the_second_verifier_says_what_rust_says() {
    let Some(programs) = python::said("verifier", "spec/verify.py beside Rust") else { return };
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec");
    let cases = cases(&spec.join("vectors/drill"));
    assert!(cases.len() >= 131, "only {} cases", cases.len());
    let (python, verifier) = (programs.join("python3"), spec.join("verify.py"));
    let differ: Vec<String> = cases
        .par_iter()
        .filter_map(|case| {
            let (rust, second) = (rust(case), second(&python, &verifier, case));
            (second != Ok(rust.clone())).then(|| format!("{}: Rust says {rust:?}, verify.py {second:?}", case.id))
        })
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
