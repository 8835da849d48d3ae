//! What the headers say beside the sections: whose chain was heard when, which entries are accesses, what was erased.
//!
//! The questions rest on it (`ask`) and the pages draw it (`html`). Everything comes from the leaves and from kept checkpoints,
//! so two machines have the same facts of the same entries. Memory grows with issuers, hours and runs of accesses. Not here: what
//! sealed records say (`access`), and judging anything.

use std::collections::{BTreeMap, BTreeSet};

use super::chains::{Epoch, Seen, Silent};
use super::report::{FINDINGS_MAX, Finding, Window};
use super::runs::Runs;
use super::times::Bound;

/// Seconds of an hour, to which sealed types cut `recorded`.
pub const HOUR_S: u64 = 3_600;

/// A chained event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Index in the log.
    pub index: u64,
    /// Position.
    pub seq: u64,
    /// When its issuer says that it was recorded.
    pub recorded: u64,
}

/// A break of a chain, by the entry that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// `chain.gap`, `chain.repeat`, `chain.prev`.
    pub code: String,
    /// One sentence.
    pub text: String,
    /// When the chain was last heard before it.
    pub since: u64,
    /// The entry.
    pub at: At,
}

/// Events that follow each other in a chain, say that they were recorded at some time, and were not in the log long after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// The first.
    pub first: At,
    /// The last.
    pub last: At,
    /// A time at which none of them was in the log.
    pub after: u64,
}

/// One epoch of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// When and by which entry it was opened.
    pub opened: Option<(u64, u64)>,
    /// When it was closed.
    pub closed: Option<u64>,
    /// The longest silence promised.
    pub heartbeat_s: Option<u64>,
    /// Whether accesses come from it: its opening says so, or one came.
    pub accesses: bool,
    /// The first chained event.
    pub first: Option<At>,
    /// The furthest one.
    pub last: Option<At>,
    /// The last one recorded before the period.
    pub before: Option<At>,
    /// The first one recorded at its end or later.
    pub after: Option<At>,
    /// Chained events.
    pub events: u64,
    /// Of them per hour since 1970.
    pub hours: BTreeMap<u64, u64>,
    /// Where the chain breaks.
    pub breaks: Vec<Break>,
    /// What came into the log long after its issuer says.
    pub late: Vec<Late>,
    /// Where it was silent for too long, and the entry that ended it, when one did.
    pub silent: Vec<(Silent, Option<u64>)>,
}

impl Lane {
    /// When it was first heard of.
    pub fn begin(&self) -> Option<u64> {
        self.opened.map(|(recorded, _)| recorded).or(self.first.map(|at| at.recorded))
    }

    /// Whether it was open at any time of the period, as far as the log tells.
    pub fn is_in(&self, window: &Window) -> bool {
        let began = self.begin().is_none_or(|begin| window.to.is_none_or(|to| begin < to));
        let ended = self.closed.is_some_and(|closed| window.from.is_some_and(|from| closed < from));
        began && !ended
    }
}

/// A place in a chain, as an erasure names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who.
    pub issuer: String,
    /// Epoch.
    pub epoch: u32,
    /// Position.
    pub seq: u64,
}

/// An erasure that the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Its entry.
    pub index: u64,
    /// When it was recorded.
    pub recorded: u64,
    /// `record` or `subject`.
    pub class: &'static str,
    /// Why.
    pub reason: String,
    /// By whose authority.
    pub authority: String,
    /// The records.
    pub targets: Vec<Target>,
    /// Where else copies are, and the day by which they are gone there.
    pub places: Vec<(String, String)>,
}

/// A version of the data rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataRules {
    /// Its entry.
    pub index: u64,
    /// The version.
    pub version: u64,
    /// The first day on which it is in force.
    pub effective: String,
    /// The regions, and the sites that may hold their data.
    pub regions: Vec<(String, Vec<String>)>,
}

/// Everything that the leaves tell.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Entries audited.
    pub size: u64,
    /// Their root, base64.
    pub root: String,
    /// The period.
    pub window: Window,
    /// Issuers and their epochs.
    pub lanes: BTreeMap<Epoch, Lane>,
    /// Entries of sealed accesses, by issuer and `recorded`.
    pub accesses: BTreeMap<String, BTreeMap<u64, Runs>>,
    /// Erasures, in the order of the log.
    pub erased: Vec<Erased>,
    /// Versions of the data rules that count, in the order of the log.
    pub rules: Vec<DataRules>,
    /// Entries of epochs that their issuer disowned.
    pub disowned: BTreeSet<u64>,
    /// Kept checkpoints smaller than the audited size, in the order of their hours.
    pub bounds: Vec<Bound>,
    /// Whether the log signed what it must not sign.
    pub misbehaved: bool,
    /// Whether a quorum of witnesses signed the checkpoint.
    pub witnessed: bool,
    /// When entry 0 says that it was recorded.
    pub began: Option<u64>,
}

impl Facts {
    /// Nothing seen yet; `bounds` are the kept checkpoints smaller than the audited size, in the order of their hours.
    pub fn new(window: Window, bounds: &[Bound]) -> Facts {
        Facts { window, bounds: bounds.to_vec(), ..Facts::default() }
    }

    fn lane(&mut self, issuer: &str, epoch: u32) -> &mut Lane {
        self.lanes.entry((issuer.to_owned(), epoch)).or_default()
    }

    /// An issuer's epoch begins.
    pub fn open(&mut self, seen: &Seen, epoch: (&str, u32), heartbeat_s: Option<u64>, accesses: bool) {
        let lane = self.lane(epoch.0, epoch.1);
        if lane.opened.is_none() {
            lane.opened = Some((seen.recorded, seen.index));
            lane.heartbeat_s = heartbeat_s;
        }
        lane.accesses |= accesses;
    }

    /// An issuer's epoch ends; the first end counts.
    pub fn close(&mut self, issuer: &str, epoch: u32, recorded: u64) {
        if let Some(lane) = self.lanes.get_mut(&(issuer.to_owned(), epoch)) {
            lane.closed.get_or_insert(recorded);
        }
    }

    /// Takes the next entry.
    pub fn see(&mut self, seen: &Seen) {
        if seen.index == 0 {
            self.began = Some(seen.recorded);
        }
        if seen.kind == "access" {
            let hours = self.accesses.entry(seen.issuer.clone()).or_default();
            hours.entry(seen.recorded).or_default().add(seen.index);
        }
        let Some(link) = seen.link else { return };
        let window = self.window;
        let at = At { index: seen.index, seq: link.seq, recorded: seen.recorded };
        let lane = self.lane(&seen.issuer, seen.epoch);
        lane.accesses |= seen.kind == "access";
        lane.first.get_or_insert(at);
        if lane.last.is_none_or(|last| last.seq < at.seq) {
            lane.last = Some(at);
        }
        if window.from.is_some_and(|from| at.recorded < from) {
            lane.before = Some(at);
        }
        if window.to.is_some_and(|to| at.recorded >= to) {
            lane.after.get_or_insert(at);
        }
        lane.events += 1;
        *lane.hours.entry(at.recorded / HOUR_S).or_default() += 1;
    }

    /// The entry does not continue its chain; to be said before `see`.
    pub fn broke(&mut self, seen: &Seen, finding: &Finding) {
        let Some(link) = seen.link else { return };
        let at = At { index: seen.index, seq: link.seq, recorded: seen.recorded };
        let lane = self.lane(&seen.issuer, seen.epoch);
        let since = lane.last.map_or(at.recorded, |last| last.recorded.min(at.recorded));
        if lane.breaks.len() < FINDINGS_MAX {
            lane.breaks.push(Break { code: finding.code.clone(), text: finding.text.clone(), since, at });
        }
    }

    /// The entry was not in the log at a time `after`, long after its issuer says.
    pub fn late(&mut self, seen: &Seen, after: u64) {
        let Some(link) = seen.link else { return };
        let at = At { index: seen.index, seq: link.seq, recorded: seen.recorded };
        let late = &mut self.lane(&seen.issuer, seen.epoch).late;
        if let Some(run) = late.last_mut().filter(|run| run.last.seq + 1 == at.seq && run.after == after) {
            run.last = at;
        } else if late.len() < FINDINGS_MAX {
            late.push(Late { first: at, last: at, after });
        }
    }

    /// An issuer was silent for longer than it promised.
    pub fn silent(&mut self, issuer: &str, epoch: u32, silent: Silent, ended_by: Option<u64>) {
        let lane = self.lane(issuer, epoch);
        if lane.silent.len() < FINDINGS_MAX {
            lane.silent.push((silent, ended_by));
        }
    }

    /// Accesses of these issuers whose `recorded` lies in `[from, until)`.
    pub fn accesses_between(&self, from: u64, until: Option<u64>, concerns: impl Fn(&str) -> bool) -> Runs {
        let mut all = Runs::default();
        for (_, hours) in self.accesses.iter().filter(|(issuer, _)| concerns(issuer)) {
            for (_, runs) in hours.range(from..).take_while(|(hour, _)| until.is_none_or(|until| **hour < until)) {
                all.add_all(runs);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::chains::Link;
    use super::*;

    fn seen(index: u64, seq: u64, recorded: u64) -> Seen {
        Seen {
            index,
            id: [0; 32],
            kind: "access",
            issuer: "gateway".into(),
            epoch: 1,
            link: Some(Link { seq, prev: [0; 32] }),
            recorded,
        }
    }

    #[test]
    fn a_lane_knows_what_stands_around_the_period() {
        let mut facts = Facts::new(Window { from: Some(7_200), to: Some(10_800) }, &[]);
        for (index, (seq, recorded)) in
            [(1, 0), (2, 3_600), (3, 7_200), (4, 10_800), (5, 14_400)].into_iter().enumerate()
        {
            facts.see(&seen(index as u64, seq, recorded));
        }
        let lane = &facts.lanes[&("gateway".to_owned(), 1)];
        assert_eq!(lane.before.map(|at| at.seq), Some(2));
        assert_eq!(lane.after.map(|at| at.seq), Some(4));
        assert_eq!((lane.events, lane.hours.len()), (5, 5));
        assert_eq!(facts.began, Some(0));
        assert_eq!(facts.accesses_between(3_600, Some(10_800), |_| true).runs(), [(1, 2)]);
        assert!(facts.accesses_between(0, None, |issuer| issuer == "vault").is_empty());
    }

    #[test]
    fn a_lane_outside_the_period_is_not_in_it() {
        let window = Window { from: Some(100), to: Some(200) };
        let mut facts = Facts::new(window, &[]);
        facts.open(&seen(0, 1, 200), ("late", 1), None, true);
        facts.open(&seen(0, 1, 10), ("early", 1), None, true);
        facts.open(&seen(0, 1, 10), ("open", 1), None, true);
        facts.close("early", 1, 99);
        let is_in: Vec<bool> = facts.lanes.values().map(|lane| lane.is_in(&window)).collect();
        assert_eq!(is_in, [false, false, true]);
    }
}
