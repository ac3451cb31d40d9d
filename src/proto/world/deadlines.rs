//! What happens to peers by time alone: each event waits here until it is due or called off.

use std::collections::BTreeSet;

use crate::time::Time;
use crate::wire::PeerId;

/// What happens; at equal times, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The time to share ends.
    Unshare,
    /// A peer without a link is gone.
    Gone,
    /// A peer without a link has left.
    Left,
}

/// All events that wait, soonest first.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Time, Due, PeerId)>);

impl Deadlines {
    /// Adds an event.
    pub(super) fn add(&mut self, time: Time, due: Due, id: PeerId) {
        self.0.insert((time, due, id));
    }

    /// Removes an event that was added for this `time`.
    pub(super) fn call_off(&mut self, time: Time, due: Due, id: PeerId) {
        self.0.remove(&(time, due, id));
    }

    /// Postpones the events that come of silence, by ms.
    pub(super) fn postpone(&mut self, ms: u64) {
        let later = |(time, due, id)| (if due == Due::Unshare { time } else { time + ms }, due, id);
        self.0 = std::mem::take(&mut self.0).into_iter().map(later).collect();
    }

    /// Returns the time of the next event.
    pub(super) fn next(&self) -> Option<Time> {
        self.0.first().map(|&(time, ..)| time)
    }

    /// Takes the next event, if it is due by `now`.
    pub(super) fn pop(&mut self, now: Time) -> Option<(Due, PeerId)> {
        self.0.first().filter(|&&(time, ..)| time <= now)?;
        self.0.pop_first().map(|(_, due, id)| (due, id))
    }
}
