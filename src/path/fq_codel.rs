//! FQ-CoDel: fair queues, each kept short by CoDel (RFC 8290, RFC 8289). No clocks.
//!
//! Names are those of the RFCs. Packets are dropped, never marked.

use std::collections::VecDeque;
use std::time::Duration;

use crate::packet;

/// How long a packet may stay in a standing queue (RFC 8289, section 4.2).
const TARGET: Duration = Duration::from_millis(5);
/// For how long it must have stood before the first drop (RFC 8289, section 4.3).
const INTERVAL: Duration = Duration::from_millis(100);
/// What a flow sends before it is another's turn, in bytes: an Ethernet frame's worth (RFC 8290,
/// section 5.2.2).
const QUANTUM: i64 = 1_514;
/// The largest packet: a flow that has less is never dropped from (RFC 8289, appendix).
const MAX_PACKET: u64 = 1_500;
/// Number of queues, and of packets in all of them together (RFC 8290, section 5.2).
const FLOWS: usize = 1_024;
const LIMIT: usize = 10_240;
/// After leaving the dropping state this recently, a queue continues with the drop rate it had.
const RECENT: u32 = 16;

/// A packet, and what its direction has drawn for it.
#[derive(Clone, Debug)]
pub(super) struct Waiting<T> {
    /// Its bytes.
    pub(super) packet: Vec<u8>,
    /// When it was enqueued.
    pub(super) since: Duration,
    /// What came with it.
    pub(super) with: T,
}

/// The control of one queue (RFC 8289, section 5).
#[derive(Clone, Copy, Debug, Default)]
struct Codel {
    /// When the sojourn time will have been above the target for an interval.
    first_above: Option<Duration>,
    dropping: bool,
    drop_next: Duration,
    count: u32,
    last_count: u32,
}

#[derive(Clone, Debug)]
struct Flow<T> {
    queue: VecDeque<Waiting<T>>,
    bytes: u64,
    deficit: i64,
    codel: Codel,
    listed: bool,
}

/// The queues of one bottleneck.
#[derive(Clone, Debug)]
pub(super) struct FqCodel<T> {
    flows: Vec<Flow<T>>,
    new: VecDeque<usize>,
    old: VecDeque<usize>,
    /// Number of packets in all queues.
    len: usize,
    target: Duration,
    /// Number of packets dropped so far.
    dropped: u64,
}

impl<T> FqCodel<T> {
    /// Empty queues in front of a link that takes this long for the largest packet: a target below
    /// that would never be met (RFC 8289, section 4.2).
    pub(super) fn new(largest_takes: Duration) -> Self {
        let flow = || Flow {
            queue: VecDeque::new(),
            bytes: 0,
            deficit: 0,
            codel: Codel::default(),
            listed: false,
        };
        Self {
            flows: (0..FLOWS).map(|_| flow()).collect(),
            new: VecDeque::new(),
            old: VecDeque::new(),
            len: 0,
            target: TARGET.max(largest_takes),
            dropped: 0,
        }
    }

    /// Number of packets that wait.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Number of packets dropped so far.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds a packet to its flow's queue; if all together are full, the longest queue loses its
    /// first one (RFC 8290, section 4.1).
    pub(super) fn enqueue(&mut self, waiting: Waiting<T>) {
        let at = packet::flow(&waiting.packet) as usize % FLOWS;
        let flow = &mut self.flows[at];
        flow.bytes += waiting.packet.len() as u64;
        flow.queue.push_back(waiting);
        if !flow.listed {
            flow.listed = true;
            flow.deficit = QUANTUM;
            self.new.push_back(at);
        }
        self.len += 1;
        if self.len > LIMIT
            && let Some(longest) = self.flows.iter_mut().max_by_key(|flow| flow.bytes)
            && longest.pop().is_some()
        {
            self.len -= 1;
            self.dropped += 1;
        }
    }

    /// Takes the packet whose turn it is (RFC 8290, section 4.2).
    pub(super) fn dequeue(&mut self, now: Duration) -> Option<Waiting<T>> {
        loop {
            let is_new = !self.new.is_empty();
            let at = if is_new { self.new.pop_front() } else { self.old.pop_front() }?;
            let flow = &mut self.flows[at];
            if flow.deficit <= 0 {
                flow.deficit += QUANTUM;
                self.old.push_back(at);
                continue;
            }
            let before = flow.queue.len();
            let taken = flow.dequeue(now, self.target);
            let gone = before - flow.queue.len();
            self.len -= gone;
            self.dropped += (gone - usize::from(taken.is_some())) as u64;
            match taken {
                Some(waiting) => {
                    flow.deficit -= waiting.packet.len() as i64;
                    // Its turn is not over while it has credit.
                    if is_new {
                        self.new.push_front(at)
                    } else {
                        self.old.push_front(at)
                    }
                    return Some(waiting);
                }
                // A new flow must not come back as a new one at once.
                None if is_new => self.old.push_back(at),
                None => flow.listed = false,
            }
        }
    }
}

impl<T> Flow<T> {
    fn pop(&mut self) -> Option<Waiting<T>> {
        let waiting = self.queue.pop_front()?;
        self.bytes -= waiting.packet.len() as u64;
        Some(waiting)
    }

    /// Takes the first packet, and says whether it may be dropped (RFC 8289, section 5.6).
    fn take(&mut self, now: Duration, target: Duration) -> (Option<Waiting<T>>, bool) {
        let Some(waiting) = self.pop() else {
            self.codel.first_above = None;
            return (None, false);
        };
        let sojourn = now.saturating_sub(waiting.since);
        if sojourn < target || self.bytes <= MAX_PACKET {
            self.codel.first_above = None;
            return (Some(waiting), false);
        }
        let first_above = *self.codel.first_above.get_or_insert(now + INTERVAL);
        (Some(waiting), now >= first_above)
    }

    /// Takes the first packet that is not dropped (RFC 8289, section 5.5).
    fn dequeue(&mut self, now: Duration, target: Duration) -> Option<Waiting<T>> {
        let (mut taken, mut may_drop) = self.take(now, target);
        if self.codel.dropping {
            self.codel.dropping = may_drop;
            while self.codel.dropping && now >= self.codel.drop_next {
                self.codel.count += 1;
                (taken, may_drop) = self.take(now, target);
                self.codel.dropping = may_drop;
                if may_drop {
                    self.codel.drop_next = next(self.codel.drop_next, self.codel.count);
                }
            }
        } else if may_drop {
            (taken, _) = self.take(now, target);
            let codel = &mut self.codel;
            codel.dropping = true;
            let more = codel.count - codel.last_count;
            let recent = now.saturating_sub(codel.drop_next) < INTERVAL * RECENT;
            codel.count = if more > 1 && recent { more } else { 1 };
            codel.last_count = codel.count;
            codel.drop_next = next(now, codel.count);
        }
        taken
    }
}

/// The control law: drops come closer together with the square root of their number.
fn next(from: Duration, count: u32) -> Duration {
    from + INTERVAL.div_f64(f64::from(count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A UDP packet of a flow, with a number in it.
    fn waiting(flow: u16, len: usize, number: u32, since: Duration) -> Waiting<u32> {
        let mut packet = vec![0; len];
        (packet[0], packet[9]) = (0x45, 17);
        packet[20..22].copy_from_slice(&flow.to_be_bytes());
        Waiting { packet, since, with: number }
    }

    /// What leaves a link that takes 1 ms for each packet, from a sender of one packet a `gap` for
    /// `count` packets: (number, sojourn).
    fn run(gap: Duration, count: u32) -> (FqCodel<u32>, Vec<(Duration, u32, Duration)>) {
        let (mut queues, mut out) = (FqCodel::new(MS), Vec::new());
        let (mut sent, mut now) = (0, Duration::ZERO);
        while sent < count || queues.len() > 0 {
            while sent < count && gap * sent <= now {
                queues.enqueue(waiting(1, 1_500, sent, gap * sent));
                sent += 1;
            }
            if let Some(taken) = queues.dequeue(now) {
                out.push((now, taken.with, now - taken.since));
            }
            now += MS;
        }
        (queues, out)
    }

    #[test]
    fn a_link_with_room_drops_nothing() {
        let (queues, out) = run(MS * 2, 1_000);
        assert_eq!((queues.dropped(), out.len()), (0, 1_000));
    }

    #[test]
    fn a_burst_shorter_than_the_interval_is_let_through() {
        let mut queues = FqCodel::new(MS);
        (0..90).for_each(|number| queues.enqueue(waiting(1, 1_500, number, Duration::ZERO)));
        let out: Vec<_> = (0..90).map(|at| queues.dequeue(MS * at).unwrap().with).collect();
        assert!(out.iter().copied().eq(0..90));
        assert_eq!(queues.dropped(), 0);
    }

    #[test]
    fn a_standing_queue_is_dropped_from_ever_more_often() {
        // 11 packets come while 10 leave.
        let (queues, out) = run(MS * 10 / 11, 100_000);
        assert!(queues.dropped() > 1_000, "{}", queues.dropped());
        let mut drops = Vec::new();
        let mut expected = 0;
        for &(now, number, _) in &out {
            drops.extend((expected..number).map(|_| now));
            expected = number + 1;
        }
        // The first drop comes an interval after the queue passes the target of 5 ms, and the
        // second an interval after that.
        assert!((MS * 140..MS * 180).contains(&drops[0]), "{:?}", drops[0]);
        let gaps: Vec<f64> =
            drops.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3).collect();
        for (at, gap) in gaps.iter().enumerate().take(8) {
            let law = 100.0 / ((at + 1) as f64).sqrt();
            // A packet takes 1 ms to leave.
            assert!((gap - law).abs() <= 1.5, "drop {at}: {gap} instead of {law}");
        }
    }

    #[test]
    fn sparse_flows_pass_a_bulk_flow() {
        let mut queues = FqCodel::new(MS);
        let mut worst = Duration::ZERO;
        let mut bulk = 0;
        for step in 0..2_000_u32 {
            let now = MS * step;
            // The bulk flow keeps 50 packets waiting; a sparse one sends 100 bytes every 16 ms.
            while queues.len() < 50 {
                queues.enqueue(waiting(1, 1_500, 0, now));
            }
            if step % 16 == 0 {
                queues.enqueue(waiting(2, 100, 1, now));
            }
            let taken = queues.dequeue(now).unwrap();
            if taken.with == 1 { worst = worst.max(now - taken.since) } else { bulk += 1 }
        }
        assert!(worst <= MS * 2, "{worst:?}");
        assert!(bulk > 1_800, "{bulk}");
    }

    #[test]
    fn two_bulk_flows_share_by_bytes() {
        let mut queues = FqCodel::new(MS);
        let mut bytes = [0, 0];
        for step in 0..3_000_u32 {
            let now = MS * step;
            for (flow, len) in [(1, 1_500), (2, 300)] {
                (0..5).for_each(|_| queues.enqueue(waiting(flow, len, flow.into(), now)));
            }
            let taken = queues.dequeue(now).unwrap();
            bytes[taken.with as usize - 1] += taken.packet.len();
        }
        let ratio = bytes[0] as f64 / bytes[1] as f64;
        assert!((0.9..1.1).contains(&ratio), "{bytes:?}");
    }

    #[test]
    fn the_longest_queue_pays_for_a_full_one() {
        let mut queues = FqCodel::new(MS);
        queues.enqueue(waiting(2, 100, 7, Duration::ZERO));
        for number in 0..LIMIT as u32 {
            queues.enqueue(waiting(1, 1_500, number, Duration::ZERO));
        }
        assert_eq!((queues.len(), queues.dropped()), (LIMIT, 1));
        let out: Vec<_> = (0..3).map(|_| queues.dequeue(Duration::ZERO).unwrap().with).collect();
        assert_eq!(out, [7, 1, 2], "the first of the bulk flow is gone");
    }
}
