//! The words that the tables of a leaf are written in: names, texts, times, sites, digests (70-leaves.md, L; section 1).
//!
//! Also `Members`, which reads an object by its table. Not here: the tables.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Debug, Display};

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::json::Value;
use crate::key::{KeyKind, Vkey, leaf_key_name};
use crate::refusal::Refusal;
use crate::text::{self, Quote};

/// A result of reading a part of an event.
pub type Read<T> = Result<T, Refusal>;

/// `[a-z0-9-]{3,64}` without `-` at either end [L-1].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Takes a name in its pattern.
    pub fn new(text: &str) -> Option<Name> {
        is_name(text).then(|| Name(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        let text = String::deserialize(deserializer)?;
        Name::new(&text).ok_or_else(|| serde::de::Error::custom(format!("{} is not a name", Quote::of(&text))))
    }
}

/// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// Takes seconds.
    pub const fn new(seconds: u64) -> Time {
        Time(seconds)
    }

    /// The seconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The full hour at or before it.
    pub const fn hour(self) -> Time {
        Time(self.0 - self.0 % 3_600)
    }
}

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

/// True for a name [L-1].
pub fn is_name(text: &str) -> bool {
    (3..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// True for 1 to `most` bytes without a character that a terminal or a page would obey [L-2].
pub fn is_text(text: &str, most: usize) -> bool {
    let obeyed = |c: char| {
        matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    (1..=most).contains(&text.len()) && !text.contains(obeyed)
}

/// True for `YYYY-MM-DD` of a day that exists in the Gregorian calendar [L-3].
pub fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
    if !shape {
        return false;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u32>().unwrap_or(0);
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// True for two capitals: a country [L-4].
pub fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// True for `[A-Z][A-Z0-9-]{1,15}`: a region [L-4].
pub fn is_region(text: &str) -> bool {
    (2..=16).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
}

/// True for `[A-Z]{2}(-[A-Z0-9]{1,8}){1,3}`: a site [L-4].
pub fn is_site(text: &str) -> bool {
    let mut parts = text.split('-');
    let country = parts.next().is_some_and(is_country);
    let rest: Vec<&str> = parts.collect();
    country
        && (1..=3).contains(&rest.len())
        && rest.iter().all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
}

/// True for a text of at most 512 bytes that begins with `pkg:` [L-5].
pub fn is_purl(text: &str) -> bool {
    is_text(text, 512) && text.starts_with("pkg:")
}

/// True for a purl whose last path segment holds a version [L-5].
pub fn is_versioned_purl(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    is_purl(text) && last.split_once('@').is_some_and(|(_, version)| !version.is_empty())
}

/// True for `<key name>+<hex8>` [L-6].
pub fn is_keyid(text: &str) -> bool {
    text.split_once('+').is_some_and(|(name, id)| leaf_key_name(name) && text::unhex::<4>(id).is_ok())
}

/// The refusal of a value that breaks its constraint.
pub fn value<T>(member: impl Display, why: impl Display) -> Read<T> {
    Err(Refusal::Value { member: member.to_string(), why: why.to_string() })
}

/// An object that is read by its table: every member once, none left over [L-7].
pub struct Members<'a> {
    path: String,
    map: &'a BTreeMap<String, Value>,
    taken: Vec<&'a str>,
}

impl<'a> Members<'a> {
    /// Begins to read `value`, which stands at `path`.
    pub fn of(path: impl Display, value: &'a Value) -> Read<Members<'a>> {
        match value {
            Value::Object(map) => Ok(Members { path: path.to_string(), map, taken: Vec::with_capacity(map.len()) }),
            other => Err(Refusal::Malformed(format!("{path} is {}, not an object", other.kind()))),
        }
    }

    /// The path of a member, for messages.
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A member that may be missing.
    pub fn opt(&mut self, name: &str) -> Option<&'a Value> {
        let (name, value) = self.map.get_key_value(name)?;
        self.taken.push(name);
        Some(value)
    }

    /// A member that must be there.
    pub fn req(&mut self, name: &str) -> Read<&'a Value> {
        self.opt(name).ok_or_else(|| Refusal::Malformed(format!("{} is missing", self.at(name))))
    }

    /// True when the member is there; it is not taken.
    pub fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Ends the reading: a member that no table names is refused.
    pub fn done(self) -> Read<()> {
        match self.map.keys().find(|name| !self.taken.contains(&name.as_str())) {
            Some(name) => Err(Refusal::Malformed(format!("{} is not a member of this table", self.at(name)))),
            None => Ok(()),
        }
    }

    fn wrong_type<T>(&self, name: &str, value: &Value, want: &str) -> Read<T> {
        Err(Refusal::Malformed(format!("{} is {}, not {want}", self.at(name), value.kind())))
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Read<&'a str> {
        match self.req(name)? {
            Value::Text(text) => Ok(text),
            other => self.wrong_type(name, other, "a text"),
        }
    }

    /// A text that may be missing.
    pub fn opt_text(&mut self, name: &str) -> Read<Option<&'a str>> {
        if self.has(name) { self.text(name).map(Some) } else { Ok(None) }
    }

    /// A text that `fits`; `want` says what it should be.
    pub fn word(&mut self, name: &str, want: &str, fits: impl Fn(&str) -> bool) -> Read<String> {
        let text = self.text(name)?;
        if fits(text) {
            Ok(text.to_owned())
        } else {
            value(self.at(name), format!("{} is not {want}", Quote::of(text)))
        }
    }

    /// As [`Members::word`], for a member that may be missing.
    pub fn opt_word(&mut self, name: &str, want: &str, fits: impl Fn(&str) -> bool) -> Read<Option<String>> {
        if self.has(name) { self.word(name, want, fits).map(Some) } else { Ok(None) }
    }

    /// A text of 1 to `most` bytes.
    pub fn str(&mut self, name: &str, most: usize) -> Read<String> {
        let text = self.text(name)?;
        if is_text(text, most) {
            return Ok(text.to_owned());
        }
        value(self.at(name), format!("{} is not 1 to {most} bytes of text without control characters", Quote::of(text)))
    }

    /// As [`Members::str`], for a member that may be missing.
    pub fn opt_str(&mut self, name: &str, most: usize) -> Read<Option<String>> {
        if self.has(name) { self.str(name, most).map(Some) } else { Ok(None) }
    }

    /// One of some words.
    pub fn one_of<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Read<T> {
        let text = self.text(name)?;
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| Refusal::Value {
            member: self.at(name),
            why: format!(
                "{} is none of {}",
                Quote::of(text),
                words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
            ),
        })
    }

    /// A name.
    pub fn name(&mut self, name: &str) -> Read<Name> {
        let text = self.text(name)?;
        Name::new(text).ok_or_else(|| Refusal::Value {
            member: self.at(name),
            why: format!("{} is not [a-z0-9-]{{3,64}} without - at an end", Quote::of(text)),
        })
    }

    /// 64 lowercase hexadecimal digits.
    pub fn sha256(&mut self, name: &str) -> Read<Hash> {
        let text = self.text(name)?;
        Hash::from_hex(text).or_else(|error| value(self.at(name), error))
    }

    /// As [`Members::sha256`], for a member that may be missing.
    pub fn opt_sha256(&mut self, name: &str) -> Read<Option<Hash>> {
        if self.has(name) { self.sha256(name).map(Some) } else { Ok(None) }
    }

    /// An integer from `least` to `most`.
    pub fn int(&mut self, name: &str, least: u64, most: u64) -> Read<u64> {
        match self.req(name)? {
            Value::Int(number) => match u64::try_from(*number) {
                Ok(number) if (least..=most).contains(&number) => Ok(number),
                _ => value(self.at(name), format!("{number} is not in {least} to {most}")),
            },
            other => self.wrong_type(name, other, "a number"),
        }
    }

    /// A time.
    pub fn time(&mut self, name: &str) -> Read<Time> {
        self.int(name, 0, u64::MAX).map(Time::new)
    }

    /// As [`Members::time`], for a member that may be missing.
    pub fn opt_time(&mut self, name: &str) -> Read<Option<Time>> {
        if self.has(name) { self.time(name).map(Some) } else { Ok(None) }
    }

    /// A boolean.
    pub fn bool(&mut self, name: &str) -> Read<bool> {
        match self.req(name)? {
            Value::Bool(value) => Ok(*value),
            other => self.wrong_type(name, other, "a boolean"),
        }
    }

    /// An array of `least` to `most` items.
    pub fn array(&mut self, name: &str, least: usize, most: usize) -> Read<&'a [Value]> {
        match self.req(name)? {
            Value::Array(items) if (least..=most).contains(&items.len()) => Ok(items),
            Value::Array(items) => {
                value(self.at(name), format!("{} items, {least} to {most} belong here", items.len()))
            }
            other => self.wrong_type(name, other, "an array"),
        }
    }

    /// An array of texts that `fits`, in ascending order without doubles when `sorted`, else without doubles.
    pub fn texts(
        &mut self,
        name: &str,
        (least, most): (usize, usize),
        sorted: bool,
        want: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Read<Vec<String>> {
        let path = self.at(name);
        let mut texts: Vec<String> = Vec::new();
        for (at, item) in self.array(name, least, most)?.iter().enumerate() {
            let Value::Text(text) = item else {
                return Err(Refusal::Malformed(format!("{path}[{at}] is {}, not a text", item.kind())));
            };
            if !fits(text) {
                return value(format!("{path}[{at}]"), format!("{} is not {want}", Quote::of(text)));
            }
            texts.push(text.clone());
        }
        if sorted {
            check_sorted(&path, &texts)?;
        } else if texts.iter().enumerate().any(|(at, text)| texts[..at].contains(text)) {
            return value(path, "holds a value twice");
        }
        Ok(texts)
    }

    /// An array of objects, each read by `read`.
    pub fn objects<T>(
        &mut self,
        name: &str,
        (least, most): (usize, usize),
        mut read: impl FnMut(&mut Members<'a>) -> Read<T>,
    ) -> Read<Vec<T>> {
        let path = self.at(name);
        let items = self.array(name, least, most)?;
        let mut found = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let mut members = Members::of(format_args!("{path}[{at}]"), item)?;
            found.push(read(&mut members)?);
            members.done()?;
        }
        Ok(found)
    }

    /// An object, read by `read`.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Members<'a>) -> Read<T>) -> Read<T> {
        let path = self.at(name);
        let mut members = Members::of(path, self.req(name)?)?;
        let found = read(&mut members)?;
        members.done()?;
        Ok(found)
    }

    /// As [`Members::object`], for a member that may be missing.
    pub fn opt_object<T>(&mut self, name: &str, read: impl FnOnce(&mut Members<'a>) -> Read<T>) -> Read<Option<T>> {
        if self.has(name) { self.object(name, read).map(Some) } else { Ok(None) }
    }

    /// A vkey of `kind` whose name a leaf may hold; an Ed25519 key is canonical and not of small order [L-6].
    pub fn vkey(&mut self, name: &str, kind: KeyKind) -> Read<Vkey> {
        let path = self.at(name);
        read_vkey(&path, self.text(name)?, kind)
    }
}

/// Reads a vkey that stands at `path`.
pub fn read_vkey(path: &str, text: &str, kind: KeyKind) -> Read<Vkey> {
    let vkey = match Vkey::parse_strict(text) {
        Ok(vkey) => vkey,
        Err(error) => return value(path, error),
    };
    if vkey.kind() != kind {
        return value(path, format!("a key of type {}, {kind} belongs here", vkey.kind()));
    }
    if leaf_key_name(vkey.name()) {
        Ok(vkey)
    } else {
        value(path, format!("{} is not a key name that a leaf may hold", Quote::of(vkey.name())))
    }
}

/// Refuses what is not ascending without doubles [L-8].
pub fn check_sorted<T: Ord>(path: &str, items: &[T]) -> Read<()> {
    if items.windows(2).all(|pair| pair[0] < pair[1]) {
        Ok(())
    } else {
        value(path, "not in ascending order, or a value stands twice")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn words_take_and_refuse() {
        // [L-1] [L-2] [L-3] [L-4] [L-5] [L-6]
        let most = "n".repeat(64);
        for name in ["abc", "a-b", "0-9", most.as_str()] {
            assert!(is_name(name), "{name}");
        }
        for name in ["ab", "-ab", "ab-", "aBc", "a_b", "n".repeat(65).as_str()] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_text("Z\u{fc}rich", 7) && !is_text("Z\u{fc}rich", 6) && !is_text("", 6));
        for bad in ['\u{1f}', '\u{7f}', '\u{9f}', '\u{61c}', '\u{200e}', '\u{2029}', '\u{202e}', '\u{2066}'] {
            assert!(!is_text(&bad.to_string(), 9), "{bad:?}");
        }
        for date in ["2024-02-29", "2000-02-29", "2026-12-31"] {
            assert!(is_date(date), "{date}");
        }
        for date in [
            "2023-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-1-01",
            "2026-00-10",
            "2026-01-00",
            "2026-01-0\u{663}",
        ] {
            assert!(!is_date(date), "{date}");
        }
        assert!(
            is_country("ZZ")
                && !is_country("Zz")
                && is_region("EU")
                && is_region("A1")
                && !is_region("E")
                && !is_region("1A")
        );
        assert!(
            is_site("CH-ZH-1")
                && is_site("DE-1")
                && !is_site("CH")
                && !is_site("CH-")
                && !is_site("CH-A-B-C-D")
                && !is_site("C-ZH")
        );
        assert!(is_versioned_purl("pkg:deb/debian/hello@2.10-3?arch=amd64") && is_versioned_purl("pkg:npm/%40a/b@1#x"));
        assert!(
            !is_versioned_purl("pkg:npm/@a/b")
                && !is_versioned_purl("pkg:deb/hello@?x=@1")
                && !is_versioned_purl("deb/a@1")
        );
        assert!(
            is_keyid("build.example.com+0123abcd") && !is_keyid("build.example.com+0123ABCD") && !is_keyid("+0123abcd")
        );
    }

    #[test]
    fn a_table_leaves_nothing_over() {
        // [L-7] [L-8]
        let value = json::parse(br#"{"a":"x","b":[1],"c":2}"#).unwrap();
        let mut members = Members::of("body", &value).unwrap();
        assert_eq!(members.text("a").unwrap(), "x");
        assert_eq!(members.text("c"), Err(Refusal::Malformed("body.c is a number, not a text".to_string())));
        assert_eq!(members.text("d"), Err(Refusal::Malformed("body.d is missing".to_string())));
        assert_eq!(members.done(), Err(Refusal::Malformed("body.b is not a member of this table".to_string())));
        assert!(check_sorted("p", &[1, 2, 3]).is_ok());
        assert_eq!(check_sorted("p", &[1, 1]).unwrap_err().code(), "value");
        assert_eq!(check_sorted("p", &[2, 1]).unwrap_err().code(), "value");
    }
}
