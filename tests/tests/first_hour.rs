//! The first hour with Vitrine: a development log, the one command of a release job, an access from a CSV (cli.md).
//!
//! Everything is done by the binaries, and what README.md says is run as it stands there. Not here: what each part refuses.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use vitrine_tests::harness::http;
use vitrine_tests::harness::process::{Server, until};

/// A development log in `folder`, once its issuers are open.
fn dev(folder: &Path) -> Server {
    let args = ["dev", "--dir", "dev"];
    let server = Server::start(folder, "log-server", args, &folder.join("log.err")).unwrap();
    for issuer in ["dev", "access"] {
        let url = format!("{}/issuers/{issuer}", server.url);
        until("the issuers are open", || Ok(http::get(&url)?.0 == 200)).unwrap();
    }
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
