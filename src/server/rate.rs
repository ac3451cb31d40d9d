//! How fast a client may send: token buckets as plain arithmetic.

use crate::proto::time::Time;

/// A token in the bucket's unit, so that a millisecond's refill is a whole number.
const TOKEN: u64 = 1_000;

/// Lets `per_second` things through on average and `burst` at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    per_second: u64,
    full: u64,
    level: u64,
    last: Time,
}

impl Bucket {
    /// A full bucket.
    pub(crate) const fn new(per_second: u64, burst: u64, now: Time) -> Self {
        let full = burst.saturating_mul(TOKEN);
        Self { per_second, full, level: full, last: now }
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, now: Time) -> bool {
        let refill = now.since(self.last).saturating_mul(self.per_second);
        self.level = self.level.saturating_add(refill).min(self.full);
        self.last = self.last.max(now);
        let enough = self.level >= TOKEN;
        if enough {
            self.level -= TOKEN;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_and_then_the_rate_through() {
        let mut bucket = Bucket::new(10, 5, Time(0));
        let passed = (0..100).filter(|_| bucket.take(Time(0))).count();
        assert_eq!(passed, 5);
        let passed = (1..=10_000).filter(|&ms| bucket.take(Time(ms))).count();
        assert_eq!(passed, 100);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut bucket = Bucket::new(1_000, 1, Time(50));
        assert!(bucket.take(Time(50)));
        assert!(!bucket.take(Time(10)));
        assert!(!bucket.take(Time(50)));
        assert!(bucket.take(Time(51)));
    }
}
