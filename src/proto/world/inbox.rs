//! Where a person's newest pose waits for the tick: latest wins.

use crate::blur;
use crate::pose::Pose;

/// One person's pose on its way in, apart from their [`Body`](crate::world::body::Body): taking a
/// pose in touches half a cache line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    /// The newest pose, until the next tick; kept aside while its sender is not shown.
    pub(crate) pose: Option<Pose>,
    /// Number of the newest pose taken from the link, once there was one.
    seq: u32,
    taken: Taken,
    /// Whether it is in the room's list of filled inboxes.
    pub(crate) queued: bool,
    /// Whether its sender shares and is not gone.
    pub(crate) shown: bool,
    /// Whether each pose that comes in is moved to the middle of its cell of about 1 km.
    pub(crate) approximate: bool,
}

/// What became of the newest pose taken from the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Taken {
    /// There was none.
    #[default]
    Nothing,
    /// It counts.
    Newest,
    /// It was withdrawn, so a repeat of it counts again.
    Void,
}

impl Inbox {
    /// An empty inbox. `queued` is whether its slot is in the list of filled inboxes already, from
    /// the slot's last owner: it must not be in there twice.
    pub(crate) fn new(shown: bool, queued: bool) -> Self {
        Self { shown, queued, ..Self::default() }
    }

    /// Takes a pose, unless a newer one came first, and reports whether it did.
    #[inline]
    pub(crate) fn receive(&mut self, seq: u32, pose: Pose) -> bool {
        let is_old = match self.taken {
            Taken::Nothing => false,
            Taken::Newest => seq <= self.seq,
            Taken::Void => seq < self.seq,
        };
        if is_old {
            return false;
        }
        (self.taken, self.seq) = (Taken::Newest, seq);
        self.pose = Some(if self.approximate { blur::approximate(pose) } else { pose });
        true
    }

    /// Accepts any number next: a new link counts from the start.
    pub(crate) const fn restart(&mut self) {
        self.taken = Taken::Nothing;
    }

    /// Withdraws the pose. The lanes race: it may have been sent after its sender had begun to share
    /// again, so a repeat of it counts.
    pub(crate) fn withdraw(&mut self) {
        self.pose = None;
        if self.taken == Taken::Newest {
            self.taken = Taken::Void;
        }
    }

    /// Hands the pose over to the tick, if its sender is shown.
    #[inline]
    pub(crate) fn deliver(&mut self) -> Option<Pose> {
        self.queued = false;
        if self.shown { self.pose.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_is_half_a_cache_line() {
        assert_eq!(size_of::<Inbox>(), 32);
    }
}
