//! How long a WebSocket's round trip is now, told by its pings and pongs.
//!
//! A ping is written right before a frame, so it waits wherever frames wait: in the kernel, in a
//! proxy, in the path. Whoever sends as much as the path carries sees that as a longer round trip,
//! as QUIC does.

use crate::proto::time::Time;

/// Frames are led by a ping at most this often, in ms: twice for each report to the world.
const EVERY_MS: u64 = 250;

/// The pings of one WebSocket.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// Number of the last ping.
    number: u32,
    /// When that was written.
    pinged: Option<Time>,
    /// Whether its pong is still due.
    waiting: bool,
    /// The last round trip and the one before it, in ms.
    last: Option<u32>,
    before: Option<u32>,
}

impl Probe {
    /// What a ping carries that is written now; none if it is too soon for one.
    pub(crate) fn ping(&mut self, now: Time) -> Option<[u8; 4]> {
        if self.waiting || self.pinged.is_some_and(|pinged| now.since(pinged) < EVERY_MS) {
            return None;
        }
        self.number = self.number.wrapping_add(1);
        (self.pinged, self.waiting) = (Some(now), true);
        Some(self.number.to_le_bytes())
    }

    /// Takes what a pong carries. Only the answer to the last ping counts, once.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Time) {
        if self.waiting && payload == self.number.to_le_bytes() {
            self.waiting = false;
            self.before = self.last.replace(self.open(now));
        }
    }

    /// The round trip in ms, 0 if unknown: the shorter one of the last two, counting a pong that is
    /// overdue. TCP waits a round trip or more for a lost segment, which is no queue; a queue makes
    /// every round trip longer.
    pub(crate) fn rtt_ms(&self, now: Time) -> u32 {
        let Some(last) = self.last else { return 0 };
        let overdue = self.waiting && self.open(now) > last;
        if overdue { last } else { self.before.map_or(last, |before| last.min(before)) }
    }

    /// Time since the last ping, in ms; 1 at least, as 0 says that nothing is known.
    fn open(&self, now: Time) -> u32 {
        let open = self.pinged.map_or(0, |pinged| now.since(pinged));
        u32::try_from(open).unwrap_or(u32::MAX).max(1)
    }
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
    fn pings_are_few_and_one_at_a_time() {
        let mut probe = Probe::default();
        let ping = probe.ping(Time(10)).unwrap();
        assert_eq!(probe.ping(Time(1_000)), None, "one is under way");
        probe.pong(&[0; 4], Time(1_000));
        assert_eq!(probe.ping(Time(1_000)), None, "that was another's answer");
        probe.pong(&ping, Time(1_000));
        assert_eq!(probe.rtt_ms(Time(1_000)), 990);
        assert!(probe.ping(Time(1_000)).is_some());
        let mut probe = Probe::default();
        round(&mut probe, 0, 0);
        assert_eq!(probe.rtt_ms(Time(0)), 1);
        assert_eq!(probe.ping(Time(EVERY_MS - 1)), None, "too soon");
        assert!(probe.ping(Time(EVERY_MS)).is_some());
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
        assert_eq!(probe.rtt_ms(Time(1_901)), 300, "and it grows");
    }
}
