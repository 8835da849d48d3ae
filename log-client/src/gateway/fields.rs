//! What a worker sends: named fields of one access, or of many (72-sealed.md, R-1 to R-5).
//!
//! A missing field is `null`; `occurred_at` is now when it is missing. Not here: HTTP.

use vitrine_spec::fields::{Field, FieldError, Values, nothing, print_instant};
use vitrine_spec::json::{self, Value};

use crate::limits::ACCESSES_PER_REQUEST_MAX;

/// What a body holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// The accesses, at least one.
    pub values: Vec<Values>,
    /// Whether they came as an array, and so are answered as one.
    pub many: bool,
}

/// Why a body holds no accesses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It is not strict JSON, or neither an object nor an array of objects.
    #[error("{0}")]
    Malformed(String),
    /// A field is not one of the 24, or its value is not of the field's kind.
    #[error("{}`{field}`: {why}", at.map_or_else(String::new, |at| format!("access {at}: ")))]
    Field {
        /// Which access of an array, from 0.
        at: Option<usize>,
        /// The field, as it was named.
        field: String,
        /// The constraint, and what was found.
        why: String,
    },
}

/// Reads a body; `now_ms` is the time of an access that says none.
pub fn read(body: &[u8], now_ms: i64) -> Result<Given, BodyFault> {
    let value = json::parse(body).map_err(|error| BodyFault::Malformed(error.to_string()))?;
    match &value {
        Value::Object(_) => Ok(Given { values: vec![access(&value, None, now_ms)?], many: false }),
        Value::Array(list) if (1..=ACCESSES_PER_REQUEST_MAX).contains(&list.len()) => {
            let values = list.iter().enumerate().map(|(at, value)| access(value, Some(at), now_ms));
            Ok(Given { values: values.collect::<Result<_, _>>()?, many: true })
        }
        Value::Array(list) => Err(BodyFault::Malformed(format!(
            "{} accesses in one array, 1 to {ACCESSES_PER_REQUEST_MAX} are taken",
            list.len()
        ))),
        other => Err(BodyFault::Malformed(format!("{}, not an object of named fields", other.kind()))),
    }
}

fn access(value: &Value, at: Option<usize>, now_ms: i64) -> Result<Values, BodyFault> {
    let Value::Object(members) = value else {
        return Err(BodyFault::Malformed(format!(
            "access {}: {}, not an object",
            at.unwrap_or_default(),
            value.kind()
        )));
    };
    let mut values = nothing();
    for (name, given) in members {
        let field = Field::of(name).ok_or_else(|| BodyFault::Field {
            at,
            field: name.clone(),
            why: format!("no such field; the fields are {}", Field::ALL.map(Field::name).join(" ")),
        })?;
        if let Some(slot) = values.get_mut(field.number()) {
            *slot = given.clone();
        }
    }
    if let Some(slot) = values.get_mut(Field::OccurredAt.number()).filter(|slot| **slot == Value::Null) {
        *slot = print_instant(now_ms).map_or(Value::Null, Value::Text);
    }
    Values::new(values).map_err(|FieldError { field, why }| BodyFault::Field {
        at,
        field: field.name().to_owned(),
        why,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_276_981_123;

    fn fault(body: &str) -> String {
        read(body.as_bytes(), NOW_MS).unwrap_err().to_string()
    }

    #[test]
    fn what_is_missing_is_null_and_the_time_is_now() {
        // [R-2] [R-3]
        let given = read(br#"{"op":"read","outcome":{"result":"success"},"purpose":"UNKNOWN"}"#, NOW_MS).unwrap();
        assert!(!given.many);
        let values = &given.values[0];
        assert_eq!(values.text(Field::OccurredAt), Some("2026-11-21T16:03:01.123Z"));
        assert_eq!(values.text(Field::Purpose), Some("UNKNOWN"));
        assert_eq!(values.get(Field::Actor), &Value::Null);
        let own = br#"[{"occurred_at":"2026-11-20T00:00:00.000Z","op":"read","outcome":{"result":"error"}}]"#;
        let given = read(own, NOW_MS).unwrap();
        assert!(given.many);
        assert_eq!(given.values[0].text(Field::OccurredAt), Some("2026-11-20T00:00:00.000Z"));
    }

    #[test]
    fn a_fault_names_the_field_and_what_belongs_there() {
        let good = r#"{"op":"read","outcome":{"result":"success"}}"#;
        assert!(
            fault(r#"{"oP":"read","outcome":{"result":"success"}}"#)
                .contains("`oP`: no such field; the fields are occurred_at")
        );
        assert!(fault(r#"{"op":"peek","outcome":{"result":"success"}}"#).starts_with("`op`: "));
        assert!(fault(r#"{"op":"read"}"#).starts_with("`outcome`: "), "never null");
        assert!(fault(r#"{"op":"disclose","outcome":{"result":"success"}}"#).starts_with("`recipient`: "));
        assert!(
            fault(&format!(r#"[{good},{{"op":"x","outcome":{{"result":"success"}}}}]"#)).starts_with("access 1: `op`")
        );
    }

    #[test]
    fn what_is_no_body_at_all_is_another_fault() {
        for body in ["", "1", "[]", "[1]", "{\"op\":1.5}", "{\"op\":\"read\",\"op\":\"read\"}", "\"read\""] {
            assert!(matches!(read(body.as_bytes(), NOW_MS), Err(BodyFault::Malformed(_))), "{body}");
        }
        let many = format!("[{}]", vec!["{}"; ACCESSES_PER_REQUEST_MAX + 1].join(","));
        assert!(fault(&many).contains("are taken"));
    }
}
