//! How many of a link's poses are lost on their way up, and whether copies of them pay. Poses are
//! numbered, so that those that are missing can be counted.

/// Missing poses at which copies pay, in parts of [`WHOLE`]: 1 in 50.
const HIGH: u32 = WHOLE / 50;
/// Missing poses below which copies end: 1 in 100.
const LOW: u32 = WHOLE / 100;
/// The unit of shares.
const WHOLE: u32 = 1 << 20;
/// Each pose moves the known share by one in this many of the difference, so that a single missing
/// one is not yet [`HIGH`].
const SMOOTH_DIVISOR: u32 = 64;
/// A pose is missing once this many newer ones have begun; until then it may only be late.
const WINDOW: usize = 8;
/// Poses missed in a row from which on it is an outage, against which copies are no help.
const OUTAGE: u32 = 8;

/// What a pose's number tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Whether the pose is the copy of one that has arrived, sent because copies are wanted.
    pub is_copy: bool,
    /// Whether copies are wanted from now on, where that has changed.
    pub wanted: Option<bool>,
}

/// Counts the poses of one link.
#[derive(Clone, Debug, Default)]
pub struct Uplink {
    /// The first number that counts, and the newest one.
    range: Option<(u32, u32)>,
    /// How often each of the newest numbers arrived, twice at most.
    arrived: [u8; WINDOW],
    /// The share of datagrams lost, smoothed, in parts of [`WHOLE`].
    share: u32,
    wanted: bool,
}

impl Uplink {
    /// Takes the number of a pose that has arrived.
    pub fn take(&mut self, seq: u32) -> Arrival {
        let Some((first, newest)) = self.range else {
            self.begin(seq);
            return Arrival::default();
        };
        let ahead = seq.wrapping_sub(newest);
        if ahead > u32::MAX / 2 {
            let is_known = newest.wrapping_sub(seq) < WINDOW as u32
                && seq.wrapping_sub(first) <= newest.wrapping_sub(first);
            return Arrival { is_copy: is_known && self.count(seq), wanted: None };
        }
        if ahead > OUTAGE {
            self.begin(seq);
            return Arrival::default();
        }
        let wanted = self.wanted;
        for step in 1..=ahead {
            self.advance(first, newest.wrapping_add(step));
        }
        self.range = Some((first, seq));
        let is_copy = self.count(seq);
        Arrival { is_copy, wanted: (self.wanted != wanted).then_some(self.wanted) }
    }

    /// Begins to count with this number.
    fn begin(&mut self, seq: u32) {
        self.range = Some((seq, seq));
        self.arrived = [0; WINDOW];
        self.count(seq);
    }

    /// Counts an arrival, and returns whether it is a copy.
    fn count(&mut self, seq: u32) -> bool {
        let arrived = &mut self.arrived[seq as usize % WINDOW];
        *arrived += 1;
        let is_copy = self.wanted && *arrived == 2;
        *arrived = (*arrived).min(2);
        is_copy
    }

    /// Makes room for `seq`, and judges the number whose place it takes.
    fn advance(&mut self, first: u32, seq: u32) {
        let arrived = std::mem::take(&mut self.arrived[seq as usize % WINDOW]);
        if seq.wrapping_sub(first) < WINDOW as u32 {
            return;
        }
        // With a copy, each half of a pose that is missing is one datagram lost.
        let lost = match (self.wanted, arrived) {
            (false, 0) | (true, 0) => WHOLE,
            (true, 1) => WHOLE / 2,
            _ => 0,
        };
        self.share = (self.share * (SMOOTH_DIVISOR - 1) + lost) / SMOOTH_DIVISOR;
        self.wanted = self.share > if self.wanted { LOW } else { HIGH };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends poses of which each datagram is lost by `is_lost` of its number and copy; returns what
    /// was wanted at the end, and how often that changed.
    fn send(
        uplink: &mut Uplink,
        numbers: std::ops::Range<u32>,
        mut is_lost: impl FnMut(u32, bool) -> bool,
    ) -> (bool, u32) {
        let mut changes = 0;
        for seq in numbers {
            let wanted = uplink.wanted;
            for copy in [false, true] {
                if (!copy || wanted) && !is_lost(seq, copy) {
                    changes += u32::from(uplink.take(seq).wanted.is_some());
                }
            }
        }
        (uplink.wanted, changes)
    }

    #[test]
    fn copies_are_wanted_while_more_than_one_in_fifty_is_lost() {
        let mut uplink = Uplink::default();
        assert_eq!(send(&mut uplink, 0..1_000, |_, _| false), (false, 0));
        assert_eq!(send(&mut uplink, 1_000..1_300, |seq, _| seq == 1_100), (false, 0), "one");
        let (wanted, _) = send(&mut uplink, 1_300..1_500, |seq, copy| seq % 20 == 0 && !copy);
        assert!(wanted, "one in twenty");
        // That a copy made up for the loss is no reason to end them.
        let every = |seq: u32, copy| seq % 20 == if copy { 10 } else { 0 };
        assert_eq!(send(&mut uplink, 1_500..5_000, every), (true, 0));
        assert_eq!(send(&mut uplink, 5_000..5_400, |_, _| false), (false, 1));
    }

    #[test]
    fn late_and_repeated_poses_are_not_missing() {
        let mut uplink = Uplink::default();
        for seq in (1..2_001_u32).map(|seq| u32::MAX.wrapping_add(seq.wrapping_sub(900)) ^ 3) {
            assert_eq!(uplink.take(seq), Arrival::default(), "fours, the other way round");
        }
        for _ in 0..100 {
            assert_eq!(uplink.take(1_100), Arrival::default(), "a device that stands still");
        }
    }

    #[test]
    fn an_outage_and_a_client_that_was_dropped_do_not_count() {
        let mut uplink = Uplink::default();
        let dark = |seq: u32, _| seq % 1_000 >= 950;
        assert_eq!(send(&mut uplink, 0..10_000, dark), (false, 0));
    }

    #[test]
    fn only_the_first_copy_is_one_and_only_while_they_are_wanted() {
        let mut uplink = Uplink::default();
        send(&mut uplink, 0..200, |seq, _| seq % 10 == 0);
        assert!(uplink.wanted);
        let is_copy = |uplink: &mut Uplink, seq| uplink.take(seq).is_copy;
        assert!(!is_copy(&mut uplink, 200) && is_copy(&mut uplink, 200));
        assert!(!is_copy(&mut uplink, 200), "a repeat");
        assert!(!is_copy(&mut uplink, 201) && is_copy(&mut uplink, 201));
        assert!(!is_copy(&mut uplink, 100), "long ago");
    }
}
