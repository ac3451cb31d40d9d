//! How old samples are when a tick shows them to everybody: the server's own part of the age of
//! information, and what it cannot help.

/// Upper ends of the classes in ms, each included; the last class has no end. The first are
/// fractions of a tick, the last is far beyond what a live link shows.
pub const AGE_BOUNDS_MS: [u64; 12] = [5, 10, 20, 35, 50, 75, 100, 150, 250, 500, 1_000, 5_000];

/// Samples by their age when the tick took them: new ones only, for what is shown again is not
/// news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// How many there were, by the class of [`AGE_BOUNDS_MS`] that they are in.
    pub counts: [u32; AGE_BOUNDS_MS.len() + 1],
    /// Their ages together, in ms.
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
    fn an_age_is_in_the_class_that_ends_with_it() {
        let mut ages = Ages::default();
        for age in [0, 5, 6, 5_000, 5_001] {
            ages.note(age);
        }
        assert_eq!(ages.counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(ages.sum_ms, 10_012);
    }
}
