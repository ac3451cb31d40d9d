//! What the outcomes of a scenario say: rows, ratios with their intervals, bars, notes.

use gpys::client::Transport;

use crate::bootstrap::{Drawn, FIGURES, Figure, Percentile};
use crate::peers::Peer;
use crate::results::{Bar, Deadline, Ratio, Row};
use crate::run::Played;
use crate::scenarios::{self, Scenario, System, lossy};
use crate::tally::DEADLINES_US;
use crate::trial::{Outcome, Passed, Plan};

/// How soon every picture is to be right again, in ms.
const RIGHT_MS: f64 = 1_500.0;

/// A bound for a figure.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// The figures of all systems of a scenario.
pub struct Judge<'a> {
    played: &'a Played,
    /// By system; `None` for one that was not measured.
    drawn: Vec<Option<Drawn>>,
}

impl<'a> Judge<'a> {
    /// Draws the intervals.
    pub fn new(played: &'a Played) -> Self {
        let draw = |outcomes: &Vec<Outcome>| {
            let rounds: Vec<_> = outcomes.iter().map(|outcome| outcome.round.clone()).collect();
            (!rounds.is_empty()).then(|| Drawn::new(&rounds))
        };
        Self { played, drawn: played.outcomes.iter().map(draw).collect() }
    }

    fn name(&self) -> &'a str {
        &self.played.scenario.name
    }

    fn at(&self, system: System) -> Option<usize> {
        self.played.scenario.systems.iter().position(|&other| other == system)
    }

    fn drawn(&self, system: System) -> Option<&Drawn> {
        self.drawn[self.at(system)?].as_ref()
    }

    /// A row for each system that was measured.
    pub fn rows(&self) -> Vec<Row> {
        let Played { scenario, outcomes, void, .. } = self.played;
        let all = scenario.systems.iter().zip(outcomes).zip(void);
        let measured = all.filter(|((_, outcomes), _)| !outcomes.is_empty());
        measured.map(|((&system, outcomes), &void)| row(scenario, system, outcomes, void)).collect()
    }

    /// Every other system over the first one, WebTransport but for the carriers; ours over every peer.
    pub fn ratios(&self) -> Vec<Ratio> {
        let [wt, ws] = scenarios::OURS;
        let systems = self.played.scenario.systems.iter();
        let first = self.played.scenario.systems[0];
        let pairs = systems.flat_map(|&system| match system {
            System::Peer(_) => vec![(wt, system), (ws, system)],
            _ if system == first => Vec::new(),
            _ => vec![(system, first)],
        });
        let mut ratios = Vec::new();
        for (over, under) in pairs {
            let (Some(a), Some(b)) = (self.drawn(over), self.drawn(under)) else { continue };
            let names = [over.name(), under.name()];
            ratios.extend(FIGURES.map(|figure| a.row(self.name(), names, b, figure)));
        }
        ratios
    }

    /// Notes for the reader of this scenario.
    pub fn notes(&self) -> Vec<String> {
        let Played { scenario, outcomes, void, failures } = self.played;
        let name = &scenario.name;
        let mut notes = Vec::new();
        for (at, system) in scenario.systems.iter().enumerate() {
            let lost: usize = outcomes[at].iter().map(|outcome| outcome.lost).sum();
            if lost > 0 {
                notes.push(format!("{name}: {lost} links were lost over {}.", system.name()));
            }
            if void[at] > 0 {
                notes.push(format!(
                    "{name}: {} trials of {} were void, because the path was late, and repeated.",
                    void[at],
                    system.name()
                ));
            }
            if let Some(error) = &failures[at] {
                let rounds = outcomes[at].len();
                notes.push(format!("{name}: {} after {rounds} rounds: {error:#}.", system.name()));
            }
        }
        notes
    }

    /// Whether one of our own systems failed: a compared one that gives up is a result.
    pub fn failed(&self) -> bool {
        let systems = self.played.scenario.systems.iter().zip(&self.played.failures);
        systems.into_iter().any(|(system, failure)| {
            failure.is_some() && !matches!(system, System::Peer(_) | System::WebRtc)
        })
    }

    fn ratio(&self, over: System, under: System, figure: Figure, bound: Bound) -> Bar {
        let drawn = self.drawn(over).zip(self.drawn(under));
        let unknown = (f64::NAN, [f64::NAN; 2]);
        let (mut value, [low, high]) =
            drawn.map_or(unknown, |(over, under)| over.ratio(under, figure));
        let (names, mut why) = ([over.name(), under.name()].join(" / "), String::new());
        if self.delivered(over) && self.is_overwhelmed(under) {
            value = 0.0;
            why = format!(" ({} delivers nothing)", under.name());
        }
        let what = format!("{}: {}, {names}{why}", self.name(), figure.name());
        interval(what, value, [low, high], bound, "x")
    }

    /// Whether any sample arrived over a system.
    fn delivered(&self, system: System) -> bool {
        let outcomes = self.at(system).map(|at| self.played.outcomes[at].iter());
        outcomes.into_iter().flatten().any(|outcome| outcome.messages.count() > 0)
    }

    /// Whether a system was given the load, and nothing arrived over it.
    fn is_overwhelmed(&self, system: System) -> bool {
        let tried = self.at(system).is_some_and(|at| {
            self.played.failures[at].is_some() || !self.played.outcomes[at].is_empty()
        });
        tried && !self.delivered(system)
    }

    /// This scenario's bars.
    pub fn bars(&self) -> Vec<Bar> {
        let [wt, ws] = scenarios::OURS;
        let (p50, p99) = (Percentile::P50, Percentile::P99);
        let name = self.name();
        let mut bars = Vec::new();
        if name == scenarios::CLEAN {
            bars.push(self.ratio(wt, ws, Figure::Message(p50), Bound::AtMost(1.1)));
        }
        if name.starts_with(scenarios::CLEAN_PATH) {
            for (peer, most) in [(Peer::Ws, 1.0), (Peer::SocketIo, 0.6)] {
                for (ours, percentile) in [(wt, p50), (wt, p99), (ws, p50), (ws, p99)] {
                    let (figure, peer) = (Figure::Message(percentile), System::Peer(peer));
                    bars.push(self.ratio(ours, peer, figure, Bound::AtMost(most)));
                }
            }
            bars.push(self.ratio(wt, System::Peer(Peer::Ws), Figure::Cpu, Bound::AtMost(0.6)));
        }
        if name == scenarios::HALF {
            if let Some((value, range)) =
                self.drawn(wt).map(|drawn| drawn.figure(Figure::Picture(p99)))
            {
                let what = format!("{name}: picture age p99, {}", wt.name());
                bars.push(interval(what, value, range, Bound::AtMost(600.0), "ms"));
            }
            for (transport, least) in
                [(Transport::WebTransport, 50.0), (Transport::WebSocket, 10.0)]
            {
                let stock = System::Stock(transport);
                bars.push(self.ratio(stock, wt, Figure::Picture(p99), Bound::AtLeast(least)));
            }
        }
        if name == lossy(5) {
            bars.extend(self.reach(wt));
        }
        if [scenarios::BLACKOUT, scenarios::REBIND, scenarios::SWITCH].contains(&name) {
            bars.extend(self.recoveries());
        }
        bars
    }

    /// The bars for how soon every picture is right again.
    fn recoveries(&self) -> Vec<Bar> {
        let Played { scenario, outcomes, .. } = self.played;
        let systems = scenario.systems.iter().zip(outcomes);
        let bars = systems.filter_map(|(system, outcomes)| {
            let worst = |o: &Outcome| o.healed.iter().copied().fold(0.0, f64::max);
            let values: Vec<f64> = outcomes.iter().map(worst).collect();
            let what = format!("{}, {}: until every picture is right", self.name(), system.name());
            bar(what, &values, None, Some(RIGHT_MS), "ms")
        });
        bars.collect()
    }

    /// The bar for a sample's way over this path: both ways, three sample intervals and a tick.
    fn reach(&self, system: System) -> Option<Bar> {
        let Plan { hz, path, .. } = &self.played.scenario.plan;
        let way = 2.0 * path.delay.as_secs_f64() * 1e3;
        let most = way + 3.0 * 1e3 / f64::from(*hz) + 1e3 / f64::from((*hz).max(30));
        let (value, range) = self.drawn(system)?.figure(Figure::Picture(Percentile::P99));
        let what = format!("{}: picture age p99, {}", self.name(), system.name());
        Some(interval(what, value, range, Bound::AtMost((most * 10.0).round() / 10.0), "ms"))
    }
}

/// A bar for a figure with a 95 % interval.
fn interval(what: String, value: f64, [low, high]: [f64; 2], bound: Bound, unit: &str) -> Bar {
    let (bar, at_least) = match bound {
        Bound::AtLeast(bar) => (bar, true),
        Bound::AtMost(bar) => (bar, false),
    };
    Bar { what, value, low, high, interval: true, bar, at_least, unit: unit.into() }
}

/// A bar for the median of some values, if there are any.
pub fn bar(
    what: String,
    values: &[f64],
    least: Option<f64>,
    most: Option<f64>,
    unit: &str,
) -> Option<Bar> {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (&low, &high) = (values.first()?, values.last()?);
    let value = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
    let bar = least.or(most)?;
    let (at_least, unit) = (least.is_some(), unit.into());
    Some(Bar { what, value, low, high, interval: false, bar, at_least, unit })
}

fn row(scenario: &Scenario, system: System, outcomes: &[Outcome], void: u32) -> Row {
    let Plan { behind, beside, observers, hz, path, .. } = &scenario.plan;
    let mut all = Outcome::default();
    for outcome in outcomes {
        all.merge(outcome);
    }
    let each = |count: u64| count as f64 / all.seconds / f64::from(*behind);
    let passed = |of: fn(&Passed) -> u64, way: usize| {
        all.passed.as_ref().map(|passed| each(of(&passed[way])))
    };
    let cpu = all.round.cpu.iter();
    let (us, samples) = cpu.fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let scripted = !scenario.plan.script.is_empty() || scenario.half || scenario.plan.up.is_some();
    let first = outcomes.first().filter(|_| scripted);
    let late = all.lateness.later_than().into_iter();
    Row {
        scenario: scenario.name.clone(),
        path: path.to_string(),
        system: system.name().into(),
        client: "native".into(),
        people: behind + beside,
        observers: *observers,
        hz: *hz,
        seconds: all.seconds,
        rounds: outcomes.len() as u32,
        message_age_ms: all.messages.percentiles(),
        picture_age_ms: all.picture.ages.percentiles(),
        stale_share: all.picture.stale_share(),
        deadlines: deadlines(&all),
        round_p99_ms: outcomes.iter().map(|one| one.picture.ages.quantile_ms(0.99)).collect(),
        join_ms: (all.joins.count() > 0).then(|| all.joins.percentiles()),
        down_bytes_per_second: passed(|passed| passed.bytes, 1),
        up_bytes_per_second: passed(|passed| passed.bytes, 0),
        down_packets_per_second: passed(|passed| passed.packets, 1),
        up_packets_per_second: passed(|passed| passed.packets, 0),
        path_late: late.map(|(bound, share)| (bound.as_secs_f64() * 1e3, share)).collect(),
        void,
        server_us_per_update: (samples > 0.0).then_some(us / samples),
        tail: all.picture.ages.tail(),
        timeline: first.map(|outcome| outcome.picture.timeline.clone()).unwrap_or_default(),
    }
}

/// How many of all samples were known to their receivers by each deadline.
fn deadlines(all: &Outcome) -> Vec<Deadline> {
    let clusters = || all.round.clusters.iter();
    let due: u64 = clusters().map(|cluster| cluster.due).sum();
    let share = |met: u64| met as f64 / due as f64;
    let deadline = |(at, us): (usize, &u64)| Deadline {
        ms: *us as f64 / 1e3,
        share: share(clusters().map(|cluster| u64::from(cluster.in_time[at])).sum()),
        or_newer_share: share(
            clusters().map(|cluster| u64::from(cluster.in_time_or_newer[at])).sum(),
        ),
    };
    let deadlines = DEADLINES_US.iter().enumerate().filter(|_| due > 0);
    deadlines.map(deadline).collect()
}
