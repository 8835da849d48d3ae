//! Makes those of our own vectors that hold signatures: verdicts, the drill, conversations with a witness, cosigned checkpoints, evidence.
//!
//! From the oracle and three libraries (Ed25519, ML-DSA-44, JCS), without any code of `spec`, so that a vector never agrees with the product
//! by being made by it. A test compares what is made with `spec/vectors`. Not here: vectors that are written by hand.

mod world;
mod verdicts;
mod signed;
mod bundles;
mod evidence;
mod drill;

use serde_json::Value;

/// The folder all of whose files are made.
pub const DRILL: &str = "drill";

/// Path below `spec/vectors` and bytes of every file that is made.
#[must_use]
pub fn files() -> Vec<(String, Vec<u8>)> {
    let json = [
        ("bundle/files.json", bundles::files()),
        ("evidence/files.json", evidence::files()),
        ("evidence/requests.json", evidence::requests()),
        ("policy/cosigned.json", signed::policies()),
        ("verdict/updates.json", verdicts::updates()),
        ("witness/growth.json", signed::conversations()),
    ];
    let json = json.into_iter().map(|(path, file)| (path.to_owned(), print(&file).into_bytes()));
    json.chain(drill::files()).collect()
}

/// JSON as it is written: two blanks of indent and a newline at its end.
fn print(file: &Value) -> String {
    format!("{file:#}\n")
}
