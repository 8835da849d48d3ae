//! Callers in C and in Python, and the small program, give the verdicts of Rust on every case of the vectors.
//!
//! A program that is missing fails a test when `CI` is set; elsewhere the test says that it checked nothing.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use vitrine::judge::{Answer, Given, judge};
use vitrine_spec::hash::Hash;
use vitrine_spec::verdict::{File, Proof};

const HERE: &str = env!("CARGO_MANIFEST_DIR");
const PROGRAM: &str = env!("CARGO_BIN_EXE_vitrine-verify");

/// The program of this name; `None` when it is missing and `CI` is not set, after a line on standard error.
fn need(test: &str, program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = folder().parent().expect("a profile folder is in a target folder").join("tools/bin");
    let found = std::env::split_paths(&path).chain([tools]).map(|dir| dir.join(program)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{test}: {program} is not there; CI is set, so it must be");
        let _ = writeln!(std::io::stderr(), "NOT CHECKED: {test}: {program} is not there");
    }
    found
}

/// Where cargo puts what it builds.
fn folder() -> &'static Path {
    Path::new(PROGRAM).parent().expect("a program is in a folder")
}

/// A library that was built with this test; one in the folder above may be of an earlier build.
fn library(name: &str) -> PathBuf {
    let found = folder().join("deps").join(name);
    assert!(found.is_file(), "{} is not there", found.display());
    found
}

/// One question, and what the vectors expect.
#[derive(Clone)]
struct Case {
    id: String,
    code: String,
    verdict: String,
    policy: Vec<u8>,
    trust: Vec<u8>,
    proofs: Vec<Vec<u8>>,
    bundles: Vec<Vec<u8>>,
    name: String,
    /// The bytes of the file, where the vectors have them.
    file: Option<Vec<u8>>,
    sha256: String,
    size: u64,
    now: Option<u64>,
    floor: Option<Vec<u8>>,
    watched: Option<Vec<u8>>,
    unwitnessed: bool,
}

/// Every case of `spec/vectors/verdict/updates.json` and of the drill.
fn cases() -> Vec<Case> {
    let vectors = Path::new(HERE).join("../../spec/vectors");
    let list = |path: &str, member: &str| {
        let file: Value = serde_json::from_slice(&fs::read(vectors.join(path)).unwrap()).unwrap();
        let cases = file[member].as_array().unwrap().clone();
        (file, cases)
    };
    let (file, updates) = list("verdict/updates.json", "verdicts");
    let (_, drill) = list("drill/cases.json", "cases");
    assert!(updates.len() >= 39 && drill.len() >= 131, "{} and {} cases", updates.len(), drill.len());
    let updates = updates.iter().map(|case| of_updates(&file, case));
    updates.chain(drill.iter().map(|case| of_drill(&vectors.join("drill"), case))).collect()
}

/// A case with this code and with a time.
fn case_of(code: &str) -> Case {
    let found = cases().into_iter().find(|case| case.code == code && case.now.is_some() && case.file.is_some());
    found.unwrap_or_else(|| panic!("no case of {code}"))
}

fn word<'v>(case: &'v Value, name: &str) -> &'v str {
    case[name].as_str().unwrap_or_else(|| panic!("no {name} in {case}"))
}

fn of_updates(file: &Value, case: &Value) -> Case {
    let text = |name: &str| word(if case.get(name).is_some() { case } else { file }, name).as_bytes().to_vec();
    let judged = &case["file"];
    Case {
        id: word(case, "id").into(),
        code: word(case, "code").into(),
        verdict: word(case, "verdict").into(),
        policy: text("policy"),
        trust: text("trust"),
        proofs: words(case, "proofs").map(|name| word(&file["proofs"], name).into()).collect(),
        bundles: Vec::new(),
        name: word(judged, "name").into(),
        file: None,
        sha256: word(judged, "sha256").into(),
        size: judged["size"].as_u64().unwrap(),
        now: case.get("now").and_then(Value::as_u64),
        floor: None,
        watched: None,
        unwitnessed: false,
    }
}

fn of_drill(folder: &Path, case: &Value) -> Case {
    let read = |path: &str| fs::read(folder.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let own = |name: &str| case.get(name).and_then(Value::as_str).map(read);
    let file = read(word(case, "file"));
    Case {
        id: format!("drill: {}", word(case, "id")),
        code: word(case, "code").into(),
        verdict: word(case, "verdict").into(),
        policy: read(&format!("{}/policy", word(case, "trust"))),
        trust: read(&format!("{}/trust.toml", word(case, "trust"))),
        proofs: words(case, "proofs").map(read).collect(),
        bundles: words(case, "bundles").map(read).collect(),
        name: word(case, "file").rsplit('/').next().unwrap().into(),
        sha256: Hash::of(&file).hex(),
        size: file.len() as u64,
        file: Some(file),
        now: case.get("now").and_then(Value::as_u64),
        floor: own("floor"),
        watched: own("watched"),
        unwitnessed: case.get("unwitnessed") == Some(&Value::Bool(true)),
    }
}

fn words<'v>(case: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    case.get(name).and_then(Value::as_array).into_iter().flatten().map(|word| word.as_str().unwrap())
}

impl Case {
    /// What Rust answers, which must be what the vectors say.
    fn answer(&self) -> Answer {
        let numbered =
            |what: &str, count: usize| -> Vec<String> { (1..=count).map(|n| format!("{what} {n}")).collect() };
        let (proofs, bundles) = (numbered("proof", self.proofs.len()), numbered("bundle", self.bundles.len()));
        let evidence = |names: &'_ [String], given: &'_ [Vec<u8>]| -> Vec<(String, Vec<u8>)> {
            names.iter().cloned().zip(given.iter().cloned()).collect()
        };
        let (proofs, bundles) = (evidence(&proofs, &self.proofs), evidence(&bundles, &self.bundles));
        let answer = judge(&Given {
            policy: &self.policy,
            trust: &self.trust,
            proofs: &named(&proofs),
            bundles: &named(&bundles),
            file: File { name: &self.name, sha256: Hash::from_hex(&self.sha256).unwrap(), size: self.size },
            now: self.now,
            floor: self.floor.as_deref(),
            watched: self.watched.as_deref(),
            unwitnessed: self.unwitnessed,
        });
        let json: Value = serde_json::from_str(&answer.json).unwrap();
        assert_eq!(
            (json["code"].as_str(), json["verdict"].as_str()),
            (Some(&*self.code), Some(&*self.verdict)),
            "{}",
            self.id
        );
        answer
    }

    /// Its bytes as files, and the options that name them.
    fn options(&self, dir: &Path) -> Vec<String> {
        let mut options = Vec::new();
        let mut put = |option: &str, name: String, bytes: &[u8]| {
            let path = dir.join(name);
            fs::write(&path, bytes).unwrap();
            options.extend([option.to_owned(), path.display().to_string()]);
        };
        put("--policy", "policy".into(), &self.policy);
        put("--trust", "trust.toml".into(), &self.trust);
        for (number, proof) in self.proofs.iter().enumerate() {
            put("--proof", format!("{number}.tlog-proof"), proof);
        }
        for (number, bundle) in self.bundles.iter().enumerate() {
            put("--bundle", format!("{number}.vitrine"), bundle);
        }
        if let Some(floor) = &self.floor {
            put("--floor", "floor".into(), floor);
        }
        if let Some(watched) = &self.watched {
            put("--watched", "watched".into(), watched);
        }
        options
            .extend(["--sha256", &self.sha256, "--size", &self.size.to_string(), "--name", &self.name].map(Into::into));
        if let Some(now) = self.now {
            options.extend(["--now".into(), now.to_string()]);
        }
        if self.unwitnessed {
            options.push("--unwitnessed".into());
        }
        options
    }
}

fn named(given: &[(String, Vec<u8>)]) -> Vec<Proof<'_>> {
    given.iter().map(|(name, bytes)| Proof { name, bytes }).collect()
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Runs a caller on every case; it must say what Rust says, byte for byte.
fn agrees(caller: impl Fn() -> Command) {
    for case in cases() {
        let answer = case.answer();
        let dir = tempfile::tempdir().unwrap();
        let output = run(caller().args(case.options(dir.path())));
        let said = (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned());
        let want = format!("{}\n{}", answer.json, answer.floor.unwrap_or_default());
        assert_eq!(
            said,
            (Some(i32::from(answer.exit)), want),
            "{}: {}",
            case.id,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Compiles `verify.c`, every warning an error.
fn compile(cc: &Path, to: &Path, with: &[String]) {
    let mut command = Command::new(cc);
    command.args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-I", HERE, "-o"]).arg(to);
    command.arg(Path::new(HERE).join("tests/verify.c")).args(with);
    let output = run(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn c_says_what_rust_says() {
    let Some(cc) = need("c_says_what_rust_says", "cc") else { return };
    let dir = tempfile::tempdir().unwrap();
    let shared = library("libvitrine.so");
    let rpath = format!("-Wl,-rpath,{}", shared.parent().unwrap().display());
    let linked = [
        ("shared", vec![shared.display().to_string(), rpath]),
        (
            "static",
            vec![library("libvitrine.a").display().to_string(), "-lpthread".into(), "-ldl".into(), "-lm".into()],
        ),
    ];
    for (name, with) in linked {
        let program = dir.path().join(name);
        compile(&cc, &program, &with);
        let wrong = run(Command::new(&program).arg("--wrong"));
        assert!(wrong.status.success(), "{name}: {}", String::from_utf8_lossy(&wrong.stderr));
        agrees(|| Command::new(&program));
    }
}

#[test]
fn no_byte_is_read_or_freed_wrongly() {
    let test = "no_byte_is_read_or_freed_wrongly";
    let (Some(cc), Some(valgrind)) = (need(test, "cc"), need(test, "valgrind")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("verify");
    let archive = library("libvitrine.a").display().to_string();
    compile(&cc, &program, &[archive, "-lpthread".into(), "-ldl".into(), "-lm".into()]);
    let watched = || {
        let mut command = Command::new(&valgrind);
        command.args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible"]);
        command.args(["--errors-for-leak-kinds=definite,indirect,possible", "--error-exitcode=99"]).arg(&program);
        command
    };
    let wrong = run(watched().arg("--wrong"));
    assert!(wrong.status.success(), "{}", String::from_utf8_lossy(&wrong.stderr));
    // One that is verified and one that is not, with all that they allocate.
    for code in ["verified", "rebuild.different"] {
        let case = case_of(code);
        let output = run(watched().args(case.options(dir.path())));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(i32::from(case.answer().exit)), "{}: {errors}", case.id);
    }
}

#[test]
fn python_says_what_rust_says() {
    let Some(python) = need("python_says_what_rust_says", "python3") else { return };
    agrees(|| {
        let mut command = Command::new(&python);
        command.arg(Path::new(HERE).join("tests/verify.py")).arg(library("libvitrine.so"));
        command
    });
}

#[test]
fn the_header_is_what_cbindgen_prints() {
    let Some(cbindgen) = need("the_header_is_what_cbindgen_prints", "cbindgen") else { return };
    let mut command = Command::new(cbindgen);
    command.current_dir(HERE).args(["--quiet", "--config", "cbindgen.toml", "src/abi.rs"]);
    let output = run(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let committed = fs::read(Path::new(HERE).join("vitrine.h")).unwrap();
    let (printed, committed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&committed));
    assert_eq!(printed, committed, "print it again: {command:?} > vitrine.h");
}

/// What a machine has on its disk, and the command line that names it for `vitrine-verify`.
fn unpack(dir: &Path, case: &Case) -> Vec<String> {
    let file = dir.join(&case.name);
    fs::write(&file, case.file.as_ref().expect("a case with its file")).unwrap();
    let mut arguments = vec![file.display().to_string()];
    let mut options = case.options(dir).into_iter();
    while let Some(option) = options.next() {
        match option.as_str() {
            "--policy" | "--trust" | "--sha256" | "--size" | "--name" => drop(options.next()),
            "--watched" => {
                options.next();
                arguments.extend(["--watch-state".into(), dir.display().to_string()]);
            }
            _ => arguments.push(option),
        }
    }
    arguments.extend(["--trust".into(), dir.display().to_string()]);
    arguments
}

#[test]
fn the_program_says_what_rust_says() {
    // Evidence is named by its path there, so that reasons may differ; without any, and without a time, it judges nothing.
    let mut tried = 0;
    let evidence = |case: &Case| !case.bundles.is_empty() || !case.proofs.is_empty();
    for case in cases().into_iter().filter(|case| case.file.is_some() && case.now.is_some() && evidence(case)) {
        let dir = tempfile::tempdir().unwrap();
        let output = run(Command::new(PROGRAM).args(unpack(dir.path(), &case)));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let said = (output.status.code(), json["code"].as_str(), json["verdict"].as_str());
        assert_eq!(said, (Some(i32::from(case.answer().exit)), Some(&*case.code), Some(&*case.verdict)), "{}", case.id);
        if let Some(floor) = case.answer().floor {
            assert_eq!(fs::read_to_string(dir.path().join("floor")).unwrap(), floor, "{}", case.id);
        }
        tried += 1;
    }
    assert!(tried >= 120, "only {tried} cases");
}

#[test]
fn the_program_opens_no_socket_and_needs_little_memory() {
    let Some(strace) = need("the_program_opens_no_socket_and_needs_little_memory", "strace") else { return };
    for code in ["verified", "rebuild.different"] {
        let case = case_of(code);
        let dir = tempfile::tempdir().unwrap();
        let arguments = unpack(dir.path(), &case);
        let trace = dir.path().join("trace");
        let mut command = Command::new(&strace);
        command.args(["-f", "-e", "trace=%network,openat", "-o"]).arg(&trace).arg(PROGRAM).args(&arguments);
        let output = run(&mut command);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (json["code"].as_str(), output.status.code()),
            (Some(code), Some(i32::from(case.answer().exit))),
            "{json}"
        );
        let trace = fs::read_to_string(trace).unwrap();
        assert!(trace.contains("/trust.toml"), "nothing was traced: {trace}");
        let others: Vec<&str> =
            trace.lines().filter(|line| !line.contains("openat(") && !line.contains("+++")).collect();
        assert!(others.is_empty(), "calls of the network: {others:?}");

        // With 32 MiB of addresses in all, libraries and buffers included.
        let limited =
            run(Command::new("sh").args(["-c", "ulimit -v 32768 && exec \"$@\"", "sh", PROGRAM]).args(&arguments));
        assert_eq!(limited.stdout, output.stdout, "{}", String::from_utf8_lossy(&limited.stderr));
    }
}

#[test]
fn the_program_refuses_what_it_cannot_use() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case { floor: None, watched: None, ..case_of("verified") };
    let sound = unpack(dir.path(), &case);
    let own = |name: &str| dir.path().join(name).display().to_string();
    let said = |arguments: &[String]| {
        let output = run(Command::new(PROGRAM).args(arguments));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), json["code"].as_str().unwrap().to_owned())
    };
    let with =
        |more: &[&str]| [sound.as_slice(), &more.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()].concat();
    assert_eq!(said(&sound), (Some(0), "verified".into()));
    for wrong in [&["--no-such-option"][..], &["a-second-file"], &["--now", "soon"], &["--floor"]] {
        assert_eq!(said(&with(wrong)), (Some(2), "usage".into()), "{wrong:?}");
    }
    assert_eq!(said(&[]), (Some(2), "usage".into()));
    assert_eq!(said(&with(&["--trust", "/nowhere"])), (Some(2), "file.read".into()));
    let file_alone = [own(&case.name), "--trust".into(), own("")];
    assert_eq!(said(&file_alone), (Some(2), "proof.none".into()));
    fs::write(own(&format!("{}.tlog-proof", case.name)), "no proof").unwrap();
    assert_eq!(said(&file_alone), (Some(1), "proof.malformed".into()));
    fs::write(own("bad"), "no floor").unwrap();
    assert_eq!(said(&with(&["--floor", &own("bad")])), (Some(2), "floor.malformed".into()));

    // A floor is written once something is verified, and read again.
    for _ in 0..2 {
        assert_eq!(said(&with(&["--floor", &own("new")])), (Some(0), "verified".into()));
    }
    let floor = fs::read_to_string(own("new")).unwrap();
    assert!(floor.contains("\nrelease "), "{floor}");
    fs::write(own("higher"), floor.replace("\nrelease ", "\nrelease 900")).unwrap();
    assert_eq!(said(&with(&["--floor", &own("higher")])), (Some(1), "update.below-floor".into()));
}
