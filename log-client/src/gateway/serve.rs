//! The gateway's HTTP: accesses in, proofs out, on a loopback address alone (design.md 5).
//!
//! Whoever can reach the address logs in the issuer's name, so nothing but this machine can: the address is loopback, and a
//! request must name it as its host and be JSON, which a page in a browser cannot send here unasked. Not here: the queue
//! (`desk`), what fields are (`fields`).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use vitrine_spec::envelope::EventId;
use vitrine_spec::text::b64;

use super::desk::{Answer, Condition, Desk, count};
use super::fields::{self, BodyFault};
use crate::answer::Proven;
use crate::http::Problem;
use crate::limits::ACCESS_BODY_BYTES_MAX;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// What handlers share.
pub struct Counter {
    /// The queue.
    pub desk: Arc<Desk>,
    /// The address it listens on.
    pub address: SocketAddr,
    /// Milliseconds since 1970.
    pub now_ms: fn() -> i64,
}

/// The routes.
pub fn router(counter: Arc<Counter>) -> Router {
    Router::new()
        .route("/access", post(access))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(ACCESS_BODY_BYTES_MAX))
        .with_state(counter)
}

async fn access(State(counter): State<Arc<Counter>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refused) = foreign(&headers, counter.address) {
        return refused;
    }
    let given = match fields::read(&body, (counter.now_ms)()) {
        Ok(given) => given,
        Err(fault) => {
            count(&counter.desk.counters.invalid, 1);
            return invalid(&fault);
        }
    };
    let answered = match counter.desk.ask(given.values) {
        // A clerk that is gone answers nobody.
        Ok(receiver) => {
            receiver.await.unwrap_or_else(|_| Answer::Unavailable("ended", "this gateway has ended".to_owned()))
        }
        Err(answer) => answer,
    };
    match answered {
        Answer::Logged(events) if given.many => logged_many(&events),
        Answer::Logged(events) => match events.first() {
            Some((id, proven)) => logged(id, proven),
            None => problem(500, "internal", "nothing was logged", json!({})),
        },
        Answer::Spooled(events) => {
            let events: Vec<Value> = events.iter().map(|(seq, id)| json!({"seq": seq, "event_id": id.hex()})).collect();
            answer(StatusCode::ACCEPTED, JSON, json!({"spooled": events}).to_string() + "\n")
        }
        Answer::Unavailable(code, why) => unavailable(code, &why),
        Answer::Refused(said) => {
            let Problem { code, detail, title, .. } = *said;
            problem(502, &code, &format!("the log refuses it: {detail}"), json!({"title": title}))
        }
    }
}

/// Why a request that comes from elsewhere is refused: another host name, or a content type that a page can send.
fn foreign(headers: &HeaderMap, address: SocketAddr) -> Option<Response> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let host = text(header::HOST).to_ascii_lowercase();
    if host != address.to_string() && host != format!("localhost:{}", address.port()) {
        let detail = format!("the host is `{host}`, this is {address}");
        return Some(problem(403, "host", &detail, json!({})));
    }
    let media = text(header::CONTENT_TYPE).split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    (media != JSON)
        .then(|| problem(415, "media-type", &format!("the content type is `{media}`, {JSON} is taken"), json!({})))
}

/// The proof as the log gives it; index and identity in headers.
fn logged(id: &EventId, proven: &Proven) -> Response {
    let headers = [
        (header::CONTENT_TYPE.as_str(), TEXT.to_owned()),
        ("vitrine-index", proven.index.to_string()),
        ("vitrine-event-id", id.hex()),
    ];
    (StatusCode::OK, headers, proven.print()).into_response()
}

/// One answer for many: each entry with leaf and path, in one checkpoint.
fn logged_many(events: &[(EventId, Proven)]) -> Response {
    let entry = |(id, proven): &(EventId, Proven)| {
        let hashes: Vec<String> = proven.hashes.iter().map(|hash| b64(hash.as_bytes())).collect();
        json!({"index": proven.index.get(), "event_id": id.hex(), "leaf": b64(&proven.leaf), "hashes": hashes})
    };
    // Parts of one request can be proven in two checkpoints, when it filled more than one parcel.
    let proofs: Vec<Value> = events
        .chunk_by(|(_, a), (_, b)| a.note == b.note)
        .map(|chunk| {
            let note = chunk.first().map(|(_, proven)| String::from_utf8_lossy(&proven.note).into_owned());
            json!({"checkpoint": note, "events": chunk.iter().map(entry).collect::<Vec<_>>()})
        })
        .collect();
    answer(StatusCode::OK, JSON, json!({"logged": proofs}).to_string() + "\n")
}

fn invalid(fault: &BodyFault) -> Response {
    match fault {
        BodyFault::Malformed(why) => problem(400, "malformed", why, json!({})),
        BodyFault::Field { at, field, .. } => {
            problem(422, "value", &fault.to_string(), json!({"field": field, "access": at}))
        }
    }
}

fn unavailable(code: &str, why: &str) -> Response {
    let mut response = problem(503, code, &format!("nothing was promised: {why}"), json!({}));
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    response
}

fn problem(status: u16, code: &str, detail: &str, more: Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = status.canonical_reason().unwrap_or_default();
    let mut body =
        json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail, "code": code});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    answer(status, PROBLEM, body.to_string() + "\n")
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// 200 while the log answers; otherwise why not, also when accesses are kept.
async fn healthz(State(counter): State<Arc<Counter>>) -> Response {
    let (status, text) = match counter.desk.condition() {
        Condition::Open => (StatusCode::OK, "ok".to_owned()),
        Condition::Away(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("the log cannot answer: {why}")),
        Condition::Starting(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("starting: {why}")),
        Condition::Leaving => (StatusCode::SERVICE_UNAVAILABLE, "leaving".to_owned()),
    };
    answer(status, TEXT, text + "\n")
}

async fn metrics(State(counter): State<Arc<Counter>>) -> Response {
    let desk = &counter.desk;
    let counters = &desk.counters;
    let mut text = String::new();
    for (name, what, value) in [
        ("accesses_taken", "Accesses taken into the queue.", &counters.taken),
        ("accesses_logged", "Accesses logged, with their proof verified.", &counters.logged),
        ("accesses_spooled", "Accesses answered 202, sealed in the spool.", &counters.spooled),
        ("accesses_denied", "Accesses answered 503, nothing promised.", &counters.denied),
        ("accesses_refused", "Accesses that the log refused.", &counters.refused),
        ("requests_invalid", "Requests whose fields were not right.", &counters.invalid),
        ("parcels", "Parcels written to the spool.", &counters.parcels),
        ("sealing_keys", "Sealing keys made.", &counters.sealing_keys),
        ("heartbeats", "Heartbeats made.", &counters.heartbeats),
        ("outages", "Times at which the log could not answer.", &counters.outages),
    ] {
        let value = value.load(Ordering::Relaxed);
        let _ = writeln!(
            text,
            "# HELP vitrine_gateway_{name}_total {what}\n# TYPE vitrine_gateway_{name}_total counter\nvitrine_gateway_{name}_total {value}"
        );
    }
    let up = u8::from(desk.condition() == Condition::Open);
    let _ = writeln!(
        text,
        "# HELP vitrine_gateway_waiting Accesses in the queue.\n# TYPE vitrine_gateway_waiting gauge\nvitrine_gateway_waiting {}",
        desk.waiting()
    );
    let _ = writeln!(
        text,
        "# HELP vitrine_gateway_open Whether the log answers.\n# TYPE vitrine_gateway_open gauge\nvitrine_gateway_open {up}"
    );
    answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const GOOD: &str = r#"{"op":"read","outcome":{"result":"success"}}"#;

    fn counter() -> Arc<Counter> {
        let desk = Arc::new(Desk::default());
        desk.set(Condition::Open);
        Arc::new(Counter { desk, address: "127.0.0.1:8480".parse().unwrap(), now_ms: || 1_795_276_981_123 })
    }

    async fn send(counter: &Arc<Counter>, host: &'static str, media: &'static str, body: &str) -> (u16, String) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        let response = access(State(Arc::clone(counter)), headers, Bytes::from(body.to_owned())).await;
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn post(counter: &Arc<Counter>, body: &str) -> (u16, String) {
        send(counter, "127.0.0.1:8480", "application/json; charset=utf-8", body).await
    }

    /// Sends while somebody answers the one ask that comes.
    async fn answered(counter: &Arc<Counter>, body: &str, answer: Answer) -> (u16, String) {
        let desk = Arc::clone(&counter.desk);
        let clerk = std::thread::spawn(move || {
            loop {
                desk.wait(std::time::Duration::MAX);
                if let Some(ask) = desk.take(1).pop() {
                    return ask.answer(answer);
                }
            }
        });
        let got = post(counter, body).await;
        clerk.join().unwrap();
        got
    }

    #[tokio::test]
    async fn what_comes_from_elsewhere_is_refused() {
        let counter = counter();
        assert_eq!(send(&counter, "evil.example:8480", "application/json", GOOD).await.0, 403);
        assert_eq!(send(&counter, "127.0.0.1:80", "application/json", GOOD).await.0, 403);
        assert_eq!(send(&counter, "localhost:8480", "text/plain", GOOD).await.0, 415);
        assert_eq!(counter.desk.waiting(), 0);
    }

    #[tokio::test]
    async fn a_wrong_field_is_named_with_its_constraint() {
        let counter = counter();
        let (status, body) = post(&counter, r#"[{"op":"read","outcome":{"result":"success"}},{"op":"peek"}]"#).await;
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &problem["code"], &problem["field"], &problem["access"]),
            (422, &json!("value"), &json!("op"), &json!(1))
        );
        assert!(problem["detail"].as_str().unwrap().contains("op"), "{body}");
        assert_eq!(post(&counter, "{").await.0, 400);
        assert_eq!(counter.desk.counters.invalid.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn each_answer_has_its_status() {
        let counter = counter();
        let (status, body) = answered(&counter, GOOD, Answer::Spooled(vec![(7, EventId::ZERO)])).await;
        let spooled: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &spooled["spooled"][0]["seq"]), (202, &json!(7)));
        let (status, body) = answered(&counter, GOOD, Answer::Unavailable("unavailable", "why".to_owned())).await;
        assert_eq!(status, 503);
        assert!(body.contains("nothing was promised: why"), "{body}");
        let problem = Problem { code: "too-early".to_owned(), detail: "the clock".to_owned(), ..Problem::default() };
        let (status, body) = answered(&counter, GOOD, Answer::Refused(Box::new(problem))).await;
        assert_eq!(status, 502);
        assert!(body.contains("too-early") && body.contains("the clock"), "{body}");
        let proven = Proven {
            leaf: b"leaf".to_vec(),
            index: vitrine_spec::tree::LeafIndex::new(3),
            hashes: Vec::new(),
            note: Arc::from(&b"note"[..]),
        };
        let logged = || Answer::Logged(vec![(EventId::ZERO, proven.clone())]);
        let (status, body) = answered(&counter, GOOD, logged()).await;
        assert_eq!((status, body.as_bytes()), (200, proven.print().as_slice()));
        let (status, body) = answered(&counter, &format!("[{GOOD}]"), logged()).await;
        let many: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &many["logged"][0]["events"][0]["index"]), (200, &json!(3)));
        assert_eq!(many["logged"][0]["checkpoint"], "note");
    }

    #[tokio::test]
    async fn how_it_is_can_be_asked() {
        let counter = counter();
        assert_eq!(healthz(State(Arc::clone(&counter))).await.status(), StatusCode::OK);
        counter.desk.set(Condition::Away("why".to_owned()));
        assert_eq!(healthz(State(Arc::clone(&counter))).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        let response = metrics(State(counter)).await;
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.contains("\nvitrine_gateway_accesses_logged_total 0\n"), "{text}");
        assert!(text.ends_with("vitrine_gateway_open 0\n"), "{text}");
    }
}
