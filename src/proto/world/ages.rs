//! How old samples are when a tick first shows them: the part of the age of information that is
//! over before the server sends.

/// Upper ends of the classes in ms, each included; the last class has no end. The first are
/// fractions of a tick, the last is far above the ages on a live link.
pub const AGE_BOUNDS_MS: [u64; 12] = [5, 10, 20, 35, 50, 75, 100, 150, 250, 500, 1_000, 5_000];

/// Counts of new samples by their age at the tick that took them in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// The counts, by class of [`AGE_BOUNDS_MS`].
    pub counts: [u32; AGE_BOUNDS_MS.len() + 1],
    /// The sum of the ages, in ms.
    pub sum_ms: u64,
}

impl Ages {
    pub(super) fn note(&mut self, age_ms: u64) {
        let class = AGE_BOUNDS_MS.partition_point(|&bound| bound < age_ms);
        self.counts[class] += 1;
        self.sum_ms += age_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_on_a_bound_belongs_to_the_class_below_it() {
        let mut ages = Ages::default();
        for age in [0, 5, 6, 5_000, 5_001] {
            ages.note(age);
        }
        assert_eq!(ages.counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(ages.sum_ms, 10_012);
    }
}
