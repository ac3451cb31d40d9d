//! Pauses: even ones while all goes well, growing ones with chance in them after failures, so that
//! many feeds do not come back at once.

use std::time::Duration;

/// The pauses between attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    every: Duration,
    longest: Duration,
    failures: u32,
    rng: fastrand::Rng,
}

impl Backoff {
    /// Pauses of `every`, and after failures of at most `longest`, or `every` if that is longer.
    pub(super) fn new(every: Duration, longest: Duration) -> Self {
        Self { every, longest: longest.max(every), failures: 0, rng: fastrand::Rng::new() }
    }

    /// The pause after a success.
    pub(super) const fn done(&mut self) -> Duration {
        self.failures = 0;
        self.every
    }

    /// The pause after a failure: twice the last one, of which up to half is left out.
    pub(super) fn failed(&mut self) -> Duration {
        let factor = 2_u32.saturating_pow(self.failures);
        self.failures += 1;
        let pause = self.every.saturating_mul(factor).min(self.longest);
        pause.mul_f64(0.5 + self.rng.f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_start_over_after_a_success() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(15), seconds(300));
        for whole in [15, 30, 60, 120, 240, 300, 300] {
            let pause = backoff.failed();
            assert!((seconds(whole) / 2..=seconds(whole)).contains(&pause), "{pause:?}");
        }
        for _ in 0..100 {
            assert!(backoff.failed() <= seconds(300));
        }
        assert_eq!(backoff.done(), seconds(15));
        assert!(backoff.failed() <= seconds(15));
    }
}
