//! The first page: which log this is, how it stands, how it has grown, and what came last [S-48] (85-log.md).
//!
//! Not here: the text that `curl` gets from the same path (`reads`).

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::event::Event;
use vitrine_spec::statement::Kind;
use vitrine_spec::tree::LeafIndex;

use super::events::rows;
use super::html::{Depth, Html};
use super::reads::Reads;
use super::{plot, products, witnesses, words};
use crate::http::lookups::groups;
use crate::problem::Problem;
use crate::time::Time;

const DEPTH: Depth = Depth::Front;
/// Entries of the list on this page.
const LATEST: u64 = 10;
/// Products on this page.
const PRODUCTS: usize = 6;

pub(super) fn page(html: &mut Html, reads: &mut Reads<'_>) -> Result<String, Problem> {
    let view = &reads.app.view;
    let now = Time::now();
    let size = reads.size().get();
    let checkpoint = SignedCheckpoint::parse(&reads.published.note).map_err(Problem::internal)?;
    html.raw("<p class=\"kicker\">Transparency log</p>\n<h1 class=\"origin\">").text(&view.origin).raw("</h1>\n");
    let types = view.with_state(|state, _| {
        let charter = state.charter.as_ref().map(|in_force| &in_force.charter);
        charter.map(|charter| charter.types.clone()).unwrap_or_default()
    });
    html.raw("<p class=\"lead\">").text(purpose(&types.unwrap_or_default()));
    html.raw(" Nothing that was logged can be changed or taken back unseen.</p>\n");
    stats(html, reads, &checkpoint, now);
    let first = match size {
        0 => None,
        _ => reads.leaf(LeafIndex::new(0))?.and_then(|leaf| Event::read_leaf(leaf).ok()),
    };
    if let Some(first) = &first {
        html.raw("<section class=\"charter\"><h2>Charter</h2>\n<p>Its fingerprint names this log. Compare it with what its operator and ");
        html.raw("its supervisor publish; pin it once.</p>\n<p class=\"fingerprint\"><code>");
        html.text(groups(&first.id.hex())).raw("</code></p>\n<p class=\"dim\">");
        html.link(&DEPTH.numbered("explore/events/", 0, ""), "Entry 0: the first charter");
        let in_force = reads
            .app
            .view
            .with_state(|state, _| state.charter.as_ref().map(|in_force| (in_force.index, in_force.charter.version)));
        if let Some((at, version)) = in_force.flatten().filter(|(at, _)| at.get() != 0) {
            html.raw(". In force is ");
            html.link(&DEPTH.numbered("explore/events/", at.get(), ""), format!("version {version}"));
        }
        html.raw(".</p></section>\n<section><h2>Growth</h2>\n");
        let points = plot::points(reads, first.statement.header.recorded.get(), now_or(now, first))?;
        plot::draw(html, &points);
        html.raw("</section>\n");
    }
    html.raw("<section><h2>Latest entries</h2>\n");
    rows(html, DEPTH, reads, (size.saturating_sub(LATEST)..size).rev().map(LeafIndex::new))?;
    html.raw("<p class=\"more\">").link(&DEPTH.to("explore/entries"), "All entries").raw("</p></section>\n");
    if let Some(index) = reads.index().cloned() {
        let found = index.products("", PRODUCTS).map_err(Problem::internal)?;
        if !found.names.is_empty() {
            html.raw("<section><h2>Products</h2>\n");
            products::lines(html, reads, &index, &found.names, DEPTH)?;
            html.raw("<p class=\"more\">").link(&DEPTH.to("explore/products"), "All products").raw("</p></section>\n");
        }
    }
    html.raw("<section><h2>Witnesses</h2>\n");
    witnesses::table(html, &checkpoint, &reads.app.view.witnesses.members, now);
    html.raw("<p class=\"more\">")
        .link(&DEPTH.to("explore/witnesses"), "Keys, policy, checkpoint")
        .raw("</p></section>\n");
    Ok("Transparency log".to_owned())
}

/// The clock, unless it is behind what the log says of its own beginning.
fn now_or(now: Time, first: &Event) -> Time {
    now.max(Time::new(first.statement.header.recorded.get()))
}

/// What the log is for, by what its charter takes.
fn purpose(types: &[Kind]) -> &'static str {
    let (releases, accesses) = (types.contains(&Kind::Update), types.contains(&Kind::Access));
    match (releases, accesses) {
        (true, true) => {
            "A signed entry for every build, rebuild, review and update, and for every access to customer data."
        }
        (true, false) => "A signed entry for every build, rebuild, code review and update that reaches customers.",
        (false, true) => "A signed and sealed entry for every access to customer data.",
        (false, false) => "An append-only list of signed entries.",
    }
}

fn stats(html: &mut Html, reads: &Reads<'_>, checkpoint: &SignedCheckpoint, now: Time) {
    let view = &reads.app.view;
    html.raw("<dl class=\"stats\">\n<div><dt>Entries</dt><dd>")
        .text(words::grouped(reads.size().get()))
        .raw("</dd></div>\n");
    html.raw("<div><dt>Checkpoint</dt><dd>");
    match plot::signed_at(checkpoint) {
        Some(at) => _ = html.text(words::ago(at, now)).raw(" <small>old</small>"),
        None => _ = html.raw("–"),
    }
    html.raw("</dd></div>\n<div><dt>Co-signed by</dt><dd>");
    let (cosigned, all) = witnesses::tally(checkpoint, &view.witnesses.members);
    html.text(cosigned)
        .raw(" <small>of ")
        .text(words::counted(all as u64, "witness", "witnesses"))
        .raw("</small></dd></div>\n");
    let open = view.with_state(|state, _| {
        let open = state.epochs().filter(|((name, epoch), opened)| {
            opened.closed.is_none() && state.epoch(name).is_some_and(|(last, _)| last == *epoch)
        });
        open.count()
    });
    if let Some(open) = open {
        html.raw("<div><dt>Open issuers</dt><dd>").text(words::grouped(open as u64)).raw("</dd></div>\n");
    }
    html.raw("</dl>\n");
    if let Some(why) = view.closed() {
        html.raw("<p class=\"banner wait\"><b>No event is admitted now.</b> ").text(why).raw("</p>\n");
    }
}
