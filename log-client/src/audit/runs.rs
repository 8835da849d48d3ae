//! Sets of entry indices as runs: what an answer lists without dropping one (events.md 3.9).
//!
//! Memory grows with the runs, not with the entries. Not here: what the entries are.

use std::fmt::Write as _;

use serde::Serialize;

/// Runs that a sentence spells out; the rest is counted there, and stands in the JSON.
const SHOWN: usize = 12;

/// Indices as inclusive runs, ascending and never touching.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Runs(Vec<(u64, u64)>);

impl Runs {
    /// Every index below `end`.
    pub fn below(end: u64) -> Runs {
        Runs(end.checked_sub(1).map(|last| (0, last)).into_iter().collect())
    }

    /// Adds an index; cheapest in ascending order.
    pub fn add(&mut self, index: u64) {
        let at = self.0.partition_point(|(_, last)| last.saturating_add(1) < index);
        match self.0.get_mut(at) {
            Some((first, last)) if *first <= index => *last = index.max(*last),
            Some((first, _)) if *first == index.saturating_add(1) => *first = index,
            Some(_) | None => self.0.insert(at, (index, index)),
        }
        let (Some((_, last)), Some((first, end))) = (self.0.get(at).copied(), self.0.get(at + 1).copied()) else {
            return;
        };
        if last.saturating_add(1) == first {
            self.0.remove(at + 1);
            if let Some(run) = self.0.get_mut(at) {
                run.1 = end;
            }
        }
    }

    /// Adds every index of other runs.
    pub fn add_all(&mut self, other: &Runs) {
        let mut all: Vec<(u64, u64)> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        self.0.clear();
        for (first, last) in all {
            match self.0.last_mut() {
                Some(run) if first <= run.1.saturating_add(1) => run.1 = run.1.max(last),
                _ => self.0.push((first, last)),
            }
        }
    }

    /// How many indices.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The runs.
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// The indices of these that the other runs do not hold.
    #[must_use]
    pub fn without(&self, other: &Runs) -> Runs {
        let mut left = Vec::new();
        let mut others = other.0.iter().copied().peekable();
        for &(first, last) in &self.0 {
            let mut from = Some(first);
            while let Some(&(out_first, out_last)) = others.peek() {
                let Some(at) = from else { break };
                if out_last < at {
                    others.next();
                    continue;
                }
                if out_first > last {
                    break;
                }
                if out_first > at {
                    left.push((at, out_first - 1));
                }
                if out_last >= last {
                    from = None;
                    break;
                }
                from = Some(out_last + 1);
                others.next();
            }
            if let Some(at) = from {
                left.push((at, last));
            }
        }
        Runs(left)
    }

    /// `12 to 40, 45`, shortened when there are many runs.
    pub fn show(&self) -> String {
        let mut text = String::new();
        for (at, (first, last)) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let _ =
                if first == last { write!(text, "{comma}{first}") } else { write!(text, "{comma}{first} to {last}") };
        }
        if self.0.len() > SHOWN {
            let _ =
                write!(text, " and {} more runs up to {}", self.0.len() - SHOWN, self.0.last().map_or(0, |run| run.1));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(indices: impl IntoIterator<Item = u64>) -> Runs {
        let mut runs = Runs::default();
        indices.into_iter().for_each(|index| runs.add(index));
        runs
    }

    #[test]
    fn indices_in_any_order_are_the_same_runs() {
        for order in [[1, 2, 3, 5, 9], [9, 5, 3, 2, 1], [5, 1, 3, 9, 2], [3, 9, 1, 2, 5]] {
            let runs = runs(order);
            assert_eq!(runs.runs(), [(1, 3), (5, 5), (9, 9)], "{order:?}");
            assert_eq!(runs.count(), 5);
        }
        assert_eq!(runs([4, 4, 4]).runs(), [(4, 4)]);
        assert_eq!(runs([u64::MAX, 0]).runs(), [(0, 0), (u64::MAX, u64::MAX)]);
    }

    #[test]
    fn what_the_others_do_not_hold_is_left() {
        let all = runs(0..10);
        assert_eq!(all.without(&runs([0, 3, 4, 9])).runs(), [(1, 2), (5, 8)]);
        assert_eq!(all.without(&Runs::default()), all);
        assert!(all.without(&runs(0..20)).is_empty());
        // Against the definition, for every pair of subsets of seven indices.
        for a in 0_u64..128 {
            for b in 0_u64..128 {
                let of = |bits: u64| runs((0..7).filter(move |at| bits >> at & 1 == 1));
                assert_eq!(of(a).without(&of(b)), of(a & !b), "{a:b} without {b:b}");
                let mut both = of(a);
                both.add_all(&of(b));
                assert_eq!(both, of(a | b), "{a:b} and {b:b}");
            }
        }
    }

    #[test]
    fn below_an_end_is_every_index_before_it() {
        assert!(Runs::below(0).is_empty());
        assert_eq!(Runs::below(3), runs(0..3));
    }

    #[test]
    fn a_sentence_names_runs_and_counts_the_rest() {
        assert_eq!(runs([1, 2, 7]).show(), "1 to 2, 7");
        let many = runs((0..40).map(|n| n * 2));
        assert!(many.show().ends_with("22 and 28 more runs up to 78"), "{}", many.show());
    }
}
