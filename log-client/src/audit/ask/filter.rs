//! What a question is: which records it wants, in three-valued logic, so that "not known" never becomes "no" (events.md 3.10).
//!
//! A record that one field already excludes is decided, whatever the others say. Not here: periods, counting, completeness
//! (`asked`, `whole`).

use serde_json::{Map, Value};
use vitrine_spec::fields::{Field, Values};
use vitrine_spec::json;

use super::super::access::{Access, occurred};
use super::super::facts::{Facts, Lane};
use super::super::report::Window;
use super::answer::{Column, Row};

/// The log server's own issuer, whose accesses are readers' of the log and not of customers' data.
pub const VAULT: &str = "vault";

/// Seconds that a source's clock may be ahead of its own `recorded`.
pub const AHEAD_S: u64 = 60;

/// Yes, no, or what is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tri {
    /// It does not hold.
    No,
    /// It holds.
    Yes,
    /// It cannot be decided, for this reason.
    Open(String),
}

impl Tri {
    /// Of a condition that is known.
    pub fn of(holds: bool) -> Tri {
        if holds { Tri::Yes } else { Tri::No }
    }

    /// Both: one `no` is enough.
    #[must_use]
    pub fn and(self, other: Tri) -> Tri {
        match (self, other) {
            (Tri::No, _) | (_, Tri::No) => Tri::No,
            (Tri::Yes, other) | (other, Tri::Yes) => other,
            (Tri::Open(one), Tri::Open(two)) => Tri::Open(format!("{one}, {two}")),
        }
    }
}

/// What a question says of one opened record of its period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is not asked for.
    No,
    /// It is; with what the question adds to its fields.
    Found(Vec<(&'static str, Value)>),
    /// It cannot be decided, for this reason.
    Open(String),
    /// It is not asked for, by a rule that the reader should know.
    Aside(&'static str),
}

/// A question with its parameters.
pub trait Filter {
    /// `q1` and its speaking name.
    fn names(&self) -> (&'static str, &'static str);

    /// The question in a sentence.
    fn title(&self) -> String;

    /// What was asked for, beside the period.
    fn parameters(&self) -> Map<String, Value>;

    /// The table for people.
    fn columns(&self) -> &'static [Column];

    /// Whether accesses of this issuer are asked about.
    fn concerns(&self, issuer: &str) -> bool {
        issuer != VAULT
    }

    /// Whether the answer rests on this chain.
    fn rests_on(&self, issuer: &str, lane: &Lane) -> bool {
        lane.accesses && self.concerns(issuer)
    }

    /// Whether an opened record is of the period: by when it happened.
    fn holds(&self, window: &Window, _: &Access, values: &Values) -> bool {
        window.holds(occurred(values))
    }

    /// An opened record of the period.
    fn judge(&self, access: &Access, values: &Values) -> Judged;

    /// What the chains alone answer.
    fn chains(&self, _: &Facts) -> Vec<Row> {
        Vec::new()
    }

    /// A part of the question that was not asked, which leaves the answer incomplete.
    fn left_out(&self) -> Option<String> {
        None
    }
}

/// Whether the data are of one of these regions; `null`, `UNKNOWN`, what mixes several and a part of one leave it open.
pub fn is_of_region(values: &Values, wanted: &[String]) -> Tri {
    let field = Field::SubjectRegion;
    match values.text(field) {
        None => Tri::Open(format!("{field} is null")),
        Some(text @ ("UNKNOWN" | "MIXED")) => Tri::Open(format!("{field} is {text}")),
        Some(text) if wanted.iter().any(|one| one == text) => Tri::Yes,
        Some(text) if wanted.iter().any(|one| is_part_of(text, one)) => Tri::Open(format!("{field} is {text}")),
        Some(_) => Tri::No,
    }
}

/// Whether a region may be a part of another one: no table says whether `EU-DE` is in `EU`, and its name suggests it.
pub fn is_part_of(region: &str, whole: &str) -> bool {
    region.strip_prefix(whole).is_some_and(|rest| rest.starts_with('-'))
}

/// A member of a field that is an object.
pub fn member<'a>(values: &'a Values, field: Field, name: &str) -> Option<&'a json::Value> {
    values.get(field).get(name)
}

/// Whether code did it, as far as the record says: field 8, else the spelling of field 3.
pub fn is_automated(values: &Values) -> Option<bool> {
    match member(values, Field::Automated, "automated") {
        Some(json::Value::Bool(automated)) => Some(*automated),
        _ => values.text(Field::Actor).filter(|actor| actor.starts_with("service:")).map(|_| true),
    }
}

/// Texts as one parameter.
pub fn list(texts: &[String]) -> Value {
    texts.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_no_decides_and_two_unknowns_are_both_named() {
        let open = |why: &str| Tri::Open(why.to_owned());
        assert_eq!(open("a").and(Tri::No), Tri::No);
        assert_eq!(Tri::No.and(open("a")), Tri::No);
        assert_eq!(open("a").and(Tri::Yes), open("a"));
        assert_eq!(Tri::Yes.and(open("a")), open("a"));
        assert_eq!(open("a").and(open("b")), open("a, b"));
        assert_eq!(Tri::Yes.and(Tri::Yes), Tri::Yes);
    }
}
