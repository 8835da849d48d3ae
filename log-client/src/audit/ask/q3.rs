//! Q3 `actor`: all accesses by one actor.
//!
//! Decided by field 3; a record whose session or role names the actor is found too, since a source may know the session user
//! alone (events.md 1.4, trap 1). A name that differs in capitals or blanks alone is left open. Not here: who the person behind a pseudonym is.

use serde_json::{Map, Value};
use vitrine_spec::fields::{Field, Values};

use super::super::access::Access;
use super::answer::Column;
use super::filter::{Filter, Judged, list, member};

/// Q3.
#[derive(Clone, Debug)]
pub struct ByActor {
    /// The actor, as field 3 spells it; any of them when more are given.
    pub actors: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { name: "index", title: "Entry" },
    Column { name: "occurred_at", title: "When" },
    Column { name: "actor", title: "Who" },
    Column { name: "named", title: "Named as" },
    Column { name: "op", title: "What" },
    Column { name: "native_op", title: "In the source's words" },
    Column { name: "dataset", title: "Data set" },
    Column { name: "object_count", title: "Objects" },
    Column { name: "actor_location_country", title: "Where, known by" },
    Column { name: "purpose", title: "Why" },
    Column { name: "ticket", title: "Ticket" },
    Column { name: "outcome", title: "Outcome" },
    Column { name: "issuer", title: "Source" },
];

impl Filter for ByActor {
    fn names(&self) -> (&'static str, &'static str) {
        ("q3", "actor")
    }

    fn title(&self) -> String {
        format!("All accesses by {}", self.actors.join(", "))
    }

    fn parameters(&self) -> Map<String, Value> {
        [("actor".to_owned(), list(&self.actors))].into_iter().collect()
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    /// An actor may be a reader of the log as well.
    fn concerns(&self, _: &str) -> bool {
        true
    }

    fn judge(&self, _: &Access, values: &Values) -> Judged {
        let is = |text: Option<&str>| text.is_some_and(|text| self.actors.iter().any(|actor| actor == text));
        let session = |name| member(values, Field::ActorSession, name).and_then(|value| value.as_text());
        let named: Vec<&str> =
            [("actor", values.text(Field::Actor)), ("session", session("session")), ("role", session("role"))]
                .into_iter()
                .filter(|(_, text)| is(*text))
                .map(|(name, _)| name)
                .collect();
        if !named.is_empty() {
            return Judged::Found(vec![("named", named.join(", ").into())]);
        }
        let texts = [values.text(Field::Actor), session("session"), session("role")];
        let almost = |text: &str| self.actors.iter().any(|actor| folded(actor) == folded(text));
        match values.text(Field::Actor) {
            None => Judged::Open("actor is null".to_owned()),
            Some("UNKNOWN") => Judged::Open("actor is UNKNOWN".to_owned()),
            Some(_) if texts.into_iter().flatten().any(almost) => {
                Judged::Open("an actor that is spelled almost so".to_owned())
            }
            Some(_) => Judged::No,
        }
    }
}

/// Without capitals and blanks, in which sources spell one name differently.
fn folded(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}
