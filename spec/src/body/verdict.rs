//! `verdict`: whoever verified an update says what came of it, as a SLSA VSA v1 does (70-leaves.md, L).
//!
//! Not here: which update it is about (`hdr.refs`, judged by `admission`), and whose verdict a customer asks for (`trust`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::hash::Hash;
use crate::refusal::Refusal;
use crate::text::Quote;
use crate::words::{self, Members, Read, value};

/// What came of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictResult {
    /// The policy is kept.
    Passed,
    /// It is not.
    Failed,
}

impl VerdictResult {
    /// The words of a leaf, and of a VSA.
    pub const WORDS: [(&'static str, VerdictResult); 2] =
        [("PASSED", VerdictResult::Passed), ("FAILED", VerdictResult::Failed)];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            VerdictResult::Passed => "PASSED",
            VerdictResult::Failed => "FAILED",
        }
    }
}

/// What was verified against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where it is.
    pub uri: String,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
}

/// The body of `verdict`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What came of it.
    pub result: VerdictResult,
    /// Who verified.
    pub verifier: String,
    /// Against what.
    pub policy: Policy,
    /// The highest level of each track that was verified; none when it failed.
    pub levels: Vec<String>,
    /// The version of SLSA that `levels` speak of.
    pub slsa_version: Option<String>,
    /// The attachment that is the report.
    pub report: Option<Hash>,
}

impl Verdict {
    /// Reads the table [L-28].
    pub fn read(members: &mut Members<'_>) -> Read<Verdict> {
        let verdict = Verdict {
            result: members.one_of("result", &VerdictResult::WORDS)?,
            verifier: members.str("verifier", 512)?,
            policy: members.object("policy", |policy| {
                Ok(Policy { uri: policy.str("uri", 512)?, sha256: policy.sha256("sha256")? })
            })?,
            levels: members.texts("levels", (0, 16), true, "1 to 64 bytes of text, and not FAILED", |text| {
                words::is_text(text, 64) && text != VerdictResult::Failed.name()
            })?,
            slsa_version: members.opt_word("slsa_version", "a version such as 1.0", is_version)?,
            report: members.opt_sha256("report")?,
        };
        let second = |(at, level): &(usize, &String)| {
            track(level).is_some() && verdict.levels[..*at].iter().any(|other| track(other) == track(level))
        };
        if let Some((_, level)) = verdict.levels.iter().enumerate().find(second) {
            return value(
                "body.levels",
                format!("{} is a second level of its track; the highest implies the others", Quote::of(level)),
            );
        }
        Ok(verdict)
    }

    /// Refuses levels beside a failure [L-28].
    pub fn check(&self) -> Read<()> {
        if self.result == VerdictResult::Failed && !self.levels.is_empty() {
            return Err(Refusal::Outcome(format!(
                "the result is FAILED, {} levels are said to be verified",
                self.levels.len()
            )));
        }
        Ok(())
    }
}

/// The track of a level that SLSA names, such as `SLSA_BUILD` of `SLSA_BUILD_LEVEL_3`.
fn track(level: &str) -> Option<&str> {
    level.split_once("_LEVEL_").map(|(track, _)| track).filter(|track| track.starts_with("SLSA_"))
}

/// True for `<major>.<minor>`, in decimal, of at most 16 bytes.
fn is_version(text: &str) -> bool {
    let number = |part: &str| part.parse::<u64>().is_ok_and(|number| format!("{number}") == part);
    text.len() <= 16 && text.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor))
}
