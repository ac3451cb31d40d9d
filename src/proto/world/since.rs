//! Which changes a delta chunk tells.

use crate::world::body::Body;
use crate::world::tick::Tick;

/// Which changes to tell a viewer: those after a tick, and copies of some before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Since {
    /// The tick up to which it was told everything.
    pub(crate) tick: Tick,
    /// Which changes of people with slow samples to repeat.
    pub(crate) copies: Option<Span>,
}

/// The ticks after `from`, up to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) from: Tick,
    pub(crate) to: Tick,
}

impl Span {
    const fn contains(self, tick: Tick) -> bool {
        tick.is_after(self.from) && !tick.is_after(self.to)
    }
}

impl Since {
    /// Whether something that last changed in `tick` may have to be told.
    pub(crate) fn may_concern(self, tick: Tick) -> bool {
        tick.is_after(self.tick) || self.copies.is_some_and(|span| tick.is_after(span.from))
    }

    pub(crate) fn concerns(self, body: &Body) -> bool {
        let copy = |span: Span| body.slow && span.contains(body.changed);
        body.changed.is_after(self.tick) || self.copies.is_some_and(copy)
    }
}
