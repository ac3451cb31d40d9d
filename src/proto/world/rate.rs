//! A viewer's byte rate: a token bucket that adapts to the path.

use crate::time::Time;

const MILLION: u64 = 1_000_000;
/// The bucket holds this many ms of the rate...
const BURST_MS: u64 = 100;
/// ...but never less than this many bytes: two full frames.
const MIN_BURST: u64 = 2_000;
/// The first rate, in bytes per second, unless the client asks for less: nearly every path carries
/// it, and it is the default budget.
const BEGIN: u32 = 64 * 1024;
/// More than this share of packets lost is congestion, not radio noise: 1 in 4.
const LOSS_DIVISOR: u64 = 4;
/// Losses in one report that are too few to conclude anything from, if below this.
const MIN_LOST: u64 = 3;
/// A round trip this far above 1.5 times the shortest, in ms, means a queue on the path.
const QUEUE_MS: u32 = 50;
/// Each report moves the shortest round trip towards a longer one by 1 in this many of the
/// difference, so a path that became longer (a phone that left its Wi-Fi) passes for a queue for
/// seconds only.
const FORGET_DIVISOR: u32 = 16;
/// Between congestions, each report raises the rate by 1 in this many.
const RAISE_DIVISOR: u32 = 12;
/// After this many reports without congestion, in which the rate more than trebles, what was known
/// of the path is stale, and the rate doubles with each report as at the beginning.
const CALM_REPORTS: u8 = 16;
/// What came through shows what the path carries if it was at least 1 in this many of the rate, or
/// of [`BEGIN`]. Less may be all there was to send.
const TELLING_DIVISOR: u32 = 8;

/// What a link learned of its path, for the budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// Packets sent since the last feedback.
    pub sent: u64,
    /// Packets found lost since the last feedback.
    pub lost: u64,
    /// Round trip now, in ms; 0 if unknown.
    pub rtt_ms: u32,
    /// Frames that found no room in the link since the last feedback.
    pub refused: u32,
}

/// A byte rate that doubles until the first congestion, sinks fast on congestion, and rises slowly
/// from there.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    /// Bytes per second that the client asked for.
    asked: u32,
    /// Bytes per second now.
    now: u32,
    /// The lowest rate.
    floor: u32,
    /// Millionths of bytes in the bucket.
    tokens: u64,
    filled: Time,
    /// The shortest round trip, in ms, with slow forgetting.
    shortest_rtt: u32,
    /// The round trip of the last report.
    last_rtt: Option<u32>,
    /// What came through at the last congestion, in bytes per second.
    carried: u32,
    /// Reports since the last congestion.
    calm: u8,
    /// Bytes spent since the last report.
    spent: u64,
    reported: Time,
}

impl Rate {
    pub(crate) fn new(asked: u32, floor: u32, now: Time) -> Self {
        let mut rate = Self {
            asked,
            now: asked.min(BEGIN),
            floor,
            tokens: 0,
            filled: now,
            shortest_rtt: u32::MAX,
            last_rtt: None,
            carried: 0,
            calm: CALM_REPORTS,
            spent: 0,
            reported: now,
        };
        rate.tokens = rate.burst() * MILLION;
        rate
    }

    /// Changes the budget that the client asks for.
    pub(crate) fn ask(&mut self, asked: u32) {
        self.asked = asked;
        self.now = self.now.min(asked);
    }

    /// Returns the present rate, in bytes per second.
    pub(crate) const fn bytes_per_second(&self) -> u32 {
        self.now
    }

    /// Returns the most bytes that can be sent at one moment.
    pub(crate) fn burst(&self) -> u64 {
        (u64::from(self.now) * BURST_MS / 1000).max(MIN_BURST)
    }

    /// Returns the bytes that may be sent at `now`.
    pub(crate) fn available(&mut self, now: Time) -> usize {
        let earned = u64::from(self.now).saturating_mul(now.us_since(self.filled));
        self.tokens = self.tokens.saturating_add(earned).min(self.burst() * MILLION);
        self.filled = now;
        (self.tokens / MILLION) as usize
    }

    /// Whether so much may be sent at `now` that something dispensable may go along.
    pub(crate) fn has_spare(&mut self, now: Time) -> bool {
        self.available(now) as u64 >= self.burst() / 2
    }

    /// Returns when so many bytes may be sent, as of `now`, at which [`Rate::available`] was called.
    pub(crate) fn when(&self, bytes: usize, now: Time) -> Time {
        let missing = (bytes as u64 * MILLION).saturating_sub(self.tokens);
        now.after_us(missing.div_ceil(u64::from(self.now).max(1)))
    }

    /// Takes the bytes of a sent frame from the bucket.
    pub(crate) const fn spend(&mut self, bytes: usize) {
        self.tokens = self.tokens.saturating_sub(bytes as u64 * MILLION);
        self.spent += bytes as u64;
    }

    /// Lowers the rate on congestion, to four fifths of what came through since the last report, or
    /// to less while a queue has to drain. A rate that was hardly used sinks to no less than a
    /// quarter, because its use says nothing of the path. Without congestion, raises the rate.
    pub(crate) fn adapt(&mut self, feedback: Feedback, now: Time) {
        let Feedback { sent, lost, rtt_ms, refused } = feedback;
        let used = self.used(rtt_ms, now);
        if rtt_ms > 0 {
            self.shortest_rtt = self.shortest_rtt.min(rtt_ms);
        }
        let usual = self.shortest_rtt.saturating_add(self.shortest_rtt / 2);
        let queued = rtt_ms > usual.saturating_add(QUEUE_MS);
        let lossy = lost >= MIN_LOST && lost * LOSS_DIVISOR > sent;
        // TCP waiting for one lost packet refuses a few frames as well; that is no reason to send
        // less.
        let full = u64::from(refused) * 2 > sent;
        self.now = if queued || lossy || full {
            let carried = used * sent.saturating_sub(lost) / sent.max(1);
            let carried = u32::try_from(carried).unwrap_or(u32::MAX);
            let goes_on = std::mem::take(&mut self.calm) == 0;
            // A round trip is known late, so what came through looks like too much while a queue
            // grows, and like too little while it shrinks.
            self.carried = if goes_on { self.carried.midpoint(carried) } else { carried };
            // Sending q thousandths less drains a queue of q ms in about a second.
            let queue = rtt_ms.saturating_sub(self.shortest_rtt);
            let drained = part(self.carried, 900_u32.saturating_sub(queue).clamp(250, 800));
            let telling = used >= u64::from(self.now.min(BEGIN) / TELLING_DIVISOR);
            self.now.min(if telling { drained } else { drained.max(self.now / 4) })
        } else if sent == 0 {
            // Without anything sent, there is nothing to learn but the round trip.
            self.now
        } else if self.calm < CALM_REPORTS {
            self.calm += 1;
            // A draining queue may have pushed the rate below what is known to come through.
            (self.now + self.now / RAISE_DIVISOR).max(part(self.carried, 800))
        } else {
            self.now.saturating_mul(2)
        }
        .clamp(self.floor.min(self.asked), self.asked);
        self.shortest_rtt += rtt_ms.saturating_sub(self.shortest_rtt).div_ceil(FORGET_DIVISOR);
    }

    /// Returns the bytes a second that came through since the last report, if none were lost.
    fn used(&mut self, rtt_ms: u32, now: Time) -> u64 {
        let time = now.since(self.reported).max(1);
        self.reported = now;
        let last = self.last_rtt.replace(rtt_ms).unwrap_or(rtt_ms);
        // Bytes that made a queue longer have not come through yet; those that made it shorter
        // have.
        let time = (time + u64::from(rtt_ms)).saturating_sub(last.into()).max(time / 2).max(1);
        std::mem::take(&mut self.spent) * 1000 / time
    }
}

/// Returns a part of a rate, in thousandths.
fn part(rate: u32, thousandths: u32) -> u32 {
    (u64::from(rate) * u64::from(thousandths) / 1000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_exceeds_the_rate_and_a_burst() {
        let mut rate = Rate::new(64_000, 4_000, Time::from_ms(0));
        let mut sent = 0;
        for ms in 0..10_000 {
            let bytes = rate.available(Time::from_ms(ms)).min(1000);
            rate.spend(bytes);
            sent += bytes as u64;
            assert!(sent <= 64 * ms + rate.burst());
        }
        assert!(sent >= 64 * 9_990);
    }

    #[test]
    fn bytes_are_there_when_it_says() {
        let mut rate = Rate::new(64_000, 4_000, Time::default());
        rate.spend(rate.burst() as usize);
        let at = rate.when(1_000, Time::default());
        assert_eq!(at, Time::from_us(15_625));
        assert_eq!(rate.clone().available(Time::from_us(15_624)), 999);
        assert_eq!(rate.available(at), 1_000);
    }

    /// Sends all that the rate allows for half a second, over a link of `link` bytes a second.
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
        let mut now = Time::from_ms(0);
        let mut rate = Rate::new(1_000_000, 4_000, now);
        let rates: Vec<u32> = (0..60).map(|_| half_a_second(&mut rate, 10_000, &mut now)).collect();
        assert!(rates[5] < 20_000, "{rates:?}");
        assert!(rates[20..].iter().all(|rate| (6_000..20_000).contains(rate)), "{rates:?}");
        let rates: Vec<u32> =
            (0..80).map(|_| half_a_second(&mut rate, 1_000_000, &mut now)).collect();
        assert!(rates.is_sorted() && rates[79] == 1_000_000, "{rates:?}");
    }

    #[test]
    fn rises_fast_until_the_first_congestion() {
        let quiet = Feedback { sent: 20, lost: 0, rtt_ms: 40, refused: 0 };
        let mut rate = Rate::new(1 << 20, 4_000, Time::from_ms(0));
        let mut now = Time::from_ms(0);
        let mut report = |feedback| {
            now = now + 500;
            let bytes = rate.available(now);
            rate.spend(bytes);
            rate.adapt(feedback, now);
            rate.bytes_per_second()
        };
        assert_eq!([0; 5].map(|_| report(quiet)), [1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 20]);
        let sunk = report(Feedback { rtt_ms: 200, ..quiet });
        // A burst is a tenth of a second's, and was all that was sent in half a second.
        assert!(sunk < (1 << 20) / 5, "{sunk}");
        let risen = (0..CALM_REPORTS).fold(sunk, |_, _| report(quiet));
        assert!(risen > 3 * sunk && risen < 4 * sunk, "{sunk} {risen}");
        assert_eq!(report(quiet), 2 * risen);
    }

    /// A link of `link` bytes a second behind a queue of at most `most` bytes and a round trip of
    /// 50 ms, over which as much of `demand` bytes a second is sent as the rate allows. For each
    /// half a second: bytes that came through in it, and the longest wait in the queue in ms.
    fn over_a_queue(link: u64, most: u64, demand: u64, reports: usize) -> Vec<(u64, u64)> {
        let mut rate = Rate::new(1 << 20, 4_000, Time::from_ms(0));
        let (mut now, mut queue, mut wanted) = (Time::from_ms(0), 0, 0);
        rate.adapt(Feedback { sent: 0, lost: 0, rtt_ms: 50, refused: 0 }, now);
        let mut halves = Vec::new();
        for _ in 0..reports {
            let (mut sent, mut lost, mut carried, mut wait) = (0, 0, 0, 0);
            for _ in 0..15 {
                now = now + 33;
                let drained = queue.min(link * 33 / 1000);
                queue -= drained;
                carried += drained;
                // Two frames a tick at most; what is not sent now is not sent at all.
                wanted = (wanted + demand * 33 / 1000).min(2_400);
                while wanted >= 64 {
                    let bytes = (rate.available(now) as u64).min(wanted).min(1_200);
                    if bytes < 64 {
                        break;
                    }
                    rate.spend(bytes as usize);
                    wanted -= bytes;
                    sent += 1;
                    if queue + bytes > most {
                        lost += 1;
                    } else {
                        queue += bytes;
                    }
                }
                wait = wait.max(queue * 1000 / link);
            }
            let rtt_ms = (50 + queue * 1000 / link) as u32;
            rate.adapt(Feedback { sent, lost, rtt_ms, refused: 0 }, now);
            halves.push((carried, wait));
        }
        halves
    }

    #[test]
    fn half_of_the_demand_is_found_within_two_seconds_and_kept() {
        let halves = over_a_queue(19_000, 15_000, 38_000, 60);
        let (first, rest) = halves.split_at(4);
        let carried: u64 = rest.iter().map(|&(carried, _)| carried).sum();
        assert!(carried > 56 * 9_500 * 3 / 4, "{carried} of {}: {halves:?}", 56 * 9_500);
        assert!(rest.iter().all(|&(_, wait)| wait < 300), "{first:?} {rest:?}");
    }

    #[test]
    fn a_path_that_became_longer_is_not_a_queue_for_good() {
        let mut now = Time::from_ms(0);
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
    fn distinguishes_a_queue_and_a_full_link_from_noise() {
        let quiet = Feedback { sent: 20, lost: 0, rtt_ms: 40, refused: 0 };
        let feel = |feedback: Feedback| {
            let mut rate = Rate::new(100_000, 4_000, Time::from_ms(0));
            rate.adapt(quiet, Time::from_ms(500));
            rate.adapt(feedback, Time::from_ms(1_000));
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
