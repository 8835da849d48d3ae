//! Why an event or a request is not taken: one enum, one code, one status, words that name both sides (75-refusals.md, X).
//!
//! Not here: the decisions that give them (`envelope` to `admission`), and refusals of the witness protocol (`add_checkpoint`).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Display};

use crate::hash::Hash;
use crate::json::Value;

/// A refusal. The texts say what was found and what belongs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A missing, unknown or forbidden member, a wrong JSON type, or anything wrong with the envelope.
    Malformed(String),
    /// The payload is not the one spelling of its value.
    NotCanonical(String),
    /// No such issuer was ever opened.
    IssuerUnknown(String),
    /// The issuer was closed.
    IssuerClosed(String),
    /// Not the current epoch of the issuer, or of the role.
    Epoch {
        /// Whose epoch.
        issuer: String,
        /// What the event says.
        got: u64,
        /// What belongs there.
        want: u64,
    },
    /// The issuer may not log this type.
    TypeNotAllowed(String),
    /// More, fewer or other signers than asked.
    SignerSet(String),
    /// A signature does not verify.
    Signature {
        /// Its keyid.
        keyid: String,
    },
    /// A read request of a key that is no reader's.
    ReaderUnknown(String),
    /// A signed request whose time is over or too far ahead.
    Expired(String),
    /// Another position of the chain is next.
    Position {
        /// What the event says.
        got: (u64, Hash),
        /// The seq and prev that are next.
        want: (u64, Hash),
    },
    /// Another release number of the stream is next.
    ReleasePosition {
        /// What the event says.
        got: u64,
        /// What is next.
        want: u64,
    },
    /// Not the version after the charter in force, or not its successor.
    CharterVersion(String),
    /// `previous` or `last` does not name an event that it may name.
    Previous(String),
    /// Larger than its limit.
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The limit.
        most: usize,
    },
    /// For another log.
    Origin {
        /// What the event says.
        got: String,
        /// This log's.
        want: String,
    },
    /// A type that nobody defines, or that the charter does not take.
    TypeUnknown(String),
    /// A type that is defined and not taken by this version yet.
    TypeLater(String),
    /// A value that breaks its constraint.
    Value {
        /// The member, as a path.
        member: String,
        /// What is wrong.
        why: String,
    },
    /// `recorded` is more than 60 s ahead.
    TooEarly {
        /// What the event says.
        recorded: u64,
        /// The server's clock.
        now: u64,
    },
    /// A time that goes back in its chain.
    ClockOrder(String),
    /// A site missing, given where none is listed, or not listed.
    Site(String),
    /// A key or keyid that this log knows already.
    KeyReused(String),
    /// Not a stream of this issuer, or a stream of another one.
    Stream(String),
    /// A reference to an event that is not in the log.
    RefMissing(String),
    /// A reference of the wrong kind or number.
    RefKind(String),
    /// The subject does not fit the type.
    Subject(String),
    /// A file that no build named holds.
    NotInBuild(String),
    /// An outcome that its own facts contradict.
    Outcome(String),
    /// No such sealing key is open.
    SealingKey(String),
    /// The sealed record is not the one that the event names.
    SealedMismatch(String),
    /// A named attachment is not here.
    AttachmentMissing(String),
    /// Past the published size.
    Range(String),
    /// Too many requests.
    Rate(String),
    /// The issuer has used up its share.
    Quota(String),
    /// No quorum of witnesses: nothing can be acknowledged.
    QuorumUnavailable(String),
    /// Too little room on the disk.
    DiskFull {
        /// Bytes free.
        free: u64,
        /// Bytes that must stay free.
        least: u64,
    },
    /// Not ready to admit anything.
    Starting(String),
    /// The server's clock cannot be right.
    Clock {
        /// The clock.
        now: u64,
        /// The last signed time.
        signed: u64,
    },
    /// Taken, but its checkpoint has no quorum yet.
    Pending(String),
    /// A line after one that was refused.
    Skipped,
}

/// Every code with its status, in the order of the enum.
pub const CODES: [(&str, u16); 39] = [
    ("malformed", 400),
    ("not-canonical", 400),
    ("issuer-unknown", 403),
    ("issuer-closed", 403),
    ("epoch", 403),
    ("type-not-allowed", 403),
    ("signer-set", 403),
    ("signature", 403),
    ("reader-unknown", 403),
    ("expired", 403),
    ("position", 409),
    ("release-position", 409),
    ("charter-version", 409),
    ("previous", 409),
    ("too-large", 413),
    ("origin", 422),
    ("type-unknown", 422),
    ("type-later", 422),
    ("value", 422),
    ("too-early", 422),
    ("clock-order", 422),
    ("site", 422),
    ("key-reused", 422),
    ("stream", 422),
    ("ref-missing", 422),
    ("ref-kind", 422),
    ("subject", 422),
    ("not-in-build", 422),
    ("outcome", 422),
    ("sealing-key", 422),
    ("sealed-mismatch", 422),
    ("attachment-missing", 422),
    ("range", 416),
    ("rate", 429),
    ("quota", 429),
    ("quorum-unavailable", 503),
    ("disk-full", 503),
    ("starting", 503),
    ("clock", 503),
];

/// The codes that stand outside [`CODES`]: a wait that ended, and a line that was not looked at.
pub const WAIT_CODES: [(&str, u16); 2] = [("pending", 504), ("skipped", 424)];

impl Refusal {
    fn row(&self) -> (&'static str, u16) {
        match self {
            Refusal::Malformed(_) => CODES[0],
            Refusal::NotCanonical(_) => CODES[1],
            Refusal::IssuerUnknown(_) => CODES[2],
            Refusal::IssuerClosed(_) => CODES[3],
            Refusal::Epoch { .. } => CODES[4],
            Refusal::TypeNotAllowed(_) => CODES[5],
            Refusal::SignerSet(_) => CODES[6],
            Refusal::Signature { .. } => CODES[7],
            Refusal::ReaderUnknown(_) => CODES[8],
            Refusal::Expired(_) => CODES[9],
            Refusal::Position { .. } => CODES[10],
            Refusal::ReleasePosition { .. } => CODES[11],
            Refusal::CharterVersion(_) => CODES[12],
            Refusal::Previous(_) => CODES[13],
            Refusal::TooLarge { .. } => CODES[14],
            Refusal::Origin { .. } => CODES[15],
            Refusal::TypeUnknown(_) => CODES[16],
            Refusal::TypeLater(_) => CODES[17],
            Refusal::Value { .. } => CODES[18],
            Refusal::TooEarly { .. } => CODES[19],
            Refusal::ClockOrder(_) => CODES[20],
            Refusal::Site(_) => CODES[21],
            Refusal::KeyReused(_) => CODES[22],
            Refusal::Stream(_) => CODES[23],
            Refusal::RefMissing(_) => CODES[24],
            Refusal::RefKind(_) => CODES[25],
            Refusal::Subject(_) => CODES[26],
            Refusal::NotInBuild(_) => CODES[27],
            Refusal::Outcome(_) => CODES[28],
            Refusal::SealingKey(_) => CODES[29],
            Refusal::SealedMismatch(_) => CODES[30],
            Refusal::AttachmentMissing(_) => CODES[31],
            Refusal::Range(_) => CODES[32],
            Refusal::Rate(_) => CODES[33],
            Refusal::Quota(_) => CODES[34],
            Refusal::QuorumUnavailable(_) => CODES[35],
            Refusal::DiskFull { .. } => CODES[36],
            Refusal::Starting(_) => CODES[37],
            Refusal::Clock { .. } => CODES[38],
            Refusal::Pending(_) => WAIT_CODES[0],
            Refusal::Skipped => WAIT_CODES[1],
        }
    }

    /// The code: what problem documents, NDJSON lines and verdicts carry.
    pub fn code(&self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.row().1
    }

    /// The members of a problem document (RFC 9457), in JCS.
    ///
    /// `type` is `about:blank`, `title` the code in words, `code` the code; what a client needs to go on is there as a
    /// member of its own: `expected_seq`, `expected_prev`, `expected_release_seq`, `expected_epoch`.
    pub fn problem(&self) -> Value {
        let mut members: Vec<(&str, Value)> = alloc::vec![
            ("code", self.code().into()),
            ("detail", self.to_string().into()),
            ("status", Value::Int(i64::from(self.status()))),
            ("title", self.code().replace('-', " ").into()),
            ("type", "about:blank".into()),
        ];
        let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        match self {
            Refusal::Position { want: (seq, prev), .. } => {
                members.push(("expected_prev", prev.hex().into()));
                members.push(("expected_seq", int(*seq)));
            }
            Refusal::ReleasePosition { want, .. } => members.push(("expected_release_seq", int(*want))),
            Refusal::Epoch { want, .. } => members.push(("expected_epoch", int(*want))),
            _ => {}
        }
        Value::Object(members.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Malformed(why)
            | Refusal::NotCanonical(why)
            | Refusal::IssuerUnknown(why)
            | Refusal::IssuerClosed(why)
            | Refusal::TypeNotAllowed(why)
            | Refusal::SignerSet(why)
            | Refusal::ReaderUnknown(why)
            | Refusal::Expired(why)
            | Refusal::CharterVersion(why)
            | Refusal::Previous(why)
            | Refusal::TypeUnknown(why)
            | Refusal::TypeLater(why)
            | Refusal::ClockOrder(why)
            | Refusal::Site(why)
            | Refusal::KeyReused(why)
            | Refusal::Stream(why)
            | Refusal::RefMissing(why)
            | Refusal::RefKind(why)
            | Refusal::Subject(why)
            | Refusal::NotInBuild(why)
            | Refusal::Outcome(why)
            | Refusal::SealingKey(why)
            | Refusal::SealedMismatch(why)
            | Refusal::AttachmentMissing(why)
            | Refusal::Range(why)
            | Refusal::Rate(why)
            | Refusal::Quota(why)
            | Refusal::QuorumUnavailable(why)
            | Refusal::Starting(why)
            | Refusal::Pending(why) => f.write_str(why),
            Refusal::Epoch { issuer, got, want } => write!(f, "the epoch of {issuer} is {want}, the event says {got}"),
            Refusal::Signature { keyid } => write!(f, "the signature of {keyid} does not verify over this payload"),
            Refusal::Position { got, want } => write!(
                f,
                "the chain goes on with seq {} and prev {}, the event says seq {} and prev {}",
                want.0,
                want.1.hex(),
                got.0,
                got.1.hex()
            ),
            Refusal::ReleasePosition { got, want } => {
                write!(f, "the stream goes on with release_seq {want}, the event says {got}")
            }
            Refusal::TooLarge { what, got, most } => write!(f, "{what} of {got}, at most {most} are taken"),
            Refusal::Origin { got, want } => write!(f, "the event is for the log {got:?}, this is {want:?}"),
            Refusal::Value { member, why } => write!(f, "{member}: {why}"),
            Refusal::TooEarly { recorded, now } => {
                write!(f, "recorded is {recorded}, more than 60 s after the server's clock, {now}")
            }
            Refusal::DiskFull { free, least } => {
                write!(f, "{free} bytes are free on the log's disk, {least} must stay free")
            }
            Refusal::Clock { now, signed } => {
                write!(
                    f,
                    "the server's clock says {now}, but {signed} was signed already; nothing is signed until it agrees"
                )
            }
            Refusal::Skipped => f.write_str("not looked at: an earlier line of this body was refused"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_what_is_expected() {
        //
        let refusal = Refusal::Position { got: (3, Hash::new([1; 32])), want: (7, Hash::new([2; 32])) };
        let problem = refusal.problem();
        assert_eq!(problem.get("expected_seq"), Some(&Value::Int(7)));
        assert_eq!(problem.get("expected_prev").unwrap().as_text().unwrap(), "02".repeat(32));
        assert_eq!(problem.get("code").unwrap().as_text(), Some("position"));
        let words = refusal.to_string();
        assert!(words.contains("seq 7") && words.contains("seq 3"), "{words}");
    }

    #[test]
    fn codes_are_names_and_stand_once() {
        //
        let mut seen = alloc::collections::BTreeSet::new();
        for (code, status) in CODES.iter().chain(&WAIT_CODES) {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
            assert!((400..=504).contains(status), "{code} {status}");
            assert!(seen.insert(code), "{code} twice");
        }
        assert_eq!(Refusal::Skipped.code(), "skipped");
        assert_eq!(Refusal::Pending("p".to_string()).status(), 504);
    }
}
