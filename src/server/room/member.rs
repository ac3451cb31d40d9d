//! A peer of a room that has a link, and whether it takes what it is sent.

use std::sync::Arc;

use crate::link::ending::Ending;
use crate::link::{Link, PathCounts};
use crate::metrics::{How, Leave, Metrics};
use gpys_proto::time::Time;

/// How long a client may take nothing of what it is sent, in ms.
const STALL_MS: u64 = 10_000;
/// Not heard for this long, in ms, a client may have lost its network: that is no stall. It is
/// pinged every 5 s.
const QUIET_MS: u64 = 7_000;

/// A peer with a link, counted for as long as it is kept.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) link: Link,
    metrics: Arc<Metrics>,
    /// What the link had learned when the world was last told.
    pub(super) told: PathCounts,
    /// Frames refused since then.
    pub(super) refused: u32,
    /// Since when every frame was refused.
    stuck: Option<Time>,
    /// Since when nothing of what was sent was acknowledged.
    unacknowledged: Option<Time>,
    /// Since when it was heard again and again.
    awake: Time,
}

impl Member {
    /// Counts a link that has entered.
    pub(super) fn new(link: Link, how: How, metrics: &Arc<Metrics>, now: Time) -> Self {
        metrics.joined(link.transport(), how);
        let (told, metrics) = (link.counts(), Arc::clone(metrics));
        Self { link, metrics, told, refused: 0, stuck: None, unacknowledged: None, awake: now }
    }

    /// Notes whether there was room for a frame.
    pub(super) fn note_room(&mut self, has_room: bool, now: Time) {
        if has_room {
            self.stuck = None;
        } else {
            self.stuck.get_or_insert(now);
            self.refused += 1;
        }
    }

    /// Notes what the link has learned since the world was last told. A frame leaves now and then
    /// although nothing is acknowledged, because QUIC probes the path with it.
    pub(super) fn note_counts(&mut self, counts: &PathCounts, now: Time) {
        if counts.estimate != self.told.estimate {
            self.unacknowledged = None;
        } else if counts.asked != self.told.asked {
            self.unacknowledged.get_or_insert(now);
        }
    }

    /// The server did not run for so long: nobody could be heard, or take anything.
    pub(super) fn excuse(&mut self, late_ms: u64, now: Time) {
        self.link.excuse(late_ms);
        (self.stuck, self.unacknowledged, self.awake) = (None, None, now);
    }

    /// Whether the client, last heard at `heard`, has taken nothing for long: no frame, no
    /// message, or nothing that it says it got.
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
        // Has no effect on a link that ended for a reason. Without one, the room has failed.
        self.link.close(Ending::failed());
        self.metrics.left(self.link.transport(), self.link.why().unwrap_or(Leave::Gone));
    }
}
