//! The supervisor's questions over opened accesses and the facts of the chains (events.md 3.10).
//!
//! Every answer says what it found, what cannot be decided, and why it is complete or not. Pure but for `builds` and `given`, which
//! read the files that a question names. Not here: opening records, and the page (`html`).

pub mod answer;
pub mod filter;
pub mod builds;
pub mod q1;
pub mod q3;
pub mod q7;
pub mod q8;
pub mod q9;
pub mod q17;
pub mod whole;
pub mod asked;
pub mod given;
#[cfg(test)]
pub(super) mod tests;

use super::access::{Access, AccessSink};
use super::facts::Facts;
use answer::Answer;
use asked::Asked;

/// Questions that are asked together, so that the log is read once.
#[derive(Default)]
pub struct Asking(Vec<Asked>);

impl Asking {
    /// These questions.
    pub fn new(asked: Vec<Asked>) -> Asking {
        Asking(asked)
    }

    /// Ends them, in their order.
    pub fn finish(self, facts: &Facts) -> Vec<Answer> {
        self.0.into_iter().map(|asked| asked.finish(facts)).collect()
    }
}

impl AccessSink for Asking {
    fn see(&mut self, access: &Access) {
        self.0.iter_mut().for_each(|asked| asked.see(access));
    }
}
