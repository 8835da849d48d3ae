//! Accesses counted for the plots: by hour and form, and by purpose.
//!
//! Counts alone, no record. Not here: drawing them (`html_plot`), and the report's own tables (`counts`).

use std::collections::BTreeMap;

use vitrine_spec::fields::{Field, OPS, PURPOSES};

use super::access::{Access, AccessSink, State, occurred};
use super::facts::HOUR_S;
use super::report::Window;

/// Accesses of the period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    window: Window,
    /// Records that opened and that are of the period.
    pub opened: u64,
    /// Records that were erased.
    pub erased: u64,
    /// Records that did not open.
    pub not_opened: u64,
    /// By hour since 1970 of `occurred_at`, in the order of `OPS`.
    pub hours: BTreeMap<u64, [u64; OPS.len()]>,
    /// In the order of `PURPOSES`; the last one is for those that give none.
    pub purposes: [u64; PURPOSES.len() + 1],
}

impl Figures {
    /// Nothing counted yet.
    pub fn new(window: Window) -> Figures {
        Figures { window, ..Figures::default() }
    }

    /// Whether any record was shown at all.
    pub fn is_empty(&self) -> bool {
        self.opened + self.erased + self.not_opened == 0
    }
}

impl AccessSink for Figures {
    fn see(&mut self, access: &Access) {
        // When one that shows nothing happened is not known: it was recorded in that hour or later.
        let from = self.window.from.map(|from| from - from % HOUR_S);
        let recorded = Window { from, to: self.window.to }.holds(access.recorded);
        let values = match &access.state {
            State::Opened(values) => values,
            State::Erased { .. } => return self.erased += u64::from(recorded),
            State::NotOpened { .. } => return self.not_opened += u64::from(recorded),
        };
        let at = occurred(values);
        if !self.window.holds(at) {
            return;
        }
        self.opened += 1;
        let place = |words: &[&str], field| words.iter().position(|word| values.text(field) == Some(word));
        let hour = self.hours.entry(at / HOUR_S).or_default();
        if let Some(count) = place(&OPS, Field::Op).and_then(|op| hour.get_mut(op)) {
            *count += 1;
        }
        let purpose = place(&PURPOSES, Field::Purpose).unwrap_or(PURPOSES.len());
        if let Some(count) = self.purposes.get_mut(purpose) {
            *count += 1;
        }
    }
}
