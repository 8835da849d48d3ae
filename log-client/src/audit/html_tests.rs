//! The page of a report: it says everything, obeys nobody, draws what is there, and has the same bytes each time.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use vitrine_spec::fields::{Field, print_instant};

use super::access::{Access, AccessSink, State};
use super::ask::answer::Answer;
use super::ask::asked::Asked;
use super::ask::filter::Filter;
use super::ask::q7::Silences;
use super::ask::q9::Bulk;
use super::ask::tests::{DAY, FROM, HOUR, TO, WINDOW, access, at, facts, object, of, q1, q8, unopened};
use super::ask::whole::Reach;
use super::chains::{Link, Seen, Silent};
use super::facts::{Erased, Facts, Target};
use super::figures::Figures;
use super::report::{AuditReport, Finding, Place, Section, Severity, Table, Window};
use super::written::{Written, write};

/// What a record can hold to break a page.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}&amp;";

/// Ninety days of a gateway, with everything that a report can show.
fn rows() -> Vec<Access> {
    let ops = ["read", "read", "read", "store", "alter", "read", "delete", "read", "disclose", "read", "store"];
    let purposes = ["CUSTOMER_SUPPORT", "AUTOMATED_PROCESSING", "PROVIDER_REVIEW", "UNKNOWN", "PRODUCTION_ALERT"];
    let mut rows: Vec<Access> = (0..900_u64)
        .map(|n| {
            let day = (n * 7 + n * n % 11) % 91;
            let time = FROM + day * DAY + (7 + n * 13 % 11) * HOUR + n * 37 % 3_600;
            let op = ops[usize::try_from(n * 5 % 11).unwrap()];
            let region = ["EU", "EU", "CA", "US", "JP", "EU", "MIXED"][usize::try_from(n * 3 % 7).unwrap()];
            let mut fields = vec![
                (Field::OccurredAt, print_instant(i64::try_from(time * 1_000 + n % 1_000).unwrap()).unwrap().into()),
                (Field::Op, op.into()),
                of(region),
                (Field::Actor, format!("s-{}", 1_000 + n * 17 % 60).into()),
                (Field::Dataset, "sample-store".into()),
                (Field::ObjectCount, i64::try_from(n * n % 1_300).unwrap().into()),
                (Field::StorageSite, if n % 211 == 7 { "DE-FRA-1".into() } else { "CH-ZH-1".into() }),
                (Field::Purpose, purposes[usize::try_from(n * 11 % 5).unwrap()].into()),
                (Field::Ticket, format!("T-{}", 40_000 + n).into()),
                (Field::Automated, object(r#"{"automated":false}"#)),
            ];
            if n % 97 != 3 {
                fields.push(if n % 61 == 5 { at("RU", "badge") } else { at("CH", "badge") });
            }
            if op == "disclose" {
                let recipient = r#"{"class":"authority","country":"CH","identity":"Cantonal police"}"#;
                fields.push((Field::Recipient, object(recipient)));
            }
            access(0, &fields)
        })
        .collect();
    rows.sort_by_key(|row| row.recorded);
    for (index, row) in (10..).zip(&mut rows) {
        (row.index, row.seq) = (index, index - 3);
    }
    rows[400].state = State::Erased { by: 940, authority: "Order 12/2026 of the court of Zürich".into() };
    rows
}

fn gateway(index: u64, recorded: u64) -> Seen {
    let link = Some(Link { seq: index, prev: [0; 32] });
    Seen { index, id: [0; 32], kind: "heartbeat", issuer: "gateway".into(), epoch: 1, link, recorded }
}

fn place(index: u64, seq: u64) -> Place {
    Place { index: Some(index), issuer: "gateway".into(), epoch: 1, seq: Some(seq) }
}

fn sections(hostile: &str) -> Vec<Section> {
    let mut checkpoint = Section::new("checkpoint");
    checkpoint.checked("signed by example.com/access, log_keys = \"both\"");
    checkpoint.checked("cosigned by a quorum of the policy's witnesses");
    let mut chains = Section::new("chains");
    chains.checked("940 chained events in 3 chains: each position once, each `prev` the event before it");
    chains.not_checked("the end of each chain: what came after its last event shows only as silence");
    let mut silence = Section::new("silence");
    silence.checked("2 issuers' epochs with a longest silence");
    let text = format!(
        "gateway epoch 1: 93600 s of silence, from 2026-08-10T08:00:00Z to entry 460; 3600 s are allowed {hostile}"
    );
    silence.found(Finding::new(Severity::Finding, "silence", text).at(place(460, 457)));
    silence.found(Finding::new(Severity::Note, "time.late", "entry 12 came late").at(place(12, 9)));
    let mut records = Section::new("records");
    let mut table = Table::new("UNKNOWN of gateway");
    table.add("purpose");
    table.add(&format!("x{hostile}"));
    records.counted(table);
    vec![checkpoint, chains, silence, records]
}

fn answers(rows: &[Access], facts: &Facts) -> Vec<Answer> {
    let filters: [Box<dyn Filter>; 4] = [
        Box::new(q1()),
        Box::new(Silences { late_s: DAY }),
        Box::new(q8(&["EU", "US"])),
        Box::new(Bulk { above: 1_250, builds: None }),
    ];
    filters
        .into_iter()
        .map(|filter| {
            let mut asked = Asked::new(filter, Reach { window: WINDOW, late_s: DAY });
            rows.iter().for_each(|row| asked.see(row));
            asked.finish(facts)
        })
        .collect()
}

fn whole(hostile: &str) -> Written {
    let mut rows = rows();
    rows.push(unopened(930, FROM + 80 * DAY, hostile));
    if !hostile.is_empty() {
        let everywhere = [
            (Field::Actor, hostile.replace('\u{202e}', "").as_str().into()),
            (Field::Ticket, "<b>".into()),
            (Field::Dataset, "</td></table><script>".into()),
            of("EU"),
            at("RU", "declared"),
        ];
        rows.push(access(931, &everywhere));
    }
    let mut facts = facts(&rows);
    facts.silent("gateway", 1, Silent { from: FROM + 40 * DAY, until: FROM + 45 * DAY }, Some(460));
    facts.broke(
        &gateway(700, FROM + 70 * DAY),
        &Finding::new(Severity::Misbehaviour, "chain.gap", "seq 690 is missing"),
    );
    facts.close("gateway", 1, TO - DAY);
    facts.open(&gateway(945, TO - DAY), ("gateway", 2), Some(HOUR), true);
    facts.see(&Seen { epoch: 2, link: Some(Link { seq: 1, prev: [0; 32] }), ..gateway(945, TO - DAY) });
    facts.erased.push(Erased {
        index: 940,
        recorded: FROM + 75 * DAY,
        class: "record",
        reason: "authority".into(),
        authority: format!("Order 12/2026 of the court of Zürich{hostile}"),
        targets: vec![Target { issuer: "gateway".into(), epoch: 1, seq: 407 }],
        places: vec![("the supervisor's copy".into(), "2026-12-31".into())],
    });
    let mut figures = Figures::new(WINDOW);
    rows.iter().for_each(|row| figures.see(row));
    let answers = answers(&rows, &facts);
    let report = AuditReport::new("example.com/access".into(), 1_000, "cm9vdA==".into(), WINDOW, sections(hostile));
    write(&report, &facts, &figures, &answers).unwrap()
}

/// Every tag that the page opens, without its attributes.
fn tags(html: &str) -> std::collections::BTreeSet<&str> {
    let names = html.split('<').skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    names.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next()).collect()
}

#[test]
fn the_page_says_what_the_report_says() {
    let html = whole("").html;
    for text in [
        "<title>Audit of example.com/access: Not verified</title>",
        "gateway epoch 1: 93600 s of silence",
        "<strong>Not checked:</strong> the end of each chain",
        "Q1. Every read of customer data of EU by staff located outside CH",
        "Not for publication.",
        "Cannot be decided",
        "its record was erased: Order 12/2026 of the court of Zürich",
        "Accesses per 2 days, by what was done",
        "Accesses by purpose",
        "1 record: gateway epoch 1 position 407",
        "the supervisor&#39;s copy, until 2026-12-31",
        "silent from 2026-08-10T00:00:00Z to 2026-08-15T00:00:00Z",
        "Fields that are UNKNOWN in records of gateway",
        "What no log can show",
        "report.json has SHA-256",
    ] {
        assert!(html.contains(text), "{text}");
    }
    // Each plot has a title, a description, and a table after it.
    assert_eq!(html.matches("<svg ").count(), 3);
    for plot in html.split("<svg ").skip(1) {
        assert!(plot.contains("role=\"img\" aria-labelledby=") && plot.contains("</title><desc"), "{plot}");
        assert!(plot.split_once("</svg>").is_some_and(|(_, after)| after.contains("<table")));
    }
}

#[test]
fn nothing_in_a_record_is_more_than_a_text() {
    let (plain, hostile) = (whole("").html, whole(HOSTILE).html);
    assert_eq!(tags(&hostile), tags(&plain), "a text made a tag");
    for html in [&plain, &hostile] {
        for bad in [
            "<script",
            "<img",
            "<iframe",
            "<link",
            "<object",
            "<form",
            "javascript:",
            "http://",
            "https://",
            "url(h",
            "@import",
        ] {
            assert!(!html.contains(bad), "{bad}");
        }
        assert!(!html.contains('\u{202e}'));
        assert!(html.contains("Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'"));
    }
    assert!(hostile.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    // No attribute ends early: outside of tags no quote is left as it is.
    for text in hostile.split_once("<body>").unwrap().1.split('>').filter_map(|part| part.split('<').next()) {
        assert!(!text.contains('"') && !text.contains('\''), "{text}");
    }
}

#[test]
fn tags_are_closed_in_their_order() {
    let html = whole(HOSTILE).html;
    let mut open: Vec<&str> = Vec::new();
    for rest in html.split_once("<html").unwrap().1.split('<').skip(1) {
        let (tag, _) = rest.split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
        if tag.starts_with('/') {
            if name != "html" {
                assert_eq!(open.pop(), Some(name), "{tag}");
            }
        } else if !tag.ends_with('/') && !["meta", "wbr"].contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn the_same_content_is_the_same_bytes() {
    let (one, two) = (whole(HOSTILE), whole(HOSTILE));
    assert!(one == two);
    let json: serde_json::Value = serde_json::from_str(&one.json).unwrap();
    assert_eq!(json["format"], "vitrine-audit/v0");
    assert_eq!(json["answers"][0]["question"], "q1");
    assert!(one.text.contains("Q1 foreign-reads: Every read"), "{}", one.text);
    let digest = vitrine_spec::hash::Hash::of(one.json.as_bytes()).hex();
    assert!(one.html.contains(&digest));
}

#[test]
fn a_release_log_has_no_plots_of_accesses() {
    let window = Window::default();
    let report = AuditReport::new("example.com/releases".into(), 3, "r".into(), window, sections("")[..2].to_vec());
    let mut facts = Facts::new(window, &[]);
    facts.open(&gateway(0, FROM), ("release", 1), Some(HOUR), false);
    facts.see(&Seen { issuer: "release".into(), kind: "update", ..gateway(1, FROM + HOUR) });
    let written = write(&report, &facts, &Figures::new(window), &[]).unwrap();
    assert_eq!(written.html.matches("<svg ").count(), 1, "the time line alone");
    for text in ["Accesses", "Questions", "Erasures", "Not for publication"] {
        assert!(!written.html.contains(text), "{text}");
    }
    assert!(written.html.contains("class=\"word\">Verified</p>"));
    assert!(!written.json.contains("answers"));
}

#[test]
fn without_a_reader_the_page_shows_what_everybody_sees() {
    let rows = rows();
    let report = AuditReport::new("example.com/access".into(), 1_000, "r".into(), WINDOW, Vec::new());
    let html = write(&report, &facts(&rows), &Figures::new(WINDOW), &[]).unwrap().html;
    assert!(html.contains("Sealed accesses per 2 days in which they were recorded"));
    assert!(html.contains("none of the period was opened"));
    assert!(!html.contains("Accesses by purpose"));
}
