//! What is counted by sender and second: the clusters that intervals are drawn from, because what
//! delays one sample of a sender delays its neighbours for every receiver.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The deadlines, in us.
pub const DEADLINES_US: [u64; 3] = [50_000, 100_000, 150_000];
/// How long a sample's fate is open after the last one was taken: the longest deadline.
pub const GRACE: Duration = Duration::from_millis(150);

/// Bits of an age that are kept: its bin is at most 1/64 wide, relative to it.
const PRECISION: u32 = 6;
/// Ages are capped at this, in us: 134 s.
const LONGEST_US: u64 = (1 << 27) - 1;
const BINS: usize = bin(LONGEST_US) + 1;
const SECOND_US: u64 = 1_000_000;

/// The bin of an age in us.
const fn bin(us: u64) -> usize {
    let us = if us < LONGEST_US { us } else { LONGEST_US };
    let octave = (64 - us.leading_zeros()).saturating_sub(PRECISION + 1);
    ((octave as u64) << PRECISION) as usize + (us >> octave) as usize
}

/// The middle of a bin, in us.
fn middle(bin: usize) -> f64 {
    let octave = (bin >> PRECISION).saturating_sub(1);
    let low = (bin - (octave << PRECISION)) << octave;
    low as f64 + ((1_u64 << octave) - 1) as f64 / 2.0
}

/// Counts of ages, by bin, without the empty ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread(Vec<(u16, u32)>);

/// A sum of [`Spread`]s.
#[derive(Clone, Debug)]
pub struct Total(Vec<u64>);

impl Default for Total {
    fn default() -> Self {
        Self(vec![0; BINS])
    }
}

impl Total {
    /// Adds the counts of `spread`.
    pub fn add(&mut self, spread: &Spread) {
        spread.0.iter().for_each(|&(bin, count)| self.0[usize::from(bin)] += u64::from(count));
    }

    /// Removes all counts.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// The age in ms that this share does not exceed; NaN without counts.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let all: u64 = self.0.iter().sum();
        let rank = ((all as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        let found = self.0.iter().position(|&count| {
            below += count;
            below >= rank
        });
        found.filter(|_| all > 0).map_or(f64::NAN, |bin| middle(bin) / 1e3)
    }
}

/// What became of the samples that one sender took in one second.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Ages of samples at their arrival.
    pub messages: Spread,
    /// Ages of the sender in the pictures of all observers during this second.
    pub picture: Spread,
    /// Samples that were to arrive: those taken, times the observers.
    pub due: u64,
    /// How many of them arrived within each of [`DEADLINES_US`].
    pub in_time: [u32; 3],
    /// The same, with those for which a newer one arrived in their time.
    pub in_time_or_newer: [u32; 3],
}

struct Cell {
    messages: Vec<AtomicU32>,
    picture: Vec<AtomicU32>,
    taken: AtomicU32,
    in_time: [AtomicU32; 3],
    in_time_or_newer: [AtomicU32; 3],
}

impl Cell {
    fn new() -> Self {
        let bins = || (0..BINS).map(|_| AtomicU32::new(0)).collect();
        let zeros = || [const { AtomicU32::new(0) }; 3];
        Self {
            messages: bins(),
            picture: bins(),
            taken: AtomicU32::new(0),
            in_time: zeros(),
            in_time_or_newer: zeros(),
        }
    }
}

/// The counts of one measurement.
pub struct Tally {
    begin: u64,
    end: u64,
    seconds: usize,
    /// By sender, then by second.
    cells: Vec<Cell>,
    /// Number of samples that arrived in each second.
    arrived: Vec<AtomicU32>,
}

fn count(counter: &AtomicU32) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    /// Counts what `people` take for `time`, from the moment in us that `begin` tells once all room
    /// for it is made.
    pub fn new(people: u32, time: Duration, begin: impl FnOnce() -> u64) -> Self {
        let time = time.as_micros() as u64;
        let seconds = time.div_ceil(SECOND_US).max(1) as usize;
        let cells = (0..people as usize * seconds).map(|_| Cell::new()).collect();
        let arrived = (0..seconds).map(|_| AtomicU32::new(0)).collect();
        let begin = begin();
        Self { begin, end: begin + time, seconds, cells, arrived }
    }

    /// A sample was taken.
    pub fn take(&self, person: u32, taken: u64) {
        if self.is_due(taken) {
            count(&self.cell(person, taken).taken);
        }
    }

    /// A sample arrived that is newer than what the receiver knew.
    pub fn arrive(&self, person: u32, taken: u64, now: u64) {
        if now < self.end {
            count(&self.cell(person, taken).messages[bin(now.saturating_sub(taken))]);
            count(&self.arrived[self.second(now)]);
        }
        if self.is_due(taken) {
            let cell = self.cell(person, taken);
            for at in met(taken, now) {
                count(&cell.in_time[at]);
            }
        }
        self.settle(person, taken, now);
    }

    /// A sample, or a newer one in its place, arrived.
    pub fn settle(&self, person: u32, taken: u64, now: u64) {
        if self.is_due(taken) {
            let cell = self.cell(person, taken);
            for at in met(taken, now) {
                count(&cell.in_time_or_newer[at]);
            }
        }
    }

    /// A sender's age in a picture.
    pub fn look(&self, person: u32, age: u64, now: u64) {
        count(&self.cell(person, now).picture[bin(age)]);
    }

    fn is_due(&self, taken: u64) -> bool {
        (self.begin..self.end).contains(&taken)
    }

    fn second(&self, us: u64) -> usize {
        let second = us.saturating_sub(self.begin) / SECOND_US;
        (second as usize).min(self.seconds - 1)
    }

    fn cell(&self, person: u32, us: u64) -> &Cell {
        &self.cells[person as usize * self.seconds + self.second(us)]
    }

    /// The clusters, for the first `observers` as receivers.
    pub fn clusters(&self, observers: u32) -> Vec<Cluster> {
        let spread = |counts: &[AtomicU32]| {
            let counts = counts.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
            let filled = counts.filter(|(_, count)| *count > 0);
            Spread(filled.map(|(bin, count)| (bin as u16, count)).collect())
        };
        let load = |counts: &[AtomicU32; 3]| counts.each_ref().map(|c| c.load(Ordering::Relaxed));
        let cluster = |(at, cell): (usize, &Cell)| {
            let sees_itself = at / self.seconds < observers as usize;
            let receivers = u64::from(observers) - u64::from(sees_itself);
            Cluster {
                messages: spread(&cell.messages),
                picture: spread(&cell.picture),
                due: u64::from(cell.taken.load(Ordering::Relaxed)) * receivers,
                in_time: load(&cell.in_time),
                in_time_or_newer: load(&cell.in_time_or_newer),
            }
        };
        self.cells.iter().enumerate().map(cluster).collect()
    }

    /// Number of samples that arrived in each second.
    pub fn arrived(&self) -> Vec<u32> {
        self.arrived.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally").field("seconds", &self.seconds).finish_non_exhaustive()
    }
}

/// The deadlines that a sample taken then and known now has met.
fn met(taken: u64, now: u64) -> impl Iterator<Item = usize> {
    let age = now.saturating_sub(taken);
    (0..DEADLINES_US.len()).filter(move |&at| age <= DEADLINES_US[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_holds_its_ages_to_a_64th() {
        let mut last = 0;
        for us in (0..5_000).chain((5_000..LONGEST_US).step_by(9_999)) {
            let bin = bin(us);
            assert!(bin == last || bin > last && bin < BINS, "{us}");
            last = bin;
            assert!((middle(bin) - us as f64).abs() <= us as f64 / 128.0, "{us}: {}", middle(bin));
        }
        assert_eq!(bin(u64::MAX), BINS - 1);
    }

    #[test]
    fn quantiles_are_those_of_the_ages() {
        let tally = Tally::new(1, Duration::from_secs(200), || 0);
        (1..=1_000).for_each(|us| tally.arrive(0, 0, us * 100));
        let mut total = Total::default();
        tally.clusters(2).iter().for_each(|cluster| total.add(&cluster.messages));
        for (share, ms) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let quantile = total.quantile_ms(share);
            assert!((quantile / ms - 1.0).abs() < 0.01, "{share}: {quantile}");
        }
        assert!(Total::default().quantile_ms(0.5).is_nan());
    }

    #[test]
    fn a_lost_sample_misses_every_deadline() {
        let second = SECOND_US;
        let tally = Tally::new(2, Duration::from_secs(2), || second);
        // One sample before the measurement, four in it, one after it.
        for taken in [0, second, second + 10, 2 * second, 2 * second + 10, 3 * second] {
            tally.take(1, taken);
        }
        // In time, late, and in the place of one that was lost.
        tally.arrive(1, second, second + 50_000);
        tally.arrive(1, second + 10, second + 120_010);
        tally.arrive(1, 2 * second + 10, 2 * second + 60_000);
        tally.settle(1, 2 * second, 2 * second + 60_000);
        // None of the measurement's.
        tally.arrive(1, 3 * second, 3 * second + 1);
        let clusters = tally.clusters(1);
        assert_eq!(clusters.iter().map(|c| c.due).collect::<Vec<_>>(), [0, 0, 2, 2]);
        assert_eq!((clusters[2].in_time, clusters[2].in_time_or_newer), ([1, 1, 2], [1, 1, 2]));
        assert_eq!((clusters[3].in_time, clusters[3].in_time_or_newer), ([0, 1, 1], [0, 2, 2]));
        assert_eq!(tally.arrived(), [2, 1]);
    }
}
