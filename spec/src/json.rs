//! Strict JSON and its one spelling, JCS (60-json-envelope.md, J; RFC 8259, RFC 8785).
//!
//! What two readers could understand differently is refused. Not here: fractions, exponents, and what any member means.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The largest integer that every JSON reader holds exactly: 2^53 − 1 [J-5].
pub const INT_MAX: i64 = (1 << 53) - 1;

/// The same for numbers that are never negative.
pub const UINT_MAX: u64 = INT_MAX.unsigned_abs();
/// Containers inside each other, the outermost counted [J-6].
pub const DEPTH_MAX: usize = 16;

/// A JSON value. Object keys are ASCII, so byte order is the order of JCS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer, at most [`INT_MAX`] away from 0.
    Int(i64),
    /// A text.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(BTreeMap<String, Value>),
}

/// Which rule of strict JSON is broken, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8, or begins with a byte order mark [J-2].
    #[error("byte {0} is not UTF-8 without a byte order mark")]
    Utf8(usize),
    /// Not the grammar of RFC 8259.
    #[error("byte {0} is not what JSON has there")]
    Syntax(usize),
    /// Something follows the value.
    #[error("byte {0} follows the end of the value")]
    Trailing(usize),
    /// A member name that the object holds already [J-3].
    #[error("the member name that ends at byte {0} stands twice in its object")]
    Duplicate(usize),
    /// A member name that is not ASCII [J-3].
    #[error("the member name that ends at byte {0} is not ASCII")]
    Name(usize),
    /// A surrogate without its other half [J-4].
    #[error("the escape at byte {0} is half of a surrogate pair")]
    Surrogate(usize),
    /// U+0000, escaped or not [J-4].
    #[error("byte {0} stands for U+0000")]
    Nul(usize),
    /// A number that is no integer in its one spelling, or too large.
    #[error(
        "the number at byte {0} is not an integer of at most 2^53 - 1 without leading zeros, sign of zero, fraction or exponent"
    )]
    Number(usize),
    /// More than [`DEPTH_MAX`] containers inside each other.
    #[error("byte {0} opens a container more than 16 deep")]
    Depth(usize),
}

/// Reads one value under the strict rules [J-1].
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    Ok(parse_spelled(bytes)?.0)
}

/// The same, and whether it was read in its one spelling: true only when [`Value::to_jcs`] would give these very bytes [J-7].
pub fn parse_spelled(bytes: &[u8]) -> Result<(Value, bool), JsonError> {
    let text = core::str::from_utf8(bytes).map_err(|error| JsonError::Utf8(error.valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        return Err(JsonError::Utf8(0));
    }
    let mut parser = Parser { text, at: 0, spelled: true };
    let value = parser.value(0)?;
    parser.blanks();
    if parser.at == bytes.len() { Ok((value, parser.spelled)) } else { Err(JsonError::Trailing(parser.at)) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// Nothing was read so far that JCS spells another way.
    spelled: bool,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
            self.spelled = false;
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(JsonError::Syntax(self.at))
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(JsonError::Syntax(self.at))
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.blanks();
        match self.peek() {
            Some(b'{' | b'[') if depth == DEPTH_MAX => Err(JsonError::Depth(self.at)),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Value::Text),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(JsonError::Syntax(self.at)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        let mut members = BTreeMap::new();
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            if !name.is_ascii() {
                return Err(JsonError::Name(self.at));
            }
            let end = self.at;
            self.blanks();
            self.take(b':')?;
            let value = self.value(depth)?;
            self.spelled &= members.last_key_value().is_none_or(|(before, _)| *before < name);
            if members.insert(name, value).is_some() {
                return Err(JsonError::Duplicate(end));
            }
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.take(b'}')?;
                return Ok(Value::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        let mut items = Vec::new();
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.take(b']')?;
                return Ok(Value::Array(items));
            }
        }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let digits = text.strip_prefix('-').unwrap_or(text);
        let one_spelling = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits == "0") == digits.starts_with('0')
            && text != "-0";
        match text.parse::<i64>() {
            Ok(number) if one_spelling && number.unsigned_abs() <= INT_MAX.unsigned_abs() => Ok(Value::Int(number)),
            _ => Err(JsonError::Number(start)),
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.take(b'"')?;
        let mut text = String::new();
        let mut from = self.at;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            self.at += rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count();
            match self.peek() {
                Some(0) => return Err(JsonError::Nul(self.at)),
                Some(b'"') => {
                    text.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.push_str(&self.text[from..self.at]);
                    text.push(self.escape()?);
                    from = self.at;
                }
                None | Some(_) => return Err(JsonError::Syntax(self.at)),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.at += 1;
        let letter = self.peek().ok_or(JsonError::Syntax(self.at))?;
        self.at += 1;
        let plain = match letter {
            b'"' | b'\\' => char::from(letter),
            b'/' => {
                self.spelled = false;
                '/'
            }
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unit(start),
            _ => return Err(JsonError::Syntax(self.at - 1)),
        };
        Ok(plain)
    }

    fn unit(&mut self, start: usize) -> Result<char, JsonError> {
        let first = self.four_digits()?;
        let is_short = matches!(first, 8..=10 | 12 | 13);
        let digits = self.text.as_bytes().get(start..self.at).unwrap_or_default();
        self.spelled &= first < 0x20 && !is_short && !digits.iter().any(u8::is_ascii_uppercase);
        let code = match first {
            0 => return Err(JsonError::Nul(start)),
            0xd800..=0xdbff => {
                if self.peek() != Some(b'\\') || self.text.as_bytes().get(self.at + 1) != Some(&b'u') {
                    return Err(JsonError::Surrogate(start));
                }
                self.at += 2;
                let second = self.four_digits()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(JsonError::Surrogate(start));
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or(JsonError::Surrogate(start))
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16)).ok_or(JsonError::Syntax(self.at))?;
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

impl Value {
    /// The one spelling of RFC 8785 [J-7].
    pub fn to_jcs(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.print(&mut out);
        out
    }

    fn print(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Text(text) => print_text(text, out),
            Value::Array(items) => {
                out.push(b'[');
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    item.print(out);
                }
                out.push(b']');
            }
            Value::Object(members) => {
                out.push(b'{');
                for (number, (name, value)) in members.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    print_text(name, out);
                    out.push(b':');
                    value.print(out);
                }
                out.push(b'}');
            }
        }
    }

    /// An object of these members.
    pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
        Value::Object(members.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }

    /// The member `name`, when this is an object that holds it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.get(name),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Array(_) => None,
        }
    }

    /// The text, when this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The word for its type in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "a number",
            Value::Text(_) => "a text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

fn print_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            8 => b"\\b",
            9 => b"\\t",
            10 => b"\\n",
            12 => b"\\f",
            13 => b"\\r",
            0..=0x1f => b"\\u00",
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(escape);
        if escape.len() == 4 {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn one_spelling_comes_out_of_any() {
        // [J-1] [J-7]
        let spelled = br#" {"b" : [1, -2,0, true,false,null], "a\u0041": "\u00e9\ud83d\ude00\u0001\/\n\"\\" } "#;
        let value = parse(spelled).unwrap();
        let printed = "{\"aA\":\"\u{e9}\u{1f600}\\u0001/\\n\\\"\\\\\",\"b\":[1,-2,0,true,false,null]}";
        assert_eq!(String::from_utf8(value.to_jcs()).unwrap(), printed);
        assert_eq!(parse(printed.as_bytes()).unwrap(), value);
    }

    #[test]
    fn what_is_read_in_its_one_spelling_is_known_without_printing() {
        // [J-7]
        for (text, spelled) in [
            ("{\"a\":1,\"b\":[\"\\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u001f/\u{e9}\u{7f}\",-2,null]}", true),
            (r#"{"b":1,"a":2}"#, false),
            (r#"{"a":1 }"#, false),
            (" 1", false),
            ("1\n", false),
            (r#""\/""#, false),
            (r#""\u001F""#, false),
            (r#""\u000a""#, false),
            (r#""\u0041""#, false),
            (r#""\ud83d\ude00""#, false),
        ] {
            let read = parse_spelled(text.as_bytes()).unwrap();
            assert_eq!((read.1, read.0.to_jcs() == text.as_bytes()), (spelled, spelled), "{text}");
        }
    }

    const PARTS: [&str; 28] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        r#""a":"#,
        r#""b":"#,
        r#""A":"#,
        "\"",
        " ",
        "\n",
        "0",
        "12",
        "-1",
        "true",
        "null",
        r#""x""#,
        r"\n",
        r"\/",
        r"\u000a",
        r"\u001f",
        r"\u001F",
        r"\u0041",
        r#"\""#,
        r"\\",
        "\u{e9}",
        r"\ud83d\ude00",
    ];

    proptest::proptest! {
        #[test]
        fn a_spelling_is_known_whatever_it_is(parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..12)) {
            // [J-7]
            let text = parts.concat();
            for text in [text.clone(), format!("[\"{text}\"]"), format!("{{\"a\":1,{text}\"c\":2}}")] {
                if let Ok((value, spelled)) = parse_spelled(text.as_bytes()) {
                    proptest::prop_assert_eq!(spelled, value.to_jcs() == text.as_bytes(), "{}", text);
                }
            }
        }
    }

    #[test]
    fn each_strict_rule_refuses() {
        // [J-2] [J-3] [J-4] [J-5] [J-6]
        let cases: [(&[u8], JsonError); 24] = [
            (b"", JsonError::Syntax(0)),
            (b"\xef\xbb\xbf{}", JsonError::Utf8(0)),
            (b"\"\xff\"", JsonError::Utf8(1)),
            (b"{} x", JsonError::Trailing(3)),
            (b"{}{}", JsonError::Trailing(2)),
            (br#"{"a":1,"\u0061":2}"#, JsonError::Duplicate(15)),
            (b"{\"\xc3\xa9\":1}", JsonError::Name(5)),
            (br#""\ud800""#, JsonError::Surrogate(1)),
            (br#""\ud800\u0041""#, JsonError::Surrogate(1)),
            (br#""\udc00""#, JsonError::Surrogate(1)),
            (br#""\u0000""#, JsonError::Nul(1)),
            (b"\"\x00\"", JsonError::Nul(1)),
            (b"\"\x01\"", JsonError::Syntax(1)),
            (b"-0", JsonError::Number(0)),
            (b"1.0", JsonError::Number(0)),
            (b"1e3", JsonError::Number(0)),
            (b"01", JsonError::Number(0)),
            (b"9007199254740992", JsonError::Number(0)),
            (b"-9007199254740992", JsonError::Number(0)),
            (b"99999999999999999999", JsonError::Number(0)),
            (b"[1,]", JsonError::Syntax(3)),
            (b"{\"a\":1,}", JsonError::Syntax(7)),
            (b"[NaN]", JsonError::Syntax(1)),
            (br#""\x41""#, JsonError::Syntax(2)),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(parse(b"9007199254740991"), Ok(Value::Int(INT_MAX)));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(16).as_bytes()).is_ok());
        assert_eq!(parse(nested(17).as_bytes()), Err(JsonError::Depth(16)));
        assert_eq!(parse(nested(100_000).as_bytes()), Err(JsonError::Depth(16)));
    }
}
