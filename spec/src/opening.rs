//! An opening: some fields of one event shown, the others hidden (72-sealed.md, R; leaf-format.md 5).
//!
//! It counts only together with the proof that the leaf is logged, and never shows K.
//! Not here: opening a whole record (`sealing`).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::commitment::{RecordKey, commit, field_commitment};
use crate::envelope::EventId;
use crate::event::Event;
use crate::fields::{FIELDS, Field, FieldError, Values};
use crate::hash::Hash;
use crate::json::{self, Value};
use crate::text;

/// A field in an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The value and its salt: anybody recomputes the commitment.
    Shown(Value, [u8; 32]),
    /// The commitment alone.
    Hidden(Hash),
}

/// Some fields of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The event.
    pub event_id: EventId,
    fields: Box<[Part; FIELDS]>,
}

/// Why an opening is none, or not of this leaf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// Not strict JSON.
    #[error("the opening is not strict JSON: {0}")]
    Json(#[from] json::JsonError),
    /// Not the one spelling.
    #[error("the opening differs from its JCS spelling from byte {0} on")]
    Spelling(usize),
    /// Not the shape.
    #[error("the opening: {0}")]
    Shape(String),
    /// Nothing is shown.
    #[error("the opening shows no field")]
    Nothing,
    /// Of another event.
    #[error("the opening is of event {opening}, the leaf is event {leaf}")]
    Event {
        /// Named in the opening.
        opening: EventId,
        /// The leaf's.
        leaf: EventId,
    },
    /// The leaf has no commitment.
    #[error("event {0} is of no sealed type")]
    NotSealed(EventId),
    /// The commitments give another hash.
    #[error("the fields give the commitment {}, the leaf holds {}", .got.hex(), .want.hex())]
    Commitment {
        /// From the opening.
        got: Hash,
        /// In the leaf.
        want: Hash,
    },
}

impl Opening {
    /// Shows some fields of an event whose record was opened.
    pub fn make(event_id: EventId, key: &RecordKey, values: &Values, shown: &[Field]) -> Opening {
        let part = |field: Field| {
            let salt = key.salt(field);
            let value = values.get(field);
            if shown.contains(&field) {
                Part::Shown(value.clone(), salt)
            } else {
                Part::Hidden(field_commitment(field, &salt, value))
            }
        };
        Opening { event_id, fields: Box::new(Field::ALL.map(part)) }
    }

    /// Reads the one spelling of an opening.
    ///
    /// # Errors
    /// What is wrong with it. Values are not looked at: a value outside the table is part of what may have to be shown.
    pub fn parse(bytes: &[u8]) -> Result<Opening, OpeningError> {
        let value = json::parse(bytes)?;
        let printed = value.to_jcs();
        if printed != bytes {
            let at = printed.iter().zip(bytes).take_while(|(want, got)| want == got).count();
            return Err(OpeningError::Spelling(at));
        }
        let shape = |why: String| OpeningError::Shape(why);
        let Value::Object(mut members) = value else { return Err(shape("no object".into())) };
        let event_id = members.remove("event_id");
        let event_id = event_id.as_ref().and_then(Value::as_text).and_then(EventId::from_hex);
        let event_id = event_id.ok_or_else(|| shape("event_id is not 64 lowercase hexadecimal digits".into()))?;
        let Some(Value::Array(items)) = members.remove("fields") else {
            return Err(shape("fields is no array".into()));
        };
        if let Some(name) = members.keys().next() {
            return Err(shape(format!("{} is not a member of it", text::Quote::of(name))));
        }
        let count = items.len();
        let parts: Vec<Part> =
            items.into_iter().zip(Field::ALL).map(|(item, f)| read_part(item, f)).collect::<Result<_, _>>()?;
        let fields: Box<[Part; FIELDS]> = match Vec::into_boxed_slice(parts).try_into() {
            Ok(fields) if count == FIELDS => fields,
            _ => return Err(shape(format!("{count} fields, there are {FIELDS}"))),
        };
        if fields.iter().all(|part| matches!(part, Part::Hidden(_))) {
            return Err(OpeningError::Nothing);
        }
        Ok(Opening { event_id, fields })
    }

    /// The one spelling: JCS.
    pub fn print(&self) -> Vec<u8> {
        let part = |part: &Part| match part {
            Part::Shown(value, salt) => Value::Array(Vec::from([value.clone(), text::b64(salt).into()])),
            Part::Hidden(hash) => text::b64(hash.as_bytes()).into(),
        };
        let fields = Value::Array(self.fields.iter().map(part).collect());
        Value::object([("event_id", self.event_id.hex().into()), ("fields", fields)]).to_jcs()
    }

    /// The commitment that the fields give.
    pub fn commit(&self) -> Hash {
        let mut found = [Hash::new([0; 32]); FIELDS];
        for ((field, part), found) in Field::ALL.into_iter().zip(self.fields.iter()).zip(&mut found) {
            *found = match part {
                Part::Shown(value, salt) => field_commitment(field, salt, value),
                Part::Hidden(hash) => *hash,
            };
        }
        commit(&found)
    }

    /// Checks that the fields are those of a leaf, which must be proven to be logged beside it.
    ///
    /// # Errors
    /// What does not fit.
    pub fn verify(&self, event: &Event) -> Result<(), OpeningError> {
        if event.id != self.event_id {
            return Err(OpeningError::Event { opening: self.event_id, leaf: event.id });
        }
        let want = event.statement.commit.ok_or(OpeningError::NotSealed(event.id))?;
        let got = self.commit();
        if got == want { Ok(()) } else { Err(OpeningError::Commitment { got, want }) }
    }

    /// The fields that are shown.
    pub fn shown(&self) -> Vec<(Field, &Value)> {
        let parts = Field::ALL.into_iter().zip(self.fields.iter());
        parts
            .filter_map(|(field, part)| match part {
                Part::Shown(value, _) => Some((field, value)),
                Part::Hidden(_) => None,
            })
            .collect()
    }

    /// Shown values that break the table: an opening that verifies proves that the issuer sealed them.
    pub fn broken(&self) -> Vec<FieldError> {
        self.shown().into_iter().filter_map(|(field, value)| field.check(value).err()).collect()
    }
}

fn read_part(item: Value, field: Field) -> Result<Part, OpeningError> {
    let bad = |why: &str| OpeningError::Shape(format!("fields[{}], {}: {why}", field.number(), field.name()));
    match item {
        Value::Text(hidden) => {
            Hash::from_b64(&hidden).map(Part::Hidden).map_err(|_| bad("a text that is not the base64 of 32 bytes"))
        }
        Value::Array(pair) => {
            let [value, salt]: [Value; 2] = pair.try_into().map_err(|_| bad("an array that is not [value, salt]"))?;
            let salt = salt.as_text().and_then(|salt| text::unb64_array(salt).ok());
            salt.map(|salt| Part::Shown(value, salt)).ok_or_else(|| bad("a salt that is not the base64 of 32 bytes"))
        }
        other => Err(bad(&format!("{}, neither shown nor hidden", other.kind()))),
    }
}
