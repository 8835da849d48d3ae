//! Q9 `bulk`: reads of many objects, and reads by automated code whose build is not in the log.
//!
//! Decided by fields 1, 8 and 13 and the digests of builds that whoever asks hands in, from the release log. Not here: what a build
//! does, and whether the code that ran is the one named.

use serde_json::{Map, Value, json};
use vitrine_spec::fields::{Field, Values};
use vitrine_spec::json;

use super::super::access::Access;
use super::answer::Column;
use super::builds::Builds;
use super::filter::{Filter, Judged, is_automated, member};

/// Q9.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// A read of more objects is one of many.
    pub above: u64,
    /// The digests of all builds that are logged; none when nobody handed any in.
    pub builds: Option<Builds>,
}

const COLUMNS: &[Column] = &[
    Column { name: "index", title: "Entry" },
    Column { name: "occurred_at", title: "When" },
    Column { name: "finding", title: "Found" },
    Column { name: "object_count", title: "Objects" },
    Column { name: "actor", title: "Who" },
    Column { name: "automated", title: "Automated" },
    Column { name: "dataset", title: "Data set" },
    Column { name: "purpose", title: "Why" },
    Column { name: "ticket", title: "Ticket" },
    Column { name: "outcome", title: "Outcome" },
    Column { name: "issuer", title: "Source" },
];

impl Bulk {
    /// Whether the record names code that the log has no build of: what it says, or what it leaves open.
    fn unknown_code(&self, values: &Values) -> Result<Option<String>, String> {
        let Some(builds) = &self.builds else { return Ok(None) };
        let build = member(values, Field::Automated, "build").and_then(|build| build.as_text());
        match (is_automated(values), build) {
            (Some(false), _) => Ok(None),
            (Some(true), Some(build)) if builds.hold(build) => Ok(None),
            (Some(true), Some(_)) => Ok(Some("build not in the log".to_owned())),
            (Some(true), None) => Err("automated code that names no build".to_owned()),
            (None, _) => Err("automated is null".to_owned()),
        }
    }
}

impl Filter for Bulk {
    fn names(&self) -> (&'static str, &'static str) {
        ("q9", "bulk")
    }

    fn title(&self) -> String {
        format!("Reads of more than {} objects, and reads by automated code whose build is not in the log", self.above)
    }

    fn parameters(&self) -> Map<String, Value> {
        let builds = self.builds.as_ref().map_or(Value::Null, |builds| builds.said().into());
        [("above".to_owned(), json!(self.above)), ("builds".to_owned(), builds)].into_iter().collect()
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn judge(&self, _: &Access, values: &Values) -> Judged {
        if values.text(Field::Op) != Some("read") {
            return Judged::No;
        }
        let (mut found, mut open) = (Vec::new(), Vec::new());
        match values.get(Field::ObjectCount) {
            json::Value::Int(count) if u64::try_from(*count).is_ok_and(|count| count > self.above) => {
                found.push(format!("more than {} objects", self.above));
            }
            json::Value::Int(_) => {}
            _ => open.push("object_count is null".to_owned()),
        }
        match self.unknown_code(values) {
            Ok(said) => found.extend(said),
            Err(why) => open.push(why),
        }
        match (found.is_empty(), open.is_empty()) {
            (false, _) => Judged::Found(vec![("finding", found.join(", ").into())]),
            (true, false) => Judged::Open(open.join(", ")),
            (true, true) => Judged::No,
        }
    }

    fn left_out(&self) -> Option<String> {
        let why = "reads by automated code were not compared with builds: no digests were given (builds, builds-state)";
        self.builds.is_none().then(|| why.to_owned())
    }
}
