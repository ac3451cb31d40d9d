//! What visitors do, and when: drawn from the seed and the visitor's number alone, so that the same
//! seed brings the same visitors whatever happens to them.

/// Time between a visitor's arrival and its first act, and between acts, in seconds.
const STAY: (f64, f64) = (2.0, 10.0);
/// Outage of a network that returns in time, in seconds: some are longer than the 15 s after which
/// peers are no longer shown.
const SHORT: (f64, f64) = (0.2, 20.0);
/// Outage of a network that returns too late, in seconds beyond the resume time.
const LATE: (f64, f64) = (3.0, 8.0);
/// Maximum number of acts before a visitor leaves.
const STEPS: usize = 6;

/// An act of a visitor after a stay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    /// Moves to another link while the old one still lives.
    Switch,
    /// Loses its network for this many seconds, and returns as the same peer.
    Return(f64),
    /// Loses its network for this many seconds beyond the resume time, and returns as a new peer.
    ReturnLate(f64),
    /// Loses its network for good.
    Vanish,
    /// Leaves with a farewell.
    Leave,
}

/// One visitor's plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Visit {
    /// When it joins, in seconds from the start.
    pub(super) at: f64,
    /// The length of each stay in seconds, and the act that follows. The last act ends the visit.
    pub(super) steps: Vec<(f64, Act)>,
}

impl Visit {
    /// Draws the visitor with this number, at this rate of visitors per minute.
    pub(super) fn draw(seed: u64, number: u32, per_minute: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ (u64::from(number) << 20));
        let between = 60.0 / f64::from(per_minute.max(1));
        let at = (f64::from(number) + rng.f64()) * between;
        let mut steps = Vec::new();
        while steps.last().is_none_or(|(_, act)| !matches!(act, Act::Vanish | Act::Leave)) {
            let mut within = |(least, most): (f64, f64)| least + (most - least) * rng.f64();
            let (stay, short, late) = (within(STAY), within(SHORT), within(LATE));
            let act = match rng.u32(0..100) {
                _ if steps.len() == STEPS => Act::Leave,
                0..25 => Act::Switch,
                25..40 => Act::Return(short),
                40..45 => Act::ReturnLate(late),
                45..55 => Act::Vanish,
                _ => Act::Leave,
            };
            steps.push((stay, act));
        }
        Self { at, steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_join_at_the_rate_and_all_leave() {
        let visits: Vec<_> = (0..500).map(|number| Visit::draw(1, number, 500)).collect();
        assert!(visits.iter().all(|visit| (0.0..60.0).contains(&visit.at)));
        assert!(visits.is_sorted_by(|one, next| one.at <= next.at));
        let ends = |act: &Act| matches!(act, Act::Vanish | Act::Leave);
        for visit in &visits {
            let (last, before) = visit.steps.split_last().unwrap();
            assert!(ends(&last.1) && !before.iter().any(|(_, act)| ends(act)), "{visit:?}");
        }
    }

    #[test]
    fn every_act_occurs_and_a_seed_repeats_it() {
        let acts = |seed| -> Vec<Act> {
            let visits = (0..100).map(|number| Visit::draw(seed, number, 60));
            visits.flat_map(|visit| visit.steps).map(|(_, act)| act).collect()
        };
        let drawn = acts(7);
        let count = |of: fn(&Act) -> bool| drawn.iter().filter(|&act| of(act)).count();
        assert!(count(|act| *act == Act::Switch) > 10);
        assert!(count(|act| matches!(act, Act::Return(away) if *away > 15.0)) > 0);
        assert!(count(|act| matches!(act, Act::ReturnLate(_))) > 0);
        assert!(count(|act| *act == Act::Vanish) > 0);
        assert_eq!(acts(7), drawn);
        assert_ne!(acts(8), drawn);
    }
}
