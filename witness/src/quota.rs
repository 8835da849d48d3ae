//! How often one log or one address may ask (55-witness.md, D-50).
//!
//! A bucket for each that asks: it fills at a rate up to a burst, and each request takes one out. Not here: the rates
//! (`limits`, `logs`, the command line).

use crate::limits::BUCKETS_MAX;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests in a second, on average; above 0.
    pub per_s: f64,
    /// Requests at once after a pause; at least 1.
    pub burst: f64,
}

impl Rate {
    /// So many in a second, and those of two seconds at once.
    pub fn per_second(number: u32) -> Rate {
        Rate { per_s: f64::from(number), burst: f64::from(number) * 2.0 }
    }

    /// So many in a day, and those of an hour at once: at least one in ten seconds, and sixty at once.
    pub fn per_day(number: u64) -> Rate {
        let number = u32::try_from(number).map_or(f64::from(u32::MAX), f64::from);
        Rate { per_s: (number / 86_400.0).max(0.1), burst: (number / 24.0).max(60.0) }
    }
}

struct Bucket {
    left: f64,
    at: Instant,
    rate: Rate,
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.rate.per_s).min(self.rate.burst);
        self.at = now;
    }
}

/// A bucket for each key that asked lately.
pub struct Quota<K> {
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K> Default for Quota<K> {
    fn default() -> Quota<K> {
        Quota { buckets: Mutex::default() }
    }
}

impl<K: Hash + Eq> Quota<K> {
    /// Takes one request out, or says after how long there will be one.
    ///
    /// # Errors
    /// The time until the next request.
    pub fn take(&self, key: K, rate: Rate, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&key) {
            // A full bucket says what a new one says.
            buckets.retain(|_, bucket| {
                bucket.fill(now);
                bucket.left < bucket.rate.burst
            });
            if buckets.len() >= BUCKETS_MAX {
                return Err(Duration::from_secs(1));
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { left: rate.burst, at: now, rate });
        bucket.rate = rate;
        bucket.fill(now);
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / rate.per_s));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        // [D-50]
        let (quota, start) = (Quota::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let rate = Rate::per_second(2);
        assert_eq!((0..5).filter(|_| quota.take("a", rate, start).is_ok()).count(), 4);
        assert_eq!(quota.take("a", rate, start), Err(Duration::from_millis(500)));
        assert_eq!(quota.take("b", rate, start), Ok(()), "another one has its own");
        assert!(quota.take("a", rate, at(499)).is_err());
        assert_eq!(quota.take("a", rate, at(500)), Ok(()));
        // A pause fills no more than the burst, and a clock that goes back takes nothing away.
        assert_eq!((0..9).filter(|_| quota.take("a", rate, at(60_000)).is_ok()).count(), 4);
        assert!(quota.take("a", rate, start).is_err());
        assert_eq!(quota.take("a", rate, at(60_500)), Ok(()));
    }

    #[test]
    fn rates() {
        // [D-50]
        assert_eq!(Rate::per_day(86_400), Rate { per_s: 1.0, burst: 3_600.0 });
        assert_eq!(Rate::per_day(24), Rate { per_s: 0.1, burst: 60.0 });
    }

    #[test]
    fn strangers_take_no_memory() {
        // [D-50]
        let (quota, now) = (Quota::default(), Instant::now());
        let slow = Rate { per_s: 0.001, burst: 1.0 };
        (0..BUCKETS_MAX).for_each(|key| quota.take(key, slow, now).unwrap());
        assert_eq!(quota.take(BUCKETS_MAX, slow, now), Err(Duration::from_secs(1)));
        assert_eq!(quota.take(BUCKETS_MAX, slow, now + Duration::from_secs(2_000)), Ok(()));
    }
}
