//! What a source says of one access, and what becomes of it: the 24 values (docs/import.md; 72-sealed.md, R-1 to R-5).
//!
//! What the source does not say is asked of the tables; what they do not say either is `null`, or UNKNOWN where the field has
//! that word, and is counted. Not here: reading a source.

use std::collections::BTreeMap;

use vitrine_spec::fields::{Field, OPS, Values, instant_ms, nothing};
use vitrine_spec::hash::Hash;
use vitrine_spec::json::{INT_MAX, Value};
use vitrine_spec::text::decimal;

use super::counts::Counts;
use super::mapping::{LEAVE_OUT, Mapping, Slot};
use super::tables::{Asset, Person};
use crate::event_file::Members;

/// What a text holds in place of a character that it may not have.
const REPLACED: char = '\u{fffd}';
/// What a text ends with when it was cut.
const CUT: &str = "\u{2026}";

/// What a source says of one access.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    said: BTreeMap<Slot, String>,
    /// Other names of the actor that the staff table may have, after the one that is said.
    pub also_actor: Vec<String>,
    /// The objects, each in its spellings, the most exact one first.
    pub objects: Vec<Vec<String>>,
}

impl Found {
    /// Nothing is said yet.
    pub fn new() -> Found {
        Found::default()
    }

    /// Adds what is said; an empty text says nothing.
    #[must_use]
    pub fn with(mut self, slot: Slot, text: impl Into<String>) -> Found {
        self.say(slot, text);
        self
    }

    /// Adds what is said; an empty text says nothing.
    pub fn say(&mut self, slot: Slot, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.said.insert(slot, text);
        }
    }

    /// What is said.
    pub fn get(&self, slot: Slot) -> Option<&str> {
        self.said.get(&slot).map(String::as_str)
    }
}

/// Why a record becomes no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason, the same words for every record that has it.
    pub why: String,
    /// Whether something is wrong with the record, and not that it tells of no access.
    pub fault: bool,
}

impl Refused {
    /// It tells of no access.
    pub fn no_access(why: impl Into<String>) -> Refused {
        Refused { why: why.into(), fault: false }
    }

    /// Something is wrong with it.
    pub fn fault(why: impl Into<String>) -> Refused {
        Refused { why: why.into(), fault: true }
    }
}

/// The values of one access; `digest` is that of its raw record.
pub fn values(found: &Found, mapping: &Mapping, digest: Option<Hash>, counts: &mut Counts) -> Result<Values, Refused> {
    let occurred_at = found.get(Slot::OccurredAt).ok_or_else(|| Refused::fault("no time"))?;
    let at_ms = instant_ms(occurred_at).ok_or_else(|| Refused::fault("a time that no event can have"))?;
    let op = match found.get(Slot::NativeOp).and_then(|native| mapping.ops.get_key_value(native)) {
        Some((native, op)) if op == LEAVE_OUT => {
            return Err(Refused::no_access(format!("the mapping leaves out {native}")));
        }
        Some((_, op)) => op.as_str(),
        None => found.get(Slot::Op).ok_or_else(|| Refused::fault("no op"))?,
    };
    if !OPS.contains(&op) {
        return Err(Refused::fault(format!("an op that is none of {}", OPS.join(", "))));
    }
    let native_actor = found.get(Slot::Actor);
    let person = mapping.staff.find(native_actor.into_iter().chain(found.also_actor.iter().map(String::as_str)), at_ms);
    let asset = Asset::of_all(found.objects.iter().map(|spellings| mapping.assets.find(spellings)));
    let why = mapping.tickets.find([Slot::Session, Slot::Tool].into_iter().filter_map(|slot| found.get(slot)));
    let mut filling = Filling { found, counts, values: nothing() };

    filling.put(Field::OccurredAt, occurred_at.into());
    filling.put(Field::Op, op.into());
    filling.text(Field::NativeOp, Slot::NativeOp, 256, None);
    match person {
        Some(person) => filling.put(Field::Actor, person.id.as_str().into()),
        None => filling.text(Field::Actor, Slot::Actor, 256, None),
    }
    filling.session();
    filling.text(Field::ActorEntity, Slot::Entity, 256, person.and_then(|person| person.entity.as_deref()));
    let office = person.and_then(|person| person.office_country.as_deref());
    filling.word(Field::ActorOfficeCountry, Slot::OfficeCountry, office, Some("ZZ"));
    let location = filling.location(person);
    filling.automated(person);
    filling.text(Field::Dataset, Slot::Dataset, 128, asset.dataset.as_deref());
    filling.word(Field::DataCategory, Slot::DataCategory, asset.data_category.as_deref(), Some("UNKNOWN"));
    filling.word(Field::SubjectRegion, Slot::SubjectRegion, asset.subject_region.as_deref(), Some("UNKNOWN"));
    filling.text(Field::SubjectRef, Slot::SubjectRef, 128, asset.subject_ref.as_deref());
    filling.count();
    filling.word(Field::StorageSite, Slot::StorageSite, asset.storage_site.as_deref(), Some("UNKNOWN"));
    filling.word(Field::Purpose, Slot::Purpose, why.and_then(|why| why.purpose.as_deref()), Some("UNKNOWN"));
    filling.word(Field::LegalBasis, Slot::LegalBasis, why.and_then(|why| why.legal_basis.as_deref()), Some("UNKNOWN"));
    filling.text(Field::Ticket, Slot::Ticket, 128, why.and_then(|why| why.ticket.as_deref()));
    filling.recipient();
    filling.transfer(mapping, location.as_deref());
    filling.outcome()?;
    filling.word(Field::Grant, Slot::Grant, why.and_then(|why| why.grant.as_deref()), None);
    filling.text(Field::NativeId, Slot::NativeId, 256, None);
    if let Some(digest) = digest {
        filling.put(Field::NativeDigest, digest.hex().into());
    }
    let values = Values::new(filling.values)
        .map_err(|error| Refused::fault(format!("field {} cannot be: {}", error.field, error.why)))?;
    counts.event(&values);
    Ok(values)
}

/// The 24 values while they are filled in.
struct Filling<'a> {
    found: &'a Found,
    counts: &'a mut Counts,
    values: [Value; vitrine_spec::fields::FIELDS],
}

impl Filling<'_> {
    /// Sets a field; a value that it does not take is counted and becomes what it was before.
    fn put(&mut self, field: Field, value: Value) {
        if field.check(&value).is_err() {
            self.counts.not_taken(field);
        } else if let Some(slot) = self.values.get_mut(field.number()) {
            *slot = value;
        }
    }

    /// A text that is made to fit; else what a table says.
    fn text(&mut self, field: Field, slot: Slot, most: usize, table: Option<&str>) {
        if let Some(text) = self.fitted(field, slot, most) {
            self.put(field, text.into());
        } else if let Some(text) = table {
            self.put(field, text.into());
        }
    }

    /// What the source says, cut and cleaned to what a text may be.
    fn fitted(&mut self, field: Field, slot: Slot, most: usize) -> Option<String> {
        let said = self.found.get(slot)?;
        let fits = fit(said, most);
        if fits != said {
            self.counts.fitted(field);
        }
        Some(fits)
    }

    /// A word of a list or a pattern: what the source says, else a table, else the field's word for not known.
    fn word(&mut self, field: Field, slot: Slot, table: Option<&str>, unknown: Option<&str>) {
        if let Some(unknown) = unknown {
            self.put(field, unknown.into());
        }
        if let Some(text) = self.found.get(slot).or(table) {
            self.put(field, text.into());
        }
    }

    fn session(&mut self) {
        let Some(session) = self.fitted(Field::ActorSession, Slot::Session, 256) else { return };
        let mut value = Value::object([("session", session.into())]);
        if let Some(role) = self.fitted(Field::ActorSession, Slot::Role, 256) {
            value.set("role", role.into());
        }
        self.put(Field::ActorSession, value);
    }

    /// Where the actor was; a program of the staff table that has no place there is nowhere. Returns the country.
    fn location(&mut self, person: Option<&Person>) -> Option<String> {
        let value = |country: &str, known: &str| Value::object([("country", country.into()), ("known", known.into())]);
        let table = person.and_then(|person| person.location.clone());
        if table.is_none() && self.found.get(Slot::LocationCountry).is_none() && person.is_some_and(Person::is_service)
        {
            return None;
        }
        self.put(Field::ActorLocationCountry, value("ZZ", "none"));
        let country = match (self.found.get(Slot::LocationCountry), table) {
            (Some(country), _) => {
                Some((country.to_owned(), self.found.get(Slot::LocationKnown).unwrap_or("none").to_owned()))
            }
            (None, table) => table,
        };
        if let Some((country, known)) = country {
            self.put(Field::ActorLocationCountry, value(&country, &known));
        }
        let set = self.values.get(Field::ActorLocationCountry.number())?;
        set.get("country").and_then(Value::as_text).map(str::to_owned)
    }

    /// Whether a program did it: what the source says, else what the actor's name or row says.
    fn automated(&mut self, person: Option<&Person>) {
        let service = person.map(Person::is_service);
        let named = self.found.get(Slot::Actor).is_some_and(|actor| actor.starts_with("service:")).then_some(true);
        let said = match self.found.get(Slot::Automated) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => {
                self.counts.not_taken(Field::Automated);
                None
            }
            None => None,
        };
        let Some(automated) = said.or(service).or(named) else { return };
        let mut value = Value::object([("automated", Value::Bool(automated))]);
        if let Some(build) = self.found.get(Slot::Build).or(person.and_then(|person| person.build.as_deref())) {
            value.set("build", build.into());
        }
        self.put(Field::Automated, value);
    }

    fn count(&mut self) {
        let Some(text) = self.found.get(Slot::ObjectCount) else { return };
        match decimal(text).ok().and_then(|count| i64::try_from(count).ok()).filter(|count| *count <= INT_MAX) {
            Some(count) => self.put(Field::ObjectCount, Value::Int(count)),
            None => self.counts.not_taken(Field::ObjectCount),
        }
    }

    fn recipient(&mut self) {
        let Some(identity) = self.fitted(Field::Recipient, Slot::RecipientIdentity, 256) else { return };
        let class = self.found.get(Slot::RecipientClass).unwrap_or("other");
        let country = self.found.get(Slot::RecipientCountry).unwrap_or("ZZ");
        let value =
            Value::object([("identity", identity.into()), ("class", class.into()), ("country", country.into())]);
        self.put(Field::Recipient, value);
    }

    /// The basis of a transfer, by where the actor was; nobody's place is nobody's transfer.
    fn transfer(&mut self, mapping: &Mapping, location: Option<&str>) {
        if self.found.get(Slot::TransferBasis).is_none() {
            let at_home = |country| mapping.transfer.as_ref().is_some_and(|transfer| transfer.home.contains(country));
            if location.is_none_or(at_home) {
                return;
            }
        }
        let basis = mapping.transfer.as_ref().and_then(|transfer| transfer.basis.get(location?));
        self.word(Field::TransferBasis, Slot::TransferBasis, basis.map(String::as_str), Some("UNKNOWN"));
    }

    fn outcome(&mut self) -> Result<(), Refused> {
        let result = self.found.get(Slot::Result).ok_or_else(|| Refused::fault("no outcome"))?;
        let mut value = Value::object([("result", result.into())]);
        Field::Outcome.check(&value).map_err(|_| Refused::fault("an outcome that is none of the known words"))?;
        if let Some(native) = self.fitted(Field::Outcome, Slot::NativeResult, 128) {
            value.set("native", native.into());
        }
        self.put(Field::Outcome, value);
        Ok(())
    }
}

impl Asset {
    /// What is true of several objects together: what differs is MIXED or not known, and one that no row has makes it so.
    fn of_all<'a>(rows: impl Iterator<Item = Option<&'a Asset>>) -> Asset {
        let rows: Vec<Option<&Asset>> = rows.collect();
        let of = |part: fn(&Asset) -> &Option<String>| -> Vec<Option<&String>> {
            let mut all: Vec<Option<&String>> = rows.iter().map(|row| row.and_then(|row| part(row).as_ref())).collect();
            all.sort();
            all.dedup();
            all
        };
        let same = |part: fn(&Asset) -> &Option<String>| match of(part).as_slice() {
            [Some(one)] => Some((*one).clone()),
            _ => None,
        };
        let names: Option<Vec<&str>> =
            of(|row| &row.dataset).into_iter().map(|name| name.map(String::as_str)).collect();
        let joined = names.map(|names| names.join("+")).filter(|joined| !joined.is_empty() && joined.len() <= 128);
        let region = match of(|row| &row.subject_region).as_slice() {
            [Some(one)] => Some((*one).clone()),
            many if many.len() > 1 && many.iter().all(Option::is_some) => Some("MIXED".to_owned()),
            _ => None,
        };
        Asset {
            dataset: joined,
            data_category: same(|row| &row.data_category),
            subject_region: region,
            subject_ref: same(|row| &row.subject_ref),
            storage_site: same(|row| &row.storage_site),
        }
    }
}

/// A text of at most `most` bytes without what a terminal or a page would obey; every change can be seen in it.
pub fn fit(text: &str, most: usize) -> String {
    let obeyed = |c: char| {
        matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    // Only what can be left is looked at: a statement of many megabytes is cut, not copied.
    let mut fits: String = text.chars().take(most + 1).map(|c| if obeyed(c) { REPLACED } else { c }).collect();
    if fits.len() > most {
        let mut end = most.saturating_sub(CUT.len());
        while !fits.is_char_boundary(end) {
            end -= 1;
        }
        fits.truncate(end);
        fits.push_str(CUT);
    }
    fits
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use vitrine_spec::words::is_text;

    fn least() -> Found {
        Found::new()
            .with(Slot::OccurredAt, "2026-11-24T08:00:00.000Z")
            .with(Slot::Op, "read")
            .with(Slot::Result, "success")
    }

    fn made(found: &Found) -> (Values, Counts) {
        let mut counts = Counts::default();
        let values = values(found, &Mapping::default(), None, &mut counts).unwrap();
        (values, counts)
    }

    #[test]
    fn what_nobody_says_is_unknown_where_there_is_the_word_and_null_elsewhere() {
        let (values, counts) = made(&least());
        let unknown: Vec<&str> =
            Field::ALL.into_iter().filter(|field| counts.unknown(*field) == 1).map(Field::name).collect();
        assert_eq!(
            unknown,
            [
                "actor_office_country",
                "actor_location_country",
                "data_category",
                "subject_region",
                "storage_site",
                "purpose",
                "legal_basis",
                "transfer_basis"
            ]
        );
        let known: Vec<&str> =
            Field::ALL.into_iter().filter(|field| counts.known(*field) == 1).map(Field::name).collect();
        assert_eq!(known, ["occurred_at", "op", "outcome"]);
        assert_eq!(values.text(Field::ActorOfficeCountry), Some("ZZ"));
        assert_eq!(values.get(Field::Dataset), &Value::Null);
    }

    #[test]
    fn texts_that_break_the_rules_are_cut_or_replaced_where_one_sees_it() {
        let long = "\u{00fc}".repeat(200);
        let found =
            least().with(Slot::Actor, "a\u{202e}b\nc").with(Slot::NativeOp, long).with(Slot::Session, "\"".repeat(300));
        let (values, counts) = made(&found);
        assert_eq!(values.text(Field::Actor), Some("a\u{fffd}b\u{fffd}c"));
        let native = values.text(Field::NativeOp).unwrap();
        assert!(is_text(native, 256) && native.ends_with(CUT), "{native}");
        assert_eq!(values.get(Field::ActorSession).get("session").and_then(Value::as_text).unwrap().len(), 256);
        let rows = counts.rows();
        assert_eq!(rows[3].1, "1 known; 1 cut or replaced");
    }

    #[test]
    fn every_cut_keeps_to_the_rule() {
        for text in ["", "a", "\u{1f}", "\u{2066}\u{2069}", "\u{1f600}", "e\u{301}", "ab\u{85}"] {
            for repeat in [1, 30, 90, 400] {
                for most in [128, 256] {
                    let fits = fit(&text.repeat(repeat), most);
                    assert!(
                        fits.is_empty() == text.is_empty() && (fits.is_empty() || is_text(&fits, most)),
                        "{fits:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_value_that_no_field_takes_is_unknown_and_counted() {
        let found = least()
            .with(Slot::StorageSite, "Zurich")
            .with(Slot::ObjectCount, "-3")
            .with(Slot::Automated, "perhaps")
            .with(Slot::Session, "s")
            .with(Slot::Role, format!("{}{}", "\"".repeat(256), "x"))
            .with(Slot::LocationCountry, "CH")
            .with(Slot::LocationKnown, "seen");
        let (values, counts) = made(&found);
        assert_eq!(values.text(Field::StorageSite), Some("UNKNOWN"));
        assert_eq!(values.get(Field::ObjectCount), &Value::Null);
        assert_eq!(values.get(Field::ActorLocationCountry).get("country").and_then(Value::as_text), Some("ZZ"));
        let rows: BTreeMap<String, String> = counts.rows().into_iter().collect();
        for field in ["storage_site", "object_count", "automated", "actor_location_country"] {
            assert!(rows[field].contains("1 not taken by the field"), "{field}: {}", rows[field]);
        }
    }

    #[test]
    fn a_record_without_time_op_outcome_or_a_disclosure_to_nobody_is_a_fault() {
        for (slot, text, want) in [
            (Slot::OccurredAt, "yesterday", "a time that no event can have"),
            (Slot::Op, "look", "an op that is none of"),
            (Slot::Result, "ok", "an outcome that is none of"),
            (Slot::Op, "disclose", "field recipient cannot be"),
        ] {
            let refused =
                values(&least().with(slot, text), &Mapping::default(), None, &mut Counts::default()).unwrap_err();
            assert!(refused.fault && refused.why.contains(want), "{refused:?}");
        }
        let to = least()
            .with(Slot::Op, "disclose")
            .with(Slot::RecipientIdentity, "a court")
            .with(Slot::RecipientClass, "authority");
        let (values, _) = made(&to);
        assert_eq!(values.get(Field::Recipient).get("country").and_then(Value::as_text), Some("ZZ"));
    }

    #[test]
    fn objects_that_differ_are_mixed_or_not_known() {
        let row = |dataset: &str, region: &str, site: &str| Asset {
            dataset: Some(dataset.into()),
            data_category: Some("account".into()),
            subject_region: Some(region.into()),
            subject_ref: None,
            storage_site: Some(site.into()),
        };
        let (eu, us) = (row("eu", "EU", "CH-ZH-1"), row("us", "US", "CH-ZH-2"));
        let both = Asset::of_all([Some(&us), Some(&eu)].into_iter());
        assert_eq!((both.dataset.as_deref(), both.subject_region.as_deref()), (Some("eu+us"), Some("MIXED")));
        assert_eq!((both.data_category.as_deref(), both.storage_site), (Some("account"), None));
        let half = Asset::of_all([Some(&eu), None].into_iter());
        assert_eq!((half.dataset, half.subject_region, half.data_category), (None, None, None));
        assert_eq!(Asset::of_all([Some(&eu), Some(&eu)].into_iter()), eu);
        assert_eq!(Asset::of_all(std::iter::empty()).subject_region, None);
    }
}
