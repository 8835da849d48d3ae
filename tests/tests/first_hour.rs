//! The first hour with Vitrine: a development log, the one command of a release job, an access from a CSV (cli.md).
//!
//! Everything is done by the binaries, and what README.md says is run as it stands there. Not here: what each part refuses.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use vitrine_log_client::event_file::EventFile;
use vitrine_spec::body::Body;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_tests::harness::http;
use vitrine_tests::harness::process::{Server, binaries, until};

/// A development log in `folder`, once its issuers are open and the environment is written, which is after that.
fn dev(folder: &Path) -> Server {
    let args = ["dev", "--dir", "dev"];
    let server = Server::start(folder, "log-server", args, &folder.join("log.err")).unwrap();
    for issuer in ["dev", "access"] {
        let url = format!("{}/issuers/{issuer}", server.url);
        until("the issuers are open", || Ok(http::get(&url)?.0 == 200)).unwrap();
    }
    until("the environment is written", || Ok(folder.join("dev/env").exists())).unwrap();
    server
}

/// The processes that this one has started and that have not ended.
fn children(of: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    entries
        .filter_map(|name| name.parse().ok())
        .filter(|id| state(*id).is_some_and(|(_, parent)| parent == of))
        .collect()
}

/// State and parent of a process; none when there is no such process, or one that nobody has waited for yet.
fn state(id: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    let state = fields.next()?.to_owned();
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some((state, parent))
}

fn gone(processes: &[u32]) {
    until("the witnesses have ended", || Ok(processes.iter().all(|id| state(*id).is_none()))).unwrap();
}

#[test]
fn a_development_log_goes_on_and_leaves_nobody_behind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let log = dev(folder);
    let (origin, url) = (http::get(&format!("{}/checkpoint", log.url)).unwrap().1, log.url.clone());
    assert!(origin.starts_with("dev."), "{origin}");
    let witnesses = children(log.id());
    assert_eq!(witnesses.len(), 3);
    log.kill();
    gone(&witnesses);

    let log = dev(folder);
    assert_eq!(log.url, url, "where it was");
    assert_eq!(http::get(&format!("{url}/checkpoint")).unwrap().1.lines().next(), origin.lines().next());
    let witnesses = children(log.id());
    assert!(log.stop().unwrap().success());
    assert!(witnesses.iter().all(|id| state(*id).is_none()), "it waits for them");
}

#[test]
fn a_witness_that_ends_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = dev(folder.path());
    let witnesses = children(log.id());
    kill_process(Pid::from_raw(i32::try_from(witnesses[1]).unwrap()).unwrap(), Signal::KILL).unwrap();
    assert_eq!(log.ended().unwrap().code(), Some(4));
    let said = std::fs::read_to_string(folder.path().join("log.err")).unwrap();
    assert!(said.contains("error: w") && said.contains("SIGKILL") && said.contains(".log"), "{said}");
    gone(&witnesses);
}

/// The fenced blocks of the README's section "Quickstart".
fn quickstart() -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("Quickstart\n")).unwrap();
    section.split("```").skip(1).step_by(2).map(|block| block.trim().to_owned()).collect()
}

#[test]
fn the_quickstart_of_the_readme_ends_with_verified() {
    if !git::is_there("the_quickstart_of_the_readme_ends_with_verified") {
        return;
    }
    let [start, verify, access] = quickstart().try_into().expect("three blocks");
    assert!(start.lines().chain(verify.lines()).count() <= 8);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    git::checkout(folder);
    let words: Vec<&str> = start.split(' ').collect();
    let log = Server::start(folder, words[0], &words[1..], &folder.join("log.err")).unwrap();
    // What the program prints when it is ready is written after this file.
    until("the log is ready", || Ok(folder.join("vitrine-dev/env").exists())).unwrap();

    let said = shell(folder, &verify).unwrap();
    let verdict = said.lines().find(|line| line.starts_with("verified: ")).unwrap_or_else(|| panic!("{said}"));
    for part in ["pkg:generic/app@1.0", "release 1", "development log"] {
        assert!(verdict.contains(part), "{verdict}");
    }
    let bit = "printf x >> app; log-client verify-update app --trust vitrine-dev/trust --proof app.tlog-proof";
    assert!(shell(folder, bit).unwrap_err().contains("not-verified"));

    // The environment is that of the terminal.
    let said = shell(folder, &format!(". vitrine-dev/env\n{access}")).unwrap();
    assert!(said.contains("1 records opened"), "{said}");
    assert!(std::fs::read_to_string(folder.join("report/report.html")).unwrap().contains("s-1071"));
    assert!(log.stop().unwrap().success());
}

/// Runs lines as a terminal in that folder would; standard output, or both when it does not end well.
fn shell(folder: &Path, lines: &str) -> Result<String, String> {
    let path = std::env::join_paths(
        std::iter::once(binaries().to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = Command::new("sh")
        .args(["-eu", "-c", lines])
        .current_dir(folder)
        .env("PATH", path.unwrap())
        .env("HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(format!("{}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr)))
}

/// The environment of `log-client log` in a folder of [`dev`]; what is empty is not set.
const ENV: &str = ". dev/env; export VITRINE_SOURCE_URI=https://git.example.com/app VITRINE_CHANNEL= VITRINE_BUILDER= VITRINE_SITE=; ";
/// The source, where there is no checkout.
const TREE: &str = "--git-tree 0123456789abcdef0123456789abcdef01234567";

/// Entries of a file, as the log shows them.
fn entries(log: &Server, file: &Path) -> Vec<serde_json::Value> {
    let digest = Hash::of(&std::fs::read(file).unwrap()).hex();
    let (status, body) = http::get(&format!("{}/lookup?sha256={digest}", log.url)).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<serde_json::Value>(&body).unwrap()["entries"].as_array().unwrap().clone()
}

/// The event of a proof.
fn event(proof: &Path) -> Event {
    let proof = TlogProof::parse(&std::fs::read(proof).unwrap()).unwrap();
    Event::read_leaf(&proof.extra.unwrap()).unwrap()
}

#[test]
fn the_same_command_logs_once_whatever_stopped_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let log = dev(folder);
    let build = format!("{ENV} log-client log app --purl pkg:generic/app@1 {TREE}");
    let update = format!("{ENV} log-client log app --purl pkg:generic/app@1 --type update");
    std::fs::write(folder.join("app"), "one").unwrap();

    // Without its build an update is not logged, and a dry run logs nothing.
    assert!(shell(folder, &update).unwrap_err().contains("log.no-build"));
    assert!(shell(folder, &format!("{build} --dry-run")).unwrap().contains("\"purl\": \"pkg:generic/app@1\""));
    assert_eq!(entries(&log, &folder.join("app")).len(), 0);

    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    for command in [&build, &update] {
        shell(folder, command).unwrap();
        let proof = read("app.tlog-proof");
        shell(folder, command).unwrap();
        assert_eq!(read("app.tlog-proof"), proof, "the same proof");
        std::fs::remove_file(folder.join("app.tlog-proof")).unwrap();
        std::fs::remove_dir_all(folder.join("dev/spool")).unwrap();
        shell(folder, command).unwrap();
        let event = |bytes: &[u8]| TlogProof::parse(bytes).unwrap().extra;
        assert_eq!(event(&read("app.tlog-proof")), event(&proof), "also on a machine that knows nothing of it");
    }
    assert_eq!(entries(&log, &folder.join("app")).len(), 2);
    // The build once more does not take the place of what customers need.
    let proof = read("app.tlog-proof");
    assert!(shell(folder, &build).unwrap().contains("app.build.tlog-proof"));
    assert_eq!(read("app.tlog-proof"), proof);

    // Killed after any time, which is anywhere in the command or after its end.
    for number in 0..12_u64 {
        let name = format!("killed-{number}");
        std::fs::write(folder.join(&name), &name).unwrap();
        let command = |kind: &str| {
            format!("{ENV} exec log-client log {name} --purl pkg:generic/app@2.{number} {TREE} --type {kind}")
        };
        for kind in ["build", "update"] {
            let mut child = spawn(folder, &command(kind));
            std::thread::sleep(Duration::from_millis(number * 8));
            child.kill().unwrap();
            child.wait().unwrap();
            shell(folder, &command(kind)).unwrap();
        }
        assert_eq!(entries(&log, &folder.join(&name)).len(), 2, "{name}");
    }
    assert!(log.stop().unwrap().success());
}

/// Starts lines as [`shell`] runs them.
fn spawn(folder: &Path, lines: &str) -> Child {
    let mut path = binaries().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    Command::new("sh")
        .args(["-eu", "-c", lines])
        .current_dir(folder)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn what_the_log_cannot_answer_waits_in_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let log = dev(folder);
    for name in ["app", "later", "last"] {
        std::fs::write(folder.join(name), name).unwrap();
    }
    let command =
        |name: &str, more: &str| format!("{ENV} log-client log {name} --purl pkg:generic/app@1 {TREE} {more}");
    shell(folder, &command("app", "")).unwrap();
    assert!(log.stop().unwrap().success());
    // The issuer's opening is known by now, and the proof of the build lies beside the file.
    for line in [command("app", "--wait 0 --type update"), command("later", "--wait 0"), command("later", "--wait 0")] {
        assert!(shell(folder, &line).unwrap_err().contains("exit 5"), "{line}");
    }
    let unknown = shell(folder, &format!("{} --spool elsewhere", command("last", "--wait 0"))).unwrap_err();
    assert!(unknown.contains("exit 4") && unknown.contains("nothing was taken on"), "{unknown}");

    let log = dev(folder);
    shell(folder, &command("app", "--type update")).unwrap();
    assert!(matches!(event(&folder.join("app.tlog-proof")).statement.body, Body::Update(_)));
    // What else waited went along, or goes with `submit`.
    shell(folder, &format!("{ENV} log-client submit")).unwrap();
    assert!(matches!(event(&folder.join("later.tlog-proof")).statement.body, Body::Build(_)));
    assert_eq!((entries(&log, &folder.join("app")).len(), entries(&log, &folder.join("later")).len()), (2, 1));
    assert!(log.stop().unwrap().success());
}

#[test]
fn twenty_jobs_at_once_with_one_identity_all_succeed() {
    const JOBS: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let log = dev(folder);
    // Half of them share a spool, as on one machine; the others have their own.
    let line = |job: usize| {
        let spool = if job.is_multiple_of(2) { "dev/spool".to_owned() } else { format!("spool-{job}") };
        let log = format!("log-client log app-{job} --purl pkg:generic/app@{job} --spool {spool}");
        format!("{ENV} {log} {TREE}; exec {log} --type update")
    };
    for job in 0..JOBS {
        std::fs::write(folder.join(format!("app-{job}")), job.to_string()).unwrap();
    }
    let mut running: Vec<Child> = (0..JOBS).map(|job| spawn(folder, &line(job))).collect();
    let ended: Vec<bool> = running.iter_mut().map(|child| child.wait().unwrap().success()).collect();
    assert!(ended.iter().all(|well| *well), "{ended:?}");
    let releases: BTreeSet<u64> = (0..JOBS)
        .map(|job| match event(&folder.join(format!("app-{job}.tlog-proof"))).statement.body {
            Body::Update(update) => update.release_seq,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(releases, (1..=JOBS as u64).collect());
    for job in 0..JOBS {
        assert_eq!(entries(&log, &folder.join(format!("app-{job}"))).len(), 2);
    }
    assert!(log.stop().unwrap().success());
}

#[test]
fn a_new_issuer_is_opened_and_logs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let log = dev(folder);
    let onboard = "log-client onboard --issuer farm --type build --type update --builder https://example.com/farm \
                   --stream lib/stable --stream lib/beta/regional --site ZZ-DEV-1 --jurisdiction CH";
    let said = shell(folder, &format!("{ENV} {onboard}")).unwrap();
    for line in
        ["made farm.key", "log-client event sign --key THEIR.key open-farm.json", "log-client submit --log http"]
    {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    // The same that is made by hand, but for the second.
    let made = EventFile::read(&folder.join("open-farm.json")).unwrap();
    let recorded = made.header_int("recorded").unwrap();
    let by_hand = format!(
        "{ENV} log-client event new issuer-open --log $VITRINE_LOG --issuer farm --vkey farm.key --cosigner dev/operator.key \
         --site ZZ-DEV-1 --field types.build=none --field types.update=strict --field heartbeat_s=86400 \
         --field jurisdiction=CH --field builders=https://example.com/farm --field streams=lib/stable \
         --field streams=lib/beta/regional --field sites=ZZ-DEV-1 --recorded {recorded} --out by-hand.json"
    );
    shell(folder, &by_hand).unwrap();
    assert_eq!(made.payload(), EventFile::read(&folder.join("by-hand.json")).unwrap().payload());

    // Run again with the operator's key, it goes on with that opening; and once more, it finds it open.
    for _ in 0..2 {
        let said = shell(folder, &format!("{ENV} {onboard} --operator-key dev/operator.key")).unwrap();
        assert!(said.contains("farm is open"), "{said}");
    }
    assert_eq!(EventFile::read(&folder.join("open-farm.json")).unwrap().id(), made.id());
    std::fs::write(folder.join("lib"), "lib").unwrap();
    let command = format!("{ENV} log-client log lib --purl pkg:generic/lib@1 --key farm.key --issuer farm");
    shell(folder, &format!("{command} {TREE}; {command} --type update")).unwrap();
    let Body::Update(update) = event(&folder.join("lib.tlog-proof")).statement.body else { panic!("an update") };
    assert_eq!((update.package_id.as_str(), update.channel.as_str(), update.release_seq), ("lib", "stable", 1));
    // A name that is taken, and a stream that is.
    let other = "log-client onboard --issuer farm --key other.key --type build --builder https://b --jurisdiction CH";
    assert!(shell(folder, &format!("{ENV} {other}")).unwrap_err().contains("onboard.taken"));
    assert!(!folder.join("other.key").exists(), "nothing is made for nothing");
    let other = "log-client onboard --issuer mill --type update --stream lib/stable --jurisdiction CH";
    assert!(shell(folder, &format!("{ENV} {other}")).unwrap_err().contains("held by farm"));
    assert!(log.stop().unwrap().success());
}

/// A git checkout to build from.
mod git {
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// Whether git is installed; where `CI` is set its lack is a failure.
    pub(super) fn is_there(test: &str) -> bool {
        let there = Command::new("git").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
        assert!(there || std::env::var_os("CI").is_none(), "git is missing, and {test} needs it");
        if !there {
            println!("{test}: git is missing, so it was not run");
        }
        there
    }

    /// Makes one with one commit.
    pub(super) fn checkout(folder: &Path) {
        std::fs::write(folder.join("main.c"), "int main(void) { return 0; }\n").unwrap();
        let user = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"];
        for args in [&["init", "-q"][..], &["add", "main.c"], &["commit", "-q", "-m", "first"]] {
            let status = Command::new("git").args(user).args(args).current_dir(folder).status().unwrap();
            assert!(status.success(), "git {args:?}");
        }
    }
}
