//! `GET /sealed/<i>-<j>`: sealed records, for the charter's readers alone [Q-9] (77-requests.md, 85-log.md).
//!
//! The vault logs who asks, and that is published, before a byte leaves. Refusals stand in the server's own log alone. Not
//! here: judging the request (`vitrine_spec::request`), the access (`vault`), where the records are (`sealed`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;
use vitrine_spec::envelope::Envelope;
use vitrine_spec::limits::REQUEST_BYTES_MAX;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::request::{READ_TYPE, check_read};
use vitrine_spec::text::{Quote, b64, decimal, unb64};
use vitrine_spec::words;

use super::attachments::authorization;
use super::lookups::{self, indexed};
use super::pieces::{self, Patience, Source};
use super::shapes::SealedReads;
use super::submit::{off_thread, wait};
use super::{App, OCTETS, Part, answer};
use crate::admission::NotTaken;
use crate::config::{SEALED_PIECE_BYTES, SEALED_PIECE_WAIT, SEALED_READS_MAX};
use crate::index::Index;
use crate::metrics::Outcome;
use crate::problem::Problem;
use crate::sealed::{self, FRAME_BYTES, Records};
use crate::time::Time;
use crate::vault::{Accessed, Reading};
use crate::view::View;

/// The entry of the access that the vault logged for this answer. No answer can hold its record without one more access,
/// so it comes along.
pub(crate) const ACCESS: &str = "vitrine-access";
/// Its sealed record, in base64.
pub(crate) const ACCESS_RECORD: &str = "vitrine-access-record";

/// Sealed records `<i>-<j>`, the last not included, for the charter's readers [S-43]
///
/// The read itself is an access that the log records before a byte leaves.
#[utoipa::path(get, path = "/sealed/{range}", tag = "look up",
    params(("range" = String, Path, description = "the first entry and the end", example = "0-1")),
    security(("dsse" = [])),
    responses(
        (status = 200, description = "per record its index (u64, big-endian), length (u32) and bytes", content_type = "application/octet-stream",
            body = [u8], headers(
                ("vitrine-access" = u64, description = "the entry of the access that this answer caused"),
                ("vitrine-access-record" = String, description = "its sealed record, base64"),
            )),
        SealedReads,
    ),
)]
pub(super) async fn records(
    State(app): State<Arc<App>>,
    Part(range): Part,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let answered = read(&app, &range, &headers).await;
    let outcome = if answered.is_ok() { "read" } else { "refused" };
    app.view.metrics.sealed_reads.get_or_create(&Outcome { outcome }).inc();
    answered.map_err(|problem| {
        let keyid = claimed(authorization(&headers)).map_or_else(|| "none".to_owned(), |keyid| keyid.to_string());
        let range = range.escape_debug().to_string();
        tracing::warn!(range, code = problem.code(), claimed = keyid, "sealed records were refused");
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
    // What was erased before the request came does not leave, carried out or not.
    indexed(app).await?;
    let index = Arc::clone(lookups::index(app)?);
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
        index,
        view: Arc::clone(&app.view),
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

/// The keyid that a request names as its signer's. Whether it is, nobody has looked.
fn claimed(authorization: &str) -> Option<Quote> {
    let bytes = unb64(authorization.strip_prefix("DSSE ")?).ok().filter(|bytes| bytes.len() <= REQUEST_BYTES_MAX)?;
    let envelope = Envelope::parse_of(&bytes, READ_TYPE, 1).ok()?;
    envelope.signatures.first().map(|signature| Quote::of(&signature.keyid))
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
    index: Arc<Index>,
    view: Arc<View>,
    /// Given back when the answer ends, however it ends.
    _turn: OwnedSemaphorePermit,
}

impl Source for Framed {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < SEALED_PIECE_BYTES {
            let Some(next) = self.records.next() else { break };
            let (index, record) = next.map_err(|error| error.to_string())?;
            bytes += FRAME_BYTES + record.len();
            taken.push((index, record));
        }
        self.hide(&mut taken)?;
        self.view.metrics.sealed_records.inc_by(taken.len() as u64);
        let piece = sealed::encode(taken.iter().map(|(index, record)| (*index, record.as_slice())));
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

impl Framed {
    /// Zeros in place of what a published erasure names, because nobody may have carried it out yet.
    fn hide(&self, records: &mut [(u64, Vec<u8>)]) -> Result<(), String> {
        // Objects that overlap are damage, and their records are in no order.
        let indices = || records.iter().map(|(index, _)| *index);
        let Some((first, last)) = indices().min().zip(indices().max()) else { return Ok(()) };
        let published = self.view.published().size.get();
        let named = self.index.erased_between(first, last.saturating_add(1)).map_err(|error| error.to_string())?;
        let named = named.into_iter().filter(|(_, erasure)| erasure.get() < published);
        let named: BTreeSet<u64> = named.map(|(target, _)| target.get()).collect();
        for (_, record) in records.iter_mut().filter(|(index, _)| named.contains(index)) {
            record.fill(0);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::fake::{ORIGIN, reader_sign};
    use vitrine_spec::request::ReadRequest;

    #[test]
    fn the_keyid_that_a_request_claims_is_quoted_and_anything_else_is_none() {
        let request = ReadRequest {
            origin: ORIGIN.to_owned(),
            from: 0,
            to: 1,
            purpose: "audit".to_owned(),
            expires: words::Time::new(0),
        };
        let key = reader_sign("supervisor");
        let authorization = request.authorization(&key).unwrap();
        assert_eq!(claimed(&authorization), Some(Quote::of(&key.vkey().keyid())));
        let large = format!("DSSE {}", b64(&vec![b' '; REQUEST_BYTES_MAX + 1]));
        for other in ["", "DSSE", "DSSE e30=", "Basic e30=", large.as_str()] {
            assert_eq!(claimed(other), None, "{other}");
        }
    }
}
