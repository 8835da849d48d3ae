//! What opened records say, counted: by form, hour, person, purpose and region, and what their issuers did not know.
//!
//! Counts and no records: the report goes further than a reader's desk may. Actors are in it, as the pseudonyms they are.
//! Not here: opening (`records`), questions (`ask`).

use std::collections::BTreeMap;

use vitrine_spec::fields::{Field, Values};
use vitrine_spec::json::Value;

use super::report::{Section, Table};

/// What stands in a table for a value that is not given.
const NULL: &str = "(not given)";

/// Tables under way.
#[derive(Debug)]
pub struct Counts {
    op: Table,
    hour: Table,
    actor: Table,
    purpose: Table,
    region: Table,
    /// By issuer: how often each field was `UNKNOWN`, and how often `null`.
    unknown: BTreeMap<String, [u64; Field::ALL.len()]>,
    null: BTreeMap<String, [u64; Field::ALL.len()]>,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            op: Table::new("op"),
            hour: Table::new("hour"),
            actor: Table::new("actor"),
            purpose: Table::new("purpose"),
            region: Table::new("region"),
            unknown: BTreeMap::new(),
            null: BTreeMap::new(),
        }
    }
}

impl Counts {
    /// Takes an opened record.
    pub fn add(&mut self, issuer: &str, values: &Values) {
        let text = |field: Field| values.text(field).unwrap_or(NULL);
        self.op.add(text(Field::Op));
        self.hour.add(text(Field::OccurredAt).get(..13).unwrap_or(NULL));
        self.actor.add(text(Field::Actor));
        self.purpose.add(text(Field::Purpose));
        self.region.add(text(Field::SubjectRegion));
        for field in Field::ALL {
            let value = values.get(field);
            let counted = match value {
                Value::Null => &mut self.null,
                _ if is_unknown(field, value) => &mut self.unknown,
                _ => continue,
            };
            if !counted.contains_key(issuer) {
                counted.insert(issuer.to_owned(), [0; Field::ALL.len()]);
            }
            if let Some(count) = counted.get_mut(issuer).and_then(|fields| fields.get_mut(field.number())) {
                *count += 1;
            }
        }
    }

    /// Puts the tables into the section.
    pub fn finish(self, section: &mut Section) {
        for table in [self.op, self.hour, self.actor, self.purpose, self.region] {
            section.counted(table);
        }
        for (what, counted) in [("UNKNOWN", self.unknown), ("null", self.null)] {
            for (issuer, fields) in counted {
                let mut table = Table::new(format!("{what} of {issuer}"));
                table.rows = Field::ALL
                    .into_iter()
                    .zip(fields)
                    .filter(|(_, count)| *count != 0)
                    .map(|(field, count)| (field.name().to_owned(), count))
                    .collect();
                section.counted(table);
            }
        }
    }
}

/// `UNKNOWN`, or `ZZ` where a country should stand.
fn is_unknown(field: Field, value: &Value) -> bool {
    match value {
        Value::Text(text) => text == "UNKNOWN" || (field == Field::ActorOfficeCountry && text == "ZZ"),
        Value::Object(_) => value.get("country").and_then(Value::as_text) == Some("ZZ"),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Array(_) => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use vitrine_spec::fields::nothing;

    #[test]
    fn every_unknown_and_every_null_is_counted_for_its_issuer() {
        let mut values = nothing();
        values[Field::OccurredAt.number()] = "2026-11-21T16:03:01.123Z".into();
        values[Field::Op.number()] = "read".into();
        values[Field::Outcome.number()] = Value::object([("result", "success".into())]);
        values[Field::Purpose.number()] = "UNKNOWN".into();
        values[Field::ActorOfficeCountry.number()] = "ZZ".into();
        values[Field::ActorLocationCountry.number()] =
            Value::object([("country", "ZZ".into()), ("known", "none".into())]);
        let values = Values::new(values).unwrap();
        let mut counts = Counts::default();
        counts.add("gateway", &values);
        counts.add("gateway", &values);
        counts.add("vault", &values);
        let mut section = Section::new("records");
        counts.finish(&mut section);
        let table = |by: &str| section.counts.iter().find(|table| table.by == by).unwrap().rows.clone();
        assert_eq!(table("op"), BTreeMap::from([("read".to_owned(), 3)]));
        assert_eq!(table("hour"), BTreeMap::from([("2026-11-21T16".to_owned(), 3)]));
        assert_eq!(table("actor"), BTreeMap::from([(NULL.to_owned(), 3)]));
        let unknown = ["actor_location_country", "actor_office_country", "purpose"];
        assert_eq!(table("UNKNOWN of gateway"), unknown.map(|name| (name.to_owned(), 2)).into());
        assert_eq!(table("UNKNOWN of vault"), unknown.map(|name| (name.to_owned(), 1)).into());
        assert_eq!(table("null of vault").len(), Field::ALL.len() - 6);
    }
}
