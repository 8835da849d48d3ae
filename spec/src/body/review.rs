//! `code-review` and `incident` (leaf-format.md 4).
//!
//! Not here: whether a review covers the source of a build, which verdicts compare.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::hash::Hash;
use crate::json::UINT_MAX;
use crate::refusal::{CODES, Refusal, WAIT_CODES};
use crate::statement::Place;
use crate::words::{self, Members, Name, Read, value};

/// What came of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// Nothing was found.
    NoFinding,
    /// Something was found.
    Findings,
    /// Nobody can say.
    Inconclusive,
}

impl ReviewOutcome {
    /// The words of a leaf.
    pub const WORDS: [(&'static str, ReviewOutcome); 3] = [
        ("no-finding", ReviewOutcome::NoFinding),
        ("findings", ReviewOutcome::Findings),
        ("inconclusive", ReviewOutcome::Inconclusive),
    ];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            ReviewOutcome::NoFinding => "no-finding",
            ReviewOutcome::Findings => "findings",
            ReviewOutcome::Inconclusive => "inconclusive",
        }
    }
}

/// The body of `code-review`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Of what.
    pub purl: Option<String>,
    /// Where.
    pub centre: String,
    /// By whom.
    pub organisation: String,
    /// Which components.
    pub scope: Vec<String>,
    /// How.
    pub method: String,
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
    /// What came of it.
    pub outcome: ReviewOutcome,
    /// Findings that are critical, high, medium, low, and for information.
    pub findings: [u64; 5],
    /// The attachment that is the report.
    pub report: Option<Hash>,
}

impl Review {
    /// Reads the table [L-23].
    pub fn read(members: &mut Members<'_>) -> Read<Review> {
        let review = Review {
            purl: members.opt_word("purl", "a purl", words::is_purl)?,
            centre: members.str("centre", 128)?,
            organisation: members.str("organisation", 128)?,
            scope: members.texts("scope", (1, 64), true, "1 to 256 bytes of text", |text| words::is_text(text, 256))?,
            method: members.str("method", 256)?,
            from: members.word("from", "a day that exists, as YYYY-MM-DD", words::is_date)?,
            to: members.word("to", "a day that exists, as YYYY-MM-DD", words::is_date)?,
            outcome: members.one_of("outcome", &ReviewOutcome::WORDS)?,
            findings: members.object("findings", |findings| {
                let mut found = [0; 5];
                for (number, name) in found.iter_mut().zip(["critical", "high", "medium", "low", "info"]) {
                    *number = findings.int(name, 0, UINT_MAX)?;
                }
                Ok(found)
            })?,
            report: members.opt_sha256("report")?,
        };
        if review.from > review.to {
            return value("body.to", format!("{} is before from, {}", review.to, review.from));
        }
        Ok(review)
    }

    /// Refuses an outcome that the findings contradict [L-23].
    pub fn check(&self) -> Read<()> {
        let none = self.findings == [0; 5];
        let fits = match self.outcome {
            ReviewOutcome::NoFinding => none,
            ReviewOutcome::Findings => !none,
            ReviewOutcome::Inconclusive => true,
        };
        let total = || self.findings.iter().fold(0_u64, |sum, found| sum.saturating_add(*found));
        if fits {
            Ok(())
        } else {
            Err(Refusal::Outcome(format!("the outcome is {}, {} findings are counted", self.outcome.name(), total())))
        }
    }
}

/// What an incident concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concerns {
    /// Nobody named.
    Nobody,
    /// An issuer.
    Issuer(Name),
    /// One place in its chain.
    Place(Place),
}

/// The body of `incident`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// `unopenable` to `logging-failure`.
    pub class: &'static str,
    /// What it concerns.
    pub concerns: Concerns,
    /// A code of a refusal.
    pub code: Option<String>,
}

impl Incident {
    /// Reads the table [L-24].
    pub fn read(members: &mut Members<'_>) -> Read<Incident> {
        const CLASSES: [(&str, &str); 7] = [
            ("unopenable", "unopenable"),
            ("unopenable-key", "unopenable-key"),
            ("record-invalid", "record-invalid"),
            ("silence", "silence"),
            ("policy-violation", "policy-violation"),
            ("witness-set-aside", "witness-set-aside"),
            ("logging-failure", "logging-failure"),
        ];
        let class = members.one_of("class", &CLASSES)?;
        let concerns = match (members.has("issuer"), members.has("epoch"), members.has("seq")) {
            (false, false, false) => Concerns::Nobody,
            (true, false, false) => Concerns::Issuer(members.name("issuer")?),
            (true, true, true) => Concerns::Place(Place {
                issuer: members.name("issuer")?,
                epoch: u32::try_from(members.int("epoch", 1, u64::from(u32::MAX))?).unwrap_or(u32::MAX),
                seq: members.int("seq", 1, UINT_MAX)?,
            }),
            _ => return Err(Refusal::Malformed("body: issuer, epoch and seq stand together, or issuer alone".into())),
        };
        let known = |text: &str| CODES.iter().chain(&WAIT_CODES).any(|(code, _)| *code == text);
        Ok(Incident { class, concerns, code: members.opt_word("code", "a code of a refusal", known)? })
    }
}
