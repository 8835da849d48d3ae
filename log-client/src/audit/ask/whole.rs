//! Why an answer is complete or not: checkpoints around the period, chains without a gap, no record left unread (events.md 3.9).
//!
//! Completeness is about the log: that nothing which was logged is missing here. That an issuer recorded what it saw is not shown by
//! any log. Not here: the rows.

use super::super::facts::{Facts, HOUR_S, Lane};
use super::super::report::Window;
use super::super::runs::Runs;
use super::super::times::{Bound, last_before};
use super::answer::Because;
use super::filter::Filter;
use crate::clock;

/// The part of the log that an answer must have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The period, by `occurred_at`.
    pub window: Window,
    /// Seconds after which a record is no longer waited for.
    pub late_s: u64,
}

impl Reach {
    /// Records that arrive from here on are later than the bound allows for anything in the period.
    pub fn horizon(&self) -> Option<u64> {
        self.window.to.map(|to| to.saturating_add(self.late_s))
    }

    /// The first kept checkpoint from the horizon on.
    pub fn checkpoint_after<'f>(&self, facts: &'f Facts) -> Option<&'f Bound> {
        let horizon = self.horizon()?;
        facts.bounds.iter().find(|bound| bound.time >= horizon)
    }

    /// The first `recorded` that something in the period can have: the hour in which it begins.
    pub fn first(&self) -> u64 {
        self.window.from.map_or(0, |from| from - from % HOUR_S)
    }

    /// Whether `recorded` allows a record that shows nothing to be about the period.
    pub fn may_hold(&self, recorded: u64) -> bool {
        recorded >= self.first() && self.horizon().is_none_or(|horizon| recorded < horizon)
    }

    /// The last kept checkpoint from before the period.
    pub fn checkpoint_before<'f>(&self, facts: &'f Facts) -> Option<&'f Bound> {
        last_before(&facts.bounds, self.window.from?)
    }

    /// Those of these entries, recorded before the period as their issuers say, that came after the checkpoint before it.
    pub fn dated_back(&self, facts: &Facts, entries: &Runs) -> Runs {
        self.checkpoint_before(facts).map_or_else(Runs::default, |bound| entries.without(&Runs::below(bound.size)))
    }

    /// The accesses of these issuers that can be about the period.
    pub fn accesses(&self, facts: &Facts, concerns: impl Fn(&str) -> bool) -> Runs {
        let mut all = self.dated_back(facts, &facts.accesses_between(0, Some(self.first()), &concerns));
        all.add_all(&facts.accesses_between(self.first(), self.horizon(), concerns));
        all
    }
}

fn yes(text: impl Into<String>) -> Because {
    Because { holds: true, text: text.into() }
}

fn no(text: impl Into<String>) -> Because {
    Because { holds: false, text: text.into() }
}

/// The reasons that the log gives, whatever the question found.
pub fn reasons(facts: &Facts, filter: &dyn Filter, reach: &Reach) -> Vec<Because> {
    let mut all = vec![entries(facts)];
    if facts.witnessed {
        all.extend(around(facts, reach));
    } else {
        all.push(no(
            "no quorum of witnesses signed the checkpoint: nobody but the log vouches for it, and for its times",
        ));
    }
    all.extend(chains(facts, filter, reach));
    all
}

fn entries(facts: &Facts) -> Because {
    let (size, root) = (facts.size, &facts.root);
    if facts.misbehaved {
        return no(format!("the log misbehaved, see the findings: its {size} entries cannot be taken as whole"));
    }
    yes(format!("all {size} entries up to root {root} were read, hashed again and judged again"))
}

/// The checkpoints before and after the period.
fn around(facts: &Facts, reach: &Reach) -> Vec<Because> {
    let window = reach.window;
    if window == Window::default() {
        return vec![yes(format!(
            "no period was asked for: this speaks of the {} entries, and of no later one",
            facts.size
        ))];
    }
    let mut all = Vec::new();
    if let Some(from) = window.from {
        all.push(match (reach.checkpoint_before(facts), facts.began) {
            (_, Some(began)) if began >= from => no(format!(
                "the log began at {}, after the period did: what happened before is not in it",
                clock::show(began)
            )),
            (Some(bound), _) => yes(format!(
                "the checkpoint before the period has {} entries, cosigned at {}",
                bound.size,
                clock::show(bound.time)
            )),
            (None, _) => no(format!("no kept checkpoint is from {} or earlier", clock::show(from))),
        });
    }
    if let Some(horizon) = reach.horizon() {
        all.push(match reach.checkpoint_after(facts) {
            Some(bound) => yes(format!(
                "the checkpoint after the period has {} entries, cosigned at {}, {} s or more after its end",
                bound.size,
                clock::show(bound.time),
                reach.late_s
            )),
            None => no(format!(
                "no kept checkpoint of fewer than {} entries is from {} or later, {} s after the period's end: records of the period may still come",
                facts.size,
                clock::show(horizon),
                reach.late_s
            )),
        });
    }
    all
}

/// Each chain from before the period to after it.
fn chains(facts: &Facts, filter: &dyn Filter, reach: &Reach) -> Vec<Because> {
    let window = reach.window;
    let lanes = facts.lanes.iter().filter(|((issuer, _), lane)| filter.rests_on(issuer, lane) && lane.is_in(&window));
    let mut all: Vec<Because> = lanes.map(|((issuer, epoch), lane)| chain(issuer, *epoch, lane, &window)).collect();
    if all.is_empty() {
        all.push(yes("no source of such records was open in the period"));
    }
    all
}

fn chain(issuer: &str, epoch: u32, lane: &Lane, window: &Window) -> Because {
    let who = format!("{issuer} epoch {epoch}");
    let (Some(first), Some(last)) = (lane.first, lane.last) else {
        return if window.to.is_some() && lane.closed.is_none() {
            no(format!("{who}: nothing was heard from it, so nothing shows where its chain ends"))
        } else {
            yes(format!("{who}: no chained event"))
        };
    };
    if let Some(broken) = lane.breaks.first() {
        return no(format!("{who}: the chain breaks at entry {} ({})", broken.at.index, broken.code));
    }
    let begin = lane.before.unwrap_or(first);
    let end = match (window.to, lane.after) {
        (None, _) => last,
        (Some(_), Some(after)) => after,
        (Some(to), None) if lane.closed.is_some_and(|closed| closed <= to) => last,
        (Some(_), None) if lane.heartbeat_s.is_none() && !lane.accesses => {
            return yes(format!(
                "{who}: positions {} to {} without a gap; it promised no sign of life, so none after them is missed",
                begin.seq, last.seq
            ));
        }
        (Some(to), None) => {
            return no(format!(
                "{who}: the last event is position {}, entry {}, recorded at {}: nothing is heard from the period's end, {}, on",
                last.seq,
                last.index,
                clock::show(last.recorded),
                clock::show(to)
            ));
        }
    };
    yes(format!(
        "{who}: positions {} to {} without a gap, entries {} to {}",
        begin.seq, end.seq, begin.index, end.index
    ))
}

/// Whether every access that may be about the period was shown to the question; the ones that were not, by issuer.
pub fn unread(facts: &Facts, filter: &dyn Filter, reach: &Reach, seen: &Runs) -> Vec<(String, Runs)> {
    let concerned = facts.accesses.keys().filter(|issuer| filter.concerns(issuer));
    concerned
        .map(|issuer| {
            let expected = reach.accesses(facts, |other| other == issuer);
            (issuer.clone(), expected.without(seen))
        })
        .filter(|(_, missing)| !missing.is_empty())
        .collect()
}
