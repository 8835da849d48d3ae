//! A log moves to another machine: followed while it runs, stopped, its keys brought, and taken over by the copy.
//!
//! What was acknowledged before is where it was, sealed records included, and the chain goes on. Not here: what a copy refuses
//! (`vitrine_log_server::follow`), what the witnesses say of an older copy (`scenarios`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value as Json;
use vitrine_log_client::place::Next;
use vitrine_log_client::sealer::Sealer;
use vitrine_log_server::{fold, sealed};
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::envelope::{EventId, Submission};
use vitrine_spec::fields::{Field, Values, nothing};
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::request::ReadRequest;
use vitrine_spec::state::State;
use vitrine_spec::words::{Name, Time};
use vitrine_tests::demo::product::now;
use vitrine_tests::harness::forge;
use vitrine_tests::harness::process::{PATIENCE, run, until};
use vitrine_tests::harness::world::World;

struct Story {
    world: World,
    runtime: tokio::runtime::Runtime,
    sealer: Sealer,
    reader: Seed,
    /// What was acknowledged: the event and its sealed record, by index.
    acknowledged: BTreeMap<u64, (EventId, Option<Vec<u8>>)>,
    number: u64,
}

impl Story {
    fn begin(folder: &std::path::Path) -> Story {
        let world = World::create_access(folder, "example.org/access").unwrap();
        world.open_with("gateway", &["types.access=strict", "sites=CH-ZH-1"], &["--site", "CH-ZH-1"]).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let key = forge::key(&world.path("gateway.key")).unwrap();
        let line = world.read("supervisor.reader").unwrap();
        let reader = Seed::parse(line.lines().next().unwrap()).unwrap();
        let leaf = get(&runtime, &world, "events/0");
        let mut state = State::default();
        fold::one(&mut state, &Origin::new(&world.origin).unwrap(), &leaf, None).unwrap();
        let last: Json = serde_json::from_slice(&get(&runtime, &world, "issuers/gateway")).unwrap();
        let next = Next {
            seq: last["last"]["seq"].as_u64().unwrap() + 1,
            prev: EventId::from_hex(last["last"]["event_id"].as_str().unwrap()).unwrap(),
            recorded: Time::new(last["last"]["recorded"].as_u64().unwrap()),
        };
        let (name, site) = (Name::new("gateway").unwrap(), Some("CH-ZH-1".to_owned()));
        let sealer = Sealer::new(key, world.origin.clone(), name, 1, site, state.readers().to_vec(), next);
        Story { world, runtime, sealer, reader, acknowledged: BTreeMap::new(), number: 0 }
    }

    /// Logs accesses, and a sealing key where one is due, as soon as the server admits events.
    fn log(&mut self, count: u64) {
        let values = (self.number..self.number + count).map(access).collect();
        self.number += count;
        let signed = self.sealer.seal(values, Time::new(now())).unwrap();
        let lines: Vec<String> = signed
            .iter()
            .map(|signed| Submission { envelope: signed.envelope.clone(), sealed: signed.record.clone() }.print())
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .collect();
        let mut answers = String::new();
        until("the server admits events", || {
            let (status, body) =
                send(&self.runtime, Method::POST, &format!("{}/events", self.world.url()), |request| {
                    request.header("content-type", "application/x-ndjson").body(lines.join("\n"))
                });
            let body = String::from_utf8(body).unwrap();
            match status {
                200 => answers = body,
                503 => return Ok(false),
                other => return Err(format!("{other}: {body}")),
            }
            Ok(true)
        })
        .unwrap();
        for (signed, answer) in signed.into_iter().zip(answers.lines()) {
            let answer: Json = serde_json::from_str(answer).unwrap();
            let index = answer["index"].as_u64().unwrap_or_else(|| panic!("{answer}"));
            self.acknowledged.insert(index, (signed.event_id, signed.record));
        }
    }

    fn follow(&self) -> Json {
        let url = self.world.url();
        let args = ["follow", "--json", "--from", &url, "--dir", "copy", "--charter", &self.world.fingerprint];
        let more = ["--policy", "server.policy", "--reader-key", "supervisor.reader"];
        let done = run(&self.world.folder, "log-server", args.iter().chain(&more)).unwrap().expect_code(0).unwrap();
        serde_json::from_str(done.out.trim()).unwrap()
    }

    /// Everything acknowledged is at its place, and its sealed record with it.
    fn check(&self) {
        let end = self.acknowledged.keys().next_back().unwrap() + 1;
        for (index, (id, _)) in &self.acknowledged {
            let leaf = get(&self.runtime, &self.world, &format!("events/{index}"));
            let event = vitrine_spec::event::Event::read_leaf(&leaf).unwrap();
            assert_eq!(event.id, *id, "entry {index}");
        }
        let request = ReadRequest {
            origin: self.world.origin.clone(),
            from: 0,
            to: end,
            purpose: "compare".to_owned(),
            expires: Time::new(now() + 60),
        };
        let authorization = request.authorization(&self.reader).unwrap();
        let url = format!("{}/sealed/0-{end}", self.world.url());
        let (status, body) =
            send(&self.runtime, Method::GET, &url, |request| request.header("authorization", authorization.clone()));
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let records: BTreeMap<u64, &[u8]> =
            sealed::decode(&body).unwrap().into_iter().map(|(index, place)| (index, &body[place])).collect();
        for (index, (_, record)) in &self.acknowledged {
            assert_eq!(records.get(index).copied(), record.as_deref(), "the record of entry {index}");
        }
    }
}

/// The values of an access.
fn access(number: u64) -> Values {
    let mut values = nothing();
    for (field, value) in [
        (Field::OccurredAt, "2026-11-21T16:03:01.123Z".into()),
        (Field::Op, "read".into()),
        (Field::Actor, "s-1071".into()),
        (Field::Outcome, Value::object([("result", "success".into())])),
        (Field::NativeId, number.to_string().into()),
    ] {
        values[field.number()] = value;
    }
    Values::new(values).unwrap()
}

fn send(
    runtime: &tokio::runtime::Runtime,
    method: Method,
    url: &str,
    with: impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> (u16, Vec<u8>) {
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let answer = with(client.request(method, url)).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.bytes().await.unwrap().to_vec())
    })
}

fn get(runtime: &tokio::runtime::Runtime, world: &World, path: &str) -> Vec<u8> {
    let (status, body) = send(runtime, Method::GET, &format!("{}/{path}", world.url()), |request| request);
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    body
}

#[test]
fn a_copy_goes_on_as_the_log_and_nothing_is_lost() {
    // [S-45]
    let folder = tempfile::tempdir().unwrap();
    let mut story = Story::begin(folder.path());
    story.log(5);
    let first = story.follow();
    assert_eq!((first["before"].as_u64(), first["reads"].as_u64()), (Some(0), Some(1)), "{first}");
    story.log(400);
    let second = story.follow();
    assert_eq!((second["before"].clone(), second["not_checked"].as_array().unwrap().len()), (first["size"].clone(), 0));
    story.check();
    // The read of the check is an access, too: the last catch-up takes it along.
    let third = story.follow();
    assert_eq!(third["size"], third["log_size"], "nothing more came meanwhile: {third}");

    assert!(story.world.log.take().unwrap().stop().unwrap().success());
    let serve =
        ["serve", "--dir", "copy", "--keys", "log.keys", "--listen", "127.0.0.1:0", "--policy", "server.policy"];
    let refused = run(&story.world.folder, "log-server", serve).unwrap();
    refused.expect(2, "add --take-over").unwrap();
    std::fs::rename(story.world.path("log"), story.world.path("lost")).unwrap();
    std::fs::rename(story.world.path("copy"), story.world.path("log")).unwrap();
    // A take-over that a witness did not answer is none: the next start is to be told again.
    let witness = story.world.witnesses[0].take().unwrap();
    assert!(witness.stop().unwrap().success());
    story.world.start_log(&["--take-over"]).unwrap();
    assert!(story.world.log.take().unwrap().stop().unwrap().success());
    assert_eq!(story.world.read("log/machine").unwrap(), "vitrine machine 1 copy\n");
    let serve = ["serve", "--dir", "log", "--keys", "log.keys", "--listen", "127.0.0.1:0", "--policy", "server.policy"];
    run(&story.world.folder, "log-server", serve).unwrap().expect(2, "add --take-over").unwrap();
    story.world.start_witness(0).unwrap();
    story.world.start_log(&["--take-over"]).unwrap();
    story.log(3);
    story.check();
    assert!(story.world.log.take().unwrap().stop().unwrap().success());
    story.world.start_log(&[]).unwrap();
    story.log(1);
    story.world.stop().unwrap();
    story.world.server(&["fsck", "--dir", "log"]).unwrap();
}
