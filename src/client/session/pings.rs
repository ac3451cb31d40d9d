//! When to ping, and which pings are unanswered.

use gpys_proto::wire::encode_ping;

/// Interval of the first pings, in ms.
const QUICK_PING_MS: f64 = 300.0;
/// Number of pings at that interval.
const QUICK_PINGS: u32 = 4;
/// Interval of later pings, in ms; a step of the server's clock is noticed within it.
const PING_MS: f64 = 1_000.0;
/// Interval of pings while the pong of the last one is late, in ms.
pub(super) const EAGER_PING_MS: f64 = 200.0;
/// Maximum number of pings without a pong.
const OPEN_PINGS: usize = 8;

/// When to ping, and which pings are unanswered.
#[derive(Debug, Default)]
pub(super) struct Pings {
    pub(super) count: u32,
    /// Quick pings still to send.
    pub(super) quick: u32,
    pub(super) due: f64,
    /// When the last one was sent.
    pub(super) last: f64,
    open: [(u32, f64); OPEN_PINGS],
}

impl Pings {
    /// The pings of a new link, numbered after `count`; its welcome was an answer, too.
    pub(super) fn after(count: u32) -> Self {
        Self { count, quick: QUICK_PINGS - 1, ..Self::default() }
    }

    /// Encodes the next ping, sent at `now` ms.
    pub(super) fn next(&mut self, now: f64) -> [u8; 5] {
        self.count = self.count.wrapping_add(1);
        self.due = now + if self.quick > 0 { QUICK_PING_MS } else { PING_MS };
        self.last = now;
        self.quick = self.quick.saturating_sub(1);
        self.open[self.count as usize % OPEN_PINGS] = (self.count, now);
        encode_ping(self.count)
    }

    /// Starts quick pings again, soon but not at once: a ping may be in flight.
    pub(super) fn hurry(&mut self, now: f64) {
        self.quick = QUICK_PINGS;
        self.due = self.due.min(now + QUICK_PING_MS);
    }

    /// When the ping with this number was sent, if it is one of the last.
    pub(super) fn sent(&self, echo: u32) -> Option<f64> {
        let (count, sent) = self.open[echo as usize % OPEN_PINGS];
        (echo != 0 && count == echo).then_some(sent)
    }
}
