//! The server's clock: the one place where the shell turns the machine's time into [`Time`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use gpys_proto::time::Time;

/// What the clock shows when it starts, in ms. Samples taken a little before the server knew of
/// them then still have a time of their own.
const EPOCH_MS: u64 = 1_000;

/// The time since 1970, as the machine's clock has it.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The same in whole seconds.
pub fn unix_now() -> i64 {
    i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
}

/// Milliseconds since the server started.
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
        let elapsed = self.start.elapsed().as_millis();
        Time(u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_add(EPOCH_MS))
    }

    /// The moment at which the clock shows `time`; a time before the start is the start.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.start + Duration::from_millis(time.since(Time(EPOCH_MS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_clock_has_reached_a_time_at_its_instant() {
        let clock = Clock::start();
        assert!(clock.now() >= Time(EPOCH_MS));
        for ahead in [0, 1, 20] {
            let due = clock.now() + ahead;
            tokio::time::sleep_until(clock.instant(due)).await;
            assert!(clock.now() >= due);
        }
        assert_eq!(clock.instant(Time(0)), clock.start);
    }
}
