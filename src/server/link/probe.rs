//! The current round trip of a WebSocket, measured by its pings and pongs.
//!
//! A ping is written right before a frame, so it waits wherever frames wait: in the kernel, in a
//! proxy, in the path. A sender that fills the path sees a longer round trip, as with QUIC.

use std::collections::VecDeque;

use gpys_proto::time::Time;

/// Minimum time between pings, each ahead of a frame, in ms: two pings per report to the world.
const EVERY_MS: u64 = 250;
/// Maximum number of unanswered pings.
const MOST_WAITING: usize = 8;

/// The pings of one WebSocket.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// Number of the next ping.
    next: u32,
    /// When the last ping was written.
    pinged: Option<Time>,
    /// When each unanswered ping was written, in order.
    waiting: VecDeque<Time>,
    /// The last round trip and the one before, in ms.
    last: Option<u32>,
    before: Option<u32>,
}

impl Probe {
    /// Returns the payload of a ping written now, or `None` if it is too soon.
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

    /// Handles a pong's payload; a pong also answers all earlier pings (RFC 6455, section 5.5.3).
    pub(crate) fn pong(&mut self, payload: &[u8], now: Time) {
        let Ok(payload) = payload.try_into() else { return };
        // At most eight are waiting.
        let behind = self.next.wrapping_sub(u32::from_le_bytes(payload)) as usize;
        let Some(left) = behind.checked_sub(1).filter(|&left| left < self.waiting.len()) else {
            return;
        };
        while self.waiting.len() > left {
            let written = self.waiting.pop_front().unwrap_or(now);
            self.before = self.last.replace(age(written, now));
        }
    }

    /// The round trip in ms, 0 if unknown: the shorter of the last two, counting overdue pongs. TCP
    /// waits a round trip or more for a lost segment, which is no queue; a queue makes every round
    /// trip longer.
    pub(crate) fn rtt_ms(&self, now: Time) -> u32 {
        let Some(last) = self.last else { return 0 };
        let waiting = self.waiting.iter().rev().map(|&written| age(written, now));
        let overdue = waiting.filter(|&age| age > last);
        overdue.chain([last]).chain(self.before).take(2).min().unwrap_or(last)
    }
}

/// Time since a ping was written, in ms; at least 1, as 0 means unknown.
fn age(written: Time, now: Time) -> u32 {
    u32::try_from(now.since(written)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a ping at `at`, answered after `rtt` ms.
    fn round(probe: &mut Probe, at: u64, rtt: u64) {
        let ping = probe.ping(Time::from_ms(at)).unwrap();
        probe.pong(&ping, Time::from_ms(at + rtt));
    }

    #[test]
    fn pings_are_few() {
        let mut probe = Probe::default();
        round(&mut probe, 0, 0);
        assert_eq!(probe.rtt_ms(Time::from_ms(0)), 1);
        assert_eq!(probe.ping(Time::from_ms(EVERY_MS - 1)), None, "too soon");
        for turn in 1..=8 {
            assert!(probe.ping(Time::from_ms(turn * EVERY_MS)).is_some());
        }
        assert_eq!(probe.ping(Time::from_ms(9 * EVERY_MS)), None, "none is answered");
    }

    #[test]
    fn a_pong_answers_all_earlier_pings_and_no_later_one() {
        let mut probe = Probe::default();
        let pings: Vec<_> =
            (0..3).map(|turn| probe.ping(Time::from_ms(turn * 300)).unwrap()).collect();
        for strange in [b"".as_slice(), &[9; 4], &3_u32.to_le_bytes(), &[255; 4], &[0; 5]] {
            probe.pong(strange, Time::from_ms(700));
            assert_eq!(probe.rtt_ms(Time::from_ms(700)), 0, "{strange:?}");
        }
        probe.pong(&pings[1], Time::from_ms(700));
        assert_eq!((probe.before, probe.last, probe.waiting.len()), (Some(700), Some(400), 1));
        probe.pong(&pings[0], Time::from_ms(800));
        probe.pong(&pings[2], Time::from_ms(800));
        assert_eq!((probe.before, probe.last, probe.waiting.len()), (Some(400), Some(200), 0));
    }

    #[test]
    fn tells_a_queue_from_one_lost_segment() {
        let mut probe = Probe::default();
        assert_eq!(probe.rtt_ms(Time::from_ms(0)), 0, "unknown");
        round(&mut probe, 0, 50);
        round(&mut probe, 300, 200);
        assert_eq!(probe.rtt_ms(Time::from_ms(550)), 50, "a stall");
        round(&mut probe, 600, 50);
        assert_eq!(probe.rtt_ms(Time::from_ms(700)), 50);
        round(&mut probe, 900, 200);
        round(&mut probe, 1_200, 300);
        assert_eq!(probe.rtt_ms(Time::from_ms(1_600)), 200, "a queue");
        probe.ping(Time::from_ms(1_600)).unwrap();
        assert_eq!(probe.rtt_ms(Time::from_ms(1_800)), 200);
        probe.ping(Time::from_ms(1_850)).unwrap();
        assert_eq!(probe.rtt_ms(Time::from_ms(1_901)), 300, "it keeps growing");
        assert_eq!(probe.rtt_ms(Time::from_ms(2_251)), 401, "it keeps growing");
    }
}
