//! A token bucket.

use crate::time::Time;

/// So many a second, and a burst of so many at once.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    per_second: u64,
    burst: u64,
    /// What may be taken now, in thousandths, as of `at`.
    left: u64,
    at: Time,
}

impl Bucket {
    /// A full bucket.
    pub(crate) const fn new(per_second: u64, burst: u64, now: Time) -> Self {
        Self { per_second, burst, left: burst * 1000, at: now }
    }

    /// Takes `count`, and reports whether there were so many.
    pub(crate) fn take(&mut self, count: u64, now: Time) -> bool {
        let earned = now.since(self.at).saturating_mul(self.per_second);
        self.left = self.left.saturating_add(earned).min(self.burst * 1000);
        self.at = self.at.max(now);
        let left = self.left.checked_sub(count.saturating_mul(1000));
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_a_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(10, 3, Time::from_ms(50));
        let mut taken = |ms| bucket.take(1, Time::from_ms(ms));
        assert_eq!(
            [50, 50, 50, 50, 149, 150, 151].map(&mut taken),
            [true, true, true, false, false, true, false]
        );
        assert!(!bucket.take(4, Time::from_ms(60_000)), "more than a burst");
        assert!(bucket.take(3, Time::from_ms(60_000)));
    }
}
