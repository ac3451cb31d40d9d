//! Which poses are read: a rate, and a tolerance for clients that are a little fast.

use gpys_proto::bucket::Bucket;
use gpys_proto::time::Time;

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
