//! Times as the log signs them: whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted (85-log.md).
//!
//! Not here: waiting and time-outs, which use the runtime's monotonic clock.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// This many seconds after 1970-01-01T00:00:00Z.
    pub const fn new(seconds: u64) -> Time {
        Time(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// What the system's clock says; a clock before 1970 says 0.
    pub fn now() -> Time {
        Time(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// The time this many seconds later.
    pub const fn plus(self, seconds: u64) -> Time {
        Time(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this time; 0 when `earlier` is later.
    pub const fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The UTC hour as `YYYY/MM/DD/HH`, of which there is one spelling. Times beyond four digits of years count as the last
    /// hour that has a spelling.
    pub fn hour(self) -> String {
        let seconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
        time.strftime("%Y/%m/%d/%H").to_string()
    }
}

impl Time {
    /// The hour that `YYYY/MM/DD/HH` names, in its one spelling.
    pub fn of_hour(text: &str) -> Option<Time> {
        let mut parts = text.split('/');
        let mut number = |digits: usize| {
            let part = parts.next()?;
            (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<i16>().ok())?
        };
        let (year, month, day, hour) = (number(4)?, number(2)?, number(2)?, number(2)?);
        let (month, day, hour) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?, i8::try_from(hour).ok()?);
        let civil = jiff::civil::DateTime::new(year, month, day, hour, 0, 0, 0).ok()?;
        let seconds = jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?.as_second();
        let time = Time::new(u64::try_from(seconds).ok()?);
        (time.hour() == text).then_some(time)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_one_spelling() {
        // [S-7]
        assert_eq!(Time::new(0).hour(), "1970/01/01/00");
        assert_eq!(Time::new(1_795_276_800).hour(), "2026/11/21/16");
        assert_eq!(Time::new(1_795_276_799).hour(), "2026/11/21/15");
        assert_eq!(Time::new(u64::MAX).hour(), Time::new(u64::MAX - 1).hour());
        assert!(Time::new(u64::MAX).hour().starts_with("9999/12/3"));
    }

    #[test]
    fn an_hour_has_one_path() {
        // [S-7]
        assert_eq!(Time::of_hour("2026/11/21/16"), Some(Time::new(1_795_276_800)));
        for other in [
            "2026/11/21",
            "2026/11/21/16/00",
            "2026/11/21/24",
            "2026/02/30/00",
            "2026/1/21/16",
            "+026/11/21/16",
            "1969/12/31/23",
            "",
        ] {
            assert_eq!(Time::of_hour(other), None, "{other}");
        }
    }

    #[test]
    fn time_does_not_wrap() {
        assert_eq!(Time::new(u64::MAX).plus(1), Time::new(u64::MAX));
        assert_eq!(Time::new(3).since(Time::new(5)), 0);
    }
}
