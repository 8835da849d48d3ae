//! The spelling of JSON by other people's code: `serde_json` reads, `serde_json_canonicalizer` prints (RFC 8785).
//!
//! Both are wider than our strict rules: fractions, duplicate names, more depth. So the strict rules stand here as a visitor of
//! `serde_json`. Not here: which of several rules a text breaks first.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The canonical spelling of some JSON; `None` when it is no JSON.
#[must_use]
pub fn canonical(json: &[u8]) -> Option<Vec<u8>> {
    let value: serde_json::Value = serde_json::from_slice(json).ok()?;
    serde_json_canonicalizer::to_vec(&value).ok()
}

/// True when some bytes are the canonical spelling of a value.
#[must_use]
pub fn is_canonical(json: &[u8]) -> bool {
    canonical(json).is_some_and(|spelling| spelling == json)
}

/// The strict rules J-1 to J-6 on top of `serde_json`: true when some bytes are such JSON.
///
/// `serde_json` sees to the grammar, UTF-8, byte order marks and halves of surrogate pairs. It reads fractions, exponents, `-0`
/// and what is larger than 64 bits as floating point numbers, which are refused here.
#[must_use]
pub fn is_strict(json: &[u8]) -> bool {
    let mut reader = serde_json::Deserializer::from_slice(json);
    Strict { depth: 0 }.deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

/// Containers inside each other.
const DEPTH: usize = 16;
/// 2^53 - 1.
const LARGEST: u64 = 9_007_199_254_740_991;

/// A value inside `depth` containers.
struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

fn must<E: Error>(kept: bool, rule: &str) -> Result<(), E> {
    if kept { Ok(()) } else { Err(E::custom(rule)) }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("strict JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        must(number <= LARGEST, "J-5")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        must(number.unsigned_abs() <= LARGEST, "J-5")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        must(false, "J-5")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        must(!text.contains('\0'), "J-4")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        must(self.depth < DEPTH, "J-6")?;
        while items.next_element_seed(Strict { depth: self.depth + 1 })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        must(self.depth < DEPTH, "J-6")?;
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            must(name.is_ascii(), "J-3")?;
            must(!name.contains('\0'), "J-4")?;
            must(names.insert(name), "J-3")?;
            members.next_value_seed(Strict { depth: self.depth + 1 })?;
        }
        Ok(())
    }
}
