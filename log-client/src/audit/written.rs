//! The files of a report: `report.json` for programs, `report.txt` and `report.html` for people, from the same content.
//!
//! Not here: writing them to a folder.

use serde::Serialize;
use vitrine_spec::hash::Hash;

use super::ask::answer::{Answer, tally};
use super::ask::q8::{of_log, print_rules};
use super::facts::Facts;
use super::figures::Figures;
use super::html::{self, Content};
use super::report::AuditReport;

/// `report.json`.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a AuditReport,
    #[serde(skip_serializing_if = "<[Answer]>::is_empty")]
    answers: &'a [Answer],
}

/// The files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// For programs.
    pub json: String,
    /// For a terminal.
    pub text: String,
    /// For a person, on paper too.
    pub html: String,
    /// The log's own data rules as the table that `q8` takes, when it has some.
    pub rules: Option<String>,
}

/// Writes an audit and the answers to its questions.
pub fn write(
    report: &AuditReport,
    facts: &Facts,
    figures: &Figures,
    answers: &[Answer],
) -> Result<Written, serde_json::Error> {
    let json = serde_json::to_string_pretty(&Document { report, answers })? + "\n";
    let mut text = report.text();
    for answer in answers {
        text.push('\n');
        text.push_str(&answer.text());
    }
    if let Some(tally) = tally(answers) {
        text.push_str(&format!("\n{tally}\n"));
    }
    let json_sha256 = Hash::of(json.as_bytes()).hex();
    let html = html::page(&Content { report, facts, figures, answers, json_sha256: &json_sha256 });
    let rules = (!facts.rules.is_empty()).then(|| print_rules(&of_log(&facts.rules)));
    Ok(Written { json, text, html, rules })
}
