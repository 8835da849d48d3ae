//! Products and their releases, with what others say of each: builds, rebuilds, reviews, verdicts, revocations [S-48] (85-log.md).
//!
//! A product is a purl without its version. Not here: whether a release is to be trusted, which a verifier's pins decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::statement::{Kind, Rel};
use vitrine_spec::tree::LeafIndex;

use super::events::{is_disowned, left_out, row, rows};
use super::html::{Depth, Html};
use super::reads::{Entry, Reads};
use super::words::{self, Tone};
use crate::config::{EXPLORE_EACH_MAX, EXPLORE_ROWS_MAX, EXPLORE_VERSIONS_MAX};
use crate::index::{Index, Version, product_of};
use crate::limits::LOOKUP_HITS_MAX;
use crate::problem::Problem;

const DEPTH: Depth = Depth::One;

/// Events of a product that its line in the list counts.
const COUNTED_MAX: usize = 100;

/// Products by name, from a place of the list on.
pub(super) fn list(html: &mut Html, reads: &mut Reads<'_>, index: &Index, from: &str) -> Result<String, Problem> {
    let products = index.products(from, EXPLORE_ROWS_MAX).map_err(Problem::internal)?;
    html.raw("<h1>Products</h1>\n<p class=\"lead\">By purl, without version. Each leads to its releases and what others say of them.</p>\n");
    lines(html, reads, index, &products.names, DEPTH)?;
    if products.names.is_empty() {
        html.raw("<p class=\"note\">Nothing with a version is logged from here on.</p>\n");
    }
    html.raw("<nav class=\"pages\" aria-label=\"Pages\">");
    if !from.is_empty() {
        html.link(&DEPTH.to("explore/products"), "First");
    }
    if let Some(next) = products.next {
        html.raw(" ").link(&DEPTH.query("explore/products", &[("from", &next)]), "More products");
    }
    html.raw("</nav>\n");
    Ok("Products".to_owned())
}

/// A line for each product: its name, how much is said of it, and the newest of that.
pub(super) fn lines(
    html: &mut Html,
    reads: &mut Reads<'_>,
    index: &Index,
    names: &[String],
    depth: Depth,
) -> Result<(), Problem> {
    html.raw("<ul class=\"products\">\n");
    for name in names {
        let events = index.of_product(name, COUNTED_MAX + 1).map_err(Problem::internal)?;
        let inside = events.iter().map(|(_, at)| *at).filter(|at| at.get() < reads.size().get());
        let (count, newest) = (inside.clone().count(), inside.max());
        html.raw("<li>");
        html.link(&depth.query("explore/product", &[("purl", name)]), name);
        html.raw(" <span class=\"dim\">");
        if events.len() > COUNTED_MAX {
            html.raw("more than ").text(COUNTED_MAX).raw(" events");
        } else {
            html.text(words::counted(count as u64, "event", "events"));
            if let Some(newest) = newest
                && let Some(entry) = reads.entry(newest)?
                && let Some(event) = entry.event()
            {
                html.raw(", the newest ").text(words::kind(event.statement.kind).to_lowercase()).raw(" of ");
                words::time(html, event.statement.header.recorded.get());
            }
        }
        html.raw("</span></li>\n");
    }
    html.raw("</ul>\n");
    Ok(())
}

/// Where a page of a product's versions begins.
pub(super) enum From {
    /// The newest.
    Newest,
    /// Below an entry, of a product with few events.
    Before(u64),
    /// Below a purl, of a product with many.
    Below(String),
}

/// One product.
pub(super) fn one(
    html: &mut Html,
    reads: &mut Reads<'_>,
    index: &Index,
    name: &str,
    from: &From,
) -> Result<String, Problem> {
    let size = reads.size().get();
    let mut all = index.of_product(name, LOOKUP_HITS_MAX + 1).map_err(Problem::internal)?;
    let few = all.len() <= LOOKUP_HITS_MAX;
    all.retain(|(_, at)| at.get() < size);
    let unversioned = index.by_purl(name).map_err(Problem::internal)?;
    let mut unversioned: Vec<LeafIndex> = unversioned.into_iter().rev().filter(|at| at.get() < size).collect();
    if all.is_empty() && unversioned.is_empty() && few {
        return Err(Problem::not_found(format!("no published event speaks of {name}")));
    }
    html.raw("<p class=\"kicker\">Product</p>\n");
    html.tag("h1", &[("class", &"purl")], |html| {
        html.text(name);
    });
    let (versions, next) = if few {
        html.raw("<p class=\"lead\">").text(words::counted(all.len() as u64, "event", "events"));
        html.raw(" with a version, the version spoken of last comes first.</p>\n");
        by_time(&all, from)
    } else {
        html.raw("<p class=\"lead\">More than ").text(words::grouped(LOOKUP_HITS_MAX as u64));
        html.raw(" events: versions stand in the order of their text, the last first.</p>\n");
        let below = match from {
            From::Below(purl) => Some(purl.as_str()),
            From::Newest | From::Before(_) => None,
        };
        let mut found =
            index.versions(name, below, EXPLORE_VERSIONS_MAX + 1, EXPLORE_EACH_MAX).map_err(Problem::internal)?;
        let more = found.len() > EXPLORE_VERSIONS_MAX;
        found.truncate(EXPLORE_VERSIONS_MAX);
        let next = found.last().filter(|_| more).map(|last| ("below", last.purl.clone()));
        (found, next)
    };
    let mut shown = BTreeSet::new();
    for version in &versions {
        shown.extend(release(html, reads, index, version)?);
    }
    html.raw("<nav class=\"pages\" aria-label=\"Pages\">");
    if !matches!(from, From::Newest) {
        html.link(&DEPTH.query("explore/product", &[("purl", name)]), "First");
    }
    if let Some((member, value)) = next {
        let members = [("purl", name), (member, value.as_str())];
        html.raw(" ").link(&DEPTH.query("explore/product", &members), "More versions");
    }
    html.raw("</nav>\n");
    unversioned.retain(|at| !shown.contains(at));
    if !unversioned.is_empty() {
        html.raw("<section><h2>Without a version</h2>\n");
        rows(html, DEPTH, reads, unversioned.into_iter().take(EXPLORE_ROWS_MAX))?;
        html.raw("</section>\n");
    }
    left_out(html, reads);
    Ok(name.to_owned())
}

/// Versions by the newest event of each, and where the next page begins.
fn by_time(all: &[(String, LeafIndex)], from: &From) -> (Vec<Version>, Option<(&'static str, String)>) {
    let mut events: BTreeMap<&str, Vec<LeafIndex>> = BTreeMap::new();
    for (purl, at) in all {
        events.entry(purl).or_default().push(*at);
    }
    let mut versions: Vec<Version> = events
        .into_iter()
        .map(|(purl, mut events)| {
            events.sort_unstable_by(|one, other| other.cmp(one));
            let more = events.len() > EXPLORE_EACH_MAX;
            events.truncate(EXPLORE_EACH_MAX);
            Version { purl: purl.to_owned(), events, more }
        })
        .collect();
    if let From::Before(before) = from {
        versions.retain(|version| version.events.first().is_some_and(|newest| newest.get() < *before));
    }
    versions.sort_unstable_by(|one, other| other.events.first().cmp(&one.events.first()));
    let more = versions.len() > EXPLORE_VERSIONS_MAX;
    versions.truncate(EXPLORE_VERSIONS_MAX);
    let last = versions.last().filter(|_| more).and_then(|version| version.events.first());
    let next = last.map(|last| ("before", last.to_string()));
    (versions, next)
}

/// What is known of one version: its own events, and those about its files; the entries shown.
fn release(
    html: &mut Html,
    reads: &mut Reads<'_>,
    index: &Index,
    version: &Version,
) -> Result<Vec<LeafIndex>, Problem> {
    let mut found: BTreeMap<LeafIndex, Arc<Event>> = BTreeMap::new();
    for (at, event) in reads.events(version.events.iter().copied())? {
        let files: Vec<Hash> = event.statement.subject_sha256().take(EXPLORE_EACH_MAX).collect();
        for digest in files.into_iter().chain([Hash::new(*event.id.as_bytes())]) {
            for (at, other) in reads.of_digest(&digest)? {
                if other.statement.purl().is_none() && about_files(other.statement.kind) {
                    found.insert(at, other);
                }
            }
        }
        for named in event.statement.header.refs_of(Rel::Reviewed).filter(|named| named.origin.is_none()) {
            let at = index.entry_of(&named.event_id).map_err(Problem::internal)?;
            found.extend(reads.events(at)?);
        }
        found.insert(at, event);
    }
    let text = product_of(&version.purl).map_or(version.purl.as_str(), |(_, version)| version);
    html.raw("<article class=\"version\">\n<h2>").text(text);
    for (tone, word) in marks(reads, &found) {
        html.raw(" ").word("span", tone.class(), word);
    }
    html.raw("</h2>\n<ol class=\"rows\">\n");
    let mut shown: Vec<(LeafIndex, Arc<Event>)> = found.into_iter().collect();
    shown.sort_by_key(|(at, event)| (order(event.statement.kind), std::cmp::Reverse(*at)));
    let more = version.more || shown.len() > EXPLORE_ROWS_MAX;
    shown.truncate(EXPLORE_ROWS_MAX);
    for (at, event) in &shown {
        row(html, DEPTH, reads, *at, &Entry::Event(Arc::clone(event)));
    }
    html.raw("</ol>\n");
    if more {
        html.raw("<p class=\"note\">More is logged of this version than is shown here.</p>\n");
    }
    html.raw("</article>\n");
    Ok(shown.into_iter().map(|(at, _)| at).collect())
}

/// A type whose events speak of files of others.
fn about_files(kind: Kind) -> bool {
    matches!(kind, Kind::Rebuild | Kind::UpdateRevoke | Kind::Verdict | Kind::Correction)
}

/// What a reader wants to know first comes first.
fn order(kind: Kind) -> u8 {
    match kind {
        Kind::UpdateRevoke => 0,
        Kind::Correction => 1,
        Kind::Update => 2,
        Kind::Build => 3,
        Kind::Rebuild => 4,
        Kind::CodeReview => 5,
        Kind::Verdict => 6,
        _ => 7,
    }
}

/// What the heading of a version says of it.
fn marks(reads: &Reads<'_>, found: &BTreeMap<LeafIndex, Arc<Event>>) -> Vec<(Tone, String)> {
    let of = |kind: Kind| found.iter().filter(move |(_, event)| event.statement.kind == kind);
    let says = |event: &Event, member: &str, word: &str| matches!(words::body(event).get(member), Some(Value::Text(said)) if said == word);
    let mut marks = Vec::new();
    if of(Kind::UpdateRevoke).next().is_some() {
        marks.push((Tone::Bad, "revoked".to_owned()));
    }
    if of(Kind::Update).any(|(at, event)| is_disowned(reads, *at, event)) {
        marks.push((Tone::Bad, "disowned".to_owned()));
    }
    if of(Kind::Update).next().is_none() {
        marks.push((Tone::Wait, "not released".to_owned()));
    }
    let identical = of(Kind::Rebuild).filter(|(_, event)| says(event, "outcome", "identical")).count();
    let different = of(Kind::Rebuild).filter(|(_, event)| says(event, "outcome", "different")).count();
    if identical > 0 {
        marks.push((Tone::Good, words::counted(identical as u64, "identical rebuild", "identical rebuilds")));
    }
    if different > 0 {
        marks.push((Tone::Bad, words::counted(different as u64, "different rebuild", "different rebuilds")));
    }
    if of(Kind::CodeReview).next().is_some() {
        marks.push((Tone::Plain, "reviewed".to_owned()));
    }
    marks
}
