//! Q1 `foreign-reads`: every read of a region's customer data by staff located outside a country.
//!
//! Decided by fields 1, 7 and 11. A place that the issuer names without saying how it knows it is no place. Not here: whether the
//! issuer's evidence for a place is true, which no log shows.

use serde_json::{Map, Value};
use vitrine_spec::fields::{Field, Values};

use super::super::access::Access;
use super::answer::Column;
use super::filter::{Filter, Judged, Tri, is_automated, is_of_region, list, member};

/// Q1.
#[derive(Clone, Debug)]
pub struct ForeignReads {
    /// Whose data.
    pub regions: Vec<String>,
    /// Countries that are not outside.
    pub home: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { name: "index", title: "Entry" },
    Column { name: "occurred_at", title: "When" },
    Column { name: "actor", title: "Who" },
    Column { name: "actor_location_country", title: "Where, known by" },
    Column { name: "subject_region", title: "Whose data" },
    Column { name: "dataset", title: "Data set" },
    Column { name: "object_count", title: "Objects" },
    Column { name: "purpose", title: "Why" },
    Column { name: "ticket", title: "Ticket" },
    Column { name: "transfer_basis", title: "Transfer basis" },
    Column { name: "outcome", title: "Outcome" },
    Column { name: "issuer", title: "Source" },
];

impl ForeignReads {
    fn is_outside(&self, values: &Values) -> Tri {
        let field = Field::ActorLocationCountry;
        let Some(country) = member(values, field, "country").and_then(|country| country.as_text()) else {
            return Tri::Open(format!("{field} is null"));
        };
        let known = member(values, field, "known").and_then(|known| known.as_text());
        let at_home = self.home.iter().any(|home| home == country);
        match (country, known) {
            ("ZZ", _) => Tri::Open(format!("{field} is ZZ, unknown")),
            (_, Some("none")) if at_home => {
                Tri::Open(format!("{field} is {country}, and nothing says how that is known"))
            }
            _ => Tri::of(!at_home),
        }
    }
}

impl Filter for ForeignReads {
    fn names(&self) -> (&'static str, &'static str) {
        ("q1", "foreign-reads")
    }

    fn title(&self) -> String {
        format!(
            "Every read of customer data of {} by staff located outside {}",
            self.regions.join(", "),
            self.home.join(", ")
        )
    }

    fn parameters(&self) -> Map<String, Value> {
        [("region".to_owned(), list(&self.regions)), ("home".to_owned(), list(&self.home))].into_iter().collect()
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn judge(&self, _: &Access, values: &Values) -> Judged {
        let read = Tri::of(values.text(Field::Op) == Some("read"));
        let asked = read.and(is_of_region(values, &self.regions));
        let is_code = is_automated(values) == Some(true);
        let names_build = member(values, Field::Automated, "build").is_some();
        let outside = match self.is_outside(values) {
            Tri::Open(why) if is_code && !names_build => {
                Tri::Open(format!("{why}, and no build says which code it was"))
            }
            outside => outside,
        };
        match (asked, outside) {
            (Tri::No, _) | (_, Tri::No) => Judged::No,
            // Only code without a place is set aside, and only when q9 can ask which: a word alone would hide any read. A place
            // outside is listed, whoever is said to have been there.
            (_, Tri::Open(_)) if is_code && names_build => {
                Judged::Aside("read by automated code that names no place: not by staff; q9 says whose code it was")
            }
            (asked, outside) => match asked.and(outside) {
                Tri::Yes => Judged::Found(Vec::new()),
                Tri::No => Judged::No,
                Tri::Open(why) => Judged::Open(why),
            },
        }
    }
}
