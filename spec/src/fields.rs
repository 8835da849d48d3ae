//! The 24 fields of an access and the words of each (72-sealed.md, R; leaf-format.md 5).
//!
//! A value is `null` when it does not apply or is not known; names come from the table by position. Not here: how values are
//! committed to (`commitment`) and sealed (`sealing`), and whether they are true.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt::{self, Debug, Display};

use crate::hash::Hash;
use crate::json::{self, Value};
use crate::refusal::Refusal;
use crate::text::Quote;
use crate::words::{self, Members, Read};

/// How many fields there are.
pub const FIELDS: usize = 24;
/// Bytes of one value as JCS, at most.
pub const VALUE_BYTES_MAX: usize = 1_024;
const MS_OF_DAY: i64 = 86_400_000;

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $name:literal),* $(,)?) => {
        /// A field of an access. The order is the order of the commitments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($(#[$doc])* $field),* }

        impl Field {
            /// All of them, in order.
            pub const ALL: [Field; FIELDS] = [$(Field::$field),*];

            /// The name in salts, commitments and tables.
            pub const fn name(self) -> &'static str {
                match self { $(Field::$field => $name),* }
            }
        }
    };
}

fields! {
    /// When it happened.
    OccurredAt = "occurred_at",
    /// What was done, in one of the six words of DPO article 4.
    Op = "op",
    /// What was done, in the word of the system.
    NativeOp = "native_op",
    /// Who did it: a pseudonym, or `service:` and a name.
    Actor = "actor",
    /// The session, and the role in it.
    ActorSession = "actor_session",
    /// Who employs the actor.
    ActorEntity = "actor_entity",
    /// Where the actor's office is.
    ActorOfficeCountry = "actor_office_country",
    /// Where the actor was, and how that is known.
    ActorLocationCountry = "actor_location_country",
    /// Whether a program did it, and its build.
    Automated = "automated",
    /// The data set.
    Dataset = "dataset",
    /// The category of data.
    DataCategory = "data_category",
    /// The region of the people concerned.
    SubjectRegion = "subject_region",
    /// Whose data: a random pseudonym, or the digest of a sealed list.
    SubjectRef = "subject_ref",
    /// How many objects.
    ObjectCount = "object_count",
    /// Where the data are.
    StorageSite = "storage_site",
    /// Why.
    Purpose = "purpose",
    /// On which legal basis.
    LegalBasis = "legal_basis",
    /// The ticket.
    Ticket = "ticket",
    /// Who received the data.
    Recipient = "recipient",
    /// On which basis they left the country.
    TransferBasis = "transfer_basis",
    /// How it ended.
    Outcome = "outcome",
    /// The decision or standing rule that allowed it.
    Grant = "grant",
    /// The source's own identifier.
    NativeId = "native_id",
    /// Salted digest of the source's record.
    NativeDigest = "native_digest",
}

/// The words of a field that is one of some.
pub const OPS: [&str; 6] = ["store", "alter", "read", "disclose", "delete", "destroy"];
/// `data_category`
pub const CATEGORIES: [&str; 7] =
    ["sample-file", "file-metadata", "telemetry", "account", "licence", "support", "UNKNOWN"];
/// `purpose`
pub const PURPOSES: [&str; 9] = [
    "CUSTOMER_SUPPORT",
    "PROVIDER_SERVICE",
    "PROVIDER_REVIEW",
    "THIRD_PARTY_REQUEST",
    "PRODUCTION_ALERT",
    "AUTOMATED_PROCESSING",
    "SUPERVISOR_AUDIT",
    "DATA_SUBJECT_REQUEST",
    "UNKNOWN",
];
/// `legal_basis`
pub const LEGAL_BASES: [&str; 8] =
    ["consent", "contract", "legal-obligation", "vital", "public-task", "legitimate-interest", "n/a", "UNKNOWN"];
/// `transfer_basis`
pub const TRANSFER_BASES: [&str; 5] = ["adequacy", "safeguards", "exception", "none", "UNKNOWN"];
/// `actor_location_country.known`
pub const KNOWN: [&str; 4] = ["badge", "network", "declared", "none"];
/// `recipient.class`
pub const RECIPIENTS: [&str; 5] = ["authority", "customer", "partner", "processor", "other"];
/// `outcome.result`
pub const RESULTS: [&str; 4] = ["success", "refused", "error", "partial"];

/// A value that breaks the table, or the table as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {}, {}: {why}", .field.number(), .field.name())]
pub struct FieldError {
    /// The field.
    pub field: Field,
    /// What its value breaks.
    pub why: String,
}

impl Field {
    /// The field of a name.
    pub fn of(name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Its place in the table, from 0.
    pub const fn number(self) -> usize {
        self as usize
    }

    /// Refuses a value that the table does not take; what depends on other fields is checked by [`Values::new`].
    pub fn check(self, value: &Value) -> Result<(), FieldError> {
        if *value == Value::Null {
            return match self {
                Field::OccurredAt | Field::Op | Field::Outcome => Err(self.error("is null, and never may be")),
                _ => Ok(()),
            };
        }
        self.read(value).map_err(|refusal| match refusal {
            Refusal::Value { member, why } if member == self.name() => self.error(why),
            Refusal::Value { member, why } => self.error(format!("{member}: {why}")),
            Refusal::Malformed(why) => self.error(why),
            other => self.error(format!("{other}")),
        })?;
        let bytes = value.to_jcs().len();
        if bytes > VALUE_BYTES_MAX {
            return Err(self.error(format!("{bytes} bytes as JCS, at most {VALUE_BYTES_MAX}")));
        }
        Ok(())
    }

    fn error(self, why: impl Display) -> FieldError {
        FieldError { field: self, why: format!("{why}") }
    }

    fn read(self, value: &Value) -> Read<()> {
        let text = |most: usize| self.word(value, &format!("1 to {most} bytes of text"), |t| words::is_text(t, most));
        let one_of = |list: &[&str]| self.word(value, &format!("one of {}", list.join(", ")), |t| list.contains(&t));
        match self {
            Field::OccurredAt => {
                self.word(value, "YYYY-MM-DDThh:mm:ss.mmmZ of an instant that exists", |t| instant_ms(t).is_some())
            }
            Field::Op => one_of(&OPS),
            Field::NativeOp | Field::Actor | Field::ActorEntity | Field::NativeId => text(256),
            Field::Dataset | Field::SubjectRef | Field::Ticket => text(128),
            Field::ActorOfficeCountry => self.word(value, "two capitals of a country", words::is_country),
            Field::DataCategory => one_of(&CATEGORIES),
            Field::SubjectRegion => self.word(value, "a region, MIXED or UNKNOWN", words::is_region),
            Field::StorageSite => {
                self.word(value, "a site such as CH-ZH-1, or UNKNOWN", |t| t == "UNKNOWN" || words::is_site(t))
            }
            Field::Purpose => one_of(&PURPOSES),
            Field::LegalBasis => one_of(&LEGAL_BASES),
            Field::TransferBasis => one_of(&TRANSFER_BASES),
            Field::Grant => self.word(value, "an event_id, or rule: and a name", |t| {
                Hash::from_hex(t).is_ok() || t.strip_prefix("rule:").is_some_and(words::is_name)
            }),
            Field::NativeDigest => self.word(value, "64 lowercase hexadecimal digits", |t| Hash::from_hex(t).is_ok()),
            Field::ObjectCount => match value {
                Value::Int(number) if *number >= 0 => Ok(()),
                Value::Int(number) => words::value(self.name(), format!("{number} is below 0")),
                other => Err(self.wrong_type(other, "a number")),
            },
            Field::ActorSession
            | Field::ActorLocationCountry
            | Field::Automated
            | Field::Recipient
            | Field::Outcome => self.read_object(value),
        }
    }

    fn read_object(self, value: &Value) -> Read<()> {
        let mut members = Members::of(self.name(), value)?;
        let one_of = |members: &mut Members<'_>, name: &str, list: &[&str]| {
            members.word(name, &format!("one of {}", list.join(", ")), |t| list.contains(&t)).map(drop)
        };
        let country = |members: &mut Members<'_>| {
            members.word("country", "two capitals of a country", words::is_country).map(drop)
        };
        match self {
            Field::ActorSession => {
                members.str("session", 256)?;
                members.opt_str("role", 256)?;
            }
            Field::ActorLocationCountry => {
                country(&mut members)?;
                one_of(&mut members, "known", &KNOWN)?;
            }
            Field::Automated => {
                members.bool("automated")?;
                members.opt_sha256("build")?;
            }
            Field::Recipient => {
                members.str("identity", 256)?;
                one_of(&mut members, "class", &RECIPIENTS)?;
                country(&mut members)?;
            }
            _ => {
                one_of(&mut members, "result", &RESULTS)?;
                members.opt_str("native", 128)?;
            }
        }
        members.done()
    }

    fn wrong_type(self, value: &Value, want: &str) -> Refusal {
        Refusal::Malformed(format!("{}, not {want}", value.kind()))
    }

    fn word(self, value: &Value, want: &str, fits: impl Fn(&str) -> bool) -> Read<()> {
        match value {
            Value::Text(text) if fits(text) => Ok(()),
            Value::Text(text) => words::value(self.name(), format!("{} is not {want}", Quote::of(text))),
            other => Err(self.wrong_type(other, "a text")),
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// 24 nulls, to be filled by number.
pub fn nothing() -> [Value; FIELDS] {
    [const { Value::Null }; FIELDS]
}

/// 24 values that keep to the table.
#[derive(Clone, PartialEq, Eq)]
pub struct Values(Box<[Value; FIELDS]>);

impl Values {
    /// Takes 24 values: each keeps to its row, and a disclosure names its recipient.
    pub fn new(values: [Value; FIELDS]) -> Result<Values, FieldError> {
        for (field, value) in Field::ALL.into_iter().zip(&values) {
            field.check(value)?;
        }
        let disclosed = values[Field::Op.number()].as_text() == Some("disclose");
        if disclosed && values[Field::Recipient.number()] == Value::Null {
            return Err(Field::Recipient.error("is null, a disclosure names its recipient"));
        }
        Ok(Values(Box::new(values)))
    }

    /// The value of a field; `null` when it does not apply or is not known.
    pub fn get(&self, field: Field) -> &Value {
        &self.0[field.number()]
    }

    /// The value of a field that is a text.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.get(field).as_text()
    }

    /// All values in the order of the table.
    pub fn all(&self) -> &[Value; FIELDS] {
        &self.0
    }

    /// The array that is sealed.
    pub fn to_value(&self) -> Value {
        Value::Array(self.0.to_vec())
    }

    /// `occurred_at` in milliseconds since 1970-01-01T00:00:00Z.
    pub fn occurred_at_ms(&self) -> i64 {
        self.text(Field::OccurredAt).and_then(instant_ms).unwrap_or(0)
    }
}

impl Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Values(sealed)")
    }
}

/// Milliseconds since 1970 of `YYYY-MM-DDThh:mm:ss.mmmZ`, an instant whose second is at most 59.
pub fn instant_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 24 || !text.is_ascii() {
        return None;
    }
    let marks = [(10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|(at, mark)| bytes[*at] != *mark) || !words::is_date(&text[..10]) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = &text[from..to];
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok()).flatten()
    };
    let (hour, minute, second, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_1970(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    Some(days * MS_OF_DAY + ((hour * 60 + minute) * 60 + second) * 1_000 + ms)
}

/// The text of [`instant_ms`]; `None` outside the years 0000 to 9999.
pub fn print_instant(ms: i64) -> Option<String> {
    let (days, rest) = (ms.div_euclid(MS_OF_DAY), ms.rem_euclid(MS_OF_DAY));
    // Days since 0000-03-01, in eras of 400 years of 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    (0..10_000)
        .contains(&year)
        .then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1_000))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Reads the JCS of 24 values as it was sealed; `None` when the bytes are no such array in its one spelling.
pub(crate) fn parse_array(bytes: &[u8]) -> Option<[Value; FIELDS]> {
    let value = json::parse(bytes).ok().filter(|value| value.to_jcs() == bytes)?;
    let Value::Array(items) = value else { return None };
    items.try_into().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;

    fn least() -> [Value; FIELDS] {
        let mut values = nothing();
        values[Field::OccurredAt.number()] = "2026-11-21T16:03:01.123Z".into();
        values[Field::Op.number()] = "read".into();
        values[Field::Outcome.number()] = Value::object([("result", "success".into())]);
        values
    }

    #[test]
    fn an_instant_is_read_and_printed() {
        //
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2026-11-21T16:03:01.123Z", 1_795_276_981_123),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
            ("1969-12-31T23:59:59.999Z", -1),
            ("0000-01-01T00:00:00.000Z", -62_167_219_200_000),
        ] {
            assert_eq!(instant_ms(text), Some(ms), "{text}");
            assert_eq!(print_instant(ms).as_deref(), Some(text));
        }
        for text in [
            "2026-11-21T16:03:60.123Z",
            "2026-11-21T24:03:01.123Z",
            "2026-02-29T16:03:01.123Z",
            "2026-11-21T16:03:01Z",
            "2026-11-21 16:03:01.123Z",
            "2026-11-21T16:03:01.123z",
            "2026-11-21T16:03:+1.123Z",
            "2026-11-21T16:03:0\u{661}.12Z",
        ] {
            assert_eq!(instant_ms(text), None, "{text}");
        }
        assert_eq!((print_instant(253_402_300_800_000), print_instant(-62_167_219_200_001)), (None, None));
    }

    #[test]
    fn what_never_is_null_and_who_receives() {
        //
        assert!(Values::new(least()).is_ok());
        for field in [Field::OccurredAt, Field::Op, Field::Outcome] {
            let mut values = least();
            values[field.number()] = Value::Null;
            assert_eq!(Values::new(values).unwrap_err().field, field);
        }
        let mut values = least();
        values[Field::Op.number()] = "disclose".into();
        assert_eq!(Values::new(values.clone()).unwrap_err().field, Field::Recipient);
        values[Field::Recipient.number()] =
            Value::object([("class", "authority".into()), ("country", "CH".into()), ("identity", "a court".into())]);
        assert!(Values::new(values).is_ok());
    }

    #[test]
    fn a_value_is_short_and_named_once() {
        //
        assert_eq!(Field::ALL.map(Field::number), core::array::from_fn(|at| at));
        assert!(Field::ALL.iter().all(|field| Field::of(field.name()) == Some(*field)));
        let long = "\"".repeat(256);
        let session = Value::object([("role", long.as_str().into()), ("session", long.as_str().into())]);
        assert!(Field::ActorSession.check(&session).unwrap_err().why.contains("at most 1024"));
        assert_eq!(Field::NativeOp.check(&"\"".repeat(256).as_str().into()), Ok(()));
    }
}
