//! Pages of entries: the list, newest first, and one event with its content, its relations and its proof [S-48], [S-49] (85-log.md).
//!
//! Not here: products (`products`), who verifies: the script that the page brings (`verify.js`), or a reader offline.

use std::collections::BTreeMap;
use std::sync::Arc;

use vitrine_spec::event::Event;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::json::Value;
use vitrine_spec::key::KeyKind;
use vitrine_spec::statement::Kind;
use vitrine_spec::tlog_proof;
use vitrine_spec::tree::LeafIndex;

use super::html::{Depth, Html};
use super::reads::{Entry, Reads};
use super::words::{self, Tone};
use crate::config::{EXPLORE_EACH_MAX, EXPLORE_ROWS_MAX};
use crate::problem::Problem;

/// Where an event stands besides what it says.
pub(super) fn is_disowned(reads: &Reads<'_>, index: LeafIndex, event: &Event) -> bool {
    let header = &event.statement.header;
    reads.app.view.with_state(|state, _| state.disowned(&header.issuer, header.epoch, index)).unwrap_or(false)
}

/// One line of a list.
pub(super) fn row(html: &mut Html, depth: Depth, reads: &Reads<'_>, index: LeafIndex, entry: &Entry) {
    html.raw("<li class=\"row\">");
    html.tag("span", &[("class", &"n")], |html| {
        html.raw("<span class=\"hidden\">Entry </span>").text(words::grouped(index.get()));
    });
    let link = depth.numbered("explore/events/", index.get(), "");
    match entry {
        Entry::Event(event) => {
            let header = &event.statement.header;
            html.word("span", words::tone(event).class(), words::kind(event.statement.kind));
            html.tag("span", &[("class", &"what")], |html| {
                html.link(&link, words::sentence(event));
                if is_disowned(reads, index, event) {
                    html.raw(" ").word("span", Tone::Bad.class(), "disowned");
                }
            });
            html.tag("span", &[("class", &"by")], |html| {
                html.text(&header.issuer).raw(" · ");
                words::time(html, header.recorded.get());
            });
        }
        Entry::Unknown => {
            html.word("span", Tone::Wait.class(), "Unknown");
            html.tag("span", &[("class", &"what")], |html| {
                html.link(&link, "An entry that this program does not read");
            });
        }
    }
    html.raw("</li>\n");
}

/// A list of entries.
pub(super) fn rows(
    html: &mut Html,
    depth: Depth,
    reads: &mut Reads<'_>,
    indices: impl IntoIterator<Item = LeafIndex>,
) -> Result<(), Problem> {
    html.raw("<ol class=\"rows\">\n");
    for index in indices {
        if let Some(entry) = reads.entry(index)? {
            row(html, depth, reads, index, &entry);
        }
    }
    html.raw("</ol>\n");
    left_out(html, reads);
    Ok(())
}

/// Says that a page has read enough.
pub(super) fn left_out(html: &mut Html, reads: &Reads<'_>) {
    if reads.exhausted() {
        html.raw(
            "<p class=\"note\">This page has read as much as one page may; more may be said of what it shows.</p>\n",
        );
    }
}

/// `before` and the entries of one page that begins below it.
pub(super) fn list(html: &mut Html, reads: &mut Reads<'_>, before: Option<u64>) -> Result<String, Problem> {
    let depth = Depth::One;
    let size = reads.size().get();
    let end = before.unwrap_or(size).min(size);
    let first = end.saturating_sub(EXPLORE_ROWS_MAX as u64);
    html.raw("<h1>Entries</h1>\n<p class=\"lead\">").text(words::counted(size, "entry", "entries"));
    html.raw(", newest first. Nothing was ever taken out: the witnesses have seen each head grow out of the one before.</p>\n");
    rows(html, depth, reads, (first..end).rev().map(LeafIndex::new))?;
    html.raw("<nav class=\"pages\" aria-label=\"Pages\">");
    if end < size {
        html.link(&depth.to("explore/entries"), "Newest");
    }
    if first > 0 {
        html.raw(" ").link(&depth.query("explore/entries", &[("before", &first.to_string())]), "Older entries");
    }
    html.raw("</nav>\n");
    Ok("Entries".to_owned())
}

/// One entry.
pub(super) fn one(html: &mut Html, reads: &mut Reads<'_>, index: u64) -> Result<String, Problem> {
    let depth = Depth::Two;
    let size = reads.size();
    if index >= size.get() {
        return Err(Problem::not_found(format!("entry {index} is not published, the published size is {size}")));
    }
    let at = LeafIndex::new(index);
    let leaf = reads.leaf(at)?.map(<[u8]>::to_vec).ok_or_else(|| Problem::internal("a page without a read"))?;
    let hashes = reads.app.view.inclusion(at, size).map_err(Problem::internal)?;
    let proof = tlog_proof::print(Some(&leaf), at, &hashes, &reads.published.note);
    let event = Event::read_leaf(&leaf).ok().map(Arc::new);

    html.raw("<article class=\"event\">\n<header><p class=\"kicker\">Entry ").text(words::grouped(index)).raw(" of ");
    html.text(words::grouped(size.get())).raw("</p>\n");
    let title = match &event {
        Some(event) => content(html, reads, at, event)?,
        None => {
            html.raw("<h1>An entry that this program does not read</h1>\n<p class=\"lead\">Its bytes are part of the log and ");
            html.raw("proven here; what they say is not shown.</p>\n</header>\n<div class=\"split\">\n");
            card(html, at);
            html.raw("<div class=\"said\">\n");
            format!("Entry {index}")
        }
    };
    proven(html, reads, &leaf, event.as_deref(), &proof);
    html.raw("</div></div></article>\n<nav class=\"pages\" aria-label=\"Neighbours\">");
    if index > 0 {
        html.link(&depth.numbered("explore/events/", index - 1, ""), format!("Entry {}", words::grouped(index - 1)));
    }
    if index + 1 < size.get() {
        html.raw(" ")
            .link(&depth.numbered("explore/events/", index + 1, ""), format!("Entry {}", words::grouped(index + 1)));
    }
    html.raw("</nav>\n");
    Ok(title)
}

/// What the event says and what is said of it.
fn content(html: &mut Html, reads: &mut Reads<'_>, at: LeafIndex, event: &Arc<Event>) -> Result<String, Problem> {
    let depth = Depth::Two;
    let statement = &event.statement;
    let (kind, sentence) = (words::kind(statement.kind), words::sentence(event));
    html.word("span", words::tone(event).class(), kind);
    html.tag("h1", &[], |html| {
        html.text(&sentence);
    });
    let said = said_of(reads, event)?;
    warnings(html, reads, at, event, &said.of_it)?;
    header(html, depth, reads, event);
    html.raw("</header>\n<div class=\"split\">\n");
    card(html, at);
    html.raw("<div class=\"said\">\n");
    let body = words::body(event);
    if matches!(&body, Value::Object(members) if !members.is_empty()) {
        html.raw("<section><h2>What it says</h2>\n");
        words::members(html, depth, &body);
        html.raw("</section>\n");
    }
    if let (Some(sealed), Some(commit)) = (&statement.sealed, &statement.commit) {
        html.raw("<section><h2>Sealed record</h2>\n<p>Everybody sees that there was one, and in which hour. Who, what and why ");
        html.raw(
            "open to the charter’s readers alone, field by field to whoever they show it.</p>\n<dl class=\"members\">",
        );
        pair(html, "bytes", words::grouped(sealed.size));
        pair(html, "sha256", sealed.sha256.hex());
        pair(html, "commitment", commit.hex());
        html.raw("</dl></section>\n");
    }
    subject(html, depth, event);
    attachments(html, depth, event);
    references(html, depth, reads, event)?;
    related(html, reads, said);
    html.raw("<section><h2>Signatures</h2>\n<ul class=\"elements\">");
    for signature in &event.envelope.signatures {
        let owner = reads.app.view.with_state(|state, _| state.owner(&signature.keyid).map(str::to_owned)).flatten();
        html.raw("<li>").word("code", "key", &signature.keyid);
        if let Some(owner) = owner {
            html.raw(" of ").link(&depth.named("explore/issuers/", &owner), &owner);
        }
        html.raw("</li>");
    }
    html.raw("</ul></section>\n");
    Ok(format!("{kind}: {sentence}"))
}

fn pair(html: &mut Html, name: &'static str, value: impl std::fmt::Display) {
    html.raw("<div><dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd></div>\n");
}

/// Events by entry.
type Found = BTreeMap<LeafIndex, Arc<Event>>;

/// What others say of an event.
#[derive(Default)]
struct Said {
    /// They refer to it.
    of_it: Found,
    /// They are about its files, and do not.
    of_files: Found,
}

/// Events that share a file with this one, or are about its id.
fn said_of(reads: &mut Reads<'_>, event: &Event) -> Result<Said, Problem> {
    let mut said = Said::default();
    if event.statement.kind.is_sealed() {
        return Ok(said);
    }
    let files: Vec<Hash> = event.statement.subject_sha256().take(EXPLORE_EACH_MAX).collect();
    for digest in files.into_iter().chain([Hash::new(*event.id.as_bytes())]) {
        for (at, other) in reads.of_digest(&digest)? {
            if other.statement.header.refs.iter().any(|named| named.event_id == event.id) {
                said.of_it.insert(at, other);
            } else if other.id != event.id && other.statement.subject.iter().any(|file| file.name.is_some()) {
                said.of_files.insert(at, other);
            }
        }
    }
    Ok(said)
}

/// What a reader must know before anything else.
fn warnings(html: &mut Html, reads: &mut Reads<'_>, at: LeafIndex, event: &Event, said: &Found) -> Result<(), Problem> {
    let depth = Depth::Two;
    if is_disowned(reads, at, event) {
        html.raw("<p class=\"banner bad\"><b>Disowned.</b> A later entry says that this event of its issuer’s key does not count.</p>\n");
    }
    for (by, other) in said {
        let (class, word) = match other.statement.kind {
            Kind::UpdateRevoke => ("banner bad", "Revoked"),
            Kind::Correction => ("banner wait", "Corrected"),
            _ => continue,
        };
        html.tag("p", &[("class", &class)], |html| {
            html.raw("<b>").text(word).raw("</b> by ");
            html.link(&depth.numbered("explore/events/", by.get(), ""), format!("entry {}", words::grouped(by.get())));
            html.raw(": ").text(words::sentence(other));
        });
    }
    if event.statement.kind.is_sealed()
        && let Some(index) = reads.index()
    {
        let end = at.get().saturating_add(1);
        for (_, by) in index.erased_between(at.get(), end).map_err(Problem::internal)? {
            if by.get() < reads.size().get() {
                html.raw("<p class=\"banner wait\"><b>Erased.</b> The record is gone by ");
                html.link(
                    &depth.numbered("explore/events/", by.get(), ""),
                    format!("entry {}", words::grouped(by.get())),
                );
                html.raw("; this entry and its proof stay.</p>\n");
            }
        }
    }
    Ok(())
}

fn header(html: &mut Html, depth: Depth, reads: &Reads<'_>, event: &Event) {
    let header = &event.statement.header;
    html.raw("<dl class=\"facts\">\n<div><dt>Issuer</dt><dd>");
    html.link(&depth.named("explore/issuers/", header.issuer.as_str()), &header.issuer);
    html.raw("</dd></div>\n<div><dt>Recorded</dt><dd>");
    words::time(html, header.recorded.get());
    html.raw("</dd></div>\n<div><dt>Place</dt><dd>epoch ").text(header.epoch);
    match header.seq {
        Some(seq) => _ = html.raw(", ").text(words::grouped(seq)).raw(" in its chain"),
        None => _ = html.raw(", in no chain"),
    }
    html.raw("</dd></div>\n");
    if let Some(site) = &header.site {
        let name = reads.app.view.with_state(|state, _| {
            let sites = state.charter.as_ref().map(|in_force| &in_force.charter.sites);
            sites.and_then(|sites| sites.iter().find(|known| known.code == *site)).map(|known| known.name.clone())
        });
        html.raw("<div><dt>Site</dt><dd>").text(site);
        if let Some(Some(name)) = name {
            html.raw(" (").text(name).raw(")");
        }
        html.raw("</dd></div>\n");
    }
    html.raw("</dl>\n");
}

fn subject(html: &mut Html, depth: Depth, event: &Event) {
    html.raw("<section><h2>");
    let files = event.statement.subject.iter().any(|element| element.name.is_some());
    html.raw(if files { "Files" } else { "Subject" }).raw("</h2>\n<ul class=\"files\">\n");
    for element in &event.statement.subject {
        html.raw("<li>");
        if let Some(name) = &element.name {
            html.word("b", "name", name);
        }
        if let Some(size) = element.size {
            html.raw(" ").word("span", "dim", words::counted(size, "byte", "bytes"));
        }
        let digests = [
            ("sha256", element.digest.sha256.map(|digest| digest.hex())),
            ("gitCommit", element.digest.git_commit.clone()),
            ("gitTree", element.digest.git_tree.clone()),
            ("produced", element.produced.map(|digest| digest.hex())),
        ];
        for (name, digest) in digests {
            let Some(digest) = digest else { continue };
            html.raw("<span class=\"digest\"><span class=\"dim\">").raw(name).raw("</span> <code>");
            if words::is_digest(&digest) {
                html.link(&depth.query("explore/find", &[("q", &digest)]), &digest);
            } else {
                html.text(&digest);
            }
            html.raw("</code></span>");
        }
        html.raw("</li>\n");
    }
    html.raw("</ul></section>\n");
}

fn attachments(html: &mut Html, depth: Depth, event: &Event) {
    if event.statement.attachments.is_empty() {
        return;
    }
    html.raw("<section><h2>Attachments</h2>\n<ul class=\"files\">\n");
    for attachment in &event.statement.attachments {
        html.raw("<li>").word("b", "name", &attachment.media_type);
        html.raw(" ").word("span", "dim", words::counted(attachment.size, "byte", "bytes"));
        html.raw("<span class=\"digest\"><span class=\"dim\">sha256</span> <code>");
        let digest = attachment.sha256.hex();
        html.link(&depth.named("attachments/", &digest), &digest).raw("</code></span></li>\n");
    }
    html.raw("</ul></section>\n");
}

fn references(html: &mut Html, depth: Depth, reads: &mut Reads<'_>, event: &Event) -> Result<(), Problem> {
    let refs = &event.statement.header.refs;
    if refs.is_empty() {
        return Ok(());
    }
    html.raw("<section><h2>Refers to</h2>\n<ul class=\"refs\">\n");
    for named in refs {
        html.raw("<li>").word("span", "tag", named.rel).raw(" ");
        let here = named.origin.is_none();
        let place = match (reads.index().filter(|_| here), &named.at) {
            (Some(index), Some(at)) => index.place(at.issuer.as_str(), at.epoch, at.seq).map_err(Problem::internal)?,
            (Some(index), None) => index.entry_of(&named.event_id).map_err(Problem::internal)?,
            (None, _) => None,
        };
        match place {
            Some(at) => {
                let entry = reads.entry(at)?;
                let event = entry.as_ref().and_then(Entry::event);
                let sentence =
                    event.map(|event| format!("{}: {}", words::kind(event.statement.kind), words::sentence(event)));
                let text = sentence.unwrap_or_else(|| format!("entry {}", words::grouped(at.get())));
                html.link(&depth.numbered("explore/events/", at.get(), ""), text);
            }
            None => _ = html.word("code", "key", named.event_id.hex()),
        }
        if let Some(origin) = &named.origin {
            html.raw(" of ").text(origin);
        }
        html.raw("</li>\n");
    }
    html.raw("</ul></section>\n");
    Ok(())
}

fn related(html: &mut Html, reads: &Reads<'_>, said: Said) {
    if reads.index().is_none() {
        html.raw("<p class=\"note\">What others say of it is not shown: the index is not open yet, or behind.</p>\n");
    }
    for (heading, events) in [("Refers to it", said.of_it), ("About the same files", said.of_files)] {
        if events.is_empty() {
            continue;
        }
        html.raw("<section><h2>").raw(heading).raw("</h2>\n<ol class=\"rows\">\n");
        for (at, event) in events {
            row(html, Depth::Two, reads, at, &Entry::Event(event));
        }
        html.raw("</ol></section>\n");
    }
    left_out(html, reads);
}

/// What was verified, which the script writes, and where the proof is.
fn card(html: &mut Html, at: LeafIndex) {
    let depth = Depth::Two;
    html.raw(
        "<aside class=\"card\" aria-label=\"Proof\">\n<div id=\"verified\" class=\"verdict plain\" role=\"status\">",
    );
    html.raw("<p class=\"word\">Not verified by this page</p>\n<p>With scripts your browser verifies the proof itself. Without, ");
    html.raw(
        "download it and check it offline, which is the better proof in any case.</p></div>\n<p class=\"actions\">",
    );
    html.link(&depth.numbered("events/", at.get(), ".tlog-proof"), "Download the proof");
    html.raw(" ").link(&depth.numbered("events/", at.get(), ""), "The leaf");
    html.raw(
        "</p>\n<p class=\"dim\">Offline, with both of them and a policy of yours:</p>\n<pre class=\"command\"><code>",
    );
    html.raw("log-client proof verify --policy policy --entry ").text(at.get()).raw(" ").text(at.get());
    html.raw(".tlog-proof</code></pre>\n</aside>\n");
}

/// The proof, for the script and for whoever reads it.
fn proven(html: &mut Html, reads: &Reads<'_>, leaf: &[u8], event: Option<&Event>, proof: &[u8]) {
    html.raw("<section><h2>Proof</h2>\n");
    html.raw("<dl class=\"members\">\n");
    if let Some(event) = event {
        html.raw("<div><dt>event id</dt><dd><code id=\"event-id\">").text(event.id.hex()).raw("</code></dd></div>\n");
    }
    html.raw("<div><dt>leaf hash</dt><dd><code>").text(leaf_hash(leaf)).raw("</code></dd></div>\n");
    html.raw("<div><dt>tree</dt><dd>").text(words::counted(reads.size().get(), "entry", "entries"));
    html.raw(", root <code>").text(reads.published.root).raw("</code></dd></div>\n</dl>\n");
    html.raw("<details><summary>The proof and its checkpoint as text</summary><pre id=\"proof\">");
    html.verbatim(&String::from_utf8_lossy(proof)).raw("</pre></details>\n");
    if let Some(event) = event {
        html.raw("<details><summary>The statement as it was signed</summary><pre id=\"payload\">");
        html.verbatim(&String::from_utf8_lossy(event.payload())).raw("</pre></details>\n");
    }
    html.raw("<details><summary>Keys that this log names</summary><ul id=\"keys\" class=\"elements\">");
    let log = reads.app.view.with_state(|state, _| {
        let charter = state.charter.as_ref().map(|in_force| &in_force.charter);
        charter.map_or_else(Vec::new, |charter| charter.log_keys.to_vec())
    });
    let witnesses = reads.app.view.witnesses.members.iter().flat_map(|member| member.keys()).cloned();
    for key in log.unwrap_or_default().into_iter().chain(witnesses) {
        if key.kind() != KeyKind::MlDsa44 {
            html.word("li", "key", &key);
        }
    }
    html.raw("</ul></details>\n</section>\n");
}
