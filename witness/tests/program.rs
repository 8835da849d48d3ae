//! The program `witness` as a process: init, serve, signals, exit codes.
//!
//! Cites 55-witness.md (D). Not here: what it answers (`answers`, `http`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::Log;
use common::process::{Place, error};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use vitrine_spec::policy::Policy;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn init_makes_a_witness_once() {
    // [D-10] [D-18]
    let place = Place::new();
    let printed = place.init();
    assert!(Policy::parse(format!("{printed}quorum witness.example/w1\n").as_bytes()).is_ok());
    assert!(printed.contains("# submission prefix http://w\n") && printed.contains("# monitoring prefix http://w\n"));
    assert_eq!(mode(&place.path("k/ed25519.key")), 0o600);
    assert_eq!(mode(&place.path("k/ml-dsa-44.key")), 0o600);
    assert_eq!((mode(&place.path("k")), mode(&place.path("d"))), (0o700, 0o700));
    assert!(place.path("d/journal").exists());
    let journal = fs::read(place.path("d/journal")).unwrap();
    let again = place.run(&["init", "--dir", "d", "--keys", "k", "--name", "witness.example/w1"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(error(&again).contains("a key is never replaced"), "{}", error(&again));
    // A restored journal goes on with new keys.
    let other = place.run(&["init", "--dir", "d", "--keys", "k2", "--name", "witness.example/w2"]);
    assert!(other.status.success(), "{}", error(&other));
    assert_eq!(fs::read(place.path("d/journal")).unwrap(), journal);
    let inside = place.run(&["init", "--dir", "d", "--keys", "d/k", "--name", "witness.example/w3"]);
    assert_eq!(inside.status.code(), Some(2));
    assert!(!place.path("d/k/ed25519.key").exists());
    assert_eq!(place.run(&["init", "--dir", "d"]).status.code(), Some(2));
}

#[test]
fn serves_until_told_to_end_and_remembers() {
    // [D-1] [D-15] [D-19]
    let place = Place::new();
    place.init();
    let (log, other) = (Log::ed("log.example/one"), Log::ed("log.example/two"));
    place.logs(&[&log]);
    let running = place.serve(&[]);
    running.says("knows 1 logs, 0 origins in the journal");
    let (status, lines) = running.post(&log.request(0, 5));
    assert_eq!((status, lines.lines().count()), (200, 2));
    assert_eq!(running.post(&other.request(0, 5)).0, 404);

    let (code, message) = place.refused(&[]);
    assert_eq!(code, 2);
    assert!(message.contains("is in use by another witness"), "{message}");
    // Nor may two journals be signed from with one pair of keys.
    let other_dir = place.run(&["init", "--dir", "d2", "--keys", "k2", "--name", "witness.example/w2"]);
    assert!(other_dir.status.success());
    let serve = ["serve", "--dir", "d2", "--keys", "k", "--listen", "127.0.0.1:0", "--logs", "logs"];
    let second = place.run(&serve);
    assert_eq!(second.status.code(), Some(2));
    assert!(error(&second).contains("k is in use by another witness"), "{}", error(&second));

    place.logs(&[&log, &other]);
    running.signal(Signal::HUP);
    running.says("read again: 2 logs");
    assert_eq!(running.post(&other.request(0, 5)).0, 200);
    fs::write(place.path("logs"), "nonsense\n").unwrap();
    running.signal(Signal::HUP);
    let line = running.says("logs known before stay");
    assert!(line.contains("line 1: a line begins with `log`"), "{line}");
    assert_eq!(running.post(&other.request(5, 6)).0, 200);
    assert_eq!(running.end(Signal::TERM), Some(0));

    place.logs(&[&log, &other]);
    let running = place.serve(&["--clock-was-wrong"]);
    running.says("2 origins in the journal");
    assert_eq!(running.post(&log.request(0, 9)), (409, "5\n".to_owned()));
    assert_eq!(running.end(Signal::INT), Some(0));

    // Killed without warning, it still remembers.
    let running = place.serve(&[]);
    assert_eq!(running.post(&log.request(5, 9)).0, 200);
    assert_eq!(running.end(Signal::KILL), None);
    let running = place.serve(&[]);
    assert_eq!(running.post(&log.request(5, 10)), (409, "9\n".to_owned()));
}

#[test]
fn refusals_say_what_and_what_now() {
    // [D-6] [D-9] [D-16]
    let place = Place::new();
    let log = Log::ed("log.example/one");
    place.logs(&[&log]);
    assert_eq!(place.refused(&[]).0, 2);
    place.init();
    let running = place.serve(&[]);
    assert_eq!(running.post(&log.request(0, 5)).0, 200);
    assert_eq!(running.end(Signal::TERM), Some(0));

    fs::write(place.path("confirmed"), log.checkpoint(5).print()).unwrap();
    let (code, message) = place.refused(&["--confirm-state", "confirmed"]);
    assert_eq!(code, 2);
    assert!(message.contains("holds 1 origins"), "{message}");

    let journal = fs::read(place.path("d/journal")).unwrap();
    let mut damaged = journal.clone();
    damaged[40] ^= 1;
    fs::write(place.path("d/journal"), &damaged).unwrap();
    let (code, message) = place.refused(&[]);
    assert_eq!(code, 1);
    assert!(message.contains("damaged at byte 26") && message.contains("Nothing was signed"), "{message}");

    fs::remove_file(place.path("d/journal")).unwrap();
    let (code, message) = place.refused(&[]);
    assert_eq!(code, 1);
    assert!(message.contains("it is missing or empty here") && message.contains("--confirm-state"), "{message}");
    let (code, message) = place.refused(&["--confirm-state", "logs"]);
    assert_eq!(code, 2);
    assert!(message.contains("the note at line 1"), "{message}");
    let running = place.serve(&["--confirm-state", "confirmed"]);
    assert_eq!(running.post(&log.request(0, 5)), (409, "5\n".to_owned()));
    assert_eq!(running.end(Signal::TERM), Some(0));

    fs::set_permissions(place.path("k/ed25519.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, message) = place.refused(&[]);
    assert_eq!(code, 2);
    assert!(message.contains("mode 0644") && message.contains("chmod 600"), "{message}");
}

#[test]
fn status_ends_with_the_code_of_the_worst() {
    // [D-29]
    let (place, log) = (Place::new(), Log::ed("log.example/one"));
    place.init();
    place.logs(&[&log]);
    let running = place.serve(&["--cross-check-every", "0"]);
    let url = format!("http://{}/", running.address);
    let status = |more: &[&str]| place.run(&[&["status", "--url", url.as_str()], more].concat());
    let good = status(&[]);
    let text = String::from_utf8(good.stdout.clone()).unwrap();
    assert_eq!(good.status.code(), Some(0), "{}", error(&good));
    assert!(text.starts_with("witness.example/w1 signs\nlogs           1 followed, 0 co-signed\n"), "{text}");
    assert_eq!(running.post(&log.request(0, 5)).0, 200);
    assert_eq!(running.post(&log.fork(3).request(5, 9)).0, 422);
    let frozen = status(&[]);
    let text = String::from_utf8(frozen.stdout.clone()).unwrap();
    assert_eq!(frozen.status.code(), Some(1), "{text}");
    assert!(text.contains("FROZEN         \"log.example/one\" showed two trees"), "{text}");
    assert_eq!(error(&frozen), "runbook: witness.frozen\n");
    let json = status(&["--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["frozen"], serde_json::json!(["log.example/one"]));
    running.end(Signal::TERM);
    let gone = status(&[]);
    assert_eq!(gone.status.code(), Some(4));
    assert!(error(&gone).contains("/status: "), "{}", error(&gone));
    assert_eq!(place.run(&["status", "--url", "nowhere"]).status.code(), Some(4));
}

#[test]
fn a_list_of_peers_is_read_at_the_start_and_at_sighup() {
    // [D-26]
    let (place, log) = (Place::new(), Log::ed("log.example/one"));
    place.init();
    place.logs(&[&log]);
    fs::write(place.path("peers"), "peer http://127.0.0.1:1\n").unwrap();
    let (code, message) = place.refused(&["--peers", "peers"]);
    assert_eq!(code, 2);
    assert!(
        message.contains("--peers peers: line 1: it must be `witness") && message.contains("runbook: peers"),
        "{message}"
    );
    assert_eq!(place.refused(&["--feed", "--cross-check-every", "0"]).0, 2);
    fs::write(place.path("peers"), "witness a k http://127.0.0.1:1\n").unwrap();
    let running = place.serve(&["--peers", "peers"]);
    running.signal(Signal::HUP);
    running.says("--peers was read again: 1 peers");
    fs::write(place.path("peers"), "witness a k nowhere\n").unwrap();
    running.signal(Signal::HUP);
    running.says("the 1 peers known before stay");
    assert_eq!(running.end(Signal::TERM), Some(0));
}
