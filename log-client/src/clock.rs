//! Times as people write them, and the one place that asks the clock (leaf-format.md 1, "time").
//!
//! Not here: judging a time.

use jiff::Timestamp;

use crate::exit::Failure;

/// Now, in seconds since 1970; 0 on a clock before that.
pub fn now() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or(0)
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// `now`, seconds since 1970, or `2026-11-24T08:00:00Z`.
pub fn parse(text: &str) -> Result<u64, Failure> {
    if text == "now" {
        return Ok(now());
    }
    if let Ok(seconds) = vitrine_spec::text::decimal(text) {
        return Ok(seconds);
    }
    timestamp(text).ok_or_else(|| {
        Failure::usage("time", "this is not a time")
            .side("given", format!("`{text}`"))
            .side("wanted", "now, seconds since 1970, or 2026-11-24T08:00:00Z")
    })
}

/// A time of RFC 3339 from 1970 on, fractions cut off.
pub fn timestamp(text: &str) -> Option<u64> {
    text.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_second()).ok())
}

/// `2026-11-24T08:00:00Z`; the bare number when it is beyond the calendar.
pub fn show(seconds: u64) -> String {
    match i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()) {
        Some(time) => time.to_string(),
        None => seconds.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn three_spellings_of_a_time() {
        assert_eq!(parse("1795276800").unwrap(), 1_795_276_800);
        assert_eq!(parse("2026-11-21T16:00:00Z").unwrap(), 1_795_276_800);
        assert!(parse("now").unwrap() > 1_795_276_800 - 1_000_000_000);
        for bad in ["", "yesterday", "-5", "1e9", "1969-12-31T23:59:59Z", "2026-11-21"] {
            assert_eq!(parse(bad).unwrap_err().code, "time", "{bad}");
        }
        assert_eq!(show(1_795_276_800), "2026-11-21T16:00:00Z");
        assert_eq!(show(u64::MAX), u64::MAX.to_string());
    }
}
