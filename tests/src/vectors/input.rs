//! Reading vector files: JSON members, texts that need not be UTF-8, and long texts told in few words.
//!
//! A file that is not as its row says is an error with its name, never a skipped case. Not here: what the cases mean.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use vitrine_spec::hash::Hash;
use vitrine_spec::key::Vkey;

/// What a runner says when a file is not what its row says.
pub(super) type Outcome<T = ()> = Result<T, String>;

/// A vector file, or a folder of them, below the directory that is run.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// The directory that is run.
    pub root: PathBuf,
    /// The file or folder, relative to it.
    pub path: String,
}

impl Input {
    /// The bytes of the file.
    pub(super) fn bytes(&self) -> Outcome<Vec<u8>> {
        self.read("")
    }

    /// The bytes of a file below the folder.
    pub(super) fn read(&self, below: &str) -> Outcome<Vec<u8>> {
        let path = self.root.join(&self.path).join(below);
        // `join("")` would leave a slash at the end, with which a file does not open.
        let path = if below.is_empty() { self.root.join(&self.path) } else { path };
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// A file below the folder, which is text.
    pub(super) fn text(&self, below: &str) -> Outcome<String> {
        String::from_utf8(self.read(below)?).map_err(|error| format!("{}/{below}: {error}", self.path))
    }

    /// The file as JSON.
    pub(super) fn json(&self) -> Outcome<Value> {
        serde_json::from_slice(&self.bytes()?).map_err(|error| format!("{}: {error}", self.path))
    }
}

/// A member, which must be there.
pub(super) fn member<'v>(value: &'v Value, name: &str) -> Outcome<&'v Value> {
    value.get(name).ok_or_else(|| format!("member {name:?} is missing in {}", short(value)))
}

/// A member that is a text.
pub(super) fn word<'v>(value: &'v Value, name: &str) -> Outcome<&'v str> {
    member(value, name)?.as_str().ok_or_else(|| format!("member {name:?} is no text in {}", short(value)))
}

/// A member that is a number.
pub(super) fn number(value: &Value, name: &str) -> Outcome<u64> {
    member(value, name)?.as_u64().ok_or_else(|| format!("member {name:?} is no number in {}", short(value)))
}

/// A member that is an array.
pub(super) fn array<'v>(value: &'v Value, name: &str) -> Outcome<&'v [Value]> {
    let array = member(value, name)?.as_array();
    array.map(Vec::as_slice).ok_or_else(|| format!("member {name:?} is no array in {}", short(value)))
}

/// A member that is an array of texts.
pub(super) fn words(value: &Value, name: &str) -> Outcome<Vec<String>> {
    let texts = array(value, name)?.iter().map(|text| text.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().ok_or_else(|| format!("member {name:?} holds more than texts in {}", short(value)))
}

/// The bytes of a text member: `name`, `name_b64`, or an object `{before?, repeat, times, after?}` under `name`.
pub(super) fn text(value: &Value, name: &str) -> Outcome<Vec<u8>> {
    if let Some(encoded) = value.get(format!("{name}_b64")) {
        let encoded = encoded.as_str().ok_or_else(|| format!("member \"{name}_b64\" is no text"))?;
        return unb64(encoded);
    }
    let text = member(value, name)?;
    match text.as_str() {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => {
            let side = |name| text.get(name).and_then(Value::as_str).unwrap_or_default();
            let times = usize::try_from(number(text, "times")?).map_err(|error| error.to_string())?;
            Ok([side("before"), &word(text, "repeat")?.repeat(times), side("after")].concat().into_bytes())
        }
    }
}

/// Base64 as a foreign file has it.
pub(super) fn unb64(text: &str) -> Outcome<Vec<u8>> {
    STANDARD.decode(text).map_err(|error| format!("{text:?}: {error}"))
}

/// Hexadecimal as a foreign file has it.
pub(super) fn unhex(text: &str) -> Outcome<Vec<u8>> {
    let pair = |at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes = (0..text.len()).step_by(2).map(pair).collect::<Option<_>>();
    bytes.ok_or_else(|| format!("{text:?} is not hexadecimal"))
}

/// A hash in base64 that a file says is one.
pub(super) fn hash(text: &str) -> Outcome<Hash> {
    Hash::from_b64(text).map_err(|error| format!("{text:?}: {error}"))
}

/// Vkeys that a file says are good.
pub(super) fn vkeys(value: &Value, name: &str) -> Outcome<Vec<Vkey>> {
    words(value, name)?.iter().map(|text| Vkey::parse(text).map_err(|error| format!("{text}: {error}"))).collect()
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    text.chars().take(120).collect()
}
