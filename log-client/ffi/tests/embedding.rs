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

/// A library that was built with this test.
fn library(name: &str) -> PathBuf {
    let found = [folder().join(name), folder().join("deps").join(name)].into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not in {}", folder().display()))
}

/// One question, and what the vectors expect.
struct Case {
    id: String,
    code: String,
    verdict: String,
    policy: Vec<u8>,
    trust: Vec<u8>,
    proofs: Vec<Vec<u8>>,
    bundles: Vec<Vec<u8>>,
    name: String,
    sha256: String,
    size: u64,
    now: Option<u64>,
    floor: Option<Vec<u8>>,
    watched: Option<Vec<u8>>,
}

/// Every case of `spec/vectors/verdict/updates.json`.
fn cases() -> Vec<Case> {
    let path = Path::new(HERE).join("../../spec/vectors/verdict/updates.json");
    let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let cases: Vec<Case> = file["verdicts"].as_array().unwrap().iter().map(|case| read_case(&file, case)).collect();
    assert!(cases.len() >= 39, "only {} cases", cases.len());
    cases
}

fn read_case(file: &Value, case: &Value) -> Case {
    let word = |name: &str| case.get(name).and_then(Value::as_str);
    let text = |name: &str| word(name).or_else(|| file.get(name)?.as_str()).unwrap_or_else(|| panic!("no {name}"));
    let named = |kind: &str| {
        let names = case.get(kind).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        names.iter().map(|name| file[kind][name.as_str().unwrap()].as_str().unwrap().into()).collect()
    };
    let judged = &case["file"];
    Case {
        id: word("id").unwrap().into(),
        code: word("code").unwrap().into(),
        verdict: word("verdict").unwrap().into(),
        policy: text("policy").into(),
        trust: text("trust").into(),
        proofs: named("proofs"),
        bundles: named("bundles"),
        name: judged["name"].as_str().unwrap().into(),
        sha256: judged["sha256"].as_str().unwrap().into(),
        size: judged["size"].as_u64().unwrap(),
        now: case.get("now").and_then(Value::as_u64),
        floor: word("floor").map(Into::into),
        watched: word("watched").map(Into::into),
    }
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
            unwitnessed: true,
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
        options.push("--unwitnessed".into());
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
        let case = cases().into_iter().find(|case| case.code == code).unwrap();
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

/// A folder for `vitrine-verify`, with a file that is what the vectors judge; and the proofs of a case.
fn unpack(dir: &Path, case: &Case) -> Vec<String> {
    let mut arguments = vec![dir.join("app.bin").display().to_string()];
    fs::write(dir.join("app.bin"), b"the update").unwrap();
    let mut options = case.options(dir).into_iter();
    while let Some(option) = options.next() {
        match option.as_str() {
            "--policy" | "--trust" | "--sha256" | "--size" | "--name" => drop(options.next()),
            _ => arguments.push(option),
        }
    }
    arguments.extend(["--trust".into(), dir.display().to_string()]);
    arguments
}

#[test]
fn the_program_opens_no_socket_and_needs_little_memory() {
    let Some(strace) = need("the_program_opens_no_socket_and_needs_little_memory", "strace") else { return };
    for code in ["verified", "rebuild.different"] {
        let case = cases().into_iter().find(|case| case.code == code && case.now.is_some()).unwrap();
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
    let case = cases().into_iter().find(|case| case.code == "verified").unwrap();
    let sound = unpack(dir.path(), &case);
    let proof = fs::read(dir.path().join("0.tlog-proof")).unwrap();
    let said = |arguments: &[String]| {
        let output = run(Command::new(PROGRAM).args(arguments));
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), json["code"].as_str().unwrap().to_owned())
    };
    let with =
        |more: &[&str]| [sound.as_slice(), &more.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()].concat();
    let own = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(said(&sound), (Some(0), "verified".into()));
    for wrong in [&["--no-such-option"][..], &["a-second-file"], &["--now", "soon"], &["--floor"]] {
        assert_eq!(said(&with(wrong)), (Some(2), "usage".into()), "{wrong:?}");
    }
    assert_eq!(said(&[]), (Some(2), "usage".into()));
    assert_eq!(said(&with(&["--trust", "/nowhere"])), (Some(2), "file.read".into()));
    assert_eq!(said(&[own("app.bin"), "--trust".into(), own("")]), (Some(2), "proof.none".into()));
    fs::write(own("app.bin.tlog-proof"), &proof[1..]).unwrap();
    assert_eq!(said(&[own("app.bin"), "--trust".into(), own("")]), (Some(1), "proof.malformed".into()));
    fs::write(own("bad"), "no floor").unwrap();
    assert_eq!(said(&with(&["--floor", &own("bad")])), (Some(2), "floor.malformed".into()));

    // A floor is written once something is verified, and read again.
    assert_eq!(said(&with(&["--floor", &own("floor.new-machine")])), (Some(0), "verified".into()));
    let floor = fs::read_to_string(own("floor.new-machine")).unwrap();
    assert!(floor.contains("\nrelease "), "{floor}");
    assert_eq!(said(&with(&["--floor", &own("floor.new-machine")])), (Some(0), "verified".into()));
    let higher: Vec<String> = floor
        .lines()
        .map(|line| match line.strip_prefix("release ") {
            Some(rest) => format!("release 900{rest}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    fs::write(own("higher"), higher.concat()).unwrap();
    assert_eq!(said(&with(&["--floor", &own("higher")])), (Some(1), "update.below-floor".into()));
}
