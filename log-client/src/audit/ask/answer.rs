//! An answer: rows, what could not be decided, and why it is complete or not (events.md 3.9).
//!
//! One document for programs and one table for people, from the same rows. Not here: finding the rows.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::report::Window;
use super::super::runs::Runs;
use crate::clock;
use crate::output::clean;

/// Rows that an answer holds; the rest is counted, and then the answer is not complete.
pub const ROWS_MAX: usize = 100_000;

/// Bytes of the records in these rows: an issuer may fill each with 24 kB.
pub const ROWS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Rows of the table in `report.txt`; `report.json` has them all.
const TEXT_ROWS: usize = 1_000;

/// Characters of a cell of that table.
const CELL_CHARS: usize = 48;

/// A column of the table for people: a member of the row, or of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The member.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its entry; missing for what no entry shows, such as a silence up to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Who signed it.
    pub issuer: String,
    /// Epoch of the issuer.
    pub epoch: u32,
    /// Position in the chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When it was recorded; of an access the full hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<u64>,
    /// Its issuer disowned it: whoever stole the key may have written it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disowned: bool,
    /// What the question adds, and all fields of the record that are not null.
    pub fields: Map<String, Value>,
}

impl Row {
    /// The text of a cell.
    pub fn cell(&self, column: &str) -> String {
        let number = |number: Option<u64>| number.map_or_else(none, |number| number.to_string());
        match column {
            "index" => number(self.index),
            "issuer" => {
                let epoch = if self.epoch == 1 { String::new() } else { format!(", epoch {}", self.epoch) };
                let disowned = if self.disowned { " (disowned)" } else { "" };
                format!("{}{epoch}{disowned}", self.issuer)
            }
            "seq" => number(self.seq),
            "recorded" => self.recorded.map_or_else(none, clock::show),
            name => self.fields.get(name).map_or_else(none, show),
        }
    }
}

fn none() -> String {
    "–".to_owned()
}

/// A value in words: the members of an object in the order in which people say them.
fn show(value: &Value) -> String {
    match value {
        Value::Null => none(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(show).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let mut said = Vec::new();
            for name in
                ["identity", "class", "country", "known", "automated", "build", "result", "native", "session", "role"]
            {
                if let Some(value) = members.get(name) {
                    said.push(match (name, show(value)) {
                        ("known", how) => format!("by {how}"),
                        ("build", build) => format!("build {build}"),
                        ("role", role) => format!("as {role}"),
                        (_, text) => text,
                    });
                }
            }
            said.join(", ")
        }
    }
}

/// Records that one reason leaves open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undecided {
    /// Whose.
    pub issuer: String,
    /// Why they cannot be decided.
    pub why: String,
    /// How many.
    pub count: u64,
    /// Their entries, as inclusive runs.
    pub indices: Runs,
}

/// Records that were decided by a rule which the reader should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Aside {
    /// The rule.
    pub why: String,
    /// How many.
    pub count: u64,
    /// Their entries.
    pub indices: Runs,
}

/// One reason why the answer is complete, or one why it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Because {
    /// Whether it speaks for completeness.
    pub holds: bool,
    /// One sentence.
    pub text: String,
}

/// The answer to one question.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// `q1`.
    pub question: &'static str,
    /// `foreign-reads`.
    pub name: &'static str,
    /// The question in a sentence.
    pub title: String,
    /// What was asked for.
    pub parameters: Map<String, Value>,
    /// The period, by `occurred_at`.
    pub window: Window,
    /// The table for people.
    pub columns: Vec<Column>,
    /// What was found, in the order of the log.
    pub rows: Vec<Row>,
    /// Rows beyond the limit.
    pub rows_more: u64,
    /// What cannot be decided; nothing is dropped.
    pub not_answered: Vec<Undecided>,
    /// What was decided by a rule.
    pub aside: Vec<Aside>,
    /// Whether nothing is missing, as far as a log can show that.
    pub complete: bool,
    /// Why, or why not.
    pub because: Vec<Because>,
}

impl Answer {
    /// How many were found.
    pub fn found(&self) -> u64 {
        self.rows.len() as u64 + self.rows_more
    }

    /// How many cannot be decided.
    pub fn open(&self) -> u64 {
        self.not_answered.iter().map(|undecided| undecided.count).sum()
    }

    /// `3 found, 2 cannot be decided, NOT complete`.
    pub fn summary(&self) -> String {
        let open = if self.open() == 0 { String::new() } else { format!(", {} cannot be decided", self.open()) };
        format!("{} found{open}, {}", self.found(), if self.complete { "complete" } else { "NOT complete" })
    }

    /// The period in words.
    pub fn period(&self) -> String {
        match (self.window.from, self.window.to) {
            (Some(from), Some(to)) => format!("{} up to and without {}", clock::show(from), clock::show(to)),
            (Some(from), None) => format!("{} on", clock::show(from)),
            (None, Some(to)) => format!("up to and without {}", clock::show(to)),
            (None, None) => "all entries, whenever they happened".to_owned(),
        }
    }

    /// The parameters in words.
    pub fn asked(&self) -> Vec<(String, String)> {
        let said = |name: &str, value: &Value| match (name, value) {
            ("late", Value::Number(seconds)) => format!("{seconds} s after it happened"),
            (_, Value::Null) => "none given".to_owned(),
            (_, value) => show(value),
        };
        self.parameters.iter().map(|(name, value)| (name.clone(), said(name, value))).collect()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{} {}: {}", self.question.to_uppercase(), self.name, clean(&self.title));
        let _ = writeln!(text, "   period       {}", self.period());
        for (name, value) in self.asked() {
            let _ = writeln!(text, "   {:<12} {}", clean(&name), clean(&value));
        }
        let _ = writeln!(text, "   answer       {}", self.summary());
        text.push_str(&self.table());
        for undecided in &self.not_answered {
            let _ = writeln!(
                text,
                "   cannot be decided  {}, {}: {} (entries {})",
                undecided.count,
                clean(&undecided.issuer),
                clean(&undecided.why),
                undecided.indices.show()
            );
        }
        for aside in &self.aside {
            let entries = aside.indices.show();
            let _ = writeln!(text, "   not counted        {}: {} (entries {entries})", aside.count, clean(&aside.why));
        }
        for because in &self.because {
            let word = if because.holds { "because    " } else { "NOT because" };
            let _ = writeln!(text, "   {word}  {}", clean(&because.text));
        }
        text
    }

    fn table(&self) -> String {
        let mut text = String::new();
        let shown = self.rows.len().min(TEXT_ROWS);
        if shown == 0 {
            return text;
        }
        let mut table: Vec<Vec<String>> = vec![self.columns.iter().map(|column| column.title.to_owned()).collect()];
        for row in self.rows.iter().take(shown) {
            table.push(self.columns.iter().map(|column| cut(&clean(&row.cell(column.name)))).collect());
        }
        let width = |at: usize| table.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.columns.len()).map(|at| width(at).unwrap_or(0)).collect();
        for row in &table {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            let _ = writeln!(text, "   {}", cells.join("  ").trim_end());
        }
        let more = (self.rows.len() - shown) as u64 + self.rows_more;
        if more != 0 {
            let _ = writeln!(text, "   and {more} more");
        }
        text
    }
}

fn cut(cell: &str) -> String {
    if cell.chars().count() <= CELL_CHARS {
        return cell.to_owned();
    }
    cell.chars().take(CELL_CHARS - 1).chain(['…']).collect()
}

/// How many questions were answered completely, in words; none when nothing was asked.
pub fn tally(answers: &[Answer]) -> Option<String> {
    let open = answers.iter().filter(|answer| !answer.complete).count();
    match (answers.len(), open) {
        (0, _) => None,
        (1, 0) => Some("the answer is complete".to_owned()),
        (1, _) => Some("the answer is NOT complete".to_owned()),
        (all, 0) => Some(format!("all {all} answers are complete")),
        (all, open) => Some(format!("{open} of {all} answers are NOT complete")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_as_people_say_them() {
        for (value, said) in [
            (serde_json::json!({"country": "RU", "known": "badge"}), "RU, by badge"),
            (serde_json::json!({"result": "refused", "native": "42501"}), "refused, 42501"),
            (serde_json::json!({"automated": true, "build": "ab"}), "yes, build ab"),
            (serde_json::json!({"session": "s1", "role": "dba"}), "s1, as dba"),
            (serde_json::json!(null), "–"),
            (serde_json::json!([3, "x"]), "3, x"),
        ] {
            assert_eq!(show(&value), said);
        }
    }

    #[test]
    fn a_long_cell_is_cut_by_characters() {
        assert_eq!(cut(&"ü".repeat(60)).chars().count(), CELL_CHARS);
        assert_eq!(cut("short"), "short");
    }
}
