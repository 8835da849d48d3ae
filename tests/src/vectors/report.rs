//! What came of the cases of one row: how many there were, which went wrong, what refusals were named.
//!
//! A case is right when it ends as its file wants and, where it is refused, for the reason that is pinned. Not here: the
//! cases themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::reason::Reason;

/// What a file wants of a case.
#[derive(Clone, Copy, Debug)]
pub enum Want<'w> {
    /// To be accepted.
    Ok,
    /// To be refused.
    Refused,
    /// To be refused for one of these reasons: the name that a reason begins with, or that stands behind its last `>`.
    RefusedFor(&'w [&'w str]),
    /// Either: the specification leaves it open. Our choice is pinned.
    Either,
}

/// Our own choices and reasons, by `<path>#<case>`; a refused case without one is wrong.
pub type Pins = BTreeMap<String, String>;

/// The account of one row.
#[derive(Debug, Default)]
pub struct Report {
    /// The file or folder that is run, for messages and pins.
    path: String,
    /// The pins; `None` where another directory is run, whose cases nobody knows.
    pins: Option<Pins>,
    /// Cases run.
    pub count: usize,
    /// Cases that are not for this version, with what they were refused for.
    pub later: Vec<String>,
    /// What is wrong.
    pub faults: Vec<String>,
    /// Reasons given, each part of a chain for itself.
    pub named: BTreeSet<String>,
    /// What the pins should be, by case: for whoever adds a file.
    pub seen: Pins,
}

impl Report {
    /// An account with these pins.
    #[must_use]
    pub fn new(pins: Option<Pins>) -> Report {
        Report { pins, ..Report::default() }
    }

    /// Goes on with another file.
    pub fn enter(&mut self, path: &str) {
        path.clone_into(&mut self.path);
    }

    /// Counts a case and judges it.
    pub fn case<R: Reason>(&mut self, id: &str, want: Want<'_>, got: Result<(), R>) {
        self.count += 1;
        let case = format!("{}#{id}", self.path);
        let got = match got {
            Ok(()) => "ok".to_owned(),
            Err(reason) => reason.reason(),
        };
        self.named.extend(got.split('>').map(str::to_owned));
        let fits = |wanted: &&str| got.starts_with(*wanted) || got.rsplit('>').next() == Some(*wanted);
        let right = match want {
            Want::Ok => got == "ok",
            Want::Refused => got != "ok",
            Want::RefusedFor(reasons) => got != "ok" && reasons.iter().any(fits),
            Want::Either => true,
        };
        if !right {
            self.faults.push(format!("{case}: {got}, wanted {want:?}"));
        }
        if !matches!(want, Want::Ok) || got != "ok" {
            self.pin(case, got);
        }
    }

    fn pin(&mut self, case: String, got: String) {
        if let Some(pins) = &self.pins {
            match pins.get(&case) {
                Some(pinned) if *pinned == got => {}
                Some(pinned) => self.faults.push(format!("{case}: {got}, pinned is {pinned}")),
                None => self.faults.push(format!("{case} = {got} is not pinned")),
            }
        }
        self.seen.insert(case, got);
    }

    /// A comparison inside a case.
    pub fn same<T: PartialEq + std::fmt::Debug>(&mut self, id: &str, what: &str, got: &T, want: &T) {
        if got != want {
            self.faults.push(format!("{}#{id}: {what} is {got:?}, wanted {want:?}", self.path));
        }
    }

    /// Something that must hold in a case.
    pub fn holds(&mut self, id: &str, what: &str, is: bool) {
        self.same(id, what, &is, &true);
    }

    /// A case that this version cannot judge: of a type that it refuses as `type-later`, or standing on leaves of such types.
    /// Counted apart, and pinned with what came of it.
    pub fn later(&mut self, id: &str, got: &str) {
        self.later.push(format!("{id} ({got})"));
        self.pin(format!("{}#{id}", self.path), format!("later {got}"));
    }
}
