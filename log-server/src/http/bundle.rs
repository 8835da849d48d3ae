//! `GET /bundle/<sha256>`: the updates that hold a file, with what stands behind and against them [B-5] (92-bundle.md, 85-log.md).
//!
//! Found by the index, proven by one path for all of it in the published checkpoint. What is left out is not shown to be absent.
//! Not here: how a bundle is written (`vitrine_spec::bundle`), what any of it is worth, which the reader's pinned keys decide.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use vitrine_spec::admission::Logged;
use vitrine_spec::body::Body;
use vitrine_spec::bundle::Bundle;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::limits::RELEASE_ENTRIES_MAX;
use vitrine_spec::statement::{Digests, Kind, Rel};
use vitrine_spec::tree::{LeafIndex, TreeSize};

use super::attachments::digest;
use super::lookups::{index, indexed};
use super::shapes::{Full, LookUps, NotFound};
use super::{App, MINUTE, Part, TEXT, answer};
use crate::index::Index;
use crate::log::Published;
use crate::problem::Problem;

/// A bundle of the file with this SHA-256: the updates that hold it, and what was said about them
///
/// Updates, their builds, rebuilds, reviews, verdicts, revocations and corrections, and every charter, with one proof in the
/// published checkpoint. Verifies offline, and stays true: a later one may hold more.
#[utoipa::path(get, path = "/bundle/{sha256}", tag = "look up",
    params(("sha256" = String, Path, description = "SHA-256 of the file, 64 lowercase digits")),
    responses(
        (status = 200, description = "a bundle (spec/docs/92-bundle.md)", content_type = "text/plain", body = String),
        (status = 304, description = "it is still the one of the ETag in If-None-Match"),
        LookUps, NotFound, Full,
    ),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Part(name): Part,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = digest(&name)?;
    let published = indexed(&app).await?;
    let tag = HeaderValue::try_from(tag(&published)).map_err(Problem::internal)?;
    if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        let headers = [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static(MINUTE))];
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let body = app.reading(move |app| make(app, &published, &file)).await?;
    let mut response = answer(TEXT, MINUTE, body);
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// The size, and which of the checkpoints of that size [S-50]: an idle log is witnessed anew, and cosignatures may come late.
fn tag(published: &Published) -> String {
    let note: String = Hash::of(&published.note).hex().chars().take(16).collect();
    format!("\"{}-{note}\"", published.size)
}

fn make(app: &App, published: &Published, file: &Hash) -> Result<Vec<u8>, Problem> {
    let found = Found { index: index(app)?, size: published.size };
    let entries = found.entries(&app.view.origin, file)?;
    let entries = entries.into_iter().map(|(at, event)| (at, event.leaf())).collect();
    let bundle = Bundle::make(entries, published.size, published.note.clone(), &*app.view);
    Ok(bundle.map_err(Problem::internal)?.print())
}

type Entries = BTreeMap<LeafIndex, Arc<Event>>;

/// What a bundle is made of, below the published size.
struct Found<'a> {
    index: &'a Index,
    size: TreeSize,
}

impl Found<'_> {
    /// Every charter, and the updates that hold the file with all that belongs to them, newest first, as long as there is room.
    fn entries(&self, origin: &str, file: &Hash) -> Result<Entries, Problem> {
        let updates = self.beside(Kind::Update, &sha256(file))?;
        if updates.is_empty() {
            let detail = format!("no update below size {} holds the file {}", self.size, file.hex());
            return Err(Problem::not_found(detail).no_store());
        }
        let mut entries = Entries::new();
        add(&mut entries, self.beside(Kind::Charter, &sha256(&Hash::of(origin.as_bytes())))?);
        for (held, update) in updates.iter().enumerate() {
            let mut with = entries.clone();
            let room = self.belongs(update, &mut with)?;
            if !room && held == 0 {
                let detail = format!(
                    "the update at entry {} and what was said about it are more than the {RELEASE_ENTRIES_MAX} entries of a \
                     bundle: take the proofs of /lookup",
                    update.index
                );
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bundle-full", detail));
            }
            if !room {
                break;
            }
            entries = with;
        }
        Ok(entries)
    }

    /// Adds an update and what belongs to it; whether there is room.
    fn belongs(&self, update: &Logged, entries: &mut Entries) -> Result<bool, Problem> {
        let statement = &update.event.statement;
        add(entries, vec![update.clone()]);
        for element in &statement.subject {
            add(entries, self.beside(Kind::Rebuild, &element.digest)?);
            add(entries, self.beside(Kind::Verdict, &element.digest)?);
            if entries.len() > RELEASE_ENTRIES_MAX {
                return Ok(false);
            }
        }
        for found in statement.header.refs_of(Rel::Releases) {
            let build = self.index.by_id(&found.event_id).map_err(Problem::internal)?;
            let Some(build) = build else {
                return Err(Problem::internal(format!("entry {} releases {}", update.index, found.event_id)));
            };
            if let Body::Build(body) = &build.event.statement.body {
                add(entries, self.beside(Kind::CodeReview, &body.source.digest)?);
            }
            add(entries, vec![build]);
        }
        // A revocation has all the files of its update as subject, a correction the event that it corrects.
        let revocations = match statement.subject.first() {
            Some(element) => self.beside(Kind::UpdateRevoke, &element.digest)?,
            None => Vec::new(),
        };
        if revocations.len() > RELEASE_ENTRIES_MAX {
            return Ok(false);
        }
        add(entries, revocations.into_iter().filter(|revocation| names(revocation, Rel::Revokes, update)));
        add(entries, self.beside(Kind::Correction, &sha256(&update.event.id.0))?);
        Ok(entries.len() <= RELEASE_ENTRIES_MAX)
    }

    /// One more than a bundle holds is enough to know that it is full.
    fn beside(&self, kind: Kind, digests: &Digests) -> Result<Vec<Logged>, Problem> {
        self.index.beside(kind, digests, self.size, RELEASE_ENTRIES_MAX + 1).map_err(Problem::internal)
    }
}

fn names(event: &Logged, rel: Rel, target: &Logged) -> bool {
    event.event.statement.header.refs_of(rel).any(|found| found.event_id == target.event.id)
}

fn add(entries: &mut Entries, events: impl IntoIterator<Item = Logged>) {
    entries.extend(events.into_iter().map(|logged| (logged.index, logged.event)));
}

fn sha256(digest: &Hash) -> Digests {
    Digests { sha256: Some(*digest), ..Digests::default() }
}
