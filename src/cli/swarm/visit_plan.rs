//! What visitors do, and when. Drawn from the seed and the visitor's number alone, so that the
//! same seed brings the same visitors whatever comes of them.

/// Between a visitor's arrival and the first thing that it does, and from each to the next, in
/// seconds.
const STAY: (f64, f64) = (2.0, 10.0);
/// For how long a network is gone that comes back in time, in seconds: some of these are gone for
/// longer than the 15 s after which nobody is shown any more.
const SHORT: (f64, f64) = (0.2, 20.0);
/// How much longer than the resume time a network is gone that comes back too late, in seconds.
const LATE: (f64, f64) = (3.0, 8.0);
/// Most things that a visitor does before it leaves.
const STEPS: usize = 6;

/// What a visitor does after having been there for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    /// Goes on over another link, while the old one still lives.
    Switch,
    /// Its network is gone for so many seconds, and it comes back as who it was.
    Return(f64),
    /// Its network is gone for so many seconds beyond the resume time; it comes back as somebody
    /// else.
    ReturnLate(f64),
    /// Its network is gone for good.
    Vanish,
    /// Says that it leaves.
    Leave,
}

/// Somebody who comes and goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Visit {
    /// When it comes, in seconds from the beginning.
    pub(super) at: f64,
    /// How many seconds it stays each time, and what it then does. The last one is the end.
    pub(super) steps: Vec<(f64, Act)>,
}

impl Visit {
    /// The visitor with this number, if so many come a minute.
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
    fn visitors_come_at_the_rate_and_all_of_them_go() {
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
    fn everything_happens_and_a_seed_repeats_it() {
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
