//! Look-ups: entries, proofs, issuers and the charter, each below the published size and each with its proof (85-log.md).
//!
//! What an answer holds is proven by it, what it leaves out is not: every list says `complete: "unproven"`.
//! Not here: trust in any of it, which the reader's pinned keys decide.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use vitrine_spec::body::Body;
use vitrine_spec::body::issuer::{Chained, Open, Stream};
use vitrine_spec::envelope::EventId;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::state::{IssuerView, Link, SealingLink};
use vitrine_spec::text::{b64, decimal};
use vitrine_spec::tlog_proof;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use super::shapes::{Charter, Consistency, Found, Inclusion, Issuer, LookUps, NotFound, Reads, Wrong};
use super::{App, BRIEF, FOR_EVER, Fields, JSON, OCTETS, Part, TEXT, answer};
use crate::config::INDEX_WAIT;
use crate::index::Index;
use crate::log::Published;
use crate::problem::Problem;

type Query = HashMap<String, String>;

/// The audit path of an entry
#[utoipa::path(get, path = "/proof/inclusion", tag = "look up",
    params(
        ("index" = u64, Query, description = "the entry", example = 0),
        ("size" = Option<u64>, Query, description = "the tree; the published one when it is left out"),
    ),
    responses(
        (status = 200, description = "the path", content_type = "application/json", body = Inclusion),
        Reads, NotFound, Wrong,
    ),
)]
pub(super) async fn inclusion(State(app): State<Arc<App>>, Fields(query): Fields) -> Result<Response, Problem> {
    only(&query, &["index", "size"])?;
    let published = app.view.published().size;
    let index = number(&query, "index")?.ok_or_else(|| Problem::request("`index` is missing"))?;
    let size = number(&query, "size")?.unwrap_or(published.get());
    if size > published.get() {
        return Err(beyond("size", size, published));
    }
    if index >= size {
        return Err(Problem::not_found(format!("index {index} is outside a tree of size {size}")).no_store());
    }
    let (index, size) = (LeafIndex::new(index), TreeSize::new(size));
    let (leaf, hashes) = app
        .reading(move |app| {
            let leaf = app.view.reader().entry(index, size).map_err(Problem::internal)?;
            Ok((leaf, app.view.inclusion(index, size).map_err(Problem::internal)?))
        })
        .await?;
    let body = json!({
        "index": index.get(), "size": size.get(), "leaf_hash": leaf_hash(&leaf).to_string(), "hashes": base64(&hashes),
    });
    Ok(answer(JSON, FOR_EVER, format!("{body}\n")))
}

/// The consistency proof between two sizes
#[utoipa::path(get, path = "/proof/consistency", tag = "look up",
    params(
        ("from" = u64, Query, description = "the smaller size", example = 1),
        ("to" = Option<u64>, Query, description = "the larger one; the published one when it is left out"),
    ),
    responses(
        (status = 200, description = "the proof", content_type = "application/json", body = Consistency),
        Reads, NotFound, Wrong,
    ),
)]
pub(super) async fn consistency(State(app): State<Arc<App>>, Fields(query): Fields) -> Result<Response, Problem> {
    only(&query, &["from", "to"])?;
    let published = app.view.published().size;
    let from = number(&query, "from")?.ok_or_else(|| Problem::request("`from` is missing"))?;
    let to = number(&query, "to")?.unwrap_or(published.get());
    if to > published.get() {
        return Err(beyond("to", to, published));
    }
    if from > to {
        return Err(Problem::request(format!("from {from} is larger than to {to}")));
    }
    let (from, to) = (TreeSize::new(from), TreeSize::new(to));
    // Nothing has to be proven from the empty tree: its proof is empty.
    let hashes = match from.get() {
        0 => Vec::new(),
        _ => app.reading(move |app| app.view.consistency(from, to).map_err(Problem::internal)).await?,
    };
    let body = json!({"from": from.get(), "to": to.get(), "hashes": base64(&hashes)});
    Ok(answer(JSON, FOR_EVER, format!("{body}\n")))
}

/// An entry `<i>`, or `<i>.tlog-proof`: its proof in the published checkpoint, with the leaf
#[utoipa::path(get, path = "/events/{name}", tag = "look up",
    params(("name" = String, Path, description = "an index, or one with .tlog-proof behind it", example = "0.tlog-proof")),
    responses(
        (status = 200, description = "the leaf, or the proof (C2SP tlog-proof)", content(
            ([u8] = "application/octet-stream"), (String = "text/plain"),
        )),
        Reads, NotFound, Wrong,
    ),
)]
pub(super) async fn event(State(app): State<Arc<App>>, Part(name): Part) -> Result<Response, Problem> {
    let (digits, with_proof) = match name.strip_suffix(".tlog-proof") {
        Some(digits) => (digits, true),
        None => (name.as_str(), false),
    };
    let index = decimal(digits).map_err(|_| Problem::not_found(format!("`{digits}` is no index")))?;
    let published = app.view.published();
    if index >= published.size.get() {
        let detail = format!("index {index} is not published, the published size is {}", published.size);
        return Err(Problem::not_found(detail).no_store());
    }
    let index = LeafIndex::new(index);
    let body = app
        .reading(move |app| {
            let leaf = app.view.reader().entry(index, published.size).map_err(Problem::internal)?;
            if !with_proof {
                return Ok(leaf);
            }
            let hashes = app.view.inclusion(index, published.size).map_err(Problem::internal)?;
            Ok(tlog_proof::print(Some(&leaf), index, &hashes, &published.note))
        })
        .await?;
    Ok(if with_proof { answer(TEXT, BRIEF, body) } else { answer(OCTETS, FOR_EVER, body) })
}

/// What a look-up asks for.
enum Wanted {
    Digest(Hash),
    Purl(String),
    Id(EventId),
    Attachment(Hash),
    Position(String, u32, u64),
}

/// Entries by digest, purl, event or place, each with its proof
///
/// Exactly one of `sha256`, `purl`, `event_id`, `attachment` (the first event that names it), or `issuer`, `epoch` and `seq`
/// together.
#[utoipa::path(get, path = "/lookup", tag = "look up",
    params(
        ("sha256" = Option<String>, Query, description = "a file"),
        ("purl" = Option<String>, Query, description = "a product with its version"),
        ("event_id" = Option<String>, Query, description = "an event of a type that is not sealed"),
        ("attachment" = Option<String>, Query, description = "the SHA-256 of an attachment"),
        ("issuer" = Option<String>, Query, description = "an issuer"),
        ("epoch" = Option<u32>, Query, description = "its epoch"),
        ("seq" = Option<u64>, Query, description = "the place in its chain"),
    ),
    responses(
        (status = 200, description = "what was found", content_type = "application/json", body = Found),
        LookUps, Wrong,
    ),
)]
pub(super) async fn lookup(State(app): State<Arc<App>>, Fields(query): Fields) -> Result<Response, Problem> {
    let wanted = wanted(&query)?;
    let published = indexed(&app).await?;
    let body = app
        .reading(move |app| {
            let index = index(app)?;
            let found = find(index, &wanted)?;
            let (inside, more) = below(found, published.size);
            let entries = inside.into_iter().map(|at| entry(app, &published, at)).collect::<Result<Vec<_>, _>>()?;
            let mut body = about(app, &published);
            body.insert("complete".to_owned(), json!("unproven"));
            body.insert("more".to_owned(), json!(more));
            body.insert("entries".to_owned(), entries.into_iter().map(Value::Object).collect());
            Ok(Value::Object(body))
        })
        .await?;
    Ok(answer(JSON, BRIEF, format!("{body}\n")))
}

fn wanted(query: &Query) -> Result<Wanted, Problem> {
    let one = |name: &str| query.get(name).filter(|_| query.len() == 1);
    if let Some(digest) = one("sha256") {
        let digest = Hash::from_hex(digest).map_err(|error| Problem::request(format!("sha256: {error}")))?;
        return Ok(Wanted::Digest(digest));
    }
    if let Some(purl) = one("purl") {
        return Ok(Wanted::Purl(purl.clone()));
    }
    if let Some(id) = one("event_id") {
        let id = Hash::from_hex(id).map_err(|error| Problem::request(format!("event_id: {error}")))?;
        return Ok(Wanted::Id(EventId(id)));
    }
    if let Some(digest) = one("attachment") {
        let digest = Hash::from_hex(digest).map_err(|error| Problem::request(format!("attachment: {error}")))?;
        return Ok(Wanted::Attachment(digest));
    }
    only(query, &["issuer", "epoch", "seq"])?;
    match (query.get("issuer"), number(query, "epoch")?, number(query, "seq")?) {
        (Some(issuer), Some(epoch), Some(seq)) => {
            let epoch =
                u32::try_from(epoch).map_err(|_| Problem::request(format!("epoch {epoch} is above {}", u32::MAX)))?;
            Ok(Wanted::Position(issuer.clone(), epoch, seq))
        }
        _ => Err(Problem::request(
            "look up by one of `sha256`, `purl`, `event_id`, `attachment`, or by `issuer`, `epoch` and `seq`",
        )),
    }
}

fn find(index: &Index, wanted: &Wanted) -> Result<Vec<LeafIndex>, Problem> {
    let one = |logged: Option<vitrine_spec::admission::Logged>| logged.map(|logged| logged.index).into_iter().collect();
    match wanted {
        Wanted::Digest(digest) => index.by_digest(digest),
        Wanted::Purl(purl) => index.by_purl(purl),
        Wanted::Id(id) => index.by_id(id).map(one),
        Wanted::Attachment(digest) => index.attachment(digest).map(|first| first.into_iter().collect()),
        Wanted::Position(issuer, epoch, seq) => index.by_position(issuer, *epoch, *seq).map(one),
    }
    .map_err(Problem::internal)
}

/// Entries with proof in one answer: a few hundred kilobytes.
const ENTRIES_MAX: usize = 100;

/// The published ones of the indices found, and whether there are more than one answer holds.
fn below(found: Vec<LeafIndex>, size: TreeSize) -> (Vec<LeafIndex>, bool) {
    let mut inside: Vec<LeafIndex> = found.into_iter().filter(|at| at.get() < size.get()).collect();
    let more = inside.len() > ENTRIES_MAX;
    inside.truncate(ENTRIES_MAX);
    (inside, more)
}

/// Where an issuer's chain and its streams stand, each with leaf and proof
#[utoipa::path(get, path = "/issuers/{name}", tag = "look up",
    params(("name" = String, Path, description = "the issuer", example = "operator")),
    responses(
        (status = 200, description = "the issuer", content_type = "application/json", body = Issuer),
        LookUps, NotFound, Wrong,
    ),
)]
pub(super) async fn issuer(State(app): State<Arc<App>>, Part(name): Part) -> Result<Response, Problem> {
    indexed(&app).await?;
    let body = app.reading(move |app| issuer_body(app, &name)).await?;
    Ok(answer(JSON, BRIEF, format!("{body}\n")))
}

/// The charter in force and the first one, whose event_id is the fingerprint
#[utoipa::path(get, path = "/charter", tag = "look up", responses(
    (status = 200, description = "both, with proofs", content_type = "application/json", body = Charter),
    LookUps, NotFound,
))]
pub(super) async fn charter(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let body = app.reading(charter_body).await?;
    Ok(answer(JSON, BRIEF, format!("{body}\n")))
}

/// What the state says of an issuer, copied under the lock.
struct Standing {
    epoch: u32,
    vkey: String,
    open: bool,
    heartbeat_s: Option<u64>,
    types: Map<String, Value>,
    opened_at: LeafIndex,
    last: Option<Link>,
    sealing: Option<SealingLink>,
    streams: Vec<(Stream, u64)>,
}

impl Standing {
    fn of(issuer: &IssuerView<'_>) -> Standing {
        let word = |chained: &Chained| match chained {
            Chained::Strict => "strict",
            Chained::None => "none",
        };
        Standing {
            epoch: issuer.epoch,
            vkey: issuer.vkey.to_string(),
            open: issuer.open,
            heartbeat_s: issuer.heartbeat_s,
            types: issuer.types.iter().map(|(kind, chained)| (kind.to_string(), json!(word(chained)))).collect(),
            opened_at: issuer.opened_at,
            last: issuer.last,
            sealing: issuer.sealing,
            streams: issuer.streams.iter().map(|(stream, next)| (Stream::clone(stream), *next)).collect(),
        }
    }
}

fn issuer_body(app: &App, name: &str) -> Result<Value, Problem> {
    let index = index(app)?;
    let found = app.view.with_state(|state, published| state.issuer(name).map(|i| (Standing::of(&i), published)));
    let found = found.ok_or_else(|| starting("no checkpoint of this run is published yet"))?;
    let Some((issuer, published)) = found else {
        let detail = format!("no issuer `{name}` below size {}", app.view.published().size);
        return Err(Problem::not_found(detail).no_store());
    };
    let mut body = about(app, &published);
    body.insert("issuer".to_owned(), json!(name));
    body.insert("epoch".to_owned(), json!(issuer.epoch));
    body.insert("vkey".to_owned(), json!(issuer.vkey));
    body.insert("open".to_owned(), json!(issuer.open));
    body.insert("heartbeat_s".to_owned(), json!(issuer.heartbeat_s));
    body.insert("opened".to_owned(), Value::Object(entry(app, &published, issuer.opened_at)?));
    let last = match issuer.last {
        Some(last) => {
            let mut entry = entry(app, &published, last.index)?;
            entry.insert("seq".to_owned(), json!(last.seq));
            entry.insert("recorded".to_owned(), json!(last.recorded.get()));
            Some(entry)
        }
        None => None,
    };
    body.insert("last".to_owned(), json!(last));
    let sealing = issuer.sealing.map(|sealing| json!({"seq": sealing.seq, "recorded": sealing.recorded.get()}));
    body.insert("sealing".to_owned(), json!(sealing));
    let streams = issuer.streams.iter().map(|(stream, next)| {
        let update = last_update(index, name, &issuer, stream, *next)?;
        let last = update.map(|at| entry(app, &published, at)).transpose()?;
        Ok(json!({
            "packageId": stream.package_id, "channel": stream.channel.as_str(), "regional": stream.regional,
            "next_release_seq": next, "last": last,
        }))
    });
    let streams = streams.collect::<Result<Vec<_>, Problem>>()?;
    body.insert("streams".to_owned(), json!(streams));
    body.insert("types".to_owned(), Value::Object(issuer.types));
    Ok(Value::Object(body))
}

/// Events of a chain that are looked at for the last update of a stream.
const STREAM_LOOK_MAX: u64 = 256;

/// The update after which `next` is due: near the end of this epoch's chain, or not shown.
fn last_update(
    index: &Index,
    name: &str,
    issuer: &Standing,
    stream: &Stream,
    next: u64,
) -> Result<Option<LeafIndex>, Problem> {
    let Some(last) = issuer.last else { return Ok(None) };
    for seq in (last.seq.saturating_sub(STREAM_LOOK_MAX) + 1..=last.seq).rev() {
        let Some(logged) = index.by_position(name, issuer.epoch, seq).map_err(Problem::internal)? else { continue };
        if let Body::Update(update) = &logged.event.statement.body
            && (update.package_id == stream.package_id && update.channel == stream.channel)
        {
            return Ok((update.release_seq + 1 == next).then_some(logged.index));
        }
    }
    Ok(None)
}

/// The last update of a stream of this package, of whoever holds one.
pub(super) fn newest_of_package(app: &App, package_id: &str) -> Result<Option<LeafIndex>, Problem> {
    let held = app.view.with_state(|state, _| {
        let of_package = |open: &Open| open.streams.iter().find(|stream| stream.package_id == package_id).cloned();
        let open = state.epochs().filter(|(_, opened)| opened.closed.is_none());
        let mut held = open.filter_map(|((name, _), opened)| Some((name, of_package(opened.open.as_deref()?)?)));
        let (name, stream) = held.next()?;
        let next = state.last_release(&stream.package_id, &stream.channel) + 1;
        Some((name.to_string(), Standing::of(&state.issuer(name.as_str())?), stream, next))
    });
    match held.flatten() {
        Some((name, issuer, stream, next)) => last_update(index(app)?, &name, &issuer, &stream, next),
        None => Ok(None),
    }
}

fn charter_body(app: &App) -> Result<Value, Problem> {
    let found =
        app.view.with_state(|state, published| state.charter.as_ref().map(|charter| (charter.index, published)));
    let found = found.ok_or_else(|| starting("no checkpoint of this run is published yet"))?;
    let Some((index, published)) = found else {
        return Err(Problem::not_found("this log has no charter").no_store());
    };
    let first = entry(app, &published, LeafIndex::new(0))?;
    let mut body = about(app, &published);
    let id = first.get("event_id").and_then(Value::as_str).unwrap_or("");
    body.insert("fingerprint".to_owned(), json!(groups(id)));
    body.extend(entry(app, &published, index)?);
    body.insert("first".to_owned(), Value::Object(first));
    Ok(Value::Object(body))
}

/// 64 hex digits in 16 groups of four: how a fingerprint is pinned.
pub(crate) fn groups(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// The published checkpoint, once the index covers it: it may be a moment behind [S-28].
pub(super) async fn indexed(app: &App) -> Result<Arc<Published>, Problem> {
    index(app)?;
    let published = app.view.published();
    match tokio::time::timeout(INDEX_WAIT, app.view.wait_for_index(published.size)).await {
        Ok(()) => Ok(published),
        Err(_) => {
            let detail = format!("the index does not cover the published size {} yet", published.size);
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail))
        }
    }
}

/// The index, once it is open.
pub(super) fn index(app: &App) -> Result<&Arc<Index>, Problem> {
    app.view.index().ok_or_else(|| starting("the index is not open yet"))
}

pub(super) fn starting(detail: &str) -> Problem {
    Problem::from(&vitrine_spec::refusal::Refusal::Starting(detail.to_owned()))
}

/// Members that every list has.
fn about(app: &App, published: &Published) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("size".to_owned(), json!(published.size.get()));
    body.insert("unwitnessed".to_owned(), json!(app.view.unwitnessed));
    body.insert("checkpoint".to_owned(), json!(String::from_utf8_lossy(&published.note)));
    body
}

/// An entry with its leaf and its proof in the published checkpoint.
fn entry(app: &App, published: &Published, index: LeafIndex) -> Result<Map<String, Value>, Problem> {
    let leaf = app.view.reader().entry(index, published.size).map_err(Problem::internal)?;
    let event_id = vitrine_spec::envelope::Envelope::parse_leaf(&leaf).map_err(Problem::internal)?.id();
    let hashes = app.view.inclusion(index, published.size).map_err(Problem::internal)?;
    let mut entry = Map::new();
    entry.insert("index".to_owned(), json!(index.get()));
    entry.insert("event_id".to_owned(), json!(event_id.to_string()));
    entry.insert("leaf".to_owned(), json!(b64(&leaf)));
    entry.insert("hashes".to_owned(), json!(base64(&hashes)));
    Ok(entry)
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_string).collect()
}

fn only(query: &Query, names: &[&str]) -> Result<(), Problem> {
    match query.keys().find(|key| !names.contains(&key.as_str())) {
        Some(other) => {
            Err(Problem::request(format!("`{other}` is no member of this query, which takes {}", names.join(", "))))
        }
        None => Ok(()),
    }
}

fn number(query: &Query, name: &str) -> Result<Option<u64>, Problem> {
    query.get(name).map(|text| decimal(text).map_err(|error| Problem::request(format!("{name}: {error}")))).transpose()
}

fn beyond(name: &str, got: u64, published: TreeSize) -> Problem {
    Problem::not_found(format!("{name} {got} is larger than the published size {published}")).no_store()
}
