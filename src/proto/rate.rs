//! How many bytes a viewer may be sent: a bucket of tokens and its adaptation to the path.

use super::time::Time;
use super::world::Feedback;

/// The bucket holds this many ms of the rate...
const BURST_MS: u64 = 100;
/// ...but never less than this many bytes: two full frames.
const MIN_BURST: u64 = 2_000;
/// More than this share of packets lost is congestion, not radio noise: 1 in 4.
const LOSS_DIVISOR: u64 = 4;
/// Losses in one report below which nothing is concluded.
const MIN_LOST: u64 = 3;
/// A round trip this much above one and a half of the shortest, in ms, is a queue on the path.
const QUEUE_MS: u32 = 50;
/// What a longer round trip adds to the shortest, 1 in this many of the difference a report: so a
/// path that became longer (a phone that left its Wi-Fi) is taken for a queue for seconds only.
const FORGET_DIVISOR: u32 = 16;
/// Between congestions the rate rises by 1 in this many a report.
const RAISE_DIVISOR: u32 = 12;

/// A byte rate that sinks fast on congestion and rises slowly.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    /// Bytes per second that were asked for.
    asked: u32,
    /// Bytes per second now.
    now: u32,
    /// The least it may sink to.
    floor: u32,
    /// Thousandths of bytes in the bucket.
    tokens: u64,
    filled: Time,
    /// The shortest round trip, in ms, as far as it is remembered.
    shortest_rtt: u32,
    /// As of the last report.
    last_rtt: u32,
    /// Bytes spent since the last report, and when that was.
    spent: u64,
    reported: Time,
}

impl Rate {
    pub(crate) fn new(asked: u32, floor: u32, now: Time) -> Self {
        let mut rate = Self {
            asked,
            now: asked,
            floor,
            tokens: 0,
            filled: now,
            shortest_rtt: u32::MAX,
            last_rtt: u32::MAX,
            spent: 0,
            reported: now,
        };
        rate.tokens = rate.burst() * 1000;
        rate
    }

    /// The client asks for another budget.
    pub(crate) fn ask(&mut self, asked: u32) {
        self.asked = asked;
        self.now = self.now.min(asked);
    }

    /// Bytes per second now.
    pub(crate) const fn bytes_per_second(&self) -> u32 {
        self.now
    }

    /// Most bytes that can ever be sent at one moment.
    pub(crate) fn burst(&self) -> u64 {
        (u64::from(self.now) * BURST_MS / 1000).max(MIN_BURST)
    }

    /// Bytes that may be sent at `now`.
    pub(crate) fn available(&mut self, now: Time) -> usize {
        self.tokens += u64::from(self.now) * now.since(self.filled);
        self.tokens = self.tokens.min(self.burst() * 1000);
        self.filled = now;
        (self.tokens / 1000) as usize
    }

    /// `bytes` were sent.
    pub(crate) const fn spend(&mut self, bytes: usize) {
        self.tokens = self.tokens.saturating_sub(bytes as u64 * 1000);
        self.spent += bytes as u64;
    }

    /// Lowers the rate on congestion, to four fifths of what came through since the last report, or
    /// to less if a queue has to drain, but to no less than a quarter of what it was: a rate that
    /// was never used up says nothing of the path. Otherwise raises it slowly.
    pub(crate) fn adapt(&mut self, feedback: Feedback, now: Time) {
        let Feedback { sent, lost, rtt_ms, refused } = feedback;
        let time = now.since(self.reported).max(1);
        self.reported = now;
        // What made the queue longer did not come through.
        let longer = rtt_ms.saturating_sub(std::mem::replace(&mut self.last_rtt, rtt_ms));
        let used = std::mem::take(&mut self.spent) * 1000 / (time + u64::from(longer));
        if rtt_ms > 0 {
            self.shortest_rtt = self.shortest_rtt.min(rtt_ms);
        }
        let usual = self.shortest_rtt.saturating_add(self.shortest_rtt / 2);
        let queued = rtt_ms > usual.saturating_add(QUEUE_MS);
        let lossy = lost >= MIN_LOST && lost * LOSS_DIVISOR > sent;
        // A stall of TCP that waits for one packet refuses a few frames as well; that is no reason
        // to send less.
        let full = u64::from(refused) * 2 > sent;
        self.now = if queued || lossy || full {
            let carried = used * sent.saturating_sub(lost) / sent.max(1);
            // A queue of q ms drains in about a second if q thousandths less is sent.
            let queue = u64::from(rtt_ms.saturating_sub(self.shortest_rtt));
            let share = 900_u64.saturating_sub(queue).clamp(250, 800);
            let carried = u32::try_from(carried * share / 1000).unwrap_or(u32::MAX);
            self.now.min(carried.max(self.now / 4))
        } else {
            self.now.saturating_add(self.now / RAISE_DIVISOR)
        }
        .clamp(self.floor.min(self.asked), self.asked);
        self.shortest_rtt += rtt_ms.saturating_sub(self.shortest_rtt).div_ceil(FORGET_DIVISOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_rate_and_a_burst() {
        let mut rate = Rate::new(64_000, 4_000, Time(0));
        let mut sent = 0;
        for ms in 0..10_000 {
            let bytes = rate.available(Time(ms)).min(1000);
            rate.spend(bytes);
            sent += bytes as u64;
            assert!(sent <= 64 * ms + rate.burst());
        }
        assert!(sent >= 64 * 9_990);
    }

    /// Half a second of sending all that the rate allows over a link of this many bytes a second.
    fn half_a_second(rate: &mut Rate, link: u64, now: &mut Time) -> u32 {
        let (mut sent, mut lost, mut carried) = (0, 0, 0);
        for _ in 0..15 {
            *now = *now + 33;
            let bytes = rate.available(*now).min(1_000);
            rate.spend(bytes);
            sent += 1;
            carried += bytes as u64;
            if carried > link / 2 {
                (lost, carried) = (lost + 1, link / 2);
            }
        }
        rate.adapt(Feedback { sent, lost, rtt_ms: 20, refused: 0 }, *now);
        rate.bytes_per_second()
    }

    #[test]
    fn settles_near_what_the_path_carries_and_rises_again() {
        let mut now = Time(0);
        let mut rate = Rate::new(1_000_000, 4_000, now);
        let rates: Vec<u32> = (0..60).map(|_| half_a_second(&mut rate, 10_000, &mut now)).collect();
        assert!(rates[5] < 20_000, "{rates:?}");
        assert!(rates[20..].iter().all(|rate| (6_000..20_000).contains(rate)), "{rates:?}");
        let rates: Vec<u32> =
            (0..80).map(|_| half_a_second(&mut rate, 1_000_000, &mut now)).collect();
        assert!(rates.is_sorted() && rates[79] == 1_000_000, "{rates:?}");
    }

    #[test]
    fn a_path_that_became_longer_is_not_a_queue_for_good() {
        let mut now = Time(0);
        let mut rate = Rate::new(64_000, 4_000, now);
        let mut report = |rtt_ms| {
            now = now + 500;
            let bytes = rate.available(now);
            rate.spend(bytes);
            rate.adapt(Feedback { sent: 20, lost: 0, rtt_ms, refused: 0 }, now);
            rate.bytes_per_second()
        };
        assert_eq!((0..20).map(|_| report(8)).last(), Some(64_000));
        assert!(report(250) < 64_000);
        assert_eq!((0..120).map(|_| report(250)).last(), Some(64_000));
    }

    #[test]
    fn tells_a_queue_and_a_full_link_from_noise() {
        let quiet = Feedback { sent: 20, lost: 0, rtt_ms: 40, refused: 0 };
        let feel = |feedback: Feedback| {
            let mut rate = Rate::new(100_000, 4_000, Time(0));
            rate.adapt(quiet, Time(500));
            rate.adapt(feedback, Time(1_000));
            rate.bytes_per_second()
        };
        for noise in [
            quiet,
            Feedback { lost: 4, ..quiet },
            Feedback { rtt_ms: 100, ..quiet },
            Feedback { refused: 10, ..quiet },
        ] {
            assert_eq!(feel(noise), 100_000, "{noise:?}");
        }
        for congestion in [
            Feedback { lost: 6, ..quiet },
            Feedback { rtt_ms: 111, ..quiet },
            Feedback { refused: 11, ..quiet },
        ] {
            // Nothing was spent, so nothing is known but that it is too much.
            assert_eq!(feel(congestion), 25_000, "{congestion:?}");
        }
    }
}
