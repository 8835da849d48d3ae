//! A gateway before a real log: proofs before accesses, an outage, a restart, a second writer, and the supervisor's reading of it all.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_tests::harness::process::{PATIENCE, Server};
use vitrine_tests::harness::world::World;

const FIELDS: &str = r#"{"op":"read","actor":"s-1071","purpose":"CUSTOMER_SUPPORT","outcome":{"result":"success"}}"#;

/// Whoever calls the gateway.
struct Workers {
    runtime: Runtime,
    client: reqwest::Client,
    url: String,
}

impl Workers {
    fn of(server: &Server) -> Workers {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Workers { runtime, client: reqwest::Client::builder().no_proxy().build().unwrap(), url: server.url.clone() }
    }

    async fn post(&self, body: &str) -> (u16, String, Option<String>) {
        let request = self.client.post(format!("{}/access", self.url)).header("content-type", "application/json");
        let response = request.body(body.to_owned()).send().await.unwrap();
        let index = response.headers().get("vitrine-index").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), response.text().await.unwrap(), index)
    }

    fn one(&self, body: &str) -> (u16, String, Option<String>) {
        self.runtime.block_on(self.post(body))
    }

    /// `many` at once; their statuses.
    fn many(&self, many: usize) -> Vec<u16> {
        let all = async {
            let posts: Vec<_> = (0..many).map(|_| self.post(FIELDS)).collect();
            let mut statuses = Vec::new();
            // All are under way before the first is waited for.
            let mut under_way: Vec<_> = posts.into_iter().map(Box::pin).collect();
            std::future::poll_fn(|context| {
                under_way.retain_mut(|post| match post.as_mut().poll(context) {
                    std::task::Poll::Ready((status, ..)) => {
                        statuses.push(status);
                        false
                    }
                    std::task::Poll::Pending => true,
                });
                if under_way.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            statuses
        };
        self.runtime.block_on(all)
    }

    /// Waits until the gateway says that the log answers.
    fn until_open(&self) {
        let until = Instant::now() + PATIENCE;
        let ask = || async {
            match self.client.get(format!("{}/healthz", self.url)).send().await {
                Ok(response) => (response.status().as_u16(), response.text().await.unwrap_or_default()),
                Err(error) => (0, error.to_string()),
            }
        };
        loop {
            let (status, said) = self.runtime.block_on(ask());
            if status == 200 {
                return;
            }
            assert!(Instant::now() < until, "the gateway is not open: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn world(folder: &Path) -> World {
    let world = World::create_access(folder, "example.com/access").unwrap();
    let fields = ["types.access=strict", "sites=CH-ZH-1"];
    world.open_with("gateway", &fields, &["--site", "CH-ZH-1"]).unwrap();
    world.trust("trust", &[]).unwrap();
    world
}

/// Seconds that the gateway waits for the log before it calls it away: more than a busy machine takes for a batch.
const WAIT_S: &str = "15";

fn gateway(world: &World, spool: &str, more: &[&str]) -> Server {
    let url = world.url();
    let mut args = vec!["gateway", "--log", &url, "--policy", "policy", "--trust", "trust", "--key", "gateway.key"];
    args.extend(["--issuer", "gateway", "--listen", "127.0.0.1:0", "--spool", spool, "--wait", WAIT_S]);
    args.extend(more);
    Server::start(&world.folder, "log-client", args, &world.path(&format!("{spool}.err"))).unwrap()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn workers_get_proofs_and_what_an_outage_kept_is_logged_with_its_incident() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = world(folder.path());
    let server = gateway(&world, "spool-g", &["--when-unavailable", "spool", "--operator-key", "operator.key"]);
    let workers = Workers::of(&server);
    workers.until_open();

    // The answer is a proof that anybody verifies offline.
    let (status, proof, index) = workers.one(FIELDS);
    assert_eq!(status, 200, "{proof}");
    world.write("one.tlog-proof", &proof).unwrap();
    let leaf = TlogProof::parse(proof.as_bytes()).unwrap().extra.unwrap();
    world.write("one.leaf", &leaf).unwrap();
    let verify = ["proof", "verify", "--policy", "policy", "--entry", "one.leaf", "one.tlog-proof"];
    world.client(&verify).unwrap().expect_code(0).unwrap();
    assert!(proof.contains(&format!("index {}\n", index.unwrap())), "{proof}");

    // Many workers share batches; an array has one answer; a wrong field is named.
    assert_eq!(workers.many(40), [200; 40]);
    let (status, text, _) = workers.one(&format!("[{FIELDS},{FIELDS}]"));
    let many: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, many["logged"][0]["events"].as_array().map(Vec::len)), (200, Some(2)), "{text}");
    let (status, text, _) = workers.one(r#"{"op":"peek","outcome":{"result":"success"}}"#);
    assert_eq!((status, &serde_json::from_str::<Value>(&text).unwrap()["field"]), (422, &json!("op")));

    // The log is gone: accesses are kept, sealed, and logged when it is back, with the incident that says so.
    world.log.take().unwrap().kill();
    let (status, text, _) = workers.one(FIELDS);
    assert_eq!(status, 202, "{text}");
    assert_eq!(workers.one(FIELDS).0, 202);
    world.start_log(&[]).unwrap();
    workers.until_open();
    assert_eq!(workers.one(FIELDS).0, 200);
    let incidents = world.path("spool-g/incidents");
    until("the incident is not logged", || {
        std::fs::read_dir(&incidents)
            .is_ok_and(|files| files.flatten().any(|file| file.file_name().to_string_lossy().ends_with(".tlog-proof")))
    });

    // It ends by itself, with nothing left behind.
    let errors = server.errors.clone();
    assert!(server.stop().unwrap().success(), "{}", std::fs::read_to_string(errors).unwrap());
    assert_eq!(std::fs::read_dir(world.path("spool-g/pending")).unwrap().count(), 0);

    // One record is erased, by its proof, by operator and supervisor together.
    let url = world.url();
    let mut more = vec!["--log", &url, "--cosigner", "supervisor.key", "--target", "one.tlog-proof"];
    more.extend(["--field", "reason=authority", "--field", "authority=order 7", "--field", "places=tapes@2027-03-31"]);
    world.event("erasure", "operator", "erase.json", &more).unwrap();
    for key in ["operator.key", "supervisor.key"] {
        world.client(&["event", "sign", "--key", key, "erase.json"]).unwrap().expect_code(0).unwrap();
    }
    world.submit("operator", &["erase.json"]).unwrap();
    let again = world.client(&["event", "new", "access", "--origin", "o", "--issuer", "gateway"]).unwrap();
    assert!(again.expect_code(2).unwrap().err.contains("log-client gateway"));

    // The supervisor opens every other record, 40 + 2 + 3, and no chain has a gap.
    let mut audit = vec!["audit", "--log", &url, "--trust", "trust", "--state", "state", "--out", "report", "--json"];
    audit.extend(["--reader-key", "supervisor.reader"]);
    let report = world.client(&audit).unwrap().expect_code(0).unwrap();
    for wanted in
        ["45 records opened", "1 records erased by right", "1 incident", "every entry is as the rules want it"]
    {
        assert!(report.out.contains(wanted), "{wanted}: {}", report.out);
    }
    world.stop().unwrap();
}

#[test]
fn a_killed_gateway_goes_on_and_a_second_one_on_its_chain_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = world(folder.path());
    let first = gateway(&world, "spool-1", &[]);
    let workers = Workers::of(&first);
    workers.until_open();
    assert_eq!(workers.many(5), [200; 5]);
    first.kill();

    let again = gateway(&world, "spool-1", &[]);
    let workers = Workers::of(&again);
    workers.until_open();
    assert_eq!(workers.one(FIELDS).0, 200);

    let mut second = gateway(&world, "spool-2", &[]);
    let others = Workers::of(&second);
    others.until_open();
    assert_eq!(workers.one(FIELDS).0, 200, "the chain goes on, which the second does not know");
    assert_eq!(others.one(FIELDS).0, 503, "nothing is promised");
    let ended = second.ended().unwrap();
    let said = std::fs::read_to_string(&second.errors).unwrap();
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("two gateways on one chain") && said.contains("the log expects"), "{said}");
    assert_eq!(workers.one(FIELDS).0, 200, "the first one is not disturbed");

    // Without the log an access is denied and nothing is kept for later but what was sent.
    world.log.take().unwrap().kill();
    let (status, text, _) = workers.one(FIELDS);
    assert_eq!(status, 503, "{text}");
    again.kill();
    world.stop().unwrap();
}

#[test]
fn a_gateway_listens_on_loopback_alone_and_not_without_a_pin() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = world(folder.path());
    let url = world.url();
    let common = ["gateway", "--log", &url, "--policy", "policy", "--key", "gateway.key", "--issuer", "gateway"];
    let open = world.client(&[&common[..], &["--trust", "trust", "--listen", "0.0.0.0:0"]].concat()).unwrap();
    assert!(open.expect_code(2).unwrap().err.contains("loopback"));
    let other = "0000 ".repeat(16);
    let args = [&common[..], &["--charter", other.trim(), "--listen", "127.0.0.1:0", "--spool", "s"]].concat();
    let pinned = world.client(&args).unwrap().expect_code(1).unwrap();
    assert!(pinned.err.contains("another charter"), "{}", pinned.err);
    world.stop().unwrap();
}
