//! What an import says at its end: how much of each field is known, what was cut, and what was left out and why.
//!
//! Not here: deciding any of it (`found`, the sources).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use vitrine_spec::fields::{FIELDS, Field, Values};
use vitrine_spec::json::Value;

use crate::limits::IMPORT_EXAMPLES;

/// Records that became no event, for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub records: u64,
    /// Whether the reason is a fault of the record, and not that it tells of no access.
    pub fault: bool,
    /// Where the first ones are.
    pub first: Vec<String>,
}

/// Counts over an import.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Access events made.
    pub events: u64,
    known: [u64; FIELDS],
    unknown: [u64; FIELDS],
    ops: BTreeMap<String, u64>,
    results: BTreeMap<String, u64>,
    /// Texts that were cut or in which something was replaced, by field.
    fitted: BTreeMap<Field, u64>,
    /// Values that the field does not take, by field: null or UNKNOWN was logged.
    not_taken: BTreeMap<Field, u64>,
    left_out: BTreeMap<String, LeftOut>,
    warnings: Vec<String>,
    warnings_more: u64,
}

/// Whether a value is the word that a field has for "not known".
fn is_unknown(value: &Value) -> bool {
    match value {
        Value::Text(text) => text == "UNKNOWN" || text == "ZZ",
        // A place; a recipient in an unknown country is still somebody.
        Value::Object(place) => place.contains_key("known") && place.get("country") == Some(&Value::from("ZZ")),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Array(_) => false,
    }
}

impl Counts {
    /// Counts an event.
    pub fn event(&mut self, values: &Values) {
        self.events += 1;
        for ((value, known), unknown) in values.all().iter().zip(&mut self.known).zip(&mut self.unknown) {
            match value {
                Value::Null => {}
                value if is_unknown(value) => *unknown += 1,
                _ => *known += 1,
            }
        }
        let result = values.get(Field::Outcome).get("result").and_then(Value::as_text).unwrap_or_default();
        *self.results.entry(result.to_owned()).or_default() += 1;
        *self.ops.entry(values.text(Field::Op).unwrap_or_default().to_owned()).or_default() += 1;
    }

    /// Counts a text that was cut or in which something was replaced.
    pub fn fitted(&mut self, field: Field) {
        *self.fitted.entry(field).or_default() += 1;
    }

    /// Counts a value that the field does not take.
    pub fn not_taken(&mut self, field: Field) {
        *self.not_taken.entry(field).or_default() += 1;
    }

    /// Counts a record that becomes no event.
    pub fn leave_out(&mut self, at: &str, why: &str, fault: bool) {
        let group = self.left_out.entry(why.to_owned()).or_default();
        group.records += 1;
        group.fault |= fault;
        if group.first.len() < IMPORT_EXAMPLES {
            group.first.push(at.to_owned());
        }
    }

    /// Keeps a warning; only the first ones are kept in their words.
    pub fn warn(&mut self, warning: String) {
        if self.warnings.len() < IMPORT_EXAMPLES * IMPORT_EXAMPLES {
            self.warnings.push(warning);
        } else {
            self.warnings_more += 1;
        }
    }

    /// How many events have a value in this field that says something.
    pub fn known(&self, field: Field) -> u64 {
        self.known.get(field.number()).copied().unwrap_or(0)
    }

    /// How many events say UNKNOWN (or ZZ) in this field.
    pub fn unknown(&self, field: Field) -> u64 {
        self.unknown.get(field.number()).copied().unwrap_or(0)
    }

    /// How many events do this.
    pub fn op(&self, op: &str) -> u64 {
        self.ops.get(op).copied().unwrap_or(0)
    }

    /// How many events ended so.
    pub fn result(&self, result: &str) -> u64 {
        self.results.get(result).copied().unwrap_or(0)
    }

    /// What was left out, by reason.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &LeftOut)> {
        self.left_out.iter().map(|(why, group)| (why.as_str(), group))
    }

    /// Records that became no event because something is wrong with them.
    pub fn faults(&self) -> u64 {
        self.left_out.values().filter(|group| group.fault).map(|group| group.records).sum()
    }

    /// Warnings, and how many more there were.
    pub fn warnings(&self) -> (&[String], u64) {
        (&self.warnings, self.warnings_more)
    }

    /// The table of the fields for people: name, known, UNKNOWN, null.
    pub fn rows(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        for field in Field::ALL {
            let (known, unknown) = (self.known(field), self.unknown(field));
            let null = self.events.saturating_sub(known + unknown);
            let mut text = format!("{known} known");
            for (count, word) in [(unknown, "UNKNOWN"), (null, "null")] {
                if count > 0 {
                    text.push_str(&format!(", {count} {word}"));
                }
            }
            for (counts, word) in [(&self.fitted, "cut or replaced"), (&self.not_taken, "not taken by the field")] {
                if let Some(count) = counts.get(&field) {
                    text.push_str(&format!("; {count} {word}"));
                }
            }
            rows.push((field.name().to_owned(), text));
        }
        rows
    }

    /// The same for programs.
    pub fn json(&self) -> Json {
        let fields: serde_json::Map<String, Json> = Field::ALL
            .into_iter()
            .map(|field| {
                let (known, unknown) = (self.known(field), self.unknown(field));
                let row = json!({"known": known, "unknown": unknown, "null": self.events.saturating_sub(known + unknown),
                    "fitted": self.fitted.get(&field).copied().unwrap_or(0), "not_taken": self.not_taken.get(&field).copied().unwrap_or(0)});
                (field.name().to_owned(), row)
            })
            .collect();
        let left_out: Vec<Json> = self
            .left_out
            .iter()
            .map(|(why, group)| json!({"why": why, "records": group.records, "fault": group.fault, "first": group.first}))
            .collect();
        json!({"events": self.events, "ops": self.ops, "outcomes": self.results, "fields": fields, "left_out": left_out,
            "warnings": self.warnings, "warnings_more": self.warnings_more})
    }
}
