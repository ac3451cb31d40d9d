//! A peer with a link, and whether it takes what it is sent.

use std::sync::Arc;

use crate::link::ending::Ending;
use crate::link::{Link, PathCounts};
use crate::metrics::{How, Leave, Metrics};
use gpys_proto::time::Time;

/// How long a client may take nothing of what it is sent, in ms.
const STALL_MS: u64 = 10_000;
/// How long a silence means that a client may have lost its network rather than stalled, in ms. It
/// is pinged every 5 s.
const QUIET_MS: u64 = 7_000;

/// A peer with a link, counted until dropped.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) link: Link,
    metrics: Arc<Metrics>,
    /// The link's counters as last reported to the world.
    pub(super) reported: PathCounts,
    /// Frames refused since then.
    pub(super) refused: u32,
    /// Since when every frame has been refused.
    stuck: Option<Time>,
    /// Since when nothing sent has been acknowledged.
    unacknowledged: Option<Time>,
    /// Since when it has been heard regularly.
    awake: Time,
}

impl Member {
    /// Counts a link that has entered.
    pub(super) fn new(link: Link, how: How, metrics: &Arc<Metrics>, now: Time) -> Self {
        metrics.joined(link.transport(), how);
        let (reported, metrics) = (link.counts(), Arc::clone(metrics));
        Self { link, metrics, reported, refused: 0, stuck: None, unacknowledged: None, awake: now }
    }

    /// Notes whether a frame fit.
    pub(super) fn note_room(&mut self, has_room: bool, now: Time) {
        if has_room {
            self.stuck = None;
        } else {
            self.stuck.get_or_insert(now);
            self.refused += 1;
        }
    }

    /// Notes the link's counters since the last report to the world. A frame leaves now and then
    /// even though nothing is acknowledged, because QUIC probes the path with it.
    pub(super) fn note_counts(&mut self, counts: &PathCounts, now: Time) {
        if counts.estimate != self.reported.estimate {
            self.unacknowledged = None;
        } else if counts.asked != self.reported.asked {
            self.unacknowledged.get_or_insert(now);
        }
    }

    /// Discounts time for which the server did not run: no client could be heard or take anything.
    pub(super) fn excuse(&mut self, late_ms: u64, now: Time) {
        self.link.excuse(late_ms);
        (self.stuck, self.unacknowledged, self.awake) = (None, None, now);
    }

    /// Whether the client, last heard at `heard`, has taken nothing for too long: no frame, no
    /// message, or nothing that it acknowledged.
    pub(super) fn has_stalled(&mut self, heard: Time, now: Time) -> bool {
        if now.since(heard) >= QUIET_MS {
            self.awake = now;
        }
        let stuck = [self.stuck, self.unacknowledged].into_iter().flatten();
        let stuck_ms = stuck.map(|since| now.since(since)).max().unwrap_or_default();
        let waits_ms = stuck_ms.max(self.link.writing_ms(now));
        waits_ms.min(now.since(self.awake)) >= STALL_MS
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // No effect on a link that ended for a reason. Without one, the room has failed.
        self.link.close(Ending::failed());
        self.metrics.left(self.link.transport(), self.link.why().unwrap_or(Leave::Gone));
    }
}
