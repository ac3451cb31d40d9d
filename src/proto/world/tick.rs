//! Numbers of ticks.

/// The number of a tick. Numbers wrap, after half a year at the fastest pace, so only those of the
/// last months compare rightly; what is older costs a repeated chunk at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u32);

impl Tick {
    /// Before every tick.
    pub(crate) const NEVER: Self = Self(0);
    /// The tick before a room's first. The numbers soon wrap, so every test of a room covers that.
    pub(crate) const FIRST: Self = Self(u32::MAX - 99);

    /// The next tick.
    pub(crate) const fn next(self) -> Self {
        match self.0.wrapping_add(1) {
            0 => Self(1),
            next => Self(next),
        }
    }

    /// Whether it is later than `other`.
    pub(crate) const fn is_after(self, other: Self) -> bool {
        self.0 != 0 && (other.0 == 0 || self.0.wrapping_sub(other.0) as i32 > 0)
    }

    /// Ticks from `earlier` to this one.
    pub(crate) const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stay_in_order_across_the_wrap() {
        let mut tick = Tick::FIRST;
        assert!(tick.is_after(Tick::NEVER) && !Tick::NEVER.is_after(tick));
        for _ in 0..200 {
            let next = tick.next();
            assert!(next.is_after(tick) && !tick.is_after(next) && next.is_after(Tick::FIRST));
            assert!(next.is_after(Tick::NEVER) && !Tick::NEVER.is_after(next));
            assert!((1..=2).contains(&next.since(tick)));
            tick = next;
        }
        assert!(!tick.is_after(tick));
    }
}
