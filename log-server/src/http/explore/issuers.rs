//! Who may log what: issuers, their epochs, keys, streams and chains [S-48] (85-log.md).
//!
//! Taken from the state at the published size. Not here: whether an issuer is to be trusted.

use vitrine_spec::body::issuer::{Chained, Reason};
use vitrine_spec::state::Opened;
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::words::Name;

use super::events::rows;
use super::html::{Depth, Html};
use super::reads::Reads;
use super::words::{self, Tone};
use crate::config::EXPLORE_ROWS_MAX;
use crate::index::Index;
use crate::problem::Problem;
use crate::time::Time;

/// What a page says of an epoch, copied under the lock.
struct Epoch {
    number: u32,
    vkey: String,
    opened_at: LeafIndex,
    closed: Option<(LeafIndex, Option<&'static str>)>,
    disowned_after: Option<LeafIndex>,
}

impl Epoch {
    fn of(number: u32, opened: &Opened) -> Epoch {
        Epoch {
            number,
            vkey: opened.vkey.to_string(),
            opened_at: opened.opened_at,
            closed: opened.closed.as_ref().map(|closed| (closed.at, closed.reason.map(reason_word))),
            disowned_after: opened.disowned.map(|disowned| disowned.after),
        }
    }
}

fn reason_word(reason: Reason) -> &'static str {
    Reason::WORDS.iter().find(|(_, known)| *known == reason).map_or("", |(word, _)| *word)
}

/// A line of the list.
struct Line {
    name: String,
    open: bool,
    types: String,
    last: Option<u64>,
}

/// Issuers by name, after a name.
pub(super) fn list(html: &mut Html, reads: &mut Reads<'_>, after: &str) -> Result<String, Problem> {
    let depth = Depth::One;
    let found = reads.app.view.with_state(|state, _| {
        let mut lines: Vec<Line> = Vec::new();
        for ((name, _), _) in state.epochs() {
            let name = name.as_str();
            if name <= after || lines.last().is_some_and(|last| last.name == name) {
                continue;
            }
            let Some(issuer) = state.issuer(name) else { continue };
            let types: Vec<&str> = issuer.types.iter().map(|(kind, _)| kind.name()).collect();
            lines.push(Line {
                name: name.to_owned(),
                open: issuer.open,
                types: types.join(", "),
                last: issuer.last.map(|last| last.recorded.get()),
            });
            if lines.len() > EXPLORE_ROWS_MAX {
                break;
            }
        }
        lines
    });
    let mut lines = found.ok_or_else(super::starting)?;
    let more = lines.len() > EXPLORE_ROWS_MAX;
    lines.truncate(EXPLORE_ROWS_MAX);
    html.raw("<h1>Issuers</h1>\n<p class=\"lead\">Whoever logs events, each with a chain of its own in which no event can be left out ");
    html.raw("unseen. Operator, supervisor and vault are opened by the charter, the others by an entry that the operator signed.</p>\n");
    html.raw("<div class=\"wide\"><table class=\"stack\"><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Status</th>");
    html.raw("<th scope=\"col\">May log</th><th scope=\"col\">Last of its chain</th></tr></thead><tbody>\n");
    for line in &lines {
        html.raw("<tr><th scope=\"row\">")
            .link(&depth.named("explore/issuers/", &line.name), &line.name)
            .raw("</th><td>");
        let (tone, word) = if line.open { (Tone::Good, "open") } else { (Tone::Wait, "closed") };
        html.word("span", tone.class(), word).raw("</td><td>").text(&line.types);
        html.raw("</td><td data-label=\"last\">");
        match line.last {
            Some(last) => words::time(html, last),
            None => _ = html.raw("nothing yet"),
        }
        html.raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div>\n<nav class=\"pages\" aria-label=\"Pages\">");
    if let Some(last) = lines.last().filter(|_| more) {
        html.link(&depth.query("explore/issuers", &[("after", &last.name)]), "More issuers");
    }
    html.raw("</nav>\n");
    Ok("Issuers".to_owned())
}

/// One issuer, and the events of its chain before a position.
pub(super) fn one(
    html: &mut Html,
    reads: &mut Reads<'_>,
    index: &Index,
    name: &str,
    before: Option<u64>,
) -> Result<String, Problem> {
    let depth = Depth::Two;
    let found = reads.app.view.with_state(|state, _| {
        let issuer = state.issuer(name)?;
        let own = Name::new(name)?;
        let epochs: Vec<Epoch> = (1..=issuer.epoch)
            .rev()
            .filter_map(|number| state.opened(&own, number).map(|opened| Epoch::of(number, opened)))
            .take(EXPLORE_ROWS_MAX)
            .collect();
        let types: Vec<String> = issuer
            .types
            .iter()
            .map(|(kind, chained)| match chained {
                Chained::Strict => kind.name().to_owned(),
                Chained::None => format!("{kind} (in no chain)"),
            })
            .collect();
        let streams: Vec<(String, String, u64)> = issuer
            .streams
            .iter()
            .take(EXPLORE_ROWS_MAX)
            .map(|(stream, next)| (stream.package_id.clone(), stream.channel.to_string(), next.saturating_sub(1)))
            .collect();
        let more = issuer.streams.len() > streams.len();
        Some((
            issuer.epoch,
            issuer.open,
            issuer.heartbeat_s,
            issuer.sites.to_vec(),
            issuer.last,
            epochs,
            types,
            streams,
            more,
        ))
    });
    let found = found.ok_or_else(super::starting)?;
    let (epoch, open, heartbeat_s, sites, last, epochs, types, streams, more) =
        found.ok_or_else(|| Problem::not_found(format!("no issuer `{name}` below size {}", reads.size())))?;
    html.raw("<p class=\"kicker\">Issuer</p>\n<h1>").text(name).raw(" ");
    let (tone, word) = if open { (Tone::Good, "open") } else { (Tone::Wait, "closed") };
    html.word("span", tone.class(), word).raw("</h1>\n<dl class=\"facts\">\n<div><dt>May log</dt><dd>");
    html.text(types.join(", ")).raw("</dd></div>\n<div><dt>Heartbeat</dt><dd>");
    match heartbeat_s {
        Some(seconds) => _ = html.raw("promised at least every ").text(words::lasting(seconds)),
        None => _ = html.raw("none promised"),
    }
    if let Some(last) = last {
        html.raw("; last of its chain ").text(words::ago(last.recorded.get(), Time::now())).raw(" ago");
        let silent = Time::now().since(Time::new(last.recorded.get()));
        if open && heartbeat_s.is_some_and(|promised| silent > promised) {
            html.raw(" ").word("span", Tone::Wait.class(), "overdue");
        }
    }
    html.raw("</dd></div>\n");
    if !sites.is_empty() {
        html.raw("<div><dt>Sites</dt><dd>").text(sites.join(", ")).raw("</dd></div>\n");
    }
    html.raw("</dl>\n<section><h2>Epochs and keys</h2>\n<ul class=\"files\">\n");
    for epoch in &epochs {
        html.raw("<li><b>Epoch ").text(epoch.number).raw("</b> opened by ");
        entry(html, depth, epoch.opened_at);
        if let Some((at, reason)) = &epoch.closed {
            html.raw(", closed by ");
            entry(html, depth, *at);
            if let Some(reason) = reason {
                html.raw(" ").word("span", Tone::of(reason).class(), reason);
            }
        }
        if let Some(after) = epoch.disowned_after {
            html.raw(" ")
                .word("span", Tone::Bad.class(), "disowned")
                .raw(" after entry ")
                .text(words::grouped(after.get()));
        }
        html.word("code", "block key", &epoch.vkey).raw("</li>\n");
    }
    html.raw("</ul></section>\n");
    if !streams.is_empty() {
        html.raw("<section><h2>Streams</h2>\n<div class=\"wide\"><table class=\"stack\"><thead><tr><th scope=\"col\">Package</th>");
        html.raw(
            "<th scope=\"col\">Channel</th><th scope=\"col\" class=\"num\">Last release</th></tr></thead><tbody>\n",
        );
        for (package, channel, release) in &streams {
            html.raw("<tr><th scope=\"row\">").link(&depth.query("explore/find", &[("q", package)]), package);
            html.raw("</th><td>").text(channel).raw("</td><td class=\"num\" data-label=\"release\">");
            html.text(words::grouped(*release)).raw("</td></tr>\n");
        }
        html.raw("</tbody></table></div>\n");
        if more {
            html.raw("<p class=\"note\">Only the first ").text(EXPLORE_ROWS_MAX).raw(" streams are shown.</p>\n");
        }
        html.raw("</section>\n");
    }
    chain(html, reads, index, (name, epoch), last.map_or(0, |last| last.seq), before)?;
    Ok(format!("Issuer {name}"))
}

fn entry(html: &mut Html, depth: Depth, at: LeafIndex) {
    html.link(&depth.numbered("explore/events/", at.get(), ""), format!("entry {}", words::grouped(at.get())));
}

/// The chain of the last epoch, newest first.
fn chain(
    html: &mut Html,
    reads: &mut Reads<'_>,
    index: &Index,
    (name, epoch): (&str, u32),
    last: u64,
    before: Option<u64>,
) -> Result<(), Problem> {
    let depth = Depth::Two;
    html.raw("<section><h2>Its chain in epoch ")
        .text(epoch)
        .raw("</h2>\n<p>Events in no chain, such as most builds, are found by ");
    html.raw("their product or digest.</p>\n");
    let end = before.map_or(last, |before| before.saturating_sub(1)).min(last);
    let first = end.saturating_sub(EXPLORE_ROWS_MAX as u64 / 2);
    let mut places = Vec::new();
    for seq in (first + 1..=end).rev() {
        places.extend(index.place(name, epoch, seq).map_err(Problem::internal)?);
    }
    rows(html, depth, reads, places)?;
    html.raw("<nav class=\"pages\" aria-label=\"Pages\">");
    if end < last {
        html.link(&depth.named("explore/issuers/", name), "Newest");
    }
    if first > 0 {
        let older = depth.named("explore/issuers/", name).with("before", &(first + 1).to_string());
        html.raw(" ").link(&older, "Older events");
    }
    html.raw("</nav></section>\n");
    Ok(())
}
