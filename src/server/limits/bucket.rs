//! Rate limits: token buckets as plain arithmetic.

use gpys_proto::time::Time;

/// One token in the bucket's unit, chosen so that a millisecond's refill is a whole number.
const TOKEN: u64 = 1_000;

/// Admits `per_second` events on average and `burst` at once.
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

    /// Whether the bucket would be full at `now`, like one that was never used.
    pub(crate) fn is_full(&self, now: Time) -> bool {
        let refill = now.since(self.last).saturating_mul(self.per_second);
        self.level.saturating_add(refill) >= self.full
    }

    /// Takes one token, if any is left.
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

/// Why a pose is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Too many just now.
    Surplus,
    /// Far too many for too long.
    Abuse,
}

/// Reads poses at a rate and drops the surplus. A client whose clock or screen runs faster than the
/// rate merely has fewer of its poses read; one that keeps sending more than twice the rate is
/// disconnected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    read: Bucket,
    surplus: Bucket,
}

impl Allowance {
    /// Reads `per_second` poses, with a burst of twice as many. It tolerates the same surplus rate,
    /// with a burst of ten seconds' worth.
    pub(crate) const fn new(per_second: u64, now: Time) -> Self {
        let read = Bucket::new(per_second, 2 * per_second, now);
        Self { read, surplus: Bucket::new(per_second, 10 * per_second, now) }
    }

    /// Counts a pose.
    ///
    /// # Errors
    /// If the pose must be dropped.
    pub(crate) fn take(&mut self, now: Time) -> Result<(), Excess> {
        if self.read.take(now) {
            Ok(())
        } else if self.surplus.take(now) {
            Err(Excess::Surplus)
        } else {
            Err(Excess::Abuse)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Sends `hz` poses a second for `seconds`. Returns how many were read, and when the client was
    /// disconnected.
    fn send(hz: u64, seconds: u64) -> (u64, Option<u64>) {
        let mut allowance = Allowance::new(30, Time::from_ms(0));
        let mut read = 0;
        for pose in 0..hz * seconds {
            let now = pose * 1_000 / hz;
            match allowance.take(Time::from_ms(now)) {
                Ok(()) => read += 1,
                Err(Excess::Surplus) => {}
                Err(Excess::Abuse) => return (read, Some(now)),
            }
        }
        (read, None)
    }

    #[test]
    fn surplus_is_dropped_and_lasting_abuse_disconnects() {
        assert_eq!(send(30, 60), (1_800, None), "as fast as allowed");
        let (read, cut) = send(60, 60);
        assert_eq!(cut, None, "a fast screen");
        assert!((1_800..=1_860).contains(&read), "{read}");
        let (_, cut) = send(120, 60);
        assert!(cut.is_some_and(|ms| (3_000..8_000).contains(&ms)), "{cut:?}");
    }
}
