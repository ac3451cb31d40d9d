//! Time as the core knows it: a moment on the server's clock, handed in by the shell.

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A moment on the server's clock, in microseconds since the server's epoch (near its start).
///
/// What people and paths take is counted in milliseconds; the pace of a room needs more exactness,
/// in [`Time::us_since`] and [`Time::after_us`]. 64 bits inside, so that the core never sees a
/// wrap; [`Stamp`] is its form on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment `ms` milliseconds after the epoch.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1000))
    }

    /// The moment `us` microseconds after the epoch.
    #[must_use]
    pub const fn from_us(us: u64) -> Self {
        Self(us)
    }

    /// Whole milliseconds since the epoch.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0 / 1000
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_us(self) -> u64 {
        self.0
    }

    /// The low 32 bits of the milliseconds, as sent on the wire.
    #[must_use]
    pub const fn stamp(self) -> Stamp {
        Stamp(self.as_ms() as u32)
    }

    /// Whole milliseconds from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.us_since(earlier) / 1000
    }

    /// Microseconds from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub const fn us_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `us` microseconds later.
    #[must_use]
    pub const fn after_us(self, us: u64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// The whole millisecond nearest to `self` whose low 32 bits are `stamp`, not before the epoch.
    #[must_use]
    pub const fn nearest(self, stamp: Stamp) -> Self {
        let ahead = stamp.0.wrapping_sub(self.as_ms() as u32) as i32;
        Self::from_ms(self.as_ms().saturating_add_signed(ahead as i64))
    }
}

impl Add<u64> for Time {
    type Output = Self;

    /// The moment `ms` milliseconds later.
    fn add(self, ms: u64) -> Self {
        self.after_us(ms.saturating_mul(1000))
    }
}

impl Sub<u64> for Time {
    type Output = Self;

    /// The moment `ms` milliseconds earlier, or the epoch.
    fn sub(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms.saturating_mul(1000)))
    }
}

/// A moment on the wire: the low 32 bits of the milliseconds of [`Time`], which wrap after 49.7
/// days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp(pub u32);

impl Stamp {
    /// Signed milliseconds from `other` to `self`: positive if `self` is later.
    #[must_use]
    pub const fn after(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_undoes_stamp_across_the_wrap() {
        for now in [0, 10, u64::from(u32::MAX) - 5, u64::from(u32::MAX) + 7, 1 << 40] {
            for shift in [-60_000_i64, -1, 0, 1, 5_000] {
                let then = Time::from_ms(now.saturating_add_signed(shift));
                let now = Time::from_ms(now).after_us(999);
                assert_eq!(now.nearest(then.stamp()), then, "{now:?} {shift}");
            }
        }
    }

    #[test]
    fn stamps_compare_across_the_wrap() {
        assert_eq!(Stamp(3).after(Stamp(u32::MAX)), 4);
        assert_eq!(Stamp(u32::MAX).after(Stamp(3)), -4);
    }

    #[test]
    fn milliseconds_are_whole_and_microseconds_exact() {
        let then = Time::from_us(1_900);
        let now = then + 3;
        assert_eq!((now.as_ms(), now.stamp(), now.since(then)), (4, Stamp(4), 3));
        assert_eq!(now.after_us(999).since(then), 3);
        assert_eq!((now - 4).us_since(Time::default()), 900);
        assert_eq!(then.us_since(now), 0);
    }
}
