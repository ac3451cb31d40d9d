//! Rate limits: token buckets as plain arithmetic.

use crate::time::Time;

/// One token in the bucket's unit, chosen so that a millisecond's refill is a whole number.
const TOKEN: u64 = 1_000;

/// Admits `per_second` events on average and `burst` at once.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_second: u64,
    full: u64,
    level: u64,
    last: Time,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub const fn new(per_second: u64, burst: u64, now: Time) -> Self {
        let full = burst.saturating_mul(TOKEN);
        Self { per_second, full, level: full, last: now }
    }

    /// Whether the bucket would be full at `now`, like one that was never used.
    #[must_use]
    pub fn is_full(&self, now: Time) -> bool {
        let refill = now.since(self.last).saturating_mul(self.per_second);
        self.level.saturating_add(refill) >= self.full
    }

    /// Takes one token, if any is left.
    pub fn take(&mut self, now: Time) -> bool {
        self.take_many(1, now)
    }

    /// Takes so many tokens, if that many are left, and none otherwise.
    pub fn take_many(&mut self, count: u64, now: Time) -> bool {
        let refill = now.since(self.last).saturating_mul(self.per_second);
        self.level = self.level.saturating_add(refill).min(self.full);
        self.last = self.last.max(now);
        let left = self.level.checked_sub(count.saturating_mul(TOKEN));
        self.level = left.unwrap_or(self.level);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_a_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(10, 3, Time::from_ms(50));
        let mut taken = |ms| bucket.take(Time::from_ms(ms));
        assert_eq!(
            [50, 50, 50, 50, 149, 150, 151].map(&mut taken),
            [true, true, true, false, false, true, false]
        );
        assert!(!bucket.take_many(4, Time::from_ms(60_000)), "more than a burst");
        assert!(bucket.take_many(3, Time::from_ms(60_000)));
    }

    #[test]
    fn a_bucket_admits_a_burst_and_then_the_rate() {
        let mut bucket = Bucket::new(10, 5, Time::from_ms(0));
        let passed = (0..100).filter(|_| bucket.take(Time::from_ms(0))).count();
        assert_eq!(passed, 5);
        let passed = (1..=10_000).filter(|&ms| bucket.take(Time::from_ms(ms))).count();
        assert_eq!(passed, 100);
    }

    #[test]
    fn a_clock_that_goes_back_adds_no_tokens() {
        let mut bucket = Bucket::new(1_000, 1, Time::from_ms(50));
        assert!(bucket.take(Time::from_ms(50)));
        assert!(!bucket.take(Time::from_ms(10)));
        assert!(!bucket.take(Time::from_ms(50)));
        assert!(bucket.take(Time::from_ms(51)));
    }

    #[test]
    fn a_bucket_is_full_again_once_its_burst_is_refilled() {
        let mut bucket = Bucket::new(10, 5, Time::from_ms(0));
        assert!(bucket.is_full(Time::from_ms(0)));
        assert!(bucket.take(Time::from_ms(0)) && bucket.take(Time::from_ms(0)));
        assert!(!bucket.is_full(Time::from_ms(199)));
        assert!(bucket.is_full(Time::from_ms(200)));
    }
}
