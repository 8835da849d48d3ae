//! An alert: one thing in a log that somebody wants to know, as the JSON that every sink gets (docs/watch.md).
//!
//! The same entry gives the same alert with the same `id` at every run: an alert is delivered at least once, and whoever gets
//! it twice can tell. Not here: what is worth one (`book`), and how it is delivered (`sinks`).

use serde::Serialize;
use serde_json::{Map, Value};
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;

/// What `format` says.
pub const FORMAT: &str = "vitrine.example/alert@v0";

/// The event that an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    /// Its entry.
    pub index: u64,
    /// Its identity, hex.
    pub event_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who signed it.
    pub issuer: String,
    /// The issuer's epoch.
    pub epoch: u32,
    /// Its position, when it is chained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When its issuer says it was recorded.
    pub recorded: u64,
}

impl About {
    /// What is said of an event.
    pub fn of(index: u64, event: &Event) -> About {
        let header = &event.statement.header;
        About {
            index,
            event_id: event.id.hex(),
            kind: event.statement.kind.name().to_owned(),
            issuer: header.issuer.as_str().to_owned(),
            epoch: header.epoch,
            seq: header.seq,
            recorded: header.recorded.get(),
        }
    }
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    format: &'static str,
    /// The same for the same thing, whenever it is told.
    pub id: String,
    /// What it is, a stable word.
    #[serde(rename = "alert")]
    pub code: &'static str,
    /// The log.
    pub log: String,
    /// One sentence.
    pub text: String,
    /// The event that shows it, when one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// The same in members, by `code`.
    pub details: Map<String, Value>,
}

impl Alert {
    /// An alert; of one code there is one for each `key` in a log.
    pub fn new(log: &str, code: &'static str, key: &str, text: impl Into<String>) -> Alert {
        let id = Hash::of_parts(&[log.as_bytes(), b"\n", code.as_bytes(), b"\n", key.as_bytes()]).hex();
        Alert { format: FORMAT, id, code, log: log.to_owned(), text: text.into(), about: None, details: Map::new() }
    }

    /// Names the event.
    #[must_use]
    pub fn about(mut self, about: About) -> Alert {
        self.about = Some(about);
        self
    }

    /// Adds a member to `details`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Alert {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// One line of JSON, with its newline.
    pub fn line(&self) -> String {
        serde_json::to_string(self)
            .unwrap_or_else(|error| format!("{{\"alert\":\"{}\",\"error\":\"{error}\"}}", self.code))
            + "\n"
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_thing_has_one_id_and_the_members_their_order() {
        let alert = |key: &str| Alert::new("example.com/log", "issuer.new", key, "entry 7: x").with("epoch", 1);
        assert_eq!(alert("7").id, alert("7").id);
        assert_ne!(alert("7").id, alert("8").id);
        assert_ne!(alert("7").id, Alert::new("example.com/log", "issuer.key", "7", "").id);
        let line = alert("7").line();
        assert!(line.starts_with(r#"{"format":"vitrine.example/alert@v0","id":""#), "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((value["alert"].as_str(), value["details"]["epoch"].as_u64()), (Some("issuer.new"), Some(1)));
    }
}
