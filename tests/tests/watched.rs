//! Watches of a log by real processes: what is told to whom, by command, webhook and file; what ends a watch, and what never
//! begins one anew (docs/watch.md).
//!
//! Not here: every kind of alert and every place at which a sink can fail (unit tests of log-client).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use vitrine_log_client::watch::sinks::signed_bytes;
use vitrine_spec::hash::Hash;
use vitrine_spec::text::unb64;
use vitrine_tests::demo::forgeries;
use vitrine_tests::harness::forge;
use vitrine_tests::harness::process::{Outcome, binaries, until};
use vitrine_tests::harness::world::World;

/// A log with the issuer `release`, and what pins it.
fn world(folder: &std::path::Path) -> World {
    let world = World::create(folder, "example.com/log").unwrap();
    world.open("release", &["types.update=strict", "streams=app/stable"]).unwrap();
    world.trust("trust", &[]).unwrap();
    std::fs::create_dir(world.path("files")).unwrap();
    world
}

fn arguments<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["watch", "--log", url, "--trust", "trust", "--state", "watch"];
    args.extend(more);
    args
}

fn watch(world: &World, more: &[&str]) -> Outcome {
    let url = world.url();
    let args = arguments(&url, more);
    world.client(&[&args, &["--once"][..]].concat()).unwrap()
}

/// `release` logs a version of `app` with this content, as `<name>.json`.
fn update(world: &World, name: &str, version: &str, content: &str) {
    let (file, purl) = (format!("files/{name}"), format!("purl=pkg:generic/app@{version}"));
    let (subject, event) = (format!("app={file}"), format!("{name}.json"));
    world.write(&file, content).unwrap();
    let mut more = vec!["--file", &subject];
    for field in [&purl, "packageId=app", "channel=stable", "kind=product"] {
        more.extend(["--field", field]);
    }
    world.event("update", "release", &event, &more).unwrap();
    world.submit("release", &[&event]).unwrap();
}

fn revoke(world: &World, name: &str) {
    let (reference, event) = (format!("revokes={name}.json"), format!("revoke-{name}.json"));
    world.event("update-revoke", "release", &event, &["--ref", &reference, "--field", "reason=security"]).unwrap();
    world.submit("release", &[&event]).unwrap();
}

/// The entry of an event that was logged: the log's own heartbeats stand between them.
fn entry(world: &World, name: &str) -> u64 {
    let proof = world.read(&format!("{name}.json.tlog-proof")).unwrap();
    proof.lines().find_map(|line| line.strip_prefix("index ")).unwrap().parse().unwrap()
}

fn lines(world: &World, file: &str) -> Vec<Value> {
    let text = world.read(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn codes(alerts: &[Value]) -> Vec<&str> {
    alerts.iter().map(|alert| alert["alert"].as_str().unwrap()).collect()
}

#[test]
fn a_vendor_and_a_customer_are_told_and_a_verdict_knows_what_the_watch_has_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = world(folder.path());
    update(&world, "one", "1.0", "version 1.0");
    let rows = |version: &str, content: &str| {
        format!("pkg:generic/app@{version},app,{}\n", Hash::of(content.as_bytes()).hex())
    };
    let list = format!("purl,file,sha256\n{}", rows("1.0", "version 1.0"));
    world.write("releases.csv", &list).unwrap();
    let file = ["--releases", "releases.csv", "--alert-file", "alerts"];

    watch(&world, &file).expect(2, "there is no state here").unwrap();
    let begun = watch(&world, &[&["--start", "all"], &file[..]].concat()).expect(0, "1 alert delivered").unwrap();
    let opened = format!("ALERT issuer.new: entry {}: release is a new issuer", entry(&world, "open-release"));
    assert!(begun.out.contains(&opened), "{}", begun.out);
    assert_eq!(codes(&lines(&world, "alerts")), ["issuer.new"]);

    // An update that nobody released, a revocation, and a second file for one version.
    update(&world, "two", "1.1", "version 1.1");
    revoke(&world, "one");
    update(&world, "targeted", "1.1", "version 1.1 for one customer");
    watch(&world, &file).expect(0, " of them new, 4 alerts delivered").unwrap();
    let alerts = lines(&world, "alerts");
    let told = ["issuer.new", "update.unknown", "update.revoked", "update.unknown", "update.second-digest"];
    assert_eq!(codes(&alerts), told);
    let (one, two, revoked) = (entry(&world, "one"), entry(&world, "two"), entry(&world, "revoke-one"));
    assert_eq!(alerts[1]["about"]["index"], two);
    let said = "release logged the update pkg:generic/app@1.1 in stable, which the list of releases does not have: app";
    assert_eq!(alerts[1]["text"], format!("entry {two}: {said}"));
    let said =
        format!("entry {revoked}: release revoked the update pkg:generic/app@1.0 in stable (entry {one}): security");
    assert_eq!(alerts[2]["text"], said);
    watch(&world, &file).expect(0, "nothing new, no alert").unwrap();
    assert_eq!(lines(&world, "alerts").len(), 5);

    // Offline, the verdict knows: the first is revoked, the second is one of two.
    let verify = |name: &str, more: &[&str]| {
        let (file, proof) = (format!("files/{name}"), format!("{name}.json.tlog-proof"));
        std::fs::copy(world.path(&file), world.path("app")).unwrap();
        let mut args = vec!["verify-update", "app", "--trust", "trust", "--proof", &proof, "--json"];
        args.extend(more);
        let verdict: Value = serde_json::from_str(&world.client(&args).unwrap().out).unwrap();
        verdict["code"].as_str().unwrap().to_owned()
    };
    let before = verify("one", &[]);
    assert!(!["update.revoked", "update.second-digest"].contains(&before.as_str()), "{before}");
    assert_eq!(verify("one", &["--watch-state", "watch"]), "update.revoked");
    assert_eq!(verify("two", &["--watch-state", "watch"]), "update.second-digest");

    // With --json each alert is a line, and the report the last one.
    world.write("releases.csv", &(list + &rows("1.2", "version 1.2"))).unwrap();
    update(&world, "three", "1.2", "version 1.2");
    revoke(&world, "two");
    let json = watch(&world, &["--json", "--releases", "releases.csv"]).expect_code(0).unwrap();
    let said: Vec<Value> = json.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((said[0]["alert"].as_str(), said[1]["verdict"].as_str()), (Some("update.revoked"), Some("done")));
    let size = world.published().unwrap();
    assert_eq!((&said[1]["size"], &said[1]["delivered"]["update.revoked"]), (&size.into(), &1.into()), "{}", json.out);
    world.stop().unwrap();
}

/// A webhook that fails so often, and what it was sent.
type Hook = Arc<Mutex<(u32, Vec<(HeaderMap, Bytes)>)>>;

async fn hook(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut hook = hook.lock().unwrap();
    hook.1.push((headers, body));
    if hook.0 > 0 {
        hook.0 -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    StatusCode::NO_CONTENT
}

fn serve(state: &Hook) -> (tokio::runtime::Runtime, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}/hook?token=secret", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", axum::routing::post(hook)).with_state(Arc::clone(state));
    runtime.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    (runtime, url)
}

#[test]
fn a_webhook_a_command_and_a_kill_lose_no_alert() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = world(folder.path());
    update(&world, "one", "1.0", "version 1.0");
    watch(&world, &["--start", "new"]).expect(0, "1 alert about what was logged before --start new: not sent").unwrap();

    // A webhook that fails twice and then confirms: told once, signed.
    revoke(&world, "one");
    world.key("alert").unwrap();
    let state: Hook = Arc::new(Mutex::new((2, Vec::new())));
    let (runtime, url) = serve(&state);
    let outcome =
        watch(&world, &["--alert-url", &url, "--alert-key", "alert.key"]).expect(0, "1 alert delivered").unwrap();
    assert!(!outcome.out.contains("secret") && !outcome.err.contains("secret"), "{}", outcome.out);
    let sent = state.lock().unwrap().1.clone();
    assert_eq!(sent.len(), 3);
    let (headers, body) = &sent[2];
    let header = |name: &str| headers.get(name).unwrap().to_str().unwrap();
    let key = forge::key(&world.path("alert.key")).unwrap();
    let message = signed_bytes(header("vitrine-alert-time").parse().unwrap(), body);
    assert!(key.vkey().verify(&message, &unb64(header("vitrine-alert-signature")).unwrap()));
    assert_eq!(
        (header("vitrine-alert-key"), header("content-type")),
        (key.vkey().keyid().as_str(), "application/json")
    );
    assert_eq!(serde_json::from_slice::<Value>(body).unwrap()["alert"], "update.revoked");
    drop(runtime);

    // A webhook that is gone, and a command that fails: said, and nothing is passed.
    update(&world, "two", "1.1", "version 1.1");
    revoke(&world, "two");
    let gone = watch(&world, &["--alert-url", &url, "--alert-key", "alert.key", "--alert-wait", "0"]);
    let gone = gone.expect(4, "an alert could not be delivered").unwrap();
    assert!(!gone.out.contains("secret") && !gone.err.contains("secret"), "{}", gone.err);
    let before = world.read("watch/watched").unwrap();
    let failing = ["--alert-command", "cat > /dev/null; exit 7", "--alert-wait", "0", "--alert-file", "beside"];
    watch(&world, &failing).expect(4, "it ended with exit status: 7").unwrap();
    assert_eq!(world.read("watch/watched").unwrap(), before, "the position waits");
    // The file, which has it, was told that the command has not.
    assert_eq!(codes(&lines(&world, "beside")), ["update.revoked", "alert.undelivered"]);

    // Killed when the alert is there and the position is not: told again.
    let slow = "cat >> got; touch delivered; while [ -e delivered ]; do sleep 0.05; done";
    let url = world.url();
    let mut child: Child = Command::new(binaries().join("log-client"))
        .args(arguments(&url, &["--once", "--alert-command", slow]))
        .current_dir(&world.folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the command has the alert", || Ok(world.path("delivered").exists())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(world.path("delivered")).unwrap();
    assert_eq!(world.read("watch/watched").unwrap(), before);
    watch(&world, &["--alert-command", "cat >> got"]).expect(0, "1 alert delivered").unwrap();
    let got = lines(&world, "got");
    assert_eq!(codes(&got), ["update.revoked", "update.revoked"]);
    assert_eq!((&got[0]["id"], got[0] == got[1]), (&lines(&world, "beside")[0]["id"], true), "the same alert");

    // Without --once it goes on by itself.
    let mut child = Command::new(binaries().join("log-client"))
        .args(arguments(&url, &["--interval", "1", "--alert-file", "on"]))
        .current_dir(&world.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for name in ["three", "four"] {
        update(&world, name, name, name);
        revoke(&world, name);
        let told = if name == "three" { 1 } else { 2 };
        until("the next alert", || Ok(lines(&world, "on").len() == told)).unwrap();
    }
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
    world.stop().unwrap();
}

#[test]
fn a_forked_log_and_a_lost_state_end_a_watch_and_begin_none_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = world(folder.path());
    for version in ["1.0", "1.1", "1.2"] {
        update(&world, version, version, version);
    }
    watch(&world, &["--start", "all", "--alert-file", "alerts"]).expect_code(0).unwrap();
    let before = world.read("watch/watched").unwrap();
    let kept = world.read("watch/checkpoint").unwrap();
    let alerts = lines(&world, "alerts").len();

    // Another history of the same size, and a shorter one, signed by the log and by every witness; without the second version.
    let gone = usize::try_from(entry(&world, "1.1")).unwrap();
    let size = world.published().unwrap();
    let older = format!("the log shows {} entries, {size} are remembered", size - 1);
    let forked = forgeries::rebuilt(&world, "forked", |entries| entries[gone] = entries[gone - 1].clone()).unwrap();
    let shorter = forgeries::without(&world, gone).unwrap();
    for (source, code, words) in
        [(&forked, "log.fork", "the log contradicts itself"), (&shorter, "log.older", older.as_str())]
    {
        let args = arguments(&source.url, &["--alert-file", "alerts"]);
        let ended = world.client(&args).unwrap().expect(3, words).unwrap(); // also without --once
        assert!(
            ended.err.contains("watch/evidence/received-") && ended.err.contains("watch/evidence/remembered-"),
            "{}",
            ended.err
        );
        assert!(ended.err.contains("release epoch 1 seq 3 is no longer in the log"), "{}", ended.err);
        assert_eq!(lines(&world, "alerts").last().unwrap()["alert"], code);
    }
    assert_eq!(lines(&world, "alerts").len(), alerts + 2);
    assert_eq!(world.read("watch/watched").unwrap(), before);
    watch(&world, &[]).expect(0, "nothing new").unwrap();

    // A state that lost a part of it, or all.
    for part in ["watched", "checkpoint", "tile"] {
        let (path, aside) = (world.path("watch").join(part), world.path("aside"));
        std::fs::rename(&path, &aside).unwrap();
        watch(&world, &[]).expect(2, "--seen FILE").unwrap();
        std::fs::rename(&aside, &path).unwrap();
    }
    std::fs::remove_dir_all(world.path("watch")).unwrap();
    watch(&world, &[]).expect(2, "there is no state here").unwrap();
    world.write("kept", &kept).unwrap();
    let args = arguments(&forked.url, &["--start", "all", "--seen", "kept", "--once"]);
    world.client(&args).unwrap().expect(3, "the log contradicts itself").unwrap();
    watch(&world, &["--start", "all", "--seen", "kept"]).expect(0, &format!("{size} entries read")).unwrap();
    watch(&world, &["--start", "all"]).expect(2, "begun already").unwrap();
    world.stop().unwrap();
}
