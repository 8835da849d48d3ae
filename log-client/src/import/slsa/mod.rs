//! Builds from SLSA provenance: an artifact and the file with its attestations become a `build` (74-slsa.md, M; docs/import.md).
//!
//! Modules in reading order: the file and what is signed in it, who signed, what the statement says, the event of it, and whether
//! it is in the log already. Not here: the chain of a certificate, transparency logs, publish attestations, which nobody checks
//! and every event says so; sending (`commands::import_slsa`).

pub mod bundle;
pub mod certificate;
pub mod provenance;
pub mod artifact;
pub mod judged;
pub mod build;
pub mod known;
#[cfg(test)]
mod tests;

use vitrine_spec::json::Value;

/// The member at a path of names with dots between them; `null` stands for a member that is not there, as in protobuf's JSON.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, Value::get).filter(|found| **found != Value::Null)
}

/// The elements of the array at a path; none when there is no array.
fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    match at(value, path) {
        Some(Value::Array(list)) => list,
        Some(_) | None => &[],
    }
}

/// The text at a path.
fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    at(value, path).and_then(Value::as_text)
}
