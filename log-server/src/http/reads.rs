//! Static reads: checkpoint, tiles, bundles, kept checkpoints; and what an operator reads (C2SP tlog-tiles, 85-log.md).
//!
//! Not here: answers that are computed from more than one object (`lookups`).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::tiles::{self, parse_path};

use super::shapes::{NotFound, Readiness, Reads};
use super::{App, BRIEF, FOR_EVER, JSON, OCTETS, Part, TEXT, answer};
use crate::problem::Problem;
use crate::reader::ReadError;
use crate::time::Time;
use crate::view::Step;

/// The published checkpoint with its cosignatures
#[utoipa::path(get, path = "/checkpoint", tag = "read", responses(
    (status = 200, description = "a signed note (C2SP tlog-checkpoint)", content_type = "text/plain", body = String),
))]
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> Response {
    answer(TEXT, BRIEF, app.view.published().note.clone())
}

/// The policy of this server: whom it asks, and how many must have answered
#[utoipa::path(get, path = "/policy", tag = "read", responses(
    (status = 200, description = "a policy (C2SP tlog-policy)", content_type = "text/plain", body = String),
))]
pub(super) async fn policy(State(app): State<Arc<App>>) -> Response {
    answer(TEXT, BRIEF, app.view.policy.clone())
}

/// What the server counts
#[utoipa::path(get, path = "/metrics", tag = "operate", responses(
    (status = 200, description = "OpenMetrics", content_type = "application/openmetrics-text", body = String),
))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    answer("application/openmetrics-text; version=1.0.0; charset=utf-8", "no-store", app.view.metrics.text())
}

/// Whether the process answers
#[utoipa::path(get, path = "/healthz", tag = "operate", responses(
    (status = 200, description = "the word ok", content_type = "text/plain", body = String),
))]
pub(super) async fn healthz() -> Response {
    answer(TEXT, "no-store", "ok\n")
}

/// A tile, or with `entries/` a bundle
///
/// What ends at or below the published size; everything else is not there (yet) [S-22]. The path is `<L>/<N>[.p/<W>]` or
/// `entries/<N>[.p/<W>]` (C2SP tlog-tiles).
#[utoipa::path(get, path = "/tile/{*path}", tag = "read",
    params(("path" = String, Path, description = "the rest of the path, slashes included", example = "0/000.p/1")),
    responses(
        (status = 200, description = "hashes, or entries behind their lengths", content_type = "application/octet-stream", body = [u8]),
        Reads, NotFound,
    ),
)]
pub(super) async fn tile(State(app): State<Arc<App>>, Part(path): Part) -> Result<Response, Problem> {
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

/// The first checkpoint published in a UTC hour, `<YYYY>/<MM>/<DD>/<HH>` [S-7]
#[utoipa::path(get, path = "/kept/{*path}", tag = "read",
    params(("path" = String, Path, description = "the hour, slashes included", example = "2026/11/21/16")),
    responses(
        (status = 200, description = "a signed note (C2SP tlog-checkpoint)", content_type = "text/plain", body = String),
        Reads, NotFound,
    ),
)]
pub(super) async fn kept(State(app): State<Arc<App>>, Part(path): Part) -> Result<Response, Problem> {
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

/// What the server waits for, and how the witnesses stand
#[utoipa::path(get, path = "/readyz", tag = "operate", responses(
    (status = 200, description = "events are admitted", content_type = "application/json", body = Readiness),
    (status = 503, description = "they are not", content_type = "application/json", body = Readiness),
))]
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

/// What this is and where everything is, for a person at a terminal.
pub(super) fn front(app: &App) -> Response {
    let view = &app.view;
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = writeln!(text, "Vitrine transparency log {}", view.origin);
    let _ = writeln!(text, "published size {}, {}", view.published().size, view.step().detail());
    if view.unwitnessed {
        let _ = writeln!(text, "UNWITNESSED: the policy of this server asks no witness");
    }
    text.push('\n');
    text.push_str(super::document::PATHS_TEXT.as_str());
    let mut response = answer(TEXT, BRIEF, text);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}
