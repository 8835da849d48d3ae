//! What stands in `examples/`: each script is taken out of its file and run as it is, against a development log.
//!
//! Not here: the forges' own steps, a running systemd, an engine for containers; of those the files are read instead, by
//! whoever would read them or part by part (examples/README.md says what that leaves).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use vitrine_tests::harness::http;
use vitrine_tests::harness::process::{Server, binaries, until};
use vitrine_tests::shared::programs;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn example(name: &str) -> String {
    let path = project().join("examples").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The literal blocks behind a line that is `key |`, without their indentation: the scripts of a workflow.
fn blocks(yaml: &str, key: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = yaml.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.trim() == format!("{key} |")) {
        let inside: Vec<&str> = lines[at + 1..]
            .iter()
            .take_while(|next| next.trim().is_empty() || indent(next) > indent(line))
            .copied()
            .collect();
        let left = inside.first().map_or(0, |first| indent(first));
        let text: Vec<&str> = inside.iter().map(|line| line.get(left..).unwrap_or_default()).collect();
        found.push(text.join("\n").trim_end().to_owned() + "\n");
    }
    found
}

/// A development log, and a repository whose product it takes.
struct World {
    dir: tempfile::TempDir,
    log: Server,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let log =
            Server::start(dir.path(), "log-server", ["dev", "--dir", "dev"], &dir.path().join("log.err")).unwrap();
        let opened = format!("{}/issuers/dev", log.url);
        until("the log takes events", || Ok(dir.path().join("dev/env").is_file() && http::get(&opened)?.0 == 200))
            .unwrap();
        let world = World { dir, log };
        let repository = world.repository();
        fs::create_dir_all(repository.join("vitrine")).unwrap();
        for file in ["policy", "trust.toml"] {
            fs::copy(world.path("dev/trust").join(file), repository.join("vitrine").join(file)).unwrap();
        }
        fs::copy(project().join("examples/Makefile"), repository.join("Makefile")).unwrap();
        world.commit("first");
        world
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// Another version of the product, not built yet.
    fn commit(&self, what: &str) {
        fs::write(self.repository().join("app.sh"), format!("#!/bin/sh\necho {what}\n")).unwrap();
        // What was built and logged before is the next job's business no more: it has a checkout of its own.
        let _ = fs::remove_dir_all(self.repository().join("dist"));
        let script = "git init -q; git add .; git -c user.name=n -c user.email=e commit -qm c; \
                      git remote get-url origin 2>/dev/null || git remote add origin https://git.example.com/app.git";
        self.run(script, &[]).unwrap();
    }

    /// Runs a script in the repository as a runner does, with the variables of the development log and these.
    fn run(&self, script: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let file = self.path("script");
        fs::write(&file, script).unwrap();
        let path = format!("{}:{}", binaries().display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("bash")
            .args(["-c", ". \"$0\"; while [ $# -gt 1 ]; do export \"$1\"; shift; done; exec bash -e \"$1\""])
            .arg(self.path("dev/env"))
            .args(variables.iter().map(|(name, value)| format!("{name}={value}")))
            .arg(&file)
            .current_dir(self.repository())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.dir.path())
            .env("TMPDIR", self.dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(said) } else { Err(format!("{}: {said}", output.status)) }
    }

    /// Entries of the log.
    fn size(&self) -> u64 {
        let checkpoint = http::get(&format!("{}/checkpoint", self.log.url)).unwrap().1;
        checkpoint.lines().nth(1).unwrap().parse().unwrap()
    }

    /// Runs a script twice, as a job that is run again: verified both times, logged once.
    fn twice(&self, script: &str, variables: &[(&str, &str)]) {
        let before = self.size();
        let said = self.run(script, variables).unwrap_or_else(|said| panic!("{script}\n{said}"));
        assert!(said.contains("verified: "), "{said}");
        assert_eq!(self.size(), before + 2, "a build and an update");
        let said = self.run(script, variables).unwrap_or_else(|said| panic!("again: {script}\n{said}"));
        assert!(said.contains("verified: "), "{said}");
        assert_eq!(self.size(), before + 2, "the same job again logs nothing");
        let (shipped, customer) = (self.repository().join("dist"), self.path("customer"));
        let _ = fs::remove_dir_all(&customer);
        fs::create_dir(&customer).unwrap();
        for file in ["app", "app.vitrine"] {
            fs::copy(shipped.join(file), customer.join(file)).unwrap();
        }
        // All that a customer has is the file, the bundle and the trust file; the log's address leads nowhere.
        let said = self.run(
            "log-client verify-update ../customer/app --trust vitrine\n",
            &[("VITRINE_LOG", "http://127.0.0.1:1")],
        );
        assert!(said.unwrap().contains("verified: "));
        let left: Vec<_> = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("tmp.")), "a key is left behind: {left:?}");
    }
}

#[test]
fn what_a_forge_runs_logs_a_release_once() {
    if !programs("the examples for forges", &["git", "make", "bash"]) {
        return;
    }
    let world = World::new();
    let key = fs::read_to_string(world.path("dev/dev.key")).unwrap();

    let workflow = example("github-action.yml");
    let steps = blocks(&workflow, "run:");
    assert_eq!(steps.len(), 2);
    let variables = [
        ("VITRINE_POLICY", "vitrine/policy"),
        ("VITRINE_KEY_TEXT", key.trim_end()),
        ("VITRINE_KEY", "/nowhere"),
        ("GITHUB_REF_NAME", "v1.0"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_RUN_ID", "4711"),
        ("GITHUB_RUN_ATTEMPT", "1"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "example/app"),
    ];
    world.run(&steps[0], &variables).unwrap();
    world.twice(&steps[1], &variables);

    world.commit("second");
    let scripts = blocks(&example("gitlab-ci.yml"), "-");
    assert_eq!(scripts.len(), 1);
    // A variable of type file, which others may read.
    fs::write(world.path("key-of-gitlab"), &key).unwrap();
    fs::set_permissions(world.path("key-of-gitlab"), fs::Permissions::from_mode(0o666)).unwrap();
    let file = world.path("key-of-gitlab").display().to_string();
    let variables = [
        ("VITRINE_POLICY", "vitrine/policy"),
        ("VITRINE_KEY_FILE", file.as_str()),
        ("VITRINE_KEY", "/nowhere"),
        ("CI_COMMIT_TAG", "v1.1"),
        ("GITLAB_CI", "true"),
        ("CI_JOB_ID", "4712"),
        ("CI_JOB_URL", "https://gitlab.example.com/app/-/jobs/4712"),
    ];
    world.twice(&scripts[0], &variables);

    world.commit("third");
    world.twice("make release VERSION=1.2\n", &[]);
}

#[test]
fn curl_posts_what_log_client_signed() {
    if !programs("the example for curl", &["git", "curl"]) {
        return;
    }
    let world = World::new();
    let script = project().join("examples/curl/log.sh").display().to_string();
    let variables =
        [("BUILDER", "https://dev.example/builder"), ("SITE", "ZZ-DEV-1"), ("CHANNEL", "stable"), ("PACKAGE", "app")];
    let log = format!("cp app.sh app; '{script}' app pkg:generic/app@1.0 https://git.example.com/app");
    world.run(&log, &variables).unwrap();
    let verify = "log-client bundle app --trust vitrine; log-client verify-update app --trust vitrine --bundle app.vitrine \
                  --proof app.update.json.tlog-proof --proof app.build.json.tlog-proof";
    assert!(world.run(verify, &[]).unwrap().contains("verified: "));
    // What the log refuses ends the script, with the log's words.
    let elsewhere = [
        ("BUILDER", "https://elsewhere.example/builder"),
        ("SITE", "ZZ-DEV-1"),
        ("CHANNEL", "stable"),
        ("PACKAGE", "app"),
    ];
    let said = world
        .run(&format!("cp app.sh other; '{script}' other pkg:generic/other@1 https://git.example.com/o"), &elsewhere);
    let said = said.unwrap_err();
    assert!(
        said.contains("\"code\":\"value\"") && !world.repository().join("other.build.json.tlog-proof").exists(),
        "{said}"
    );
}

#[test]
fn the_timers_script_logs_each_file_once() {
    if !programs("the example for timers", &["git"]) {
        return;
    }
    let world = World::new();
    let script = project().join("examples/systemd/release").display().to_string();
    let run = || world.run(&format!("'{script}' ../out"), &[("VITRINE_POLICY", "vitrine/policy")]).unwrap();
    fs::create_dir(world.path("out")).unwrap();
    run();
    let before = world.size();
    for version in ["1.0", "1.1"] {
        fs::write(world.path("out").join(format!("app-{version}.zip")), format!("release {version}")).unwrap();
    }
    run();
    assert_eq!(world.size(), before + 2);
    for version in ["1.0", "1.1"] {
        assert!(world.path("out").join(format!("app-{version}.zip.tlog-proof")).is_file());
    }
    run();
    assert_eq!(world.size(), before + 2, "a timer that comes again logs nothing");
}

/// The value of a line `key=value` of a unit.
fn value<'a>(unit: &'a str, key: &str) -> Option<&'a str> {
    unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

#[test]
fn systemd_takes_the_units_and_log_client_their_command_lines() {
    let folder = project().join("examples/systemd");
    let units: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some())
        .collect();
    assert_eq!(units.len(), 4, "{units:?}");
    let mut read = 0;
    for unit in &units {
        let text = fs::read_to_string(unit).unwrap();
        let Some(line) = value(&text, "ExecStart").filter(|line| line.starts_with("/usr/bin/log-client ")) else {
            continue;
        };
        let set = BTreeMap::from([
            ("${LOG}", "http://127.0.0.1:7400"),
            ("${FINGERPRINT}", "0000"),
            ("${ISSUER}", "gateway"),
            ("${ALERT}", "cat"),
        ]);
        let words = line.split(' ').map(|word| set.get(word).copied().unwrap_or(word));
        vitrine_log_client::command()
            .try_get_matches_from(words)
            .unwrap_or_else(|error| panic!("{}: {error}", unit.display()));
        read += 1;
    }
    assert_eq!(read, 2);
    if !programs("the units of examples/systemd", &["systemd-analyze"]) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("usr/lib/systemd/system");
    fs::create_dir_all(&at).unwrap();
    for (program, from) in [("usr/bin/log-client", "/bin/true"), ("usr/local/bin/vitrine-release", "/bin/true")] {
        fs::create_dir_all(root.path().join(program).parent().unwrap()).unwrap();
        fs::copy(from, root.path().join(program)).unwrap();
    }
    for unit in &units {
        fs::copy(unit, at.join(unit.file_name().unwrap())).unwrap();
    }
    for unit in &units {
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(format!("--root={}", root.path().display()))
            .arg(unit.file_name().unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{}: {said}", unit.display());
    }
}

#[test]
fn the_containerfile_copies_what_is_built_and_starts_what_is_installed() {
    let text = example("Containerfile");
    let mut stage = String::new();
    let mut entry: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let words = |rest: &str| -> Vec<String> {
        let list: Value = serde_json::from_str(rest).unwrap_or_else(|error| panic!("{rest}: {error}"));
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut stages = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (instruction, rest) = line.split_once(' ').unwrap();
        match instruction {
            "FROM" => {
                stage = rest.split_once(" AS ").unwrap().1.to_owned();
                stages.insert(stage.clone());
            }
            "COPY" => assert_eq!(rest, format!("target/debian/vitrine-{stage}_*.deb /tmp/")),
            "RUN" => {
                let parsed = Command::new("sh").args(["-n", "-c", rest]).output().unwrap();
                assert!(parsed.status.success(), "{rest}");
                assert!(rest.contains(&format!(" /tmp/vitrine-{stage}_*.deb ")), "{rest} does not install the package");
            }
            "ENTRYPOINT" | "CMD" => entry.entry(stage.clone()).or_default().extend(words(rest)),
            "USER" => assert_eq!(rest, format!("vitrine-{stage}")),
            "VOLUME" => {
                let wanted = ["/var/lib/", "/var/lib/", "/etc/"].iter().zip(["", "-keys", ""]);
                let wanted: Vec<String> = wanted.map(|(folder, end)| format!("{folder}vitrine-{stage}{end}")).collect();
                assert_eq!(words(rest), wanted);
            }
            "EXPOSE" => assert!(!entry.contains_key(&stage) && rest.parse::<u16>().is_ok()),
            "STOPSIGNAL" => assert_eq!(rest, "SIGTERM"),
            other => panic!("{other} is no instruction that this file needs"),
        }
    }
    assert_eq!(stages, ["client", "log", "witness"].map(str::to_owned).into());
    for (stage, program) in [("log", vitrine_log_server::command()), ("witness", vitrine_witness::command())] {
        program.try_get_matches_from(&entry[stage]).unwrap_or_else(|error| panic!("{stage}: {error}"));
    }
    assert_eq!(entry["client"][0], "log-client");
}

#[test]
fn no_script_takes_what_somebody_else_may_write() {
    // An expression of the forge inside a script is pasted into it as text: a tag's name could be a command.
    for (file, key) in [("github-action.yml", "run:"), ("gitlab-ci.yml", "-")] {
        let scripts = blocks(&example(file), key);
        assert!(!scripts.is_empty());
        for script in scripts {
            assert!(!script.contains("${{") && !script.contains('\t'), "{file}: {script}");
        }
    }
    let readme = example("README.md");
    for entry in fs::read_dir(project().join("examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || readme.contains(&format!("({name}")), "examples/README.md does not name {name}");
    }
}
