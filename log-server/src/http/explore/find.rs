//! One box for everything: a purl, a digest, an event's id, an entry's number, an issuer, a stream's package [S-48] (85-log.md).
//!
//! What is one thing is gone to at once. Not here: what is found (`events`, `products`, `issuers`).

use std::collections::BTreeSet;

use vitrine_spec::envelope::EventId;
use vitrine_spec::hash::Hash;
use vitrine_spec::text::decimal;
use vitrine_spec::tree::LeafIndex;

use super::events::rows;
use super::html::{Depth, Html, Link};
use super::reads::Reads;
use super::words;
use crate::config::EXPLORE_HITS_MAX;
use crate::http::lookups;
use crate::index::{Index, product_of};
use crate::problem::Problem;

const DEPTH: Depth = Depth::One;

/// What a search gives.
pub(super) enum Answer {
    /// The page of the one thing that was meant.
    Go(Link),
    /// A list, or nothing: its title.
    List(String),
}

/// Looks for `asked` and writes what was found.
pub(super) fn find(html: &mut Html, reads: &mut Reads<'_>, index: &Index, asked: &str) -> Result<Answer, Problem> {
    let asked = asked.trim();
    let size = reads.size().get();
    if let Ok(number) = decimal(asked.trim_start_matches('#'))
        && number < size
    {
        return Ok(Answer::Go(DEPTH.numbered("explore/events/", number, "")));
    }
    if asked.starts_with("pkg:") {
        let product = product_of(asked).map_or(asked, |(name, _)| name);
        return Ok(Answer::Go(DEPTH.query("explore/product", &[("purl", product)])));
    }
    if reads.app.view.with_state(|state, _| state.issuer(asked).is_some()) == Some(true) {
        return Ok(Answer::Go(DEPTH.named("explore/issuers/", asked)));
    }
    let mut found: BTreeSet<LeafIndex> = BTreeSet::new();
    if words::is_digest(asked)
        && let Ok(digest) = Hash::from_hex(asked)
    {
        found.extend(index.entry_of(&EventId(digest)).map_err(Problem::internal)?);
        found.extend(index.attachment(&digest).map_err(Problem::internal)?);
        found.extend(index.newest_by_digest(&digest, EXPLORE_HITS_MAX).map_err(Problem::internal)?);
    } else if let Some(update) = lookups::newest_of_package(reads.app, asked)? {
        found.insert(update);
    }
    found.retain(|at| at.get() < size);
    html.raw("<h1>Search</h1>\n");
    if asked.is_empty() {
        html.raw("<p class=\"lead\">A purl, a SHA-256 of a file, an event’s id, the number of an entry, an issuer, or the package of a stream.</p>\n");
    } else if found.is_empty() {
        html.raw("<p class=\"lead\">Nothing is logged of <b class=\"purl\">")
            .text(asked)
            .raw("</b>.</p>\n<p>Searched for are a purl, a SHA-256 ");
        html.raw("of 64 lowercase digits, the number of an entry, an issuer, or the package of a stream. What is not found here is not ");
        html.raw("thereby shown to be absent.</p>\n");
    } else {
        html.raw("<p class=\"lead\">").text(words::counted(found.len() as u64, "entry", "entries"));
        html.raw(" for <b class=\"purl\">").text(asked).raw("</b>, newest first.</p>\n");
        rows(html, DEPTH, reads, found.iter().rev().copied())?;
        if found.len() >= EXPLORE_HITS_MAX {
            html.raw("<p class=\"note\">Only the newest are shown; <code>/lookup</code> gives more.</p>\n");
        }
    }
    Ok(Answer::List(format!("Search: {asked}")))
}
