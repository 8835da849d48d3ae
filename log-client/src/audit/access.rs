//! One access as an audit with a reader's key sees it, and who wants to see them (leaf-format.md 6, "Who is to blame").
//!
//! Accesses come in the order of the log, one after the other, and are kept by nobody who does not ask for them: what they hold
//! is personal. Not here: opening them (`records`), counting them (`counts`).

use vitrine_spec::fields::Values;

/// Whose fault it is that a record shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blame {
    /// The log: it served no record, another one than the leaf's, or zeros that no erasure explains.
    Log,
    /// The issuer that sealed it: shown to a third party by the key of that hour and the record.
    Issuer,
    /// Nobody yet: the wrap of its sealing key does not open, which is this reader's word alone.
    Wrap,
    /// Nobody: its sealing key was made before this reader was one.
    Nobody,
}

impl Blame {
    /// In words, for a person.
    pub const fn word(self) -> &'static str {
        match self {
            Blame::Log => "the log",
            Blame::Issuer => "the issuer",
            Blame::Wrap => "one reader's word",
            Blame::Nobody => "nobody",
        }
    }
}

/// What a record showed.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Everything: each value keeps to the table, all 24 commitments are those of the leaf.
    Opened(Values),
    /// Nothing, by right: an erasure names it.
    Erased {
        /// The entry of the erasure.
        by: u64,
        /// On whose authority it was done, in the words of that entry.
        authority: String,
    },
    /// Nothing.
    NotOpened {
        /// Both sides, in a sentence.
        why: String,
        /// Whose fault it is.
        blame: Blame,
    },
}

/// An `access` of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// Its entry.
    pub index: u64,
    /// Who logged it.
    pub issuer: String,
    /// Epoch of the issuer.
    pub epoch: u32,
    /// Position in the chain.
    pub seq: u64,
    /// The full hour in which its issuer says it was recorded, seconds since 1970.
    pub recorded: u64,
    /// What its record showed.
    pub state: State,
}

impl Access {
    /// Its values, when it showed them.
    pub fn values(&self) -> Option<&Values> {
        match &self.state {
            State::Opened(values) => Some(values),
            State::Erased { .. } | State::NotOpened { .. } => None,
        }
    }
}

/// When an access happened, in whole seconds since 1970; what is said to be before that is at 0, outside every period.
pub fn occurred(values: &Values) -> u64 {
    u64::try_from(values.occurred_at_ms()).unwrap_or_default() / 1_000
}

/// Who wants to see the accesses of an audit.
///
/// With a window, what was recorded from its first hour on is shown; a question is shown what was recorded after it too, because
/// that may have happened in it (`records::Reading::late`).
pub trait AccessSink {
    /// Takes the next access, in the order of the log.
    fn see(&mut self, access: &Access);
}

impl AccessSink for Vec<Access> {
    fn see(&mut self, access: &Access) {
        self.push(access.clone());
    }
}
