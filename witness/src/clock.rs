//! The time of a cosignature, decided (55-witness.md).
//!
//! A pure rule beside the one place that asks the system. Not here: accepting a clock for good (`heads`).

use crate::limits::CLOCK_BEHIND_MAX_S;
use std::time::SystemTime;
use vitrine_spec::limits::COSIGNATURE_TIME_MAX;

/// Tells the time; tests bring their own.
pub trait Clock: Send + Sync {
    /// Seconds since 1970.
    fn now(&self) -> u64;
}

/// The clock of this machine. Before 1970 it says 0, at which nothing is signed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
    }
}

/// Why nothing is signed at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The clock is too far behind what was already signed.
    #[error("the witness's clock says {now}, which is {} s behind its last signed time {last}", last.saturating_sub(*now))]
    Behind {
        /// What the clock says.
        now: u64,
        /// The last signed time.
        last: u64,
    },
    /// A time that a cosignature cannot have.
    #[error("the witness's clock says {now}, which is no time for a cosignature")]
    NoTime {
        /// What the clock says.
        now: u64,
    },
}

/// Checks a clock against the latest time of any cosignature of this witness [D-12].
pub fn check(now: u64, last_signed: u64) -> Result<(), ClockError> {
    if now == 0 || now > COSIGNATURE_TIME_MAX {
        return Err(ClockError::NoTime { now });
    }
    if last_signed.saturating_sub(now) > CLOCK_BEHIND_MAX_S {
        return Err(ClockError::Behind { now, last: last_signed });
    }
    Ok(())
}

/// The time to sign: the clock, or the origin's last signed time when that is later [D-11].
pub fn time_of(now: u64, last_of_origin: u64) -> u64 {
    now.max(last_of_origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_may_be_a_little_behind() {
        // [D-11] [D-12]
        assert_eq!(check(1_000, 0), Ok(()));
        assert_eq!(check(1_000, 1_300), Ok(()));
        assert_eq!(check(1_000, 1_301), Err(ClockError::Behind { now: 1_000, last: 1_301 }));
        assert_eq!(check(5_000, 1_301), Ok(()));
        assert_eq!(check(0, 0), Err(ClockError::NoTime { now: 0 }));
        assert_eq!(check(COSIGNATURE_TIME_MAX, 0), Ok(()));
        assert_eq!(check(COSIGNATURE_TIME_MAX + 1, 0), Err(ClockError::NoTime { now: COSIGNATURE_TIME_MAX + 1 }));
        assert_eq!(time_of(1_000, 1_300), 1_300);
        assert_eq!(time_of(1_301, 1_300), 1_301);
        let text = ClockError::Behind { now: 1_000, last: 1_301 }.to_string();
        assert_eq!(text, "the witness's clock says 1000, which is 301 s behind its last signed time 1301");
    }

    #[test]
    fn the_system_clock_is_a_clock() {
        assert!(SystemClock.now() > 1_700_000_000);
    }
}
