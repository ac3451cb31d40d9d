//! The age of information: how old samples are when they arrive, over the last seconds.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use gpys_proto::time::Stamp;
use gpys_proto::wire::PeerId;

/// Samples older than this do not count, in ms.
const WINDOW_MS: i32 = 5_000;
/// Samples to remember.
const MOST: usize = 512;
/// People whose newest sample is remembered.
const PEOPLE: usize = 4_096;

/// The ages of new samples.
#[derive(Debug, Default)]
pub(crate) struct Ages {
    /// When each arrived, on the server's clock, and how old it was, in ms.
    samples: VecDeque<(Stamp, i32)>,
    newest: HashMap<PeerId, Stamp>,
}

impl Ages {
    /// Somebody's figure arrives at `now`; it may be a repeat of a sample.
    pub(crate) fn note(&mut self, id: PeerId, sampled: Stamp, now: Stamp) {
        if self.newest.len() >= PEOPLE {
            self.newest.clear();
        }
        if self.newest.insert(id, sampled).is_some_and(|last| sampled.after(last) <= 0) {
            return;
        }
        if self.samples.len() == MOST {
            self.samples.pop_front();
        }
        self.samples.push_back((now, now.after(sampled).max(0)));
    }

    /// The median at `now`; `None` without recent news.
    pub(crate) fn median(&self, now: Stamp) -> Option<Duration> {
        let is_recent = |at: Stamp| (0..WINDOW_MS).contains(&now.after(at));
        let recent = self.samples.iter().filter(|(at, _)| is_recent(*at));
        let mut ages: Vec<_> = recent.map(|(_, age)| *age).collect();
        ages.sort_unstable();
        let median = ages.get(ages.len() / 2)?;
        Some(Duration::from_millis(u64::from(median.unsigned_abs())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_new_samples_of_late() {
        let mut ages = Ages::default();
        let ms = Duration::from_millis;
        assert_eq!(ages.median(Stamp(0)), None);
        for (at, age) in [(100, 90), (5_000, 10), (5_010, 15), (5_030, 30)] {
            ages.note(PeerId(1), Stamp(at - age), Stamp(at));
            // Repeats tell nothing.
            ages.note(PeerId(1), Stamp(at - age), Stamp(at + 5));
        }
        assert_eq!(ages.median(Stamp(5_035)), Some(ms(30)), "of 10, 15, 30 and 90");
        assert_eq!(ages.median(Stamp(5_200)), Some(ms(15)));
        assert_eq!(ages.median(Stamp(20_000)), None);
        (0..2_000).for_each(|n| ages.note(PeerId(n), Stamp(30_000 + n), Stamp(30_007 + n)));
        assert_eq!((ages.samples.len(), ages.median(Stamp(32_100))), (MOST, Some(ms(7))));
    }
}
