//! Exit codes, and the one error that commands end with (cli.md, "Exit codes").
//!
//! A failure says what is wrong, names both sides, and what to do now. Not here: how it is printed (`output`).

use std::fmt;
use std::process::ExitCode;

/// How a command ended; the number is the process's exit code and a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done, verified.
    Done,
    /// 1: not verified: anything wrong inside a file being judged, also when it does not parse.
    NotVerified,
    /// 2: usage: command line, missing file, malformed policy or trust file, no pin.
    Usage,
    /// 3: the log misbehaved; evidence is kept.
    Misbehaved,
    /// 4: not reachable.
    Unreachable,
    /// 5: not yet: spooled, rebuild pending, too few witnesses so far.
    NotYet,
}

impl Exit {
    /// The process's exit code.
    pub const fn number(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::NotVerified => 1,
            Exit::Usage => 2,
            Exit::Misbehaved => 3,
            Exit::Unreachable => 4,
            Exit::NotYet => 5,
        }
    }

    /// The word of the member `verdict` for an end that is not a success.
    pub const fn word(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::NotVerified => "not-verified",
            Exit::Usage => "usage",
            Exit::Misbehaved => "log-misbehaved",
            Exit::Unreachable => "unreachable",
            Exit::NotYet => "not-yet",
        }
    }

    /// The last line of a failure, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::NotVerified => "not verified",
            Exit::Usage => "the command line or a file it needs is not usable",
            Exit::Misbehaved => "the log misbehaved; what it sent is kept",
            Exit::Unreachable => "not reachable",
            Exit::NotYet => "not yet; try again later",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.number())
    }
}

/// Why a command did not do what it was asked: what, which two values, and what now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// A stable word for scripts, such as `key.mode`.
    pub code: String,
    /// One sentence, lower case, without a full stop.
    pub what: String,
    /// Label and value, normally two of them.
    pub sides: Vec<(String, String)>,
    /// What the person can do.
    pub now: Option<String>,
}

impl Failure {
    /// A failure without sides.
    pub fn new(exit: Exit, code: &str, what: impl Into<String>) -> Failure {
        Failure { exit, code: code.to_owned(), what: what.into(), sides: Vec::new(), now: None }
    }

    /// Exit 2.
    pub fn usage(code: &str, what: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, code, what)
    }

    /// Exit 1.
    pub fn refused(code: &str, what: impl Into<String>) -> Failure {
        Failure::new(Exit::NotVerified, code, what)
    }

    /// Adds one side.
    #[must_use]
    pub fn side(mut self, label: &str, value: impl fmt::Display) -> Failure {
        self.sides.push((label.to_owned(), value.to_string()));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn now(mut self, text: impl Into<String>) -> Failure {
        self.now = Some(text.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for (at, (label, value)) in self.sides.iter().enumerate() {
            write!(f, "{} {label} {value}", if at == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_contract() {
        let all = [Exit::Done, Exit::NotVerified, Exit::Usage, Exit::Misbehaved, Exit::Unreachable, Exit::NotYet];
        assert_eq!(all.map(Exit::number), [0, 1, 2, 3, 4, 5]);
        let words: std::collections::BTreeSet<_> = all.map(Exit::word).into_iter().collect();
        assert_eq!(words.len(), all.len(), "each end has its own word");
    }

    #[test]
    fn a_failure_in_one_line_names_both_sides() {
        let failure = Failure::usage("x", "two keys differ").side("file", "a").side("charter", "b");
        assert_eq!(failure.to_string(), "two keys differ: file a, charter b");
    }
}
