//! The spelling of JSON by other people's code: `serde_json` reads, `serde_json_canonicalizer` prints (RFC 8785).
//!
//! Both are wider than our strict rules: fractions, duplicate names, any depth. So they say what the one spelling of a value
//! is, and never that something must be taken. Not here: the rules of the strict reader.

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
