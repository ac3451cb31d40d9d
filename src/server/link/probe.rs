//! How long a WebSocket's round trip is now, told by its pings and pongs.
//!
//! A ping is written right before a frame, so it waits wherever frames wait: in the kernel, in a
//! proxy, in the path. Whoever sends as much as the path carries sees that as a longer round trip,
//! as QUIC does.

use std::collections::VecDeque;

use gpys_proto::time::Time;

/// Frames are led by a ping at most this often, in ms: twice for each report to the world.
const EVERY_MS: u64 = 250;
/// Most pings that wait for their pongs.
const MOST_WAITING: usize = 8;

/// The pings of one WebSocket.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// Number of the next ping.
    next: u32,
    /// When the last one was written.
    pinged: Option<Time>,
    /// When those were written whose pongs are still due, in order.
    waiting: VecDeque<Time>,
    /// The last round trip and the one before it, in ms.
    last: Option<u32>,
    before: Option<u32>,
}

impl Probe {
    /// What a ping carries that is written now; none if it is too soon for one.
    pub(crate) fn ping(&mut self, now: Time) -> Option<[u8; 4]> {
        let soon = self.pinged.is_some_and(|pinged| now.since(pinged) < EVERY_MS);
        if soon || self.waiting.len() == MOST_WAITING {
            return None;
        }
        self.pinged = Some(now);
        self.waiting.push_back(now);
        let number = self.next;
        self.next = number.wrapping_add(1);
        Some(number.to_le_bytes())
    }

    /// Takes what a pong carries; it answers the pings before its own as well (RFC 6455, 5.5.3).
    pub(crate) fn pong(&mut self, payload: &[u8], now: Time) {
        let Ok(payload) = payload.try_into() else { return };
        // At most eight wait.
        let behind = self.next.wrapping_sub(u32::from_le_bytes(payload)) as usize;
        let Some(left) = behind.checked_sub(1).filter(|&left| left < self.waiting.len()) else {
            return;
        };
        while self.waiting.len() > left {
            let written = self.waiting.pop_front().unwrap_or(now);
            self.before = self.last.replace(open(written, now));
        }
    }

    /// The round trip in ms, 0 if unknown: the shorter one of the last two, counting pongs that
    /// are overdue. TCP waits a round trip or more for a lost segment, which is no queue; a queue
    /// makes every round trip longer.
    pub(crate) fn rtt_ms(&self, now: Time) -> u32 {
        let Some(last) = self.last else { return 0 };
        let waiting = self.waiting.iter().rev().map(|&written| open(written, now));
        let overdue = waiting.filter(|&open| open > last);
        overdue.chain([last]).chain(self.before).take(2).min().unwrap_or(last)
    }
}

/// Time since a ping was written, in ms; 1 at least, as 0 says that nothing is known.
fn open(written: Time, now: Time) -> u32 {
    u32::try_from(now.since(written)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pings at `at` and is answered after `rtt` ms.
    fn round(probe: &mut Probe, at: u64, rtt: u64) {
        let ping = probe.ping(Time(at)).unwrap();
        probe.pong(&ping, Time(at + rtt));
    }

    #[test]
    fn pings_are_few() {
        let mut probe = Probe::default();
        round(&mut probe, 0, 0);
        assert_eq!(probe.rtt_ms(Time(0)), 1);
        assert_eq!(probe.ping(Time(EVERY_MS - 1)), None, "too soon");
        for turn in 1..=8 {
            assert!(probe.ping(Time(turn * EVERY_MS)).is_some());
        }
        assert_eq!(probe.ping(Time(9 * EVERY_MS)), None, "nobody answers");
    }

    #[test]
    fn a_pong_answers_what_came_before_it_and_nothing_else() {
        let mut probe = Probe::default();
        let pings: Vec<_> = (0..3).map(|turn| probe.ping(Time(turn * 300)).unwrap()).collect();
        for strange in [b"".as_slice(), &[9; 4], &3_u32.to_le_bytes(), &[255; 4], &[0; 5]] {
            probe.pong(strange, Time(700));
            assert_eq!(probe.rtt_ms(Time(700)), 0, "{strange:?}");
        }
        probe.pong(&pings[1], Time(700));
        assert_eq!((probe.before, probe.last, probe.waiting.len()), (Some(700), Some(400), 1));
        probe.pong(&pings[0], Time(800));
        probe.pong(&pings[2], Time(800));
        assert_eq!((probe.before, probe.last, probe.waiting.len()), (Some(400), Some(200), 0));
    }

    #[test]
    fn one_lost_segment_is_no_queue_and_a_queue_is_one() {
        let mut probe = Probe::default();
        assert_eq!(probe.rtt_ms(Time(0)), 0, "nothing is known");
        round(&mut probe, 0, 50);
        round(&mut probe, 300, 200);
        assert_eq!(probe.rtt_ms(Time(550)), 50, "a stall");
        round(&mut probe, 600, 50);
        assert_eq!(probe.rtt_ms(Time(700)), 50);
        round(&mut probe, 900, 200);
        round(&mut probe, 1_200, 300);
        assert_eq!(probe.rtt_ms(Time(1_600)), 200, "a queue");
        probe.ping(Time(1_600)).unwrap();
        assert_eq!(probe.rtt_ms(Time(1_800)), 200);
        probe.ping(Time(1_850)).unwrap();
        assert_eq!(probe.rtt_ms(Time(1_901)), 300, "and it grows");
        assert_eq!(probe.rtt_ms(Time(2_251)), 401, "and it grows");
    }
}
