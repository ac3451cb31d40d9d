//! Intervals of ratios, by a bootstrap in two stages: rounds are drawn with replacement, then, in
//! each, the clusters of senders and seconds, and the seconds of the server's processor time.
//!
//! Samples are no independent draws: one lost segment delays several of them for all receivers,
//! and a busy moment of the machine delays everything of a round. So neither is split.

use crate::results::Ratio;
use crate::tally::{Cluster, Spread, Total};

/// Number of draws.
const DRAWS: usize = 400;
/// The share of draws outside of an interval, half of them on each side.
const OUTSIDE: f64 = 0.05;
/// The seed of all draws: the same figures have the same intervals.
const SEED: u64 = 1;

/// What one round of one system gives.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// What was counted by sender and second.
    pub clusters: Vec<Cluster>,
    /// The server's processor time in us and the number of samples received, for each second.
    pub cpu: Vec<(f64, f64)>,
}

/// A figure that is compared between systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// A percentile of the message age.
    Message(Percentile),
    /// A percentile of the picture age.
    Picture(Percentile),
    /// The server's processor time for each sample received.
    Cpu,
}

/// The percentiles that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentile {
    P50,
    P99,
}

impl Percentile {
    const fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P99 => 0.99,
        }
    }
}

/// The figures that every report compares.
pub const FIGURES: [Figure; 5] = [
    Figure::Message(Percentile::P50),
    Figure::Message(Percentile::P99),
    Figure::Picture(Percentile::P50),
    Figure::Picture(Percentile::P99),
    Figure::Cpu,
];

impl Figure {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message(Percentile::P50) => "message age p50",
            Self::Message(Percentile::P99) => "message age p99",
            Self::Picture(Percentile::P50) => "picture age p50",
            Self::Picture(Percentile::P99) => "picture age p99",
            Self::Cpu => "server CPU per sample",
        }
    }

    const fn at(self) -> usize {
        match self {
            Self::Message(Percentile::P50) => 0,
            Self::Message(Percentile::P99) => 1,
            Self::Picture(Percentile::P50) => 2,
            Self::Picture(Percentile::P99) => 3,
            Self::Cpu => 4,
        }
    }
}

/// All figures of one system: as measured, and of each draw.
pub struct Drawn {
    measured: [f64; FIGURES.len()],
    draws: Vec<[f64; FIGURES.len()]>,
}

impl Drawn {
    /// Draws from `rounds`. Systems of one scenario draw the same rounds, which have the same seeds.
    pub fn new(rounds: &[Round]) -> Self {
        let mut totals = [Total::default(), Total::default()];
        let measured = figures(rounds.iter(), |round| 0..round.clusters.len(), &mut totals);
        let mut which = fastrand::Rng::with_seed(SEED);
        let mut within = fastrand::Rng::with_seed(SEED + 1);
        let draws = (0..DRAWS).map(|_| {
            let drawn: Vec<&Round> =
                rounds.iter().map(|_| &rounds[which.usize(..rounds.len())]).collect();
            figures_drawn(&drawn, &mut within, &mut totals)
        });
        let draws = draws.collect();
        Self { measured, draws }
    }

    /// The ratio of a figure between two systems, and its interval.
    pub fn ratio(&self, under: &Self, figure: Figure) -> (f64, [f64; 2]) {
        let at = figure.at();
        let ratios = self.draws.iter().zip(&under.draws).map(|(over, under)| over[at] / under[at]);
        (self.measured[at] / under.measured[at], interval(ratios))
    }

    /// A figure and its interval.
    pub fn figure(&self, figure: Figure) -> (f64, [f64; 2]) {
        let at = figure.at();
        (self.measured[at], interval(self.draws.iter().map(|draw| draw[at])))
    }

    /// The ratio of a figure as a row of a report.
    pub fn row(&self, scenario: &str, names: [&str; 2], under: &Self, figure: Figure) -> Ratio {
        let (value, [low, high]) = self.ratio(under, figure);
        Ratio {
            scenario: scenario.into(),
            figure: figure.name().into(),
            over: names[0].into(),
            under: names[1].into(),
            value,
            low,
            high,
        }
    }
}

/// The middle 95 % of some values; NaN without any.
fn interval(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    if values.is_empty() {
        return [f64::NAN; 2];
    }
    values.sort_by(f64::total_cmp);
    let last = (values.len() - 1) as f64;
    [OUTSIDE / 2.0, 1.0 - OUTSIDE / 2.0].map(|share| values[(last * share).round() as usize])
}

/// The figures of these rounds, with the clusters that `which` names.
fn figures<'a, I: Iterator<Item = usize>>(
    rounds: impl Iterator<Item = &'a Round>,
    mut which: impl FnMut(&Round) -> I,
    totals: &mut [Total; 2],
) -> [f64; FIGURES.len()] {
    totals.iter_mut().for_each(Total::clear);
    let (mut us, mut samples) = (0.0, 0.0);
    for round in rounds {
        for at in which(round) {
            let of: [&Spread; 2] = [&round.clusters[at].messages, &round.clusters[at].picture];
            totals.iter_mut().zip(of).for_each(|(total, spread)| total.add(spread));
        }
        us += round.cpu.iter().map(|second| second.0).sum::<f64>();
        samples += round.cpu.iter().map(|second| second.1).sum::<f64>();
    }
    let [messages, picture] = totals;
    let shares = [Percentile::P50, Percentile::P99].map(Percentile::share);
    let [message_p50, message_p99] = shares.map(|share| messages.quantile_ms(share));
    let [picture_p50, picture_p99] = shares.map(|share| picture.quantile_ms(share));
    let cpu = if samples > 0.0 { us / samples } else { f64::NAN };
    [message_p50, message_p99, picture_p50, picture_p99, cpu]
}

/// The figures of one draw within these rounds.
fn figures_drawn(
    rounds: &[&Round],
    rng: &mut fastrand::Rng,
    totals: &mut [Total; 2],
) -> [f64; FIGURES.len()] {
    let mut pick = |len: usize| -> Vec<usize> { (0..len).map(|_| rng.usize(..len)).collect() };
    let seconds: Vec<Round> = rounds
        .iter()
        .map(|round| Round {
            clusters: Vec::new(),
            cpu: pick(round.cpu.len()).into_iter().map(|at| round.cpu[at]).collect(),
        })
        .collect();
    let cpu = figures(seconds.iter(), |_| 0..0, totals)[Figure::Cpu.at()];
    let which = |round: &Round| pick(round.clusters.len()).into_iter();
    let mut drawn = figures(rounds.iter().copied(), which, totals);
    drawn[Figure::Cpu.at()] = cpu;
    drawn
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tally::Tally;

    const P50: Figure = Figure::Message(Percentile::P50);

    /// A round of `senders` over `seconds` with `samples` each; `age` gives a sample's age in us by
    /// cluster and number.
    fn round(senders: u32, seconds: u32, samples: u32, age: impl Fn(u32, u32) -> f64) -> Round {
        let tally = Tally::new(senders, Duration::from_secs(seconds.into()), || 0);
        for cluster in 0..senders * seconds {
            let (sender, taken) = (cluster / seconds, u64::from(cluster % seconds) * 1_000_000);
            for number in 0..samples {
                tally.arrive(sender, taken, taken + age(cluster, number) as u64);
            }
        }
        Round { clusters: tally.clusters(1), cpu: vec![(30.0, 10.0), (50.0, 10.0)] }
    }

    /// Rounds of exponential ages with this mean; all samples of a cluster are the same draw if
    /// `shared`.
    fn exponential(seed: u64, mean: f64, shared: bool) -> Vec<Round> {
        let of_round = |number: u64| {
            round(10, 3, 30, |cluster, sample| {
                let draw = u64::from(cluster) * 1_000 + u64::from(if shared { 0 } else { sample });
                let seed = seed.wrapping_mul(7_919) + number * 1_000_000 + draw;
                -mean * (1.0 - fastrand::Rng::with_seed(seed).f64()).ln()
            })
        };
        (0..10).map(of_round).collect()
    }

    fn width([low, high]: [f64; 2]) -> f64 {
        high - low
    }

    #[test]
    fn figures_without_spread_have_no_interval() {
        let of = |us: f64| Drawn::new(&[round(4, 3, 5, |_, _| us), round(4, 3, 5, |_, _| us)]);
        let (ratio, range) = of(3_000.0).ratio(&of(1_000.0), P50);
        assert!((ratio - 3.0).abs() < 0.04, "{ratio}");
        assert_eq!(range, [ratio; 2]);
        let (cpu, [low, high]) = of(1_000.0).figure(Figure::Cpu);
        assert_eq!((cpu, low >= 3.0, high <= 5.0), (4.0, true, true));
    }

    #[test]
    fn an_interval_holds_the_truth_about_as_often_as_it_says() {
        let mut held = 0;
        for seed in 0..60 {
            let [over, under] = [(2 * seed, 20_000.0), (2 * seed + 1, 10_000.0)]
                .map(|(seed, mean)| Drawn::new(&exponential(seed, mean, true)));
            let (_, [low, high]) = over.ratio(&under, P50);
            held += u32::from(low <= 2.0 && 2.0 <= high);
        }
        // 57 of 60 are expected; the draws are seeded, so this is no gamble.
        assert!((51..=60).contains(&held), "{held}");
    }

    #[test]
    fn samples_that_share_their_fate_widen_the_interval() {
        let interval = |shared| Drawn::new(&exponential(5, 10_000.0, shared)).figure(P50).1;
        assert!(width(interval(true)) > 3.0 * width(interval(false)));
    }

    #[test]
    fn a_bad_round_widens_the_interval() {
        let even: Vec<Round> = (0..6).map(|_| round(4, 3, 5, |_, _| 10_000.0)).collect();
        let mut odd = even.clone();
        odd[0] = round(4, 3, 5, |_, _| 100_000.0);
        let p99 = Figure::Message(Percentile::P99);
        let [low, high] = Drawn::new(&odd).figure(p99).1;
        assert!(low < 11.0 && high > 90.0, "{low} {high}");
        assert_eq!(width(Drawn::new(&even).figure(p99).1), 0.0);
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        let empty = Drawn::new(&[Round::default()]);
        let (ratio, range) = empty.ratio(&empty, P50);
        assert!(ratio.is_nan() && range.iter().all(|end| end.is_nan()));
    }
}
