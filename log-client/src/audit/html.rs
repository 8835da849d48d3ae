//! The report as one page that can be read, printed and handed out: no scripts, nothing from elsewhere, the same bytes everywhere.
//!
//! It says what `report.json` says, and draws it. Every text of a record, an issuer or a log is escaped (`html_text`), and the page
//! forbids itself everything but its own style. Not here: deciding anything; the plots (`html_plot`).

use std::fmt::Write as _;

use vitrine_spec::fields::{OPS, PURPOSES};

use super::ask::answer::{self, Answer, Row};
use super::facts::{Facts, HOUR_S, Lane, Target};
use super::figures::Figures;
use super::html_plot::{self, Axis, LANES_MAX, Series};
use super::html_text::{counted, esc, grouped, lasting};
use super::report::{self, AuditReport, Finding, Section, Severity};
use crate::clock;

/// Rows of a table on the page; `report.json` has them all.
const ROWS_MAX: usize = 1_000;

/// Values of a counted table that the page shows.
const COUNTED_MAX: usize = 24;

/// Bytes of a cell that is not broken on a screen.
const SHORT: usize = 18;

/// Colours of a stacked plot, one for each word of `OPS`.
const COLOURS: [&str; OPS.len()] = ["c2", "c1", "c0", "c3", "c4", "c5"];

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The report.
    pub report: &'a AuditReport,
    /// What the headers tell.
    pub facts: &'a Facts,
    /// Opened accesses, counted.
    pub figures: &'a Figures,
    /// Questions and answers.
    pub answers: &'a [Answer],
    /// SHA-256 of `report.json`, hexadecimal.
    pub json_sha256: &'a str,
}

/// The page.
pub fn page(content: &Content<'_>) -> String {
    let mut page = Page { html: String::new(), headings: Vec::new() };
    findings(&mut page, content.report);
    questions(&mut page, content.answers);
    accesses(&mut page, content);
    sources(&mut page, content.facts);
    erasures(&mut page, content.facts);
    counts(&mut page, content);
    checked(&mut page, content.report);
    limits(&mut page, content.report);
    let mut html = head(content, &page.headings);
    html.push_str(&page.html);
    html.push_str(&foot(content));
    html
}

/// The body under way.
struct Page {
    html: String,
    /// Anchor and title of each part.
    headings: Vec<(&'static str, &'static str)>,
}

impl Page {
    fn part(&mut self, anchor: &'static str, title: &'static str) {
        self.headings.push((anchor, title));
        let number = self.headings.len();
        self.put(&format!("<h2 id=\"{anchor}\">{number}. {title}</h2>\n"));
    }

    fn put(&mut self, html: &str) {
        self.html.push_str(html);
    }

    /// A paragraph of our own words.
    fn say(&mut self, text: &str) {
        let text = esc(text);
        self.put(&format!("<p>{text}</p>\n"));
    }

    fn figure(&mut self, caption: &str, svg: &str, legend: &[(String, &'static str)]) {
        let mut html = format!("<figure><figcaption>{}</figcaption>\n{svg}", esc(caption));
        if !legend.is_empty() {
            html.push_str("<ul class=\"legend\">");
            for (name, class) in legend {
                let _ = write!(html, "<li><i class=\"{class}\"></i>{}</li>", esc(name));
            }
            html.push_str("</ul>\n");
        }
        html.push_str("</figure>\n");
        self.put(&html);
    }

    fn table(&mut self, table: &Table) {
        self.put(&table.html());
    }
}

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number: to the right.
    Number,
    /// A word that is not broken.
    Word,
    /// A text.
    Text,
}

/// A table under way; its cells are escaped when it is printed.
struct Table {
    caption: String,
    columns: Vec<(String, Kind)>,
    rows: Vec<Vec<Cell>>,
    more: u64,
    /// As wide as its numbers, not as the page.
    narrow: bool,
}

/// A cell: a text, or markup of our own.
enum Cell {
    Text(String),
    Markup(String),
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl Table {
    fn new(caption: impl Into<String>, columns: &[(&str, Kind)]) -> Table {
        let columns = columns.iter().map(|(title, kind)| ((*title).to_owned(), *kind)).collect();
        Table { caption: caption.into(), columns, rows: Vec::new(), more: 0, narrow: false }
    }

    fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        if self.rows.len() < ROWS_MAX {
            self.rows.push(cells.into_iter().collect());
        } else {
            self.more += 1;
        }
    }

    fn html(&self) -> String {
        let caption = esc(&self.caption);
        let narrow = if self.narrow { " class=\"narrow\"" } else { "" };
        let mut html = format!(
            "<div class=\"wide\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table{narrow}><caption>{caption}</caption>\n<thead><tr>"
        );
        let class = |kind: &Kind| match kind {
            Kind::Number => " class=\"num\"",
            Kind::Word => " class=\"nowrap\"",
            Kind::Text => "",
        };
        for (title, kind) in &self.columns {
            let class = if *kind == Kind::Number { class(kind) } else { "" };
            let _ = write!(html, "<th scope=\"col\"{class}>{}</th>", esc(title));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for (cell, (_, kind)) in row.iter().zip(&self.columns) {
                let cell = match cell {
                    Cell::Text(text) => esc(text),
                    Cell::Markup(markup) => markup.clone(),
                };
                let class = match kind {
                    Kind::Text if cell.len() <= SHORT => " class=\"short\"",
                    // It says itself where it may be broken.
                    Kind::Text if cell.contains("<wbr>") => " class=\"parts\"",
                    _ => class(kind),
                };
                let _ = write!(html, "<td{class}>{cell}</td>");
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        if self.more != 0 {
            let _ = writeln!(html, "<p>and {} more, in report.json.</p>", grouped(self.more));
        }
        html
    }
}

/// Word, class and meaning of the verdict.
fn verdict(report: &AuditReport) -> (&'static str, &'static str, &'static str) {
    match report.worst() {
        Some(Severity::Misbehaviour) => (
            "The log misbehaved",
            "bad",
            "The log signed what it must not sign. The evidence is kept with the audit's state.",
        ),
        Some(Severity::Finding) => {
            ("Not verified", "bad", "Somebody other than the log broke a rule; each finding says who and where.")
        }
        Some(Severity::Pending) => ("Not yet", "wait", "Nothing is wrong; something is missing that time can bring."),
        Some(Severity::Note) | None => {
            ("Verified", "good", "Everything under “What was checked” holds. What was not checked stands beside it.")
        }
    }
}

fn tag(severity: Severity) -> Cell {
    let (word, class) = match severity {
        Severity::Misbehaviour => ("log misbehaved", "bad"),
        Severity::Finding => ("found", "bad"),
        Severity::Pending => ("not yet", "wait"),
        Severity::Note => ("note", "note"),
    };
    Cell::Markup(format!("<span class=\"tag {class}\">{word}</span>"))
}

fn head(content: &Content<'_>, headings: &[(&str, &str)]) -> String {
    let report = content.report;
    let (word, class, meaning) = verdict(report);
    let origin = esc(&report.origin);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Audit of {origin}: {word}</title>\n<style>\n{}</style>\n</head>\n<body>\n<header>\n<p class=\"kicker\">Audit report</p>\n<h1>{origin}</h1>\n",
        include_str!("html.css")
    );
    let _ = writeln!(
        html,
        "<div class=\"verdict {class}\" role=\"note\"><p class=\"word\">{word}</p><p>{}</p><p>{meaning} <code>{}</code></p></div>",
        esc(&report.reason),
        esc(&report.code)
    );
    if content.figures.opened != 0 || content.answers.iter().any(|answer| !answer.rows.is_empty()) {
        html.push_str("<p class=\"private\"><strong>Not for publication.</strong> This report shows what sealed records say about people. It may be read by those who check data-protection rules, and used for nothing else.</p>\n");
    }
    html.push_str("<dl>");
    for (name, value) in summary(content) {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", esc(name), esc(&value));
    }
    html.push_str("</dl>\n<nav aria-label=\"Contents\"><ol>");
    for (anchor, title) in headings {
        let _ = write!(html, "<li><a href=\"#{anchor}\">{title}</a></li>");
    }
    html.push_str("</ol></nav>\n</header>\n<main>\n");
    html
}

/// The facts under the verdict.
fn summary(content: &Content<'_>) -> Vec<(&'static str, String)> {
    let Content { report, facts, figures, answers, .. } = content;
    let judged = if facts.misbehaved { "" } else { ", all read, hashed and judged again" };
    let mut rows = vec![
        ("Entries", format!("{}{judged}", grouped(report.size))),
        ("Root", report.root.clone()),
        ("Period", period(report.window.from, report.window.to)),
    ];
    if let Some(began) = facts.began {
        rows.push(("Log since", clock::show(began)));
    }
    if !facts.lanes.is_empty() {
        let issuers: std::collections::BTreeSet<&str> = facts.lanes.keys().map(|(issuer, _)| issuer.as_str()).collect();
        rows.push(("Sources", counted(issuers.len() as u64, "issuer", "issuers")));
    }
    let sealed = facts.accesses_between(0, None, |_| true).count();
    if sealed != 0 {
        let read = if figures.is_empty() {
            "none of the period was opened".to_owned()
        } else {
            format!(
                "{} of the period opened, {} erased, {} did not open",
                grouped(figures.opened),
                grouped(figures.erased),
                grouped(figures.not_opened)
            )
        };
        rows.push(("Sealed accesses", format!("{}; {read}", grouped(sealed))));
    }
    rows.push(("Findings", tally(report)));
    if !answers.is_empty() {
        let asked = counted(answers.len() as u64, "question", "questions");
        let tally = answer::tally(answers).unwrap_or_default();
        rows.push(("Asked", format!("{asked}; {tally}")));
    }
    rows
}

fn period(from: Option<u64>, to: Option<u64>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => format!("from {} up to and without {}", clock::show(from), clock::show(to)),
        (Some(from), None) => format!("from {} on", clock::show(from)),
        (None, Some(to)) => format!("up to and without {}", clock::show(to)),
        (None, None) => "from the first entry to the last".to_owned(),
    }
}

fn tally(report: &AuditReport) -> String {
    let words = [
        (Severity::Misbehaviour, "misbehaviour of the log", "misbehaviours of the log"),
        (Severity::Finding, "broken rule", "broken rules"),
        (Severity::Pending, "not yet", "not yet"),
        (Severity::Note, "note", "notes"),
    ];
    let all = || report.sections.iter().flat_map(|section| &section.findings);
    let mut said: Vec<String> = Vec::new();
    for (severity, one, more) in words {
        let count = all().filter(|finding| finding.severity == severity).count() as u64;
        if count != 0 {
            said.push(counted(count, one, more));
        }
    }
    let unlisted: u64 = report.sections.iter().map(|section| section.findings_more).sum();
    if unlisted != 0 {
        said.push(format!("{} more", grouped(unlisted)));
    }
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}

fn findings(page: &mut Page, report: &AuditReport) {
    page.part("findings", "Findings");
    let mut all: Vec<(&Finding, &Section)> = report
        .sections
        .iter()
        .flat_map(|section| section.findings.iter().map(move |finding| (finding, section)))
        .collect();
    if all.is_empty() {
        return page.say("Nothing was found.");
    }
    all.sort_by_key(|(finding, _)| std::cmp::Reverse(finding.severity));
    let columns = [
        ("Entry", Kind::Number),
        ("How bad", Kind::Word),
        ("Code", Kind::Word),
        ("What", Kind::Text),
        ("Source", Kind::Text),
    ];
    let mut table = Table::new("The worst ones first", &columns);
    for (finding, _) in all {
        let place = finding.place.as_ref();
        let source = place.map_or_else(String::new, |place| {
            let seq = place.seq.map_or_else(String::new, |seq| format!(", position {seq}"));
            format!("{} epoch {}{seq}", place.issuer, place.epoch)
        });
        let entry = place.and_then(|place| place.index).map_or_else(|| "–".to_owned(), |index| index.to_string());
        table.row([
            entry.into(),
            tag(finding.severity),
            Cell::Markup(format!("<code>{}</code>", esc(&finding.code))),
            finding.text.clone().into(),
            source.into(),
        ]);
    }
    page.table(&table);
    let more: u64 = report.sections.iter().map(|section| section.findings_more).sum();
    if more != 0 {
        page.say(&format!("{} more were found and are counted alone.", grouped(more)));
    }
}

fn questions(page: &mut Page, answers: &[Answer]) {
    if answers.is_empty() {
        return;
    }
    page.part("questions", "Questions and answers");
    let columns = [
        ("", Kind::Word),
        ("Question", Kind::Text),
        ("Found", Kind::Number),
        ("Cannot be decided", Kind::Number),
        ("Answer", Kind::Word),
    ];
    let mut table = Table::new("Asked", &columns);
    for answer in answers {
        let link = format!("<a href=\"#{}\">{}</a>", answer.question, answer.question.to_uppercase());
        let open = grouped(answer.open());
        table.row([
            Cell::Markup(link),
            answer.title.clone().into(),
            grouped(answer.found()).into(),
            open.into(),
            Cell::Markup(completeness(answer)),
        ]);
    }
    page.table(&table);
    for answer in answers {
        question(page, answer);
    }
}

fn completeness(answer: &Answer) -> String {
    let (class, word) = if answer.complete { ("good", "complete") } else { ("bad", "not complete") };
    format!("<span class=\"tag {class}\">{word}</span>")
}

/// In a sentence that starts with whether it is complete.
fn found(answer: &Answer) -> String {
    let open = match answer.open() {
        0 => String::new(),
        open => format!(", {} cannot be decided", grouped(open)),
    };
    format!("{} found{open}.", grouped(answer.found()))
}

fn question(page: &mut Page, answer: &Answer) {
    let number = answer.question.to_uppercase();
    let tag = completeness(answer);
    page.put(&format!(
        "<article id=\"{}\">\n<h3>{number}. {}</h3>\n<p>{tag} {}</p>\n<dl>",
        answer.question,
        esc(&answer.title),
        found(answer)
    ));
    page.put(&format!("<dt>Period</dt><dd>{}</dd>", esc(&answer.period())));
    for (name, value) in answer.asked() {
        page.put(&format!("<dt>{}</dt><dd>{}</dd>", esc(&name), esc(&value)));
    }
    page.put("</dl>\n");
    if answer.rows.is_empty() {
        page.say("Nothing was found.");
    } else {
        page.table(&rows_of(answer));
    }
    if !answer.not_answered.is_empty() {
        let columns = [("Records", Kind::Number), ("Source", Kind::Text), ("Why", Kind::Text), ("Entries", Kind::Text)];
        let mut table = Table::new("Cannot be decided", &columns);
        for open in &answer.not_answered {
            let source = open.issuer.clone();
            table.row([grouped(open.count).into(), source.into(), open.why.clone().into(), open.indices.show().into()]);
        }
        page.table(&table);
    }
    if !answer.aside.is_empty() {
        let columns = [("Records", Kind::Number), ("Rule", Kind::Text), ("Entries", Kind::Text)];
        let mut table = Table::new("Not counted, by a rule", &columns);
        for aside in &answer.aside {
            table.row([grouped(aside.count).into(), aside.why.clone().into(), aside.indices.show().into()]);
        }
        page.table(&table);
    }
    let why = if answer.complete {
        "Why nothing is missing"
    } else {
        "Why this is not complete, and what holds all the same"
    };
    page.put(&format!("<p><strong>{why}</strong></p>\n<ul class=\"plain\">"));
    for because in
        answer.because.iter().filter(|because| !because.holds).chain(answer.because.iter().filter(|b| b.holds))
    {
        let class = if because.holds { "yes" } else { "no" };
        page.put(&format!("<li class=\"{class}\">{}</li>\n", esc(&because.text)));
    }
    page.put("</ul>\n</article>\n");
}

fn rows_of(answer: &Answer) -> Table {
    let kind = |name: &str| match name {
        "index" | "object_count" | "seq" => Kind::Number,
        "occurred_at" | "recorded" | "op" | "what" => Kind::Word,
        _ => Kind::Text,
    };
    let columns: Vec<(&str, Kind)> = answer.columns.iter().map(|column| (column.title, kind(column.name))).collect();
    let mut table = Table::new("Found, in the order of the log", &columns);
    let cell = |row: &Row, name: &str| {
        let text = row.cell(name);
        // A purpose is one word of capitals: it may break where people would break it.
        if name == "purpose" { Cell::Markup(esc(&text).replace('_', "_<wbr>")) } else { Cell::Text(text) }
    };
    for row in &answer.rows {
        table.row(answer.columns.iter().map(|column| cell(row, column.name)));
    }
    table.more += answer.rows_more;
    table
}

fn accesses(page: &mut Page, content: &Content<'_>) {
    let Content { facts, figures, .. } = content;
    let sealed: u64 = facts.accesses_between(0, None, |_| true).count();
    if sealed == 0 {
        return;
    }
    page.part("accesses", "Accesses");
    if figures.opened == 0 {
        return sealed_hours(page, facts);
    }
    let (Some((first, _)), Some((last, _))) = (figures.hours.first_key_value(), figures.hours.last_key_value()) else {
        return;
    };
    let axis = Axis::over(*first, *last);
    let steps = usize::try_from(axis.count).unwrap_or(0);
    let mut series: Vec<Series> = OPS
        .iter()
        .zip(COLOURS)
        .map(|(op, class)| Series { name: (*op).to_owned(), class, counts: vec![0; steps] })
        .collect();
    for (hour, counts) in &figures.hours {
        let at = usize::try_from(axis.at(*hour)).unwrap_or(0);
        for (one, count) in series.iter_mut().zip(counts) {
            if let Some(sum) = one.counts.get_mut(at) {
                *sum += count;
            }
        }
    }
    series.retain(|one| one.counts.iter().any(|count| *count != 0));
    let title = format!("Accesses per {}, by what was done", axis.unit());
    let legend: Vec<(String, &str)> = series.iter().map(|one| (one.name.clone(), one.class)).collect();
    page.figure(&title, &html_plot::stacked("over-time", &title, &axis, &series), &legend);
    page.table(&over_time(&title, &axis, &series));
    let mut purposes: Vec<(String, u64)> = PURPOSES
        .iter()
        .copied()
        .chain(["(not given)"])
        .zip(figures.purposes)
        .filter(|(_, count)| *count != 0)
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    purposes.sort_by(|one, two| two.1.cmp(&one.1).then_with(|| one.0.cmp(&two.0)));
    page.figure("Accesses by purpose", &html_plot::bars("purposes", "Accesses by purpose", &purposes), &[]);
    let mut table = Table::new(
        "Accesses by purpose",
        &[("Purpose", Kind::Word), ("Accesses", Kind::Number), ("Share", Kind::Number)],
    );
    table.narrow = true;
    for (name, count) in &purposes {
        table.row([name.clone().into(), grouped(*count).into(), share(*count, figures.opened).into()]);
    }
    page.table(&table);
}

/// A share of a hundred, with one decimal.
fn share(part: u64, all: u64) -> String {
    let tenths = u128::from(part) * 1_000 / u128::from(all.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// What everybody sees of sealed accesses: how many were recorded in which hour.
fn sealed_hours(page: &mut Page, facts: &Facts) {
    let mut hours: std::collections::BTreeMap<u64, u64> = std::collections::BTreeMap::new();
    for by_time in facts.accesses.values() {
        for (recorded, runs) in by_time.iter().filter(|(recorded, _)| facts.window.holds(**recorded)) {
            *hours.entry(recorded / HOUR_S).or_default() += runs.count();
        }
    }
    page.say("No record of the period was opened, so this shows what everybody sees: how many accesses were recorded in which hour.");
    let (Some((first, _)), Some((last, _))) = (hours.first_key_value(), hours.last_key_value()) else {
        return page.say("None was recorded in the period.");
    };
    let axis = Axis::over(*first, *last);
    let mut counts = vec![0; usize::try_from(axis.count).unwrap_or(0)];
    for (hour, count) in &hours {
        if let Some(sum) = usize::try_from(axis.at(*hour)).ok().and_then(|at| counts.get_mut(at)) {
            *sum += count;
        }
    }
    let series = [Series { name: "sealed".to_owned(), class: "c0", counts }];
    let title = format!("Sealed accesses per {} in which they were recorded", axis.unit());
    page.figure(&title, &html_plot::stacked("over-time", &title, &axis, &series), &[]);
    page.table(&over_time(&title, &axis, &series));
}

fn over_time(title: &str, axis: &Axis, series: &[Series]) -> Table {
    let mut columns = vec![("From", Kind::Word)];
    columns.extend(series.iter().map(|one| (one.name.as_str(), Kind::Number)));
    if series.len() > 1 {
        columns.push(("all", Kind::Number));
    }
    let mut table = Table::new(format!("{title}; without those that have none"), &columns);
    table.narrow = true;
    for at in 0..axis.count {
        let count = |one: &Series| usize::try_from(at).ok().and_then(|at| one.counts.get(at)).copied().unwrap_or(0);
        let all: u64 = series.iter().map(count).sum();
        if all == 0 {
            continue;
        }
        let mut cells: Vec<Cell> = vec![axis.label(at).into()];
        cells.extend(series.iter().map(|one| Cell::from(grouped(count(one)))));
        if series.len() > 1 {
            cells.push(grouped(all).into());
        }
        table.row(cells);
    }
    table
}

fn sources(page: &mut Page, facts: &Facts) {
    if facts.lanes.is_empty() {
        return;
    }
    page.part("sources", "Sources on a time line");
    let times =
        || facts.lanes.values().flat_map(|lane| lane.begin().into_iter().chain(lane.last.map(|at| at.recorded)));
    let first = facts.window.from.or(times().min()).unwrap_or(0);
    let last = facts.window.to.or(times().max()).unwrap_or(first).max(first + HOUR_S);
    let title = "When each source was heard, by the times of its chained events";
    let legend = [
        ("heard", "heard"),
        ("open, nothing recorded", "track"),
        ("silent for longer than promised", "silent"),
        ("chain breaks", "break"),
        ("opened", "opened"),
        ("closed", "closed"),
    ]
    .map(|(name, class)| (name.to_owned(), class));
    page.figure(title, &html_plot::lanes("lanes", title, &facts.lanes, (first, last)), &legend);
    if facts.lanes.len() > LANES_MAX {
        page.say(&format!("The first {LANES_MAX} of {} are drawn; all are in the table.", facts.lanes.len()));
    }
    let columns = [
        ("Source", Kind::Text),
        ("Opened", Kind::Word),
        ("Last heard", Kind::Word),
        ("Positions", Kind::Number),
        ("Silence allowed", Kind::Number),
        ("Too long silent", Kind::Number),
        ("Breaks", Kind::Number),
        ("Ended", Kind::Word),
    ];
    let mut table = Table::new("Sources", &columns);
    let time = |time: Option<u64>| Cell::from(time.map_or_else(|| "–".to_owned(), clock::show));
    for ((issuer, epoch), lane) in &facts.lanes {
        table.row([
            format!("{issuer} epoch {epoch}").into(),
            time(lane.begin()),
            time(lane.last.map(|at| at.recorded)),
            lane.last.map_or_else(|| "–".to_owned(), |at| grouped(at.seq)).into(),
            lane.heartbeat_s.map_or_else(|| "not promised".to_owned(), lasting).into(),
            silences(lane).into(),
            grouped(lane.breaks.len() as u64).into(),
            time(lane.closed),
        ]);
    }
    page.table(&table);
}

/// How often, and the longest.
fn silences(lane: &Lane) -> String {
    let longest = lane.silent.iter().map(|(silent, _)| silent.until.saturating_sub(silent.from)).max();
    match longest {
        Some(longest) => format!("{}, at most {}", grouped(lane.silent.len() as u64), lasting(longest)),
        None => "0".to_owned(),
    }
}

fn erasures(page: &mut Page, facts: &Facts) {
    if facts.erased.is_empty() {
        return;
    }
    page.part("erasures", "Erasures");
    page.say("An erasure zeroes a sealed record, or deletes a person’s row from the vendor’s table. The entries, and every proof of them, stay as they are.");
    let columns = [
        ("Entry", Kind::Number),
        ("Recorded", Kind::Word),
        ("Why", Kind::Word),
        ("Authority", Kind::Text),
        ("What", Kind::Text),
        ("Copies elsewhere, and until when", Kind::Text),
    ];
    let mut table = Table::new("Erasures in the log", &columns);
    for erased in &facts.erased {
        let place = |target: &Target| format!("{} epoch {} position {}", target.issuer, target.epoch, target.seq);
        let targets: Vec<String> = erased.targets.iter().map(place).collect();
        let what = if targets.is_empty() {
            "one person’s row; records stay, without the person".to_owned()
        } else {
            format!("{}: {}", counted(targets.len() as u64, "record", "records"), targets.join("; "))
        };
        let places: Vec<String> =
            erased.places.iter().map(|(place, until)| format!("{place}, until {until}")).collect();
        let places = if places.is_empty() { "none".to_owned() } else { places.join("; ") };
        table.row([
            erased.index.to_string().into(),
            clock::show(erased.recorded).into(),
            erased.reason.clone().into(),
            erased.authority.clone().into(),
            what.into(),
            places.into(),
        ]);
    }
    page.table(&table);
}

/// What records were counted by and no plot shows, and what their sources did not know.
fn counts(page: &mut Page, content: &Content<'_>) {
    let drawn: &[&str] = if content.figures.opened == 0 { &[] } else { &["hour", "op", "purpose"] };
    let all = content.report.sections.iter().flat_map(|section| &section.counts);
    let tables: Vec<&report::Table> = all.filter(|table| !drawn.contains(&table.by.as_str())).collect();
    if tables.is_empty() {
        return;
    }
    page.part("counts", "Counted");
    page.say("The most frequent first. A field that a source does not know is counted, and is never taken for a no.");
    page.put("<div class=\"counts\">\n");
    for counted in tables {
        page.put("<div>");
        count(page, counted);
        page.put("</div>\n");
    }
    page.put("</div>\n");
}

fn count(page: &mut Page, counted: &report::Table) {
    let fields = counted.by.split_once(" of ").filter(|(word, _)| ["UNKNOWN", "null"].contains(word));
    let (caption, title) = match fields {
        Some((word, issuer)) => (format!("Fields that are {word} in records of {issuer}"), "field"),
        None => (format!("By {}", counted.by), counted.by.as_str()),
    };
    let mut table = Table::new(caption, &[(title, Kind::Text), ("records", Kind::Number)]);
    table.narrow = true;
    let mut rows: Vec<(&String, &u64)> = counted.rows.iter().collect();
    rows.sort_by(|one, two| two.1.cmp(one.1).then_with(|| one.0.cmp(two.0)));
    for (value, records) in rows.iter().take(COUNTED_MAX) {
        table.row([value.as_str().into(), grouped(**records).into()]);
    }
    page.table(&table);
    let more = rows.len().saturating_sub(COUNTED_MAX) as u64;
    let others =
        if counted.more == 0 { String::new() } else { format!("; {} with other values", grouped(counted.more)) };
    if more != 0 || counted.more != 0 {
        page.say(&format!("and {} more values in report.json{others}.", grouped(more)));
    }
}

fn checked(page: &mut Page, report: &AuditReport) {
    page.part("checked", "What was checked, and what was not");
    for section in &report.sections {
        page.put(&format!("<div class=\"part\"><h3>{}</h3><ul class=\"plain\">\n", esc(section.name)));
        for line in &section.checked {
            page.put(&format!("<li class=\"yes\">{}</li>\n", esc(line)));
        }
        for line in &section.not_checked {
            page.put(&format!("<li class=\"not\"><strong>Not checked:</strong> {}</li>\n", esc(line)));
        }
        page.put("</ul></div>\n");
    }
}

fn limits(page: &mut Page, report: &AuditReport) {
    page.part("limits", "What no log can show");
    page.put("<ul>");
    for line in report.limits {
        page.put(&format!("<li>{}</li>", esc(line)));
    }
    page.put("</ul>\n");
}

fn foot(content: &Content<'_>) -> String {
    let report = content.report;
    let window = match (report.window.from, report.window.to) {
        (Some(from), Some(to)) => format!(" --from {} --to {}", clock::show(from), clock::show(to)),
        _ => String::new(),
    };
    format!(
        "</main>\n<footer><p>Whoever audits the same entries with the same trust folder, period and questions gets the same bytes: <code>log-client audit --size {}{window} …</code> Nothing in this page depends on when or where it was made; what one run saw besides is in run.json.</p><p>{} · report.json has SHA-256 <code>{}</code></p></footer>\n</body>\n</html>\n",
        report.size,
        esc(report.format),
        esc(content.json_sha256)
    )
}
