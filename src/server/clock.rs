//! The server's clock: the one place where machine time becomes [`Time`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use gpys_proto::time::Time;

/// The clock's value at its start, in ms. Samples taken shortly before the start thus still have
/// distinct times.
const EPOCH_MS: u64 = 1_000;

/// Time since 1970 by the machine's clock.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Time since 1970 in whole seconds.
pub fn unix_now() -> i64 {
    i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
}

/// The time since the server started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Time {
        let elapsed = self.start.elapsed().as_micros();
        Time::from_ms(EPOCH_MS).after_us(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// The instant at which the clock reads `time`, or the start if that is earlier.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.start + Duration::from_micros(time.us_since(Time::from_ms(EPOCH_MS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_clock_reads_a_time_at_its_instant() {
        let clock = Clock::start();
        assert!(clock.now() >= Time::from_ms(EPOCH_MS));
        for ahead in [0, 1, 20] {
            let due = clock.now() + ahead;
            tokio::time::sleep_until(clock.instant(due)).await;
            assert!(clock.now() >= due);
        }
        assert_eq!(clock.instant(Time::from_ms(0)), clock.start);
    }
}
