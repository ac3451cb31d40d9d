//! Time as the core knows it: milliseconds on the server's clock, handed in by the shell.

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A moment on the server's clock, in milliseconds since the server's epoch (near its start).
///
/// 64 bits inside, so that the core never sees a wrap; [`Stamp`] is its form on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The low 32 bits, as sent on the wire.
    #[must_use]
    pub const fn stamp(self) -> Stamp {
        Stamp(self.0 as u32)
    }

    /// Milliseconds from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment nearest to `self` whose low 32 bits are `stamp`, not before the epoch.
    #[must_use]
    pub const fn nearest(self, stamp: Stamp) -> Self {
        let ahead = stamp.0.wrapping_sub(self.0 as u32) as i32;
        Self(self.0.saturating_add_signed(ahead as i64))
    }
}

impl Add<u64> for Time {
    type Output = Self;

    /// The moment `ms` milliseconds later.
    fn add(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl Sub<u64> for Time {
    type Output = Self;

    /// The moment `ms` milliseconds earlier, or the epoch.
    fn sub(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }
}

/// A moment on the wire: the low 32 bits of [`Time`], which wrap after 49.7 days.
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
                let then = Time(now.saturating_add_signed(shift));
                assert_eq!(Time(now).nearest(then.stamp()), then, "{now} {shift}");
            }
        }
    }

    #[test]
    fn stamps_compare_across_the_wrap() {
        assert_eq!(Stamp(3).after(Stamp(u32::MAX)), 4);
        assert_eq!(Stamp(u32::MAX).after(Stamp(3)), -4);
    }
}
