//! One direction of a path: the fate of each packet, and when it comes out. No sockets, no clocks.
//!
//! Time counts from the opening of the path. Every packet costs the same number of random draws,
//! whatever the settings and its fate: with one seed, the packets lost at 1 % are among those lost
//! at 2 %, and jitter does not change which.

use std::collections::{BTreeMap, VecDeque};
use std::iter;
use std::time::Duration;

use fastrand::Rng;

use crate::fq_codel::{FqCodel, Waiting};
use crate::lateness::Lateness;
use crate::packet;
use crate::settings::{Bandwidth, Bursts, PathSettings, Queue};
use crate::trace::{OPPORTUNITY, Position};

/// How long one draw of the jitter holds: a radio frame of LTE.
pub const SLOT: Duration = Duration::from_millis(10);
/// How long to hold back a packet to reorder: long enough for the next packet of a stream of 60 a
/// second to overtake it.
pub const HELD_BACK: Duration = Duration::from_millis(20);
/// The seed's step from slot to slot: 2^64 over the golden ratio, so that no two are near.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Counters of one direction of a path.
///
/// At any moment `packets + duplicated` is the sum of `delivered`, `lost`, `lost_in_bursts`,
/// `overflowed`, `blocked` and the packets in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that entered the path.
    pub packets: u64,
    /// Bytes of those packets, IP headers included.
    pub bytes: u64,
    /// Packets that came out, copies included.
    pub delivered: u64,
    /// Bytes of those packets.
    pub delivered_bytes: u64,
    /// Packets lost independently.
    pub lost: u64,
    /// Packets lost in bursts.
    pub lost_in_bursts: u64,
    /// Packets dropped by the bottleneck's queue.
    pub overflowed: u64,
    /// Packets dropped while the path was blocked for them.
    pub blocked: u64,
    /// Packets that came out after one that had entered later (RFC 4737), copies included.
    pub reordered: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Packets that came out for a port unknown to the address translation.
    pub unknown_port: u64,
    /// The longest wait of a packet in the queue before its first bit left.
    pub longest_wait: Duration,
    /// The most by which a packet came out late. The machine causes it, not the path: unless it is
    /// small against the delay, the machine is too busy.
    pub latest: Duration,
    /// How late the packets came out.
    pub lateness: Lateness,
}

/// One direction of a path.
#[derive(Clone, Debug)]
pub struct Direction {
    settings: PathSettings,
    seed: u64,
    rng: Rng,
    /// Whether the last packet met the bad state; `None` before the first.
    bad: Option<bool>,
    /// When the bottleneck will have sent what it holds.
    free: Duration,
    /// The remainder of the last division by the rate, in bits · ns a second.
    remainder: u64,
    /// How far the bottleneck has used its trace.
    position: Position,
    /// With a trace: when the packets that it holds leave, and their lengths.
    departures: VecDeque<(Duration, u64)>,
    /// The bottleneck's fair queues, if it has or had them.
    shaper: Option<Box<Shaper>>,
    /// When the last packet that was not held back comes out.
    last: Duration,
    /// Number of packets and copies sent on their way.
    sent: u64,
    /// One more than the highest number of a packet that came out.
    next: u64,
    /// Packets by the time at which they come out, then by number.
    under_way: BTreeMap<(Duration, u64), Vec<u8>>,
    counters: Counters,
}

/// The random draws for one packet, each from 0 to 1.
#[derive(Clone, Copy, Debug)]
struct Dice {
    loss: f64,
    burst: f64,
    reorder: f64,
    duplicate: f64,
    /// Whether it has met a burst of losses.
    in_burst: bool,
}

/// A bottleneck that decides only when a packet leaves which one that is.
#[derive(Clone, Debug)]
struct Shaper {
    rate: Bandwidth,
    queues: FqCodel<Dice>,
    /// The packet that is leaving, and when it will have left.
    leaving: Option<(Duration, Waiting<Dice>)>,
}

impl Direction {
    /// Creates an empty direction. The same seed and packets give the same fates.
    #[must_use]
    pub fn new(settings: PathSettings, seed: u64) -> Self {
        Self {
            settings,
            seed,
            rng: Rng::with_seed(seed),
            bad: None,
            free: Duration::ZERO,
            remainder: 0,
            position: Position::default(),
            departures: VecDeque::new(),
            shaper: None,
            last: Duration::ZERO,
            sent: 0,
            next: 0,
            under_way: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    /// Changes the settings for packets that enter from now on, and for those that then still
    /// wait in fair queues.
    pub fn set(&mut self, settings: PathSettings) {
        if self.settings.rate.and_then(|rate| rate.trace)
            != settings.rate.and_then(|rate| rate.trace)
        {
            self.position = Position::default();
            self.departures.clear();
        }
        self.settings = settings;
        self.remainder = 0;
    }

    /// Draws the fates of packets that enter from now on as a direction made with this seed does.
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.rng = Rng::with_seed(seed);
        self.bad = None;
    }

    /// The counters so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts a packet that came out for an unknown port.
    pub(super) const fn count_unknown_port(&mut self) {
        self.counters.unknown_port += 1;
    }

    /// Takes an IP packet that enters the path at `now`, which never goes back.
    pub fn handle_packet(&mut self, packet: Vec<u8>, now: Duration) {
        let mut dice = Dice {
            loss: self.rng.f64(),
            burst: self.rng.f64(),
            reorder: self.rng.f64(),
            duplicate: self.rng.f64(),
            in_burst: false,
        };
        let settings = self.settings;
        self.counters.packets += 1;
        self.counters.bytes += packet.len() as u64;
        dice.in_burst = settings.bursts.is_some_and(|bursts| self.is_bad(bursts, dice.burst));
        if settings.blocked || settings.udp_blocked && packet::is_udp(&packet) {
            self.counters.blocked += 1;
            return;
        }
        if let Some(rate) = settings.rate.filter(|rate| rate.queue == Queue::FqCodel) {
            self.enqueue(rate, Waiting { packet, since: now, with: dice }, now);
            return;
        }
        self.hand_over(now);
        self.enter(packet, dice, now);
    }

    /// Hands what waits in fair queues, of settings before these, to the bottleneck, ahead of
    /// packets that come later.
    fn hand_over(&mut self, now: Duration) {
        self.advance(now);
        let Some(mut shaper) = self.shaper.take() else { return };
        let dropped = shaper.queues.dropped();
        let leaving = shaper.leaving.take().map(|(_, waiting)| waiting);
        let waiting = leaving.into_iter().chain(iter::from_fn(|| shaper.queues.dequeue(now)));
        let waiting: Vec<_> = waiting.collect();
        self.counters.overflowed += shaper.queues.dropped() - dropped;
        for waiting in waiting {
            self.enter(waiting.packet, waiting.with, now);
        }
    }

    /// Sends a packet through a bottleneck without fair queues.
    fn enter(&mut self, packet: Vec<u8>, dice: Dice, now: Duration) {
        match self.pass_bottleneck(packet.len() as u64, now) {
            Some(leaves) => self.leave(packet, dice, leaves),
            None => self.counters.overflowed += 1,
        }
    }

    /// Decides what becomes of a packet that leaves the bottleneck.
    fn leave(&mut self, packet: Vec<u8>, dice: Dice, leaves: Duration) {
        let settings = self.settings;
        if dice.in_burst {
            self.counters.lost_in_bursts += 1;
            return;
        }
        if dice.loss < settings.loss {
            self.counters.lost += 1;
            return;
        }
        let mut arrives = (leaves + settings.delay + self.jitter(leaves)).max(self.last);
        if dice.reorder < settings.reorder {
            arrives += HELD_BACK;
        } else {
            self.last = arrives;
        }
        if dice.duplicate < settings.duplicate {
            self.counters.duplicated += 1;
            self.put_under_way(packet.clone(), arrives);
        }
        self.put_under_way(packet, arrives);
    }

    /// Returns the next packet that comes out by `now`, if there is one.
    pub fn poll_packet(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.advance(now);
        let first = self.under_way.first_entry()?;
        let (arrives, number) = *first.key();
        let late = now.checked_sub(arrives)?;
        let packet = first.remove();
        self.counters.delivered += 1;
        self.counters.delivered_bytes += packet.len() as u64;
        self.counters.reordered += u64::from(number < self.next);
        self.counters.latest = self.counters.latest.max(late);
        self.counters.lateness.record(late);
        self.next = self.next.max(number + 1);
        Some(packet)
    }

    /// When to call [`Self::poll_packet`] next, if no more enter. It then returns a packet, unless
    /// one has only left a bottleneck with fair queues.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let arrives = self.under_way.first_key_value().map(|(&(arrives, _), _)| arrives);
        let shaper = self.shaper.as_ref();
        let leaves = shaper.and_then(|shaper| shaper.leaving.as_ref()).map(|(leaves, _)| *leaves);
        arrives.into_iter().chain(leaves).min()
    }

    /// Adds a packet to the bottleneck's fair queues.
    fn enqueue(&mut self, rate: Bandwidth, waiting: Waiting<Dice>, now: Duration) {
        self.advance(now);
        let shaper = self.shaper.get_or_insert_with(|| {
            let queues = FqCodel::new(rate.time_of(OPPORTUNITY));
            Box::new(Shaper { rate, queues, leaving: None })
        });
        shaper.rate = rate;
        let dropped = shaper.queues.dropped();
        shaper.queues.enqueue(waiting);
        self.counters.overflowed += shaper.queues.dropped() - dropped;
        if shaper.leaving.is_none() {
            self.remainder = 0;
            self.start_leaving(now);
        }
    }

    /// Lets packets leave the fair queues until `now`.
    fn advance(&mut self, now: Duration) {
        while let Some(shaper) = &mut self.shaper
            && let Some((leaves, waiting)) = shaper.leaving.take_if(|(leaves, _)| *leaves <= now)
        {
            self.leave(waiting.packet, waiting.with, leaves);
            self.start_leaving(leaves);
        }
    }

    /// Takes the next packet from the fair queues.
    fn start_leaving(&mut self, now: Duration) {
        let Some(mut shaper) = self.shaper.take() else { return };
        let dropped = shaper.queues.dropped();
        if let Some(waiting) = shaper.queues.dequeue(now) {
            let wait = now.saturating_sub(waiting.since);
            self.counters.longest_wait = self.counters.longest_wait.max(wait);
            let leaves = self.pass(shaper.rate, waiting.packet.len() as u64, now);
            shaper.leaving = Some((leaves, waiting));
        }
        self.counters.overflowed += shaper.queues.dropped() - dropped;
        self.shaper = Some(shaper);
    }

    fn put_under_way(&mut self, packet: Vec<u8>, arrives: Duration) {
        self.under_way.insert((arrives, self.sent), packet);
        self.sent += 1;
    }

    /// One step of the chain of good and bad states.
    fn is_bad(&mut self, bursts: Bursts, die: f64) -> bool {
        let bad = match self.bad {
            None => die < bursts.share,
            Some(false) => die < bursts.enter(),
            Some(true) => die >= bursts.leave(),
        };
        self.bad = Some(bad);
        bad
    }

    /// When a packet of this many bytes leaves the bottleneck; `None` if the queue is full.
    fn pass_bottleneck(&mut self, len: u64, now: Duration) -> Option<Duration> {
        let Some(rate) = self.settings.rate else { return Some(now) };
        let wait = self.free.saturating_sub(now);
        if wait.is_zero() {
            self.remainder = 0;
        } else if self.waiting(rate, now) + len > rate.queue_len() {
            return None;
        }
        self.free = self.pass(rate, len, now + wait);
        if rate.trace.is_some() {
            self.departures.push_back((self.free, len));
        }
        self.counters.longest_wait = self.counters.longest_wait.max(wait);
        Some(self.free)
    }

    /// When a packet of this many bytes has left, if the bottleneck turns to it at `start`.
    fn pass(&mut self, rate: Bandwidth, len: u64, start: Duration) -> Duration {
        if let Some(trace) = rate.trace {
            return self.position.pass(trace, len, start);
        }
        let bits_per_second = u128::from(rate.bits_per_second.get());
        let work = u128::from(len) * 8_000_000_000 + u128::from(self.remainder);
        // Both fit: a remainder is below the rate, and no packet takes 500 years.
        self.remainder = (work % bits_per_second) as u64;
        start + Duration::from_nanos((work / bits_per_second) as u64)
    }

    /// Number of bytes that the bottleneck still has to send.
    fn waiting(&mut self, rate: Bandwidth, now: Duration) -> u64 {
        if rate.trace.is_none() {
            return rate.bytes_in(self.free.saturating_sub(now));
        }
        while self.departures.pop_front_if(|(leaves, _)| *leaves <= now).is_some() {}
        self.departures.iter().map(|(_, len)| len).sum()
    }

    /// The additional delay of a packet that leaves the bottleneck at `now`.
    fn jitter(&self, now: Duration) -> Duration {
        let slot = (now.as_nanos() / SLOT.as_nanos()) as u64;
        let die = Rng::with_seed(self.seed.wrapping_add(slot.wrapping_mul(STEP))).f64();
        self.settings.jitter.mul_f64(-(1.0 - die).ln())
    }
}

#[cfg(test)]
mod tests;
