//! When an entry can have been logged: between two kept checkpoints, whose times are the witnesses' (design.md 4, `/kept`).
//!
//! A kept checkpoint of at most `index` entries was the whole log when its witnesses signed, so the entry came later; one that
//! covers it existed later still. `recorded` is the issuer's word and has to fit between. Only kept checkpoints smaller than the
//! audited size take part: those are the same for whoever audits that size, whenever. Not here: reading and believing them
//! (`kept`).

use super::chains::Seen;
use super::report::{Finding, Section, Severity, Window};
use crate::clock;

/// Seconds that an issuer's clock may be ahead of the log's when an event arrives (leaf-format.md 3, `recorded`).
const AHEAD_S: u64 = 60;

/// Seconds between a witness's clock and the log's that are nobody's fault.
const CLOCKS_S: u64 = 300;

/// `recorded` this much older than the entry can be is worth a note: sealed types give the hour alone.
const LATE_S: u64 = 3_600 + CLOCKS_S;

/// A kept checkpoint that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Entries that it covers.
    pub size: u64,
    /// When enough witnesses had signed it, in seconds.
    pub time: u64,
}

/// The last kept checkpoint from before a time, or of that time; `bounds` are in the order of their hours.
pub fn last_before(bounds: &[Bound], time: u64) -> Option<&Bound> {
    bounds.iter().rev().find(|bound| bound.time <= time)
}

/// Entries between kept checkpoints.
#[derive(Debug)]
pub struct Times {
    /// By size; of equal sizes the first and the last time.
    bounds: Vec<Bound>,
    window: Window,
    both: u64,
    before_only: u64,
    widest_s: u64,
    late: u64,
    total: u64,
    section: Section,
}

impl Times {
    /// `bounds` in the order of their hours; only those below `size` take part.
    pub fn new(bounds: &[Bound], size: u64, window: Window) -> Times {
        let mut section = Section::new("times");
        let mut bounds: Vec<Bound> = bounds.iter().filter(|bound| bound.size < size).copied().collect();
        for pair in bounds.windows(2) {
            if let [earlier, later] = pair
                && (later.size < earlier.size || later.time < earlier.time)
            {
                section.found(Finding::new(
                    Severity::Misbehaviour,
                    "kept.order",
                    format!(
                        "a checkpoint of {} entries at {} was kept after one of {} entries at {}",
                        later.size,
                        clock::show(later.time),
                        earlier.size,
                        clock::show(earlier.time)
                    ),
                ));
            }
        }
        bounds.sort_by_key(|bound| (bound.size, bound.time));
        Times { bounds, window, both: 0, before_only: 0, widest_s: 0, late: 0, total: 0, section }
    }

    /// The latest time before which the entry cannot have been logged, and the earliest time at which it certainly was.
    pub fn around(&self, index: u64) -> (Option<u64>, Option<u64>) {
        let covers = self.bounds.partition_point(|bound| bound.size <= index);
        let after = covers.checked_sub(1).and_then(|at| self.bounds.get(at)).map(|bound| bound.time);
        (after, self.bounds.get(covers).map(|bound| bound.time))
    }

    /// Takes the next entry; gives the time at which it was not in the log yet, when it says that it was recorded long before.
    pub fn see(&mut self, seen: &Seen) -> Option<u64> {
        self.total += 1;
        let (after, before) = self.around(seen.index);
        match (after, before) {
            (Some(after), Some(before)) => {
                self.both += 1;
                self.widest_s = self.widest_s.max(before.saturating_sub(after));
            }
            (None, Some(_)) => self.before_only += 1,
            (Some(_) | None, None) => {}
        }
        if !self.window.holds(seen.recorded) {
            return None;
        }
        if let Some(before) = before.filter(|before| seen.recorded > before.saturating_add(AHEAD_S + CLOCKS_S)) {
            self.section.found(
                Finding::new(
                    Severity::Finding,
                    "time.ahead",
                    format!(
                        "{} epoch {}: entry {} says it was recorded at {}, and was in the log at {}",
                        seen.issuer,
                        seen.epoch,
                        seen.index,
                        clock::show(seen.recorded),
                        clock::show(before)
                    ),
                )
                .at(seen.place()),
            );
        }
        let late = after.filter(|after| seen.recorded.saturating_add(LATE_S) < *after);
        if let Some(after) = late {
            self.late += 1;
            self.section.found(
                Finding::new(
                    Severity::Note,
                    "time.late",
                    format!(
                        "{} epoch {}: entry {} says it was recorded at {}, and was not in the log at {}",
                        seen.issuer,
                        seen.epoch,
                        seen.index,
                        clock::show(seen.recorded),
                        clock::show(after)
                    ),
                )
                .at(seen.place()),
            );
        }
        late
    }

    /// Ends the section.
    pub fn finish(mut self) -> Section {
        self.section.checked(format!(
            "{} kept checkpoints: {} of {} entries were logged between two of them, at most {} s apart, {} before the first one",
            self.bounds.len(),
            self.both,
            self.total,
            self.widest_s,
            self.before_only
        ));
        self.section.checked(format!("`recorded` of each bounded entry against its bounds: {} came late", self.late));
        let open = self.total - self.both - self.before_only;
        if open != 0 {
            self.section.not_checked(format!(
                "{open} entries after the last kept checkpoint: `recorded` is their issuer's word alone"
            ));
        }
        self.section
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [Bound; 3] =
        [Bound { size: 2, time: 10_000 }, Bound { size: 2, time: 20_000 }, Bound { size: 5, time: 30_000 }];

    fn at(index: u64, recorded: u64) -> Seen {
        Seen { index, id: [0; 32], kind: "build", issuer: "farm".into(), epoch: 1, link: None, recorded }
    }

    fn codes(section: &Section) -> Vec<&str> {
        section.findings.iter().map(|finding| finding.code.as_str()).collect()
    }

    #[test]
    fn an_entry_stands_between_the_last_head_without_it_and_the_first_with_it() {
        let times = Times::new(&BOUNDS, 9, Window::default());
        assert_eq!(times.around(0), (None, Some(10_000)));
        assert_eq!(times.around(1), (None, Some(10_000)));
        assert_eq!(times.around(2), (Some(20_000), Some(30_000)));
        assert_eq!(times.around(4), (Some(20_000), Some(30_000)));
        assert_eq!(times.around(5), (Some(30_000), None));
    }

    #[test]
    fn a_head_of_the_audited_size_plays_no_part() {
        // It may not have been kept yet when another machine audited the same size.
        let times = Times::new(&BOUNDS, 5, Window::default());
        assert_eq!(times.around(4), (Some(20_000), None));
    }

    #[test]
    fn recorded_outside_its_bounds_is_named() {
        let mut times = Times::new(&BOUNDS, 9, Window::default());
        assert_eq!(times.see(&at(2, 30_000 + 360)), None); // clocks and the minute ahead
        assert_eq!(times.see(&at(3, 30_000 + 361)), None);
        assert_eq!(times.see(&at(4, 20_000 - LATE_S)), None);
        assert_eq!(times.see(&at(4, 20_000 - LATE_S - 1)), Some(20_000));
        assert_eq!(times.see(&at(6, 99_999)), None); // not bounded
        let section = times.finish();
        assert_eq!(codes(&section), ["time.ahead", "time.late"]);
        assert_eq!(section.findings[0].severity, Severity::Finding);
        assert!(section.not_checked[0].starts_with("1 entries after the last kept"), "{:?}", section.not_checked);
    }

    #[test]
    fn heads_that_went_back_are_the_logs_fault() {
        let times = Times::new(&[BOUNDS[2], BOUNDS[0]], 9, Window::default());
        assert_eq!(codes(&times.finish()), ["kept.order"]);
    }

    #[test]
    fn only_the_window_is_judged() {
        let mut times = Times::new(&BOUNDS, 9, Window { from: None, to: Some(100) });
        assert_eq!(times.see(&at(3, 99_999)), None);
        assert_eq!(codes(&times.finish()), Vec::<&str>::new());
    }
}
