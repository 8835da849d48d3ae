//! `POST /events`: one event or many lines, and `check=1` (70-admission.md, 85-log.md).
//!
//! Overload is refused before the body is read. Nothing is acknowledged before its checkpoint is published.
//! Not here: the decision (`admission`), the batch (`writer`).

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vitrine_spec::limits::{NDJSON_BYTES_MAX, NDJSON_LINES_MAX, SUBMISSION_BYTES_MAX};
use vitrine_spec::refusal::Refusal;
use vitrine_spec::text::b64;
use vitrine_spec::tlog_proof;
use vitrine_spec::tree::LeafIndex;

use super::shapes::{Checked, Submission, Submissions};
use super::{App, Fields, JSON, TEXT, answer};
use crate::admission::{Admission, NotTaken, Place};
use crate::config::BODY_WAIT;
use crate::log::Published;
use crate::metrics::Code;
use crate::problem::Problem;

/// What a body is, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    One,
    Lines,
}

impl Form {
    fn bytes_max(self) -> usize {
        match self {
            Form::One => SUBMISSION_BYTES_MAX,
            Form::Lines => NDJSON_BYTES_MAX,
        }
    }
}

/// Submit a signed event (application/json) or many (application/x-ndjson)
///
/// One event is answered with its tlog-proof, of which `200` says that it was logged before. Lines are answered line by line, each
/// with its place or its problem, and the checkpoint that covers all of them at the end. With `check=1` one event is judged and
/// nothing is written; signatures may be missing.
#[utoipa::path(post, path = "/events", tag = "submit",
    params(("check" = Option<u8>, Query, description = "only judge one event", minimum = 1, maximum = 1)),
    request_body(content((Submission = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "logged before; the answers of lines; or what `check=1` says", content(
            (String = "text/plain"), (String = "application/x-ndjson"), (Checked = "application/json"),
        )),
        (status = 201, description = "logged: the proof", content_type = "text/plain", body = String),
        Submissions,
    ),
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Fields(query): Fields,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match take(app.clone(), &query, &headers, body).await {
        Ok(response) => response,
        Err(problem) => {
            if !problem.counted {
                app.view.metrics.refused.get_or_create(&Code { code: problem.problem.code() }).inc();
            }
            problem.problem.into_response()
        }
    }
}

/// A problem, and whether admission has counted it.
struct Refused {
    problem: Problem,
    counted: bool,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused { problem, counted: false }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Problem::from(&refusal).into()
    }
}

impl From<NotTaken> for Refused {
    fn from(not_taken: NotTaken) -> Refused {
        match not_taken {
            NotTaken::Refused(refusal) => Refused { problem: Problem::from(&refusal), counted: true },
            NotTaken::Failed(cause) => Problem::internal(cause).into(),
        }
    }
}

async fn take(
    app: Arc<App>,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let check = match query.get("check").map(String::as_str) {
        None if query.is_empty() => false,
        Some("1") if query.len() == 1 => true,
        _ => return Err(Problem::request("the query may only be `check=1`").into()),
    };
    let form = form(headers)?;
    if check && form == Form::Lines {
        return Err(Problem::request("`check=1` judges one event: application/json, not application/x-ndjson").into());
    }
    // Neither this nor what follows up to `read` costs a body: overload is refused early [S-25].
    if let Some(refusal) = app.view.closed() {
        return Err(refusal.into());
    }
    let Some(admission) = app.admission.get().cloned() else {
        return Err(Refusal::Starting("the index is not open yet".to_owned()).into());
    };
    if let Some(refusal) = admission.full().filter(|_| !check) {
        return Err(match (refusal, app.view.quorum()) {
            (Refusal::QuorumUnavailable(full), Some(why)) => {
                Refusal::QuorumUnavailable(format!("{full}; {why}")).into()
            }
            (refusal, _) => refusal.into(),
        });
    }
    let length = length(headers, form)?;
    let room = reserve(&app.bodies, (length / 1024 + 1) as u32, "bytes of bodies that come in at once")?;
    let waiting = reserve(&app.waiting, 1, "requests that wait at once")?;
    let body = match tokio::time::timeout(BODY_WAIT, read(body, form.bytes_max())).await {
        Ok(body) => body?,
        Err(_) => {
            let detail = format!("the body did not come within {BODY_WAIT:?}");
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "time-out", detail).into());
        }
    };
    let work = Work { app, admission, room, waiting };
    match (form, check) {
        (Form::One, true) => work.check(body).await,
        (Form::One, false) => work.one(body).await,
        (Form::Lines, _) => work.lines(body).await,
    }
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let unsupported = |detail: String| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail);
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(unsupported("bodies are taken without Content-Encoding".to_owned()));
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = given.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" => Ok(Form::One),
        "application/x-ndjson" => Ok(Form::Lines),
        _ => Err(unsupported(format!("content type `{given}`, taken are application/json and application/x-ndjson"))),
    }
}

/// Bytes to expect: what the request says, or the most it may send.
fn length(headers: &HeaderMap, form: Form) -> Result<usize, Refusal> {
    let most = form.bytes_max();
    let given = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match given {
        Some(length) if length > most => Err(Refusal::TooLarge { what: "body", got: length, most }),
        Some(length) => Ok(length),
        None => Ok(most),
    }
}

pub(super) fn reserve(semaphore: &Arc<Semaphore>, permits: u32, what: &str) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(semaphore).try_acquire_many_owned(permits).map_err(|_| Refusal::Rate(format!("too many {what}")))
}

async fn read(mut body: Body, most: usize) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    loop {
        match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            None => return Ok(bytes),
            Some(Err(error)) => return Err(Problem::request(format!("the body ended early: {error}")).into()),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if bytes.len() + data.len() > most {
                    return Err(Refusal::TooLarge { what: "body", got: bytes.len() + data.len(), most }.into());
                }
                bytes.extend_from_slice(&data);
            }
        }
    }
}

/// One request on its way, with its places in the queues.
struct Work {
    app: Arc<App>,
    admission: Arc<Admission>,
    /// Given back when the body is judged.
    room: OwnedSemaphorePermit,
    /// Given back when the answer is made.
    waiting: OwnedSemaphorePermit,
}

impl Work {
    async fn check(self, body: Vec<u8>) -> Result<Response, Refused> {
        let admission = Arc::clone(&self.admission);
        let event = off_thread(move || admission.check(&body)).await??;
        drop(self.waiting);
        let answered = json!({
            "check": "accepted",
            "event_id": event.id.to_string(),
            "kind": event.statement.kind.to_string(),
            "size": self.app.view.published().size.get(),
        });
        Ok(answer(JSON, "no-store", format!("{answered}\n")))
    }

    async fn one(self, body: Vec<u8>) -> Result<Response, Refused> {
        let admission = Arc::clone(&self.admission);
        let started = Instant::now();
        let place = off_thread(move || admission.submit(&body)).await??;
        drop(self.room);
        let published = wait(&self.app, place.index).await?;
        self.app.view.metrics.submit_seconds.observe(started.elapsed().as_secs_f64());
        let status = if place.duplicate { StatusCode::OK } else { StatusCode::CREATED };
        let proof = self.app.reading(move |app| proof(app, &place, &published)).await?;
        drop(self.waiting);
        Ok((status, answer(TEXT, "no-store", proof)).into_response())
    }

    async fn lines(self, body: Vec<u8>) -> Result<Response, Refused> {
        let admission = Arc::clone(&self.admission);
        let started = Instant::now();
        let answers = off_thread(move || {
            let lines = lines(&body)?;
            admission.submit_lines(&lines)
        });
        let answers = answers.await??;
        drop(self.room);
        let last = answers.iter().flatten().map(|place| place.index).max();
        let mut text = String::with_capacity(answers.len() * 192);
        for (at, answered) in answers.iter().enumerate() {
            text.push_str(&line(at + 1, answered));
        }
        if let Some(last) = last {
            let published = wait(&self.app, last).await?;
            self.app.view.metrics.submit_seconds.observe(started.elapsed().as_secs_f64());
            let checkpoint = String::from_utf8_lossy(&published.note);
            text.push_str(&json!({ "checkpoint": checkpoint }).to_string());
            text.push('\n');
        }
        drop(self.waiting);
        Ok(answer("application/x-ndjson", "no-store", text))
    }
}

/// The lines of a body, at most 4,096; the last one may end without a newline.
fn lines(body: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let count = body.iter().filter(|byte| **byte == b'\n').count() + 1;
    if count > NDJSON_LINES_MAX {
        return Err(Refusal::TooLarge { what: "lines", got: count, most: NDJSON_LINES_MAX });
    }
    Ok(body.split(|byte| *byte == b'\n').collect())
}

/// One line of the answer. Built by hand for the thousands that are taken: all of its values are digits, hex or base64.
fn line(number: usize, answered: &Result<Place, Refusal>) -> String {
    match answered {
        Ok(place) => format!(
            "{{\"line\":{number},\"event_id\":\"{}\",\"index\":{},\"leaf_hash\":\"{}\",\"duplicate\":{}}}\n",
            place.event.id,
            place.index,
            b64(place.leaf_hash.as_bytes()),
            place.duplicate,
        ),
        Err(refusal) => format!("{{\"line\":{number},\"problem\":{}}}\n", Problem::from(refusal).body()),
    }
}

/// Runs what computes, off the threads that serve connections.
pub(super) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
}

/// Waits for the checkpoint that covers `index`; `pending` when it does not come in time [S-23].
pub(super) async fn wait(app: &App, index: LeafIndex) -> Result<Arc<Published>, Refusal> {
    match tokio::time::timeout(app.submit_wait, app.view.wait_for(index)).await {
        Ok(published) => Ok(published),
        Err(_) => Err(Refusal::Pending(match app.view.quorum() {
            Some(why) => format!("no checkpoint within {:?}: {why}; submit the same bytes again", app.submit_wait),
            None => format!("no checkpoint within {:?}; submit the same bytes again", app.submit_wait),
        })),
    }
}

/// The tlog-proof of a place, with the logged leaf.
fn proof(app: &App, place: &Place, published: &Published) -> Result<Vec<u8>, Problem> {
    let hashes = app.view.inclusion(place.index, published.size).map_err(Problem::internal)?;
    Ok(tlog_proof::print(Some(&place.event.leaf()), place.index, &hashes, &published.note))
}
