//! Q7 `silence`: was any source silent or reset: gaps, silences, new epochs, closings, records that came late, and events that
//! came into the log long after they say.
//!
//! The chains answer it without a reader's key; only when a record happened is sealed. Not here: whether a source recorded what it
//! saw.

use serde_json::{Map, Value};
use vitrine_spec::fields::Values;

use super::super::access::{Access, occurred};
use super::super::facts::{Facts, HOUR_S, Lane};
use super::super::report::Window;
use super::answer::{Column, Row};
use super::filter::{AHEAD_S, Filter, Judged};
use crate::clock;

/// Q7.
#[derive(Clone, Debug)]
pub struct Silences {
    /// A record is late when it was recorded more seconds after it happened.
    pub late_s: u64,
}

const COLUMNS: &[Column] = &[
    Column { name: "what", title: "What" },
    Column { name: "issuer", title: "Source" },
    Column { name: "seq", title: "Position" },
    Column { name: "index", title: "Entry" },
    Column { name: "from", title: "From" },
    Column { name: "until", title: "Until" },
    Column { name: "text", title: "In words" },
];

/// What a row says: in which word, from when to when, in which sentence.
type Said = (&'static str, Option<u64>, Option<u64>, String);

fn row(issuer: &str, epoch: u32, index: Option<u64>, seq: Option<u64>, said: Said) -> Row {
    let (what, from, until, text) = said;
    let mut fields = Map::new();
    fields.insert("what".to_owned(), what.into());
    for (name, time) in [("from", from), ("until", until)] {
        if let Some(time) = time {
            fields.insert(name.to_owned(), clock::show(time).into());
        }
    }
    fields.insert("text".to_owned(), text.into());
    Row { index, issuer: issuer.to_owned(), epoch, seq, recorded: None, disowned: false, fields }
}

impl Filter for Silences {
    fn names(&self) -> (&'static str, &'static str) {
        ("q7", "silence")
    }

    fn title(&self) -> String {
        "Was any source silent or reset: gaps, silences, new epochs, late records".to_owned()
    }

    fn parameters(&self) -> Map<String, Value> {
        Map::new()
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn concerns(&self, _: &str) -> bool {
        true
    }

    fn rests_on(&self, _: &str, _: &Lane) -> bool {
        true
    }

    /// What happened in it, and what was recorded in it and happened at another time.
    fn holds(&self, window: &Window, access: &Access, values: &Values) -> bool {
        window.holds(occurred(values)) || window.holds(access.recorded)
    }

    fn judge(&self, access: &Access, values: &Values) -> Judged {
        let (occurred, recorded) = (occurred(values), access.recorded);
        // The hour of `recorded` begins before the record was made, so what is late by it is late.
        let (what, text) = if recorded > occurred.saturating_add(self.late_s) {
            ("late", format!("recorded {} s after it happened, {} are the bound", recorded - occurred, self.late_s))
        } else if occurred > recorded.saturating_add(HOUR_S + AHEAD_S) {
            (
                "ahead",
                format!("says that it happened {} s after the hour in which it was recorded", occurred - recorded),
            )
        } else {
            return Judged::No;
        };
        let time = |time| Value::from(clock::show(time));
        Judged::Found(vec![
            ("what", what.into()),
            ("from", time(occurred)),
            ("until", time(recorded)),
            ("text", text.into()),
        ])
    }

    fn chains(&self, facts: &Facts) -> Vec<Row> {
        let window = &facts.window;
        let overlaps = |from: u64, until: u64| {
            window.from.is_none_or(|start| until >= start) && window.to.is_none_or(|end| from < end)
        };
        let mut rows = Vec::new();
        for ((issuer, epoch), lane) in &facts.lanes {
            let (issuer, epoch) = (issuer.as_str(), *epoch);
            // Without a period every source began once.
            let reset = epoch > 1 || window.from.is_some();
            if let Some((recorded, index)) = lane.opened.filter(|(recorded, _)| reset && window.holds(*recorded)) {
                let (what, text) = if epoch > 1 {
                    ("reset", format!("epoch {epoch} began: a new chain, from position 1"))
                } else {
                    ("began", "the source was opened".to_owned())
                };
                rows.push(row(issuer, epoch, Some(index), None, (what, Some(recorded), None, text)));
            }
            if let Some(closed) = lane.closed.filter(|closed| window.holds(*closed)) {
                let text = format!("epoch {epoch} ended");
                rows.push(row(issuer, epoch, None, None, ("ended", Some(closed), None, text)));
            }
            for broken in lane.breaks.iter().filter(|broken| overlaps(broken.since, broken.at.recorded)) {
                let said = ("gap", Some(broken.since), Some(broken.at.recorded), broken.text.clone());
                rows.push(row(issuer, epoch, Some(broken.at.index), Some(broken.at.seq), said));
            }
            // By `recorded` a chain can be without silence, and be written long afterwards.
            for late in lane.late.iter().filter(|late| overlaps(late.first.recorded, late.last.recorded)) {
                let text = format!(
                    "positions {} to {} were not in the log at {}, long after their issuer says that they were recorded",
                    late.first.seq,
                    late.last.seq,
                    clock::show(late.after)
                );
                let said = ("logged late", Some(late.first.recorded), Some(late.after), text);
                rows.push(row(issuer, epoch, Some(late.first.index), Some(late.first.seq), said));
            }
            for (silent, index) in lane.silent.iter().filter(|(silent, _)| overlaps(silent.from, silent.until)) {
                let text = format!(
                    "{} s of silence, {} are allowed",
                    silent.until.saturating_sub(silent.from),
                    lane.heartbeat_s.unwrap_or_default()
                );
                let said = ("silence", Some(silent.from), Some(silent.until), text);
                rows.push(row(issuer, epoch, *index, None, said));
            }
        }
        rows
    }
}
