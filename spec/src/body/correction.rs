//! `correction`: what an earlier event says is wrong; both stay (70-leaves.md, L).
//!
//! Of several the newest by entry counts. Not here: which events may be corrected, and by whom (`admission`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::fields::Field;
use crate::json;
use crate::refusal::Refusal;
use crate::text::Quote;
use crate::words::{self, Members, Read, value};

/// Why something is corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorrectionReason {
    /// It was wrong.
    Mistake,
    /// Something was left out.
    Incomplete,
    /// It was not known in time.
    Late,
    /// A law, a court or an authority asks for it.
    Legal,
}

impl CorrectionReason {
    /// The words of a leaf.
    pub const WORDS: [(&'static str, CorrectionReason); 4] = [
        ("mistake", CorrectionReason::Mistake),
        ("incomplete", CorrectionReason::Incomplete),
        ("late", CorrectionReason::Late),
        ("legal", CorrectionReason::Legal),
    ];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            CorrectionReason::Mistake => "mistake",
            CorrectionReason::Incomplete => "incomplete",
            CorrectionReason::Late => "late",
            CorrectionReason::Legal => "legal",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// The member of the body, as a path, or the field of a sealed record.
    pub name: String,
    /// What it should be, as JCS; none when that is not said, and always none of a sealed record.
    pub value: Option<String>,
}

/// The body of `correction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Why.
    pub reason: CorrectionReason,
    /// What.
    pub fields: Vec<Corrected>,
}

impl Correction {
    /// Reads the table [L-30].
    pub fn read(members: &mut Members<'_>) -> Read<Correction> {
        let reason = members.one_of("reason", &CorrectionReason::WORDS)?;
        let path = members.at("fields");
        let fields = members.objects("fields", (1, 24), |found| {
            Ok(Corrected {
                name: found.word("name", "a member of a body, such as source.uri or scope[0]", is_path)?,
                value: found.opt_word("value", "1 to 1024 bytes of text, a JSON value as JCS prints it", is_jcs)?,
            })
        })?;
        words::check_sorted(&path, &fields.iter().map(|found| found.name.as_str()).collect::<Vec<_>>())?;
        Ok(Correction { reason, fields })
    }

    /// Of a sealed record: names of its fields alone, and no value, which would be public [L-30].
    pub fn check_sealed(&self) -> Read<()> {
        for (at, found) in self.fields.iter().enumerate() {
            if Field::of(&found.name).is_none() {
                return value(
                    format!("body.fields[{at}].name"),
                    format!("{} is none of the 24 fields of a sealed record", Quote::of(&found.name)),
                );
            }
            if found.value.is_some() {
                return Err(Refusal::Malformed(format!(
                    "body.fields[{at}].value would show a field of a sealed record to everybody"
                )));
            }
        }
        Ok(())
    }
}

/// True for member names joined by `.`, each with places in arrays: `findings.high`, `regions[2].sites[0]`; at most 128 bytes.
fn is_path(text: &str) -> bool {
    let member = |part: &str| {
        let (name, places) = part.split_once('[').map_or((part, None), |(name, places)| (name, Some(places)));
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        starts
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && places.is_none_or(|places| places.strip_suffix(']').is_some_and(|p| p.split("][").all(is_place)))
    };
    text.len() <= 128 && text.split('.').all(member)
}

fn is_place(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|number| format!("{number}") == text)
}

fn is_jcs(text: &str) -> bool {
    words::is_text(text, 1_024) && json::parse_spelled(text.as_bytes()).is_ok_and(|(_, spelled)| spelled)
}
