//! What happens to people by time alone: each waits here until its time comes or it is called off.

use std::collections::BTreeSet;

use crate::time::Time;
use crate::wire::PeerId;

/// What happens, in the order in which it does if the times are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The time for which somebody wanted to share is over.
    Unshare,
    /// Somebody without a link is gone.
    Gone,
    /// Somebody without a link has left.
    Left,
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Time, Due, PeerId)>);

impl Deadlines {
    /// This happens then.
    pub(super) fn add(&mut self, time: Time, due: Due, id: PeerId) {
        self.0.insert((time, due, id));
    }

    /// This does not happen any more; `time` is the one that it was added for.
    pub(super) fn call_off(&mut self, time: Time, due: Due, id: PeerId) {
        self.0.remove(&(time, due, id));
    }

    /// Whatever comes of silence happens so much later, in ms.
    pub(super) fn postpone(&mut self, ms: u64) {
        let later = |(time, due, id)| (if due == Due::Unshare { time } else { time + ms }, due, id);
        self.0 = std::mem::take(&mut self.0).into_iter().map(later).collect();
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Time> {
        self.0.first().map(|&(time, ..)| time)
    }

    /// What happens next, if its time has come by `now`.
    pub(super) fn pop(&mut self, now: Time) -> Option<(Due, PeerId)> {
        self.0.first().filter(|&&(time, ..)| time <= now)?;
        self.0.pop_first().map(|(_, due, id)| (due, id))
    }
}
