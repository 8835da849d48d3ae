//! `PUT` and `GET /attachments/<sha256>`: documents behind events [S-40] (77-requests.md, 85-log.md).
//!
//! A body goes to the disk as it comes and is hashed on the way; nothing is answered before it is durable. What comes back
//! is bytes for a program: no browser shows or runs it. Not here: keeping them (`attachments`).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use vitrine_spec::hash::Hash;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::request::{AttachRequest, check_attach};
use vitrine_spec::words;

use super::lookups::indexed;
use super::pieces::{self, Source};
use super::shapes::{LookUps, NotFound, Put, Puts, Wrong};
use super::submit::{off_thread, reserve};
use super::{App, FOR_EVER, JSON, OCTETS, Part, answer};
use crate::attachments::{Attachments, PutError, Putting};
use crate::config::{ATTACHMENT_BUFFER_BYTES, ATTACHMENT_WAIT, BODY_WAIT};
use crate::metrics::Outcome;
use crate::problem::Problem;
use crate::time::Time;

/// Put a document behind events into the log, as an open issuer
#[utoipa::path(put, path = "/attachments/{sha256}", tag = "submit",
    params(("sha256" = String, Path, description = "SHA-256 of the document, 64 lowercase digits")),
    request_body(content = [u8], content_type = "application/octet-stream"),
    security(("dsse" = [])),
    responses(
        (status = 200, description = "it is here already", content_type = "application/json", body = Put),
        (status = 201, description = "it is stored durably", content_type = "application/json", body = Put),
        Puts,
    ),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Part(name): Part,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let answered = match tokio::time::timeout(ATTACHMENT_WAIT, take(&app, &name, &headers, body)).await {
        Ok(answered) => answered,
        Err(_) => {
            let detail = format!("the attachment did not come within {ATTACHMENT_WAIT:?}");
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "time-out", detail))
        }
    };
    let outcome = match &answered {
        Ok(true) => "stored",
        Ok(false) => "here",
        Err(_) => "refused",
    };
    app.view.metrics.attachments.get_or_create(&Outcome { outcome }).inc();
    let (waiting, bytes) = app.attachments.waiting();
    app.view.metrics.attachments_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    app.view.metrics.attachments_waiting_bytes.set(bytes);
    let new = answered?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let body = json!({"sha256": name, "new": new});
    Ok((status, answer(JSON, "no-store", format!("{body}\n"))).into_response())
}

/// Whether the attachment is new.
async fn take(app: &Arc<App>, name: &str, headers: &HeaderMap, mut body: Body) -> Result<bool, Problem> {
    let sha256 = digest(name)?;
    // Neither this nor what follows costs a body: overload is refused early [S-25].
    if let Some(refusal) = app.view.closed() {
        return Err(Problem::from(&refusal));
    }
    let Some(admission) = app.admission.get() else {
        return Err(Problem::from(&Refusal::Starting("the index is not open yet".to_owned())));
    };
    let authorization = authorization(headers);
    let origin = admission.origin();
    let now = words::Time::new(Time::now().get());
    let checked = admission.with_state(|state| check_attach(authorization, state, origin, &sha256, now));
    let request = checked.map_err(|refusal| Problem::from(&refusal))?;
    check_length(headers, &request)?;
    let _turn = reserve(&app.puts, 1, "attachments that come in at once").map_err(|r| Problem::from(&r))?;
    let attachments = Arc::clone(&app.attachments);
    let mut putting = off_thread(move || attachments.begin(request, Time::now())).await?.map_err(problem)?;
    let mut buffer = Vec::with_capacity(ATTACHMENT_BUFFER_BYTES);
    loop {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        let Ok(frame) = tokio::time::timeout(BODY_WAIT, frame).await else {
            let detail = format!("nothing more came within {BODY_WAIT:?}");
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "time-out", detail));
        };
        match frame {
            None => break,
            Some(Err(error)) => return Err(Problem::request(format!("the body ended early: {error}"))),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                buffer.extend_from_slice(&data);
            }
        }
        if buffer.len() >= ATTACHMENT_BUFFER_BYTES {
            (putting, buffer) = add(putting, buffer).await?;
        }
    }
    (putting, _) = add(putting, buffer).await?;
    off_thread(move || putting.end(Time::now())).await?.map_err(problem)
}

/// Writes what has come, off the threads that serve connections; gives the buffer back, empty.
async fn add(mut putting: Putting, mut buffer: Vec<u8>) -> Result<(Putting, Vec<u8>), Problem> {
    let added = off_thread(move || {
        putting.add(&buffer)?;
        buffer.clear();
        Ok((putting, buffer))
    });
    added.await?.map_err(problem)
}

fn problem(error: PutError) -> Problem {
    match error {
        PutError::Refused(refusal) => Problem::from(&refusal),
        PutError::Store(error) => Problem::internal(error),
    }
}

/// The digest that is a part of a path.
pub(super) fn digest(name: &str) -> Result<Hash, Problem> {
    let none = || Problem::not_found(format!("`{name}` is no SHA-256 of 64 lowercase hexadecimal digits")).no_store();
    Hash::from_hex(name).map_err(|_| none())
}

/// The header of a signed request, or nothing, which is refused in the words of the rule.
pub(super) fn authorization(headers: &HeaderMap) -> &str {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A body that says that it is longer or shorter than signed for is not read.
fn check_length(headers: &HeaderMap, request: &AttachRequest) -> Result<(), Problem> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        let detail = "bodies are taken without Content-Encoding";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail));
    }
    let given = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match given {
        Some(length) if length != request.size => {
            let why = format!("Content-Length is {length}, the request is signed for {}", request.size);
            Err(Problem::from(&Refusal::Value { member: "body".to_owned(), why }))
        }
        Some(_) | None => Ok(()),
    }
}

struct FromDisk {
    attachments: Arc<Attachments>,
    sha256: Hash,
    at: u64,
}

impl Source for FromDisk {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let piece = self.attachments.piece(&self.sha256, self.at).map_err(|error| error.to_string())?;
        let piece = piece.filter(|bytes| !bytes.is_empty());
        self.at += piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(piece)
    }
}

/// A document behind an event, once a published event names it
#[utoipa::path(get, path = "/attachments/{sha256}", tag = "look up",
    params(("sha256" = String, Path, description = "SHA-256 of the document, 64 lowercase digits")),
    responses(
        (status = 200, description = "the document", content_type = "application/octet-stream", body = [u8]),
        LookUps, NotFound, Wrong,
    ),
)]
pub(super) async fn get(State(app): State<Arc<App>>, Part(name): Part) -> Result<Response, Problem> {
    let sha256 = digest(&name)?;
    let published = indexed(&app).await?;
    let size = app
        .reading(move |app| {
            let index = super::lookups::index(app)?;
            let named = index.attachment(&sha256).map_err(Problem::internal)?;
            if named.is_none_or(|at| at.get() >= published.size.get()) {
                let detail = format!("no event below size {} names the attachment {}", published.size, sha256.hex());
                return Err(Problem::not_found(detail).no_store());
            }
            let size = app.attachments.size(&sha256).map_err(Problem::internal)?;
            size.ok_or_else(|| Problem::internal(format!("the attachment {} is missing", sha256.hex())))
        })
        .await?;
    let source = FromDisk { attachments: Arc::clone(&app.attachments), sha256, at: 0 };
    let mut response = answer(OCTETS, FOR_EVER, pieces::body(source, Some(size)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    Ok(response)
}
