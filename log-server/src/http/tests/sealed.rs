//! Sealed records over a real log: who reads them stands in the log before a byte leaves (85-log.md, "Sealed records").

use super::*;
use crate::fake::{reader_sign, readers, second_charter};
use crate::sealed::{Finder, decode, encode};
use vitrine_spec::body::Body as EventBody;
use vitrine_spec::event::Event;
use vitrine_spec::fields::Field;
use vitrine_spec::key::{KeyKind, Seed};
use vitrine_spec::request::ReadRequest;
use vitrine_spec::sealing::open;
use vitrine_spec::text::b64;
use vitrine_spec::wrap::{WrapFor, unwrap};
use vitrine_spec::{json as spec_json, words};

/// A request for `from..to`, for a minute.
pub(super) fn request(from: u64, to: u64) -> ReadRequest {
    ReadRequest {
        origin: ORIGIN.to_owned(),
        from,
        to,
        purpose: "the audit of November".to_owned(),
        expires: words::Time::new(Time::now().get() + 60),
    }
}

impl Server {
    async fn read(&self, request: &ReadRequest, key: &Seed) -> Answer {
        self.read_at(&format!("/sealed/{}-{}", request.from, request.to), request, key).await
    }

    async fn read_at(&self, path: &str, request: &ReadRequest, key: &Seed) -> Answer {
        let authorization = request.authorization(key).unwrap();
        self.send(Request::get(path).header("authorization", authorization).body(Body::empty()).unwrap()).await
    }

    async fn leaf(&self, index: u64) -> Event {
        Event::read_leaf(&self.get(&format!("/events/{index}")).await.body).unwrap()
    }
}

/// The indices in an answer, each record compared with its submission.
fn records(answer: &Answer, accesses: &[Value], first: u64) -> Vec<u64> {
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"), "{:?}", answer.body);
    let mut indices = Vec::new();
    for (index, place) in decode(&answer.body).unwrap() {
        assert_eq!(b64(&answer.body[place]), accesses[(index - first) as usize]["sealed"].as_str().unwrap());
        indices.push(index);
    }
    indices
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_records_and_stands_in_the_log() {
    // [Q-9] [S-43]
    let server = server(Setting::default()).await;
    let (_, accesses) = server.gateway(4).await;
    server.published(7).await;
    let answer = server.read(&request(0, 6), &reader_sign("supervisor")).await;
    assert_eq!(records(&answer, &accesses, 3), [3, 4, 5]);
    assert_eq!(answer.header("vitrine-access"), "8", "behind the vault's first sealing key");
    assert_eq!(server.view.published().size.get(), 9, "published before a byte left");
    let inner = server.read(&request(4, 7), &reader_sign("vault")).await;
    assert_eq!((records(&inner, &accesses, 3), inner.header("vitrine-access")), (vec![4, 5, 6], "9"));
    let none = server.read(&request(0, 3), &reader_sign("supervisor")).await;
    assert_eq!((none.status, none.body.len(), none.header("vitrine-access")), (StatusCode::OK, 0, "10"));

    // Each reader opens what the vault logged of the first read.
    let key = server.leaf(7).await;
    let EventBody::SealingKey(sealing) = &key.statement.body else { panic!("{key:?}") };
    let event = server.leaf(8).await;
    let record = unb64(answer.header("vitrine-access-record")).unwrap();
    for (name, seed) in readers() {
        let wrap_for = WrapFor { origin: ORIGIN, issuer: "vault", epoch: 1, seq: 1, reader: name };
        let window = unwrap(&seed, &wrap_for, &sealing.wrap_of(name).unwrap().wrap, &sealing.check).unwrap();
        let values = open(&window, &event, &record).unwrap().values;
        let text = |field| values.text(field).unwrap_or("").to_owned();
        let object = |field| String::from_utf8(values.get(field).to_jcs()).unwrap();
        assert_eq!(text(Field::Op), "read");
        assert_eq!(text(Field::NativeOp), "GET /sealed");
        assert_eq!(text(Field::Actor), "supervisor");
        assert_eq!(object(Field::ActorSession), r#"{"role":"supervisor","session":"the audit of November"}"#);
        assert_eq!(text(Field::Dataset), "vault");
        assert_eq!(*values.get(Field::ObjectCount), spec_json::Value::Int(6));
        assert_eq!(text(Field::Purpose), "SUPERVISOR_AUDIT");
        assert_eq!(object(Field::Outcome), r#"{"native":"200 0-6","result":"success"}"#);
        assert_eq!(text(Field::NativeId).len(), 64);
        assert_eq!(*values.get(Field::Ticket), spec_json::Value::Null);
    }
    // What was logged is itself a record that readers get.
    let own = server.read(&request(8, 9), &reader_sign("supervisor")).await;
    assert_eq!(own.body, encode([(8, record.as_slice())]));
    let sealing = server.get("/issuers/vault").await.json()["sealing"].clone();
    assert_eq!(sealing["seq"], 1, "one sealing key for all of them: {sealing}");
    assert_eq!(server.get("/issuers/operator").await.json()["sealing"], Value::Null);
    let metrics = server.metrics().await;
    for line in ["sealed_reads_total{outcome=\"read\"} 4", "sealed_records_sent_total 7"] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_gets_a_record_and_nothing_is_logged_of_it() {
    // [Q-9] [S-43]
    let server = server(Setting::default()).await;
    server.gateway(2).await;
    server.published(5).await;
    let (good, supervisor) = (request(0, 5), reader_sign("supervisor"));
    let unsigned = server.get("/sealed/0-5").await;
    assert_eq!((unsigned.code().as_str(), unsigned.header("cache-control")), ("malformed", "no-store"));
    assert_eq!(server.read(&good, server.operator.seed()).await.code(), "reader-unknown");
    assert_eq!(server.read_at("/sealed/0-4", &good, &supervisor).await.code(), "value");
    let late = ReadRequest { expires: words::Time::new(Time::now().get() - 1), ..good.clone() };
    assert_eq!(server.read(&late, &supervisor).await.code(), "expired");
    assert_eq!(server.read(&request(0, 6), &supervisor).await.code(), "range");
    assert_eq!(server.read(&request(3, 3), &supervisor).await.code(), "value");
    for path in ["/sealed/0", "/sealed/0-05", "/sealed/-5", "/sealed/0-5-6", "/sealed/a-b"] {
        assert_eq!(server.read_at(path, &good, &supervisor).await.code(), "not-found", "{path}");
    }
    assert_eq!(server.view.head().get(), 5, "the log is as it was");
    assert!(server.metrics().await.contains("sealed_reads_total{outcome=\"refused\"} 11"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nothing_leaves() {
    // [Q-9]
    let server = server(Setting { wait: Duration::from_secs(3), ..Setting::default() }).await;
    server.gateway(2).await;
    server.published(5).await;
    server.fakes[0].script(|script| script.says = Some((503, "text/plain", Vec::new())));
    let answer = server.read(&request(0, 5), &reader_sign("supervisor")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "pending"));
    assert_eq!(server.view.published().size.get(), 5);
    server.fakes[0].script(|script| script.says = None);
    server.published(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_take_their_time_are_few_and_one_that_goes_makes_room() {
    // [S-43]
    let server = server(Setting::default()).await;
    let (_, accesses) = server.gateway(2).await;
    server.published(5).await;
    let supervisor = reader_sign("supervisor");
    let begin = || async {
        let authorization = request(0, 5).authorization(&supervisor).unwrap();
        let request = Request::get("/sealed/0-5").header("authorization", authorization).body(Body::empty()).unwrap();
        server.router.clone().oneshot(request).await.unwrap()
    };
    let mut open = Vec::new();
    for _ in 0..crate::config::SEALED_READS_MAX {
        open.push(begin().await);
    }
    let refused = server.read(&request(0, 5), &supervisor).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "busy"));
    let size = server.view.published().size;
    drop(open.pop());
    let answer = server.read(&request(0, 5), &supervisor).await;
    assert_eq!(records(&answer, &accesses, 3), [3, 4]);
    assert_eq!(server.view.published().size.get(), size.get() + 1, "what was refused is in no log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_reading_loses_its_turn() {
    // [S-43]
    let server = server(Setting { sealed_wait: Duration::from_millis(1), ..Setting::default() }).await;
    server.gateway(2).await;
    server.published(5).await;
    let authorization = request(0, 5).authorization(&reader_sign("supervisor")).unwrap();
    let request = Request::get("/sealed/0-5").header("authorization", authorization).body(Body::empty()).unwrap();
    let stalled = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(stalled.status(), StatusCode::OK);
    let turns = crate::config::SEALED_READS_MAX as u32;
    let all = server.app.sealed_reads.acquire_many(turns);
    drop(tokio::time::timeout(Duration::from_secs(20), all).await.unwrap().unwrap());
    assert!(to_bytes(stalled.into_body(), 1 << 20).await.is_err(), "the answer breaks off");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_reader_any_more_when_the_access_is_published_gets_nothing() {
    // [Q-5] [S-43]
    let mut server = server(Setting::default()).await;
    server.gateway(2).await;
    server.published(5).await;
    server.fakes[0].script(|script| script.says = Some((503, "text/plain", Vec::new())));
    let (old, new) = (reader_sign("supervisor"), Seed::new("new.example", KeyKind::Ed25519, [77; 32]).unwrap());
    let charter = second_charter(&server.keys, &mut server.operator, &server.supervisor, &new);
    let (asked, replaced) = (request(0, 5), async {
        let admission = server.app.admission.get().unwrap();
        until(|| admission.with_state(|state| state.size().get() == 7)).await;
        let replaced = || admission.with_state(|state| state.readers().iter().any(|reader| reader.sign == new.vkey()));
        let publish = async {
            until(replaced).await;
            server.fakes[0].script(|script| script.says = None);
        };
        tokio::join!(server.submit(&charter), publish).0
    });
    let (answer, replaced) = tokio::join!(server.read(&asked, &old), replaced);
    assert_eq!(replaced.status, 201, "{}", replaced.text());
    assert_eq!(answer.code(), "reader-unknown");
    assert_eq!(server.read(&request(0, 5), &old).await.code(), "reader-unknown");
    assert_eq!(server.read(&request(0, 5), &new).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_published_erasure_names_leaves_as_zeros_before_it_is_carried_out() {
    // [S-31] [S-43]
    let mut server = server(Setting::default()).await;
    let (_, accesses) = server.gateway(2).await;
    server.published(5).await;
    let (store, supervisor) = (Arc::clone(&server.app.store), reader_sign("supervisor"));
    let path = Finder::default().find(&*store, 3).unwrap().unwrap().path();
    let whole = store.read(&path).unwrap().unwrap();
    store.put(&path, &whole[..whole.len() - 1]).unwrap();
    let erasure = server.operator.erasure(&[&accesses[0]], &server.supervisor);
    assert_eq!(server.submit(&erasure).await.status, 201);
    // A damaged object ends no log: it stays as it is until the next start.
    let line = "sealed_records_not_erased_total 1";
    let counted = async {
        while !server.metrics().await.contains(line) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.unwrap();
    assert!(server.metrics().await.contains("erasures_due 0"));
    let authorization = request(3, 4).authorization(&supervisor).unwrap();
    let asked = Request::get("/sealed/3-4").header("authorization", authorization).body(Body::empty()).unwrap();
    let answer = server.router.clone().oneshot(asked).await.unwrap();
    assert!(to_bytes(answer.into_body(), 1 << 20).await.is_err(), "the answer breaks off");

    store.put(&path, &whole).unwrap();
    let answer = server.read(&request(3, 5), &supervisor).await;
    let records: Vec<_> = decode(&answer.body).unwrap();
    let [first, second] = &records[..] else { panic!("{records:?}") };
    let length = unb64(accesses[0]["sealed"].as_str().unwrap()).unwrap().len();
    assert_eq!((first.0, &answer.body[first.1.clone()]), (3, &vec![0; length][..]));
    assert_eq!((second.0, b64(&answer.body[second.1.clone()]).as_str()), (4, accesses[1]["sealed"].as_str().unwrap()));
    assert_eq!(store.read(&path).unwrap().unwrap(), whole, "zero in the answer alone");
}

/// Waits until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waited).await.unwrap();
}
