//! How late packets came out of a path.

use std::fmt;
use std::time::Duration;

/// The upper bounds of a histogram of lateness, in microseconds: 1, 2, 5 and so on.
const BOUNDS_US: [u32; 13] =
    [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];

/// A histogram of how much later than set packets came out. The machine causes it, not the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// Counts by bound; the last is for everything later.
    counts: [u64; BOUNDS_US.len() + 1],
}

impl Lateness {
    /// Counts one packet.
    pub fn record(&mut self, late: Duration) {
        let us = late.as_micros();
        self.counts[BOUNDS_US.partition_point(|&bound| u128::from(bound) < us)] += 1;
    }

    /// Adds the counts of another histogram.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, other)| *count += other);
    }

    /// What was counted since `earlier`, an older state of this histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts;
        counts.iter_mut().zip(earlier.counts).for_each(|(count, old)| *count -= old);
        Self { counts }
    }

    /// Number of packets counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bound with the share of packets that came out later than that, from 0 to 1; empty
    /// without packets.
    #[must_use]
    pub fn later_than(&self) -> Vec<(Duration, f64)> {
        let all = self.count();
        if all == 0 {
            return Vec::new();
        }
        let mut later = all;
        let bounds = BOUNDS_US.iter().zip(self.counts);
        let shares = bounds.map(|(&bound, count)| {
            later -= count;
            (Duration::from_micros(bound.into()), later as f64 / all as f64)
        });
        shares.collect()
    }

    /// The smallest bound that this share of packets, from 0 to 1, keeps; `None` if they keep none.
    #[must_use]
    pub fn bound_of(&self, share: f64) -> Option<Duration> {
        let bounds = self.later_than();
        bounds.into_iter().find(|(_, later)| 1.0 - later >= share).map(|(bound, _)| bound)
    }
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound_of(0.99) {
            Some(bound) => {
                write!(f, "99 % within {} ms of the set time", bound.as_secs_f64() * 1e3)
            }
            None => write!(f, "1 % or more over 100 ms after the set time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(us: &[u64]) -> Lateness {
        let mut lateness = Lateness::default();
        us.iter().for_each(|&us| lateness.record(Duration::from_micros(us)));
        lateness
    }

    #[test]
    fn a_packet_counts_under_the_bound_that_it_keeps() {
        for (us, bound) in [(0, 10), (10, 10), (11, 20), (1_999, 2_000), (2_000, 2_000)] {
            assert_eq!(of(&[us]).bound_of(1.0), Some(Duration::from_micros(bound)), "{us}");
        }
        assert_eq!(of(&[100_001]).bound_of(0.5), None);
        assert_eq!(of(&[]).bound_of(0.5), None);
    }

    #[test]
    fn the_99th_percentile_is_that_of_the_packets() {
        let mut us = [5; 100];
        us[0] = 3_000;
        assert_eq!(of(&us).bound_of(0.99), Some(Duration::from_micros(10)));
        us[1] = 2_001;
        assert_eq!(of(&us).bound_of(0.99), Some(Duration::from_millis(5)));
        let over = |bound| of(&us).later_than().into_iter().find(|later| later.0 == bound).unwrap();
        assert_eq!(over(Duration::from_millis(2)).1, 0.02);
        assert_eq!(of(&us).to_string(), "99 % within 5 ms of the set time");
    }

    #[test]
    fn a_difference_and_a_sum_undo_each_other() {
        let (old, new) = (of(&[1, 30]), of(&[1, 30, 400, 1]));
        let mut sum = new.since(&old);
        assert_eq!(sum, of(&[400, 1]));
        sum.add(&old);
        assert_eq!((sum, sum.count()), (new, 4));
    }
}
