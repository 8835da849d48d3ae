//! `GET /sealed/<i>-<j>`: sealed records, for the charter's readers alone [Q-9] (77-requests.md, 85-log.md).
//!
//! The vault logs who asks, and that is published, before a byte leaves. Refusals stand in the server's own log alone. Not
//! here: judging the request (`vitrine_spec::request`), the access (`vault`), where the records are (`sealed`).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::request::check_read;
use vitrine_spec::text::{b64, decimal};
use vitrine_spec::words;

use super::attachments::authorization;
use super::pieces::{self, Patience, Source};
use super::submit::{off_thread, wait};
use super::{App, OCTETS, answer};
use crate::admission::NotTaken;
use crate::config::{SEALED_PIECE_BYTES, SEALED_PIECE_WAIT, SEALED_READS_MAX};
use crate::metrics::{Metrics, Outcome};
use crate::problem::Problem;
use crate::sealed::{self, Records};
use crate::time::Time;
use crate::vault::{Accessed, Reading};

/// The entry of the access that the vault logged for this answer. No answer can hold its record without one more access,
/// so it comes along.
pub(crate) const ACCESS: &str = "vitrine-access";
/// Its sealed record, in base64.
pub(crate) const ACCESS_RECORD: &str = "vitrine-access-record";

/// Sealed records of a range of entries, in order [S-43].
pub(super) async fn records(
    State(app): State<Arc<App>>,
    Path(range): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let answered = read(&app, &range, &headers).await;
    let outcome = if answered.is_ok() { "read" } else { "refused" };
    app.view.metrics.sealed_reads.get_or_create(&Outcome { outcome }).inc();
    answered.map_err(|problem| {
        tracing::warn!(range = range.escape_debug().to_string(), code = problem.code(), "sealed records were refused");
        problem.no_store()
    })
}

async fn read(app: &Arc<App>, range: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let (from, to) = bounds(range)?;
    // Who cannot be told apart from a reader costs one signature check.
    if let Some(refusal) = app.view.closed() {
        return Err(Problem::from(&refusal));
    }
    let starting = || Problem::from(&Refusal::Starting("the index is not open yet".to_owned()));
    let admission = app.admission.get().ok_or_else(starting)?;
    let vault = Arc::clone(app.vault.get().ok_or_else(starting)?);
    let published = app.view.published().size;
    let now = words::Time::new(Time::now().get());
    let granted = || {
        let granted = admission.with_state(|state| {
            check_read(authorization(headers), state, admission.origin(), from, to, published, now)
                .map(|granted| Reading::of(&granted))
        });
        granted.map_err(|refusal| Problem::from(&refusal))
    };
    let reading = granted()?;
    let Ok(turn) = Arc::clone(&app.sealed_reads).try_acquire_owned() else {
        let detail = format!("{SEALED_READS_MAX} readers are read to already");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail));
    };
    let reader = reading.reader.clone();
    let accessed = off_thread(move || vault.access(&reading, now_ms())).await?;
    let Accessed { place, record } = accessed.map_err(|not_taken| match not_taken {
        // What is the reader's to wait for; that anything else was refused is this server's fault.
        NotTaken::Refused(refusal) if refusal.status() >= 500 => Problem::from(&refusal),
        NotTaken::Refused(refusal) => Problem::internal(format!("{}: {refusal}", refusal.code())),
        NotTaken::Failed(cause) => Problem::internal(cause),
    })?;
    wait(app, place.index).await.map_err(|refusal| Problem::from(&refusal))?;
    // A charter may have come meanwhile.
    granted()?;
    tracing::info!(reader, from, to, access = %place.index, "sealed records are read");
    let source = Framed {
        records: Records::new(Arc::clone(&app.store), from, to),
        metrics: Arc::clone(&app.view.metrics),
        _turn: turn,
    };
    let patience = Patience { piece: SEALED_PIECE_WAIT, all: app.sealed_wait };
    let mut response = answer(OCTETS, "no-store", pieces::body(pieces::patient(source, patience), None));
    let headers = response.headers_mut();
    headers.insert(ACCESS, HeaderValue::from(place.index.get()));
    if let Ok(record) = HeaderValue::from_str(&b64(&record)) {
        headers.insert(ACCESS_RECORD, record);
    }
    Ok(response)
}

/// `<i>-<j>` in its one spelling.
fn bounds(range: &str) -> Result<(u64, u64), Problem> {
    let read = || {
        let (from, to) = range.split_once('-')?;
        Some((decimal(from).ok()?, decimal(to).ok()?))
    };
    read().ok_or_else(|| {
        Problem::not_found(format!("`{range}` is no range: /sealed/<first>-<end>, the end not included"))
    })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Records as they are sent: one object of the store in memory, and a piece.
struct Framed {
    records: Records,
    metrics: Arc<Metrics>,
    /// Given back when the answer ends, however it ends.
    _turn: OwnedSemaphorePermit,
}

impl Source for Framed {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut piece = Vec::with_capacity(SEALED_PIECE_BYTES);
        while piece.len() < SEALED_PIECE_BYTES {
            let Some(next) = self.records.next() else { break };
            let (index, record) = next.map_err(|error| error.to_string())?;
            piece.extend(sealed::encode([(index, record.as_slice())]));
            self.metrics.sealed_records.inc();
        }
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}
