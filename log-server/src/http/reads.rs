//! Static reads: checkpoint, tiles, bundles, kept checkpoints; and what an operator reads (C2SP tlog-tiles, 85-log.md).
//!
//! Not here: answers that are computed from more than one object (`lookups`).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::tiles::{self, parse_path};

use super::{App, BRIEF, FOR_EVER, JSON, OCTETS, TEXT, answer};
use crate::problem::Problem;
use crate::reader::ReadError;
use crate::time::Time;
use crate::view::Step;

pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> Response {
    answer(TEXT, BRIEF, app.view.published().note.clone())
}

pub(super) async fn policy(State(app): State<Arc<App>>) -> Response {
    answer(TEXT, BRIEF, app.view.policy.clone())
}

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    answer("application/openmetrics-text; version=1.0.0; charset=utf-8", "no-store", app.view.metrics.text())
}

pub(super) async fn healthz() -> Response {
    answer(TEXT, "no-store", "ok\n")
}

/// A tile or bundle whose end is at or below the published size; everything else is not there (yet) [S-22].
pub(super) async fn tile(State(app): State<Arc<App>>, Path(path): Path<String>) -> Result<Response, Problem> {
    let path = format!("tile/{path}");
    let parsed = parse_path(&path).map_err(|error| Problem::not_found(format!("{path}: {error}")).no_store())?;
    let end = match &parsed {
        tiles::Path::Tile(tile) => tile.end(),
        tiles::Path::Bundle(bundle) => bundle.end(),
    };
    let published = app.view.published().size;
    if end > published {
        let detail = format!("{path} ends at {end}, the published size is {published}");
        return Err(Problem::not_found(detail).no_store());
    }
    let bytes = app
        .reading(move |app| {
            let read = match parsed {
                tiles::Path::Tile(tile) => app.view.reader().tile(tile),
                tiles::Path::Bundle(bundle) => app.view.reader().bundle(bundle),
            };
            read.map_err(|error| match error {
                ReadError::Missing { .. } => Problem::not_found(error.to_string()).no_store(),
                _ => Problem::internal(error),
            })
        })
        .await?;
    Ok(answer(OCTETS, FOR_EVER, bytes))
}

/// The first checkpoint published in a UTC hour [S-7].
pub(super) async fn kept(State(app): State<Arc<App>>, Path(path): Path<String>) -> Result<Response, Problem> {
    let none = |path: &str| Problem::not_found(format!("kept/{path}: no checkpoint was kept for that hour")).no_store();
    let hour = Time::of_hour(&path).ok_or_else(|| none(&path))?;
    let note = app
        .reading(move |app| app.view.reader().kept(hour).map_err(Problem::internal))
        .await?
        .ok_or_else(|| none(&path))?;
    // It is written just before the checkpoint is, and readers see nothing earlier than that.
    match SignedCheckpoint::parse(&note) {
        Ok(kept) if kept.size() <= app.view.published().size => Ok(answer(TEXT, FOR_EVER, note)),
        Ok(_) => Err(none(&path)),
        Err(error) => Err(Problem::internal(format!("kept/{path}: {error}"))),
    }
}

/// What the server waits for, and how the witnesses stand.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let view = &app.view;
    let step = view.step();
    let closed = view.closed().or_else(|| app.admission.get().and_then(|admission| admission.full()));
    let detail = match &closed {
        Some(refusal) if step == Step::Ready => refusal.to_string(),
        _ => step.detail().to_owned(),
    };
    let witnesses: Vec<_> = view
        .witnesses
        .members
        .iter()
        .map(|member| json!({"name": member.name, "url": member.url, "state": member.standing().to_string()}))
        .collect();
    let body = json!({
        "ready": closed.is_none(),
        "step": step.name(),
        "detail": detail,
        "waiting_for_quorum": view.quorum(),
        "unwitnessed": view.unwitnessed,
        "published": view.published().size.get(),
        "head": view.head().get(),
        "witnesses": witnesses,
    });
    let status = if closed.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, answer(JSON, "no-store", format!("{body}\n"))).into_response()
}

/// What this is and where everything is, for a person.
pub(super) async fn front(State(app): State<Arc<App>>) -> Response {
    let view = &app.view;
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = writeln!(text, "Vitrine transparency log {}", view.origin);
    let _ = writeln!(text, "published size {}, {}", view.published().size, view.step().detail());
    if view.unwitnessed {
        let _ = writeln!(text, "UNWITNESSED: the policy of this server asks no witness");
    }
    text.push_str(PATHS);
    answer(TEXT, BRIEF, text)
}

const PATHS: &str = "
  GET  /checkpoint                        the published checkpoint with its cosignatures
  GET  /tile/<L>/<N>[.p/<W>]              hashes (C2SP tlog-tiles)
  GET  /tile/entries/<N>[.p/<W>]          entries
  GET  /kept/<YYYY>/<MM>/<DD>/<HH>        the first checkpoint of that hour (UTC)
  GET  /charter  /policy  /issuers/<name> who runs and uses this log
  GET  /events/<i>  /events/<i>.tlog-proof
  GET  /lookup?sha256=|purl=|event_id=|attachment=|issuer=&epoch=&seq=
  GET  /proof/inclusion?index=&size=      GET /proof/consistency?from=&to=
  POST /events[?check=1]                  submit a signed event (application/json) or many (application/x-ndjson)
  GET  /sealed/<i>-<j>                    sealed records, for the charter's readers (Authorization: DSSE)
  GET  /attachments/<sha256>              a document behind an event; PUT by an open issuer (Authorization: DSSE)
  GET  /healthz  /readyz  /metrics        operate

What a look-up returns is proven, what it leaves out is not. Trust comes from pinned keys and the charter's
fingerprint, never from this server.
";
