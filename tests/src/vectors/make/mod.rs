//! Makes those of our own vectors that hold signatures: verdicts, conversations with a witness, cosigned checkpoints.
//!
//! From the oracle and two libraries (Ed25519, JCS), without any code of `spec`, so that a vector never agrees with the product
//! by being made by it. A test compares what is made with `spec/vectors`. Not here: vectors that are written by hand.

mod world;
mod verdicts;
mod signed;

use serde_json::Value;

/// Path below `spec/vectors` and content of every file that is made.
#[must_use]
pub fn files() -> Vec<(&'static str, Value)> {
    vec![
        ("policy/cosigned.json", signed::policies()),
        ("verdict/updates.json", verdicts::updates()),
        ("witness/growth.json", signed::conversations()),
    ]
}

/// A file as it is written: two blanks of indent and a newline at its end.
#[must_use]
pub fn print(file: &Value) -> String {
    format!("{file:#}\n")
}
