//! How many bytes a viewer may be sent: a bucket of tokens and its adaptation to the path.

use super::time::Time;
use super::world::Feedback;

/// The bucket holds this many ms of the rate...
const BURST_MS: u64 = 100;
/// ...but never less than this many bytes: two full frames.
const MIN_BURST: u64 = 2_000;
/// More than this share of packets lost is congestion, not radio noise: 1 in 8.
const LOSS_DIVISOR: u64 = 8;
/// Losses in one report below which nothing is concluded.
const MIN_LOST: u64 = 3;
/// A round trip this much above the shortest, in ms, is a queue on the path.
const QUEUE_MS: u32 = 150;

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
    shortest_rtt: u32,
}

impl Rate {
    pub(crate) fn new(asked: u32, floor: u32, now: Time) -> Self {
        let mut rate =
            Self { asked, now: asked, floor, tokens: 0, filled: now, shortest_rtt: u32::MAX };
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
    }

    /// Lowers the rate by three tenths on congestion; otherwise raises it by a twentieth of what
    /// was asked for (multiplicative decrease, additive increase, as TCP does).
    pub(crate) fn adapt(&mut self, feedback: Feedback) {
        let Feedback { sent, lost, rtt_ms, refused } = feedback;
        let lossy = lost >= MIN_LOST && lost * LOSS_DIVISOR > sent;
        if rtt_ms > 0 {
            self.shortest_rtt = self.shortest_rtt.min(rtt_ms);
        }
        let queued = rtt_ms > 0 && rtt_ms > self.shortest_rtt.saturating_mul(2) + QUEUE_MS;
        self.now = if lossy || queued || refused > 0 {
            self.now - self.now / 10 * 3
        } else {
            self.now.saturating_add(self.asked / 20)
        }
        .clamp(self.floor.min(self.asked), self.asked);
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

    #[test]
    fn sinks_on_congestion_and_rises_slowly() {
        let mut rate = Rate::new(100_000, 4_000, Time(0));
        rate.adapt(Feedback { sent: 10, lost: 1, rtt_ms: 20, refused: 0 });
        assert_eq!(rate.bytes_per_second(), 100_000);
        rate.adapt(Feedback { sent: 20, lost: 4, rtt_ms: 20, refused: 0 });
        assert_eq!(rate.bytes_per_second(), 70_000);
        rate.adapt(Feedback { sent: 20, lost: 0, rtt_ms: 300, refused: 0 });
        assert_eq!(rate.bytes_per_second(), 49_000);
        for _ in 0..40 {
            rate.adapt(Feedback { refused: 1, ..Feedback::default() });
        }
        assert_eq!(rate.bytes_per_second(), 4_000);
        for _ in 0..19 {
            rate.adapt(Feedback::default());
        }
        assert_eq!(rate.bytes_per_second(), 99_000);
    }
}
