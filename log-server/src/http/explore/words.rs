//! Events in words: one sentence each, and every member of a statement with its name [S-48] (85-log.md).
//!
//! Reads the payload's JSON, so that a type which only the format knows is shown too. Nothing sealed is ever here: a sealed
//! record is no part of an entry. Not here: what an event's relations say (`events`, `products`).

use vitrine_spec::event::Event;
use vitrine_spec::json::Value;
use vitrine_spec::statement::Kind;

use super::html::{Depth, Html};
use crate::index::product_of;
use crate::time::Time;

/// How a word is meant, which its colour repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Wait,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Tone::Plain => "tag",
            Tone::Good => "tag good",
            Tone::Bad => "tag bad",
            Tone::Wait => "tag wait",
        }
    }

    /// What the word of an outcome, a result or a reason means.
    pub(super) fn of(word: &str) -> Tone {
        match word {
            "identical" | "PASSED" | "no-finding" => Tone::Good,
            "different" | "FAILED" | "build-failed" | "compromised" => Tone::Bad,
            "findings" | "inconclusive" | "not-attempted" => Tone::Wait,
            _ => Tone::Plain,
        }
    }
}

/// What stands in a statement's body.
pub(super) fn body(event: &Event) -> Value {
    event.payload_value().get("predicate").and_then(|predicate| predicate.get("body")).cloned().unwrap_or(Value::Null)
}

fn text<'v>(body: &'v Value, path: &[&str]) -> &'v str {
    path.iter().try_fold(body, |value, name| value.get(name)).and_then(Value::as_text).unwrap_or("?")
}

fn number(body: &Value, name: &str) -> String {
    match body.get(name) {
        Some(Value::Int(number)) => number.to_string(),
        _ => "?".to_owned(),
    }
}

/// What a member that is a length of time in words is.
fn many(body: &Value, name: &str) -> usize {
    match body.get(name) {
        Some(Value::Array(elements)) => elements.len(),
        _ => 0,
    }
}

/// The type in words.
pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Charter => "Charter",
        Kind::IssuerOpen => "Issuer opened",
        Kind::IssuerClose => "Issuer closed",
        Kind::Heartbeat => "Heartbeat",
        Kind::Build => "Build",
        Kind::Rebuild => "Rebuild",
        Kind::CodeReview => "Code review",
        Kind::Update => "Update",
        Kind::UpdateRevoke => "Revocation",
        Kind::Incident => "Incident",
        Kind::SealingKey => "Sealing key",
        Kind::Access => "Access",
        Kind::Verdict => "Verdict",
        Kind::Rules => "Rules",
        Kind::Correction => "Correction",
        Kind::Erasure => "Erasure",
        Kind::AccessRequest => "Access request",
        Kind::AccessDecision => "Access decision",
        Kind::SupervisorAck => "Acknowledgement",
        Kind::PeriodClose => "Period closed",
        Kind::Disclosure => "Disclosure",
        Kind::Transfer => "Transfer",
    }
}

/// The colour of a type's tag.
pub(super) fn tone(event: &Event) -> Tone {
    let body = body(event);
    match event.statement.kind {
        Kind::Rebuild | Kind::CodeReview => Tone::of(text(&body, &["outcome"])),
        Kind::Verdict => Tone::of(text(&body, &["result"])),
        Kind::UpdateRevoke => Tone::Bad,
        Kind::Incident | Kind::Erasure | Kind::Correction => Tone::Wait,
        Kind::IssuerClose => Tone::of(text(&body, &["reason"])),
        _ => Tone::Plain,
    }
}

/// An event in one line, without its issuer.
pub(super) fn sentence(event: &Event) -> String {
    let body = body(event);
    let file = || {
        let files: Vec<&str> = event.statement.subject.iter().filter_map(|file| file.name.as_deref()).collect();
        match files.as_slice() {
            [] => String::new(),
            [one] => (*one).to_owned(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        }
    };
    match event.statement.kind {
        Kind::Charter => format!("Version {}: who runs, supervises and reads this log", number(&body, "version")),
        Kind::IssuerOpen => format!("{}, epoch {}", event.statement.header.issuer, event.statement.header.epoch),
        Kind::IssuerClose => {
            format!("{}, epoch {}: {}", text(&body, &["issuer"]), number(&body, "epoch"), text(&body, &["reason"]))
        }
        Kind::Heartbeat => match body.get("to") {
            Some(Value::Int(to)) => format!("Complete up to {}", when(u64::try_from(*to).unwrap_or(0))),
            _ => "Complete up to a time".to_owned(),
        },
        Kind::Build => text(&body, &["purl"]).to_owned(),
        Kind::Rebuild => format!("{}: {}", text(&body, &["outcome"]), file()),
        Kind::CodeReview => format!("{} by {}", text(&body, &["outcome"]), text(&body, &["organisation"])),
        Kind::Update => format!(
            "{} to {}, release {}",
            text(&body, &["purl"]),
            text(&body, &["channel"]),
            number(&body, "release_seq")
        ),
        Kind::UpdateRevoke => format!("{}: {}", text(&body, &["reason"]), file()),
        Kind::Incident => text(&body, &["class"]).to_owned(),
        Kind::SealingKey => format!("for {} readers", many(&body, "wraps")),
        Kind::Access => "Sealed: who, what and why open to the charter’s readers alone".to_owned(),
        Kind::Erasure => match many(&body, "targets") {
            1 => format!("One record, {}", text(&body, &["reason"])),
            some => format!("{some} records, {}", text(&body, &["reason"])),
        },
        Kind::Verdict => format!("{} by {}", text(&body, &["result"]), text(&body, &["verifier"])),
        Kind::Rules => format!("Version {}, effective {}", number(&body, "version"), text(&body, &["effective"])),
        Kind::Correction => format!("{}, {} members", text(&body, &["reason"]), many(&body, "fields")),
        kind if kind.is_sealed() => "Sealed".to_owned(),
        other => other.to_string(),
    }
}

/// A time as people write it, in UTC.
pub(super) fn when(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| seconds.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A time with its machine-readable form.
pub(super) fn time(html: &mut Html, seconds: u64) {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let iso = time.map_or_else(String::new, |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    html.tag("time", &[("datetime", &iso)], |html| {
        html.text(when(seconds));
    });
}

/// How long ago something was, in the largest unit.
pub(super) fn ago(then: u64, now: Time) -> String {
    lasting(now.since(Time::new(then)))
}

/// A length of time in its largest unit.
pub(super) fn lasting(seconds: u64) -> String {
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let found = units.into_iter().find(|(_, length)| seconds >= *length).unwrap_or(("second", 1));
    counted(seconds / found.1, found.0, &format!("{}s", found.0))
}

/// `1 entry`, `2 entries`.
pub(super) fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { more })
}

/// A number with a narrow blank between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Members that are seconds since 1970 wherever they stand.
const TIMES: [&str; 7] = ["recorded", "started", "finished", "to", "not_before", "until", "expires"];
/// Members that are lengths of time.
const LENGTHS: [&str; 2] = ["heartbeat_s", "lateness_s"];
/// Bytes of a text that is folded away.
const LONG: usize = 240;

/// Every member of an object with its name, objects inside it too.
pub(super) fn members(html: &mut Html, depth: Depth, value: &Value) {
    let Value::Object(members) = value else { return };
    html.raw("<dl class=\"members\">\n");
    for (name, value) in members {
        html.raw("<div>").tag("dt", &[], |html| {
            html.text(name.replace('_', " "));
        });
        html.tag("dd", &[], |html| member(html, depth, name, value));
        html.raw("</div>\n");
    }
    html.raw("</dl>\n");
}

fn member(html: &mut Html, depth: Depth, name: &str, value: &Value) {
    match value {
        Value::Null => _ = html.text("none"),
        Value::Bool(yes) => _ = html.text(if *yes { "yes" } else { "no" }),
        Value::Int(number) => match u64::try_from(*number) {
            Ok(seconds) if TIMES.contains(&name) => time(html, seconds),
            Ok(seconds) if LENGTHS.contains(&name) => _ = html.text(lasting(seconds)),
            _ => _ = html.text(number),
        },
        Value::Text(text) => leaf(html, depth, name, text),
        Value::Array(elements) if elements.is_empty() => _ = html.text("none"),
        Value::Array(elements) => {
            html.raw("<ul class=\"elements\">");
            for element in elements {
                html.tag("li", &[], |html| member(html, depth, name, element));
            }
            html.raw("</ul>");
        }
        Value::Object(inside) if inside.is_empty() => _ = html.text("none"),
        Value::Object(_) => members(html, depth, value),
    }
}

fn leaf(html: &mut Html, depth: Depth, name: &str, text: &str) {
    if name == "purl" {
        purl(html, depth, text);
    } else if is_digest(text) {
        html.tag("code", &[], |html| {
            html.link(&depth.query("explore/find", &[("q", text)]), text);
        });
    } else if matches!(name, "outcome" | "result") {
        html.word("span", Tone::of(text).class(), text);
    } else if text.len() > LONG {
        html.raw("<details><summary>").text(format!("{} bytes", grouped(text.len() as u64))).raw("</summary>");
        html.word("code", "block", text).raw("</details>");
    } else {
        html.text(text);
    }
}

/// A purl that leads to its product.
pub(super) fn purl(html: &mut Html, depth: Depth, purl: &str) {
    let product = product_of(purl).map_or(purl, |(name, _)| name);
    html.link(&depth.query("explore/product", &[("purl", product)]), purl);
}

/// 64 lowercase hexadecimal digits.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
