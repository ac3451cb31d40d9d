//! The plots of a run, and their contents.

use super::axis::Axis;
use super::chart::{Chart, Line, Order, STYLES};
use super::load;
use super::loss::{self, Family};
use super::table::{self, exact, figure};
use crate::results::{Results, Row};

/// The lowest share of moments at which a tail is drawn.
const LEAST_SHARE: f64 = 1e-4;
/// The share of moments below which a tail is drawn: left of it is a flat line.
const MOST_SHARE: f64 = 0.999;
/// The age above which a picture is stale and a server has not carried its load, in ms.
const STALE_MS: f64 = 100.0;
/// Axis titles of more than one plot.
const PICTURE_AGE: &str = "picture age (ms)";

/// One plot.
pub struct Plot {
    /// Its name, which is stable across runs, names its file, and is unique in a page.
    pub name: String,
    /// What it shows.
    pub shows: Shows,
    /// What it shows and how to read it.
    pub alternative: String,
    /// A complete SVG file.
    pub svg: String,
}

/// The subject of a plot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shows {
    /// One scenario.
    Scenario(String),
    /// Scenarios that differ only in their loss.
    Loss,
    /// How many peers a server carries.
    Capacity,
}

impl Plot {
    /// The plot's file name.
    pub fn file(&self) -> String {
        format!("{}.svg", self.name)
    }
}

/// All plots that have figures: each scenario's tail and timeline, then the losses, then the
/// capacity.
pub fn plots(results: &Results) -> Vec<Plot> {
    let mut plots = Vec::new();
    let mut add = |shows: Shows, chart: Option<Chart>| {
        let Some(mut chart) = chart else { return };
        // Different scenarios may have one slug.
        let same = |plot: &Plot, name: &str| plot.name == name;
        let name = (1..)
            .map(|n| if n == 1 { chart.id.clone() } else { format!("{}-{n}", chart.id) })
            .find(|name| !plots.iter().any(|plot| same(plot, name)));
        chart.id = name.unwrap_or_default();
        plots.push(Plot {
            name: chart.id.clone(),
            shows,
            alternative: format!("{}. {}", chart.title, chart.legend),
            svg: chart.svg(),
        });
    };
    for scenario in table::scenarios(results) {
        add(Shows::Scenario(scenario.to_owned()), tail(results, scenario));
        add(Shows::Scenario(scenario.to_owned()), timeline(results, scenario));
    }
    for family in loss::families(results) {
        add(Shows::Loss, losses(results, &family));
    }
    add(Shows::Capacity, capacity(results));
    plots
}

/// The share of moments at which each system's picture was older than a given age.
fn tail(results: &Results, scenario: &str) -> Option<Chart> {
    let rows = table::rows_of(results, scenario);
    let tails = rows.iter().map(|row| tail_points(&row.tail)).collect();
    let lines = lines(results, &rows, tails);
    let moving = |&(age, share): &(f64, f64)| (share <= MOST_SHARE).then_some(age);
    let ages = lines.iter().flat_map(|line| line.points.iter().filter_map(moving));
    let ages: Vec<f64> = ages.collect();
    let mut x = Axis::logarithmic(PICTURE_AGE, ages, exact)?;
    x.mark = Some((STALE_MS, "stale"));
    let shares = [LEAST_SHARE, 1.0];
    Some(Chart {
        id: format!("tail-{}", slug(scenario)),
        title: format!("{scenario}: how often the picture was old"),
        legend: "Share of moments at which it was older than an age; further left is better."
            .to_owned(),
        summary: summary(&rows),
        x,
        y: Axis::logarithmic("share of moments (%)", shares, |share| exact(100.0 * share))?,
        lines,
        order: Order::Furthest,
    })
}

/// A tail from its start down to the lowest share drawn.
fn tail_points(tail: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> =
        tail.iter().copied().filter(|(age, share)| *age > 0.0 && !share.is_nan()).collect();
    points.retain(|(age, _)| age.is_finite());
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let end = points.iter().position(|(_, share)| *share <= LEAST_SHARE);
    points.truncate(end.map_or(points.len(), |end| end + 1));
    points
}

/// The picture's age over time, for scenarios in which something happens.
fn timeline(results: &Results, scenario: &str) -> Option<Chart> {
    let rows = table::rows_of(results, scenario);
    let of = |highest: bool| {
        let point =
            |&(at, median, most): &(f64, f64, f64)| (at, if highest { most } else { median });
        rows.iter().map(|row| row.timeline.iter().map(point).filter(known).collect()).collect()
    };
    let mut all = lines(results, &rows, of(false));
    let thin = lines(results, &rows, of(true));
    all.extend(thin.into_iter().map(|line| Line { thin: true, ..line }));
    let points = || all.iter().flat_map(|line| line.points.iter());
    // Ages below a millisecond count as one, or they would squeeze the rest.
    let ages: Vec<f64> = points().map(|point| point.1.max(1.0)).collect();
    let x = Axis::linear("time since the round began (s)", points().map(|point| point.0), exact)?;
    let mut y = Axis::logarithmic(PICTURE_AGE, ages, exact)?;
    y.mark = Some((STALE_MS, "stale"));
    Some(Chart {
        id: format!("timeline-{}", slug(scenario)),
        title: format!("{scenario}: the picture's age over time"),
        legend: "Thick: median; thin: highest; lower is better.".to_owned(),
        summary: summary(&rows),
        x,
        y,
        lines: all,
        order: Order::Ends,
    })
}

/// Picture age by loss.
fn losses(results: &Results, family: &Family<'_>) -> Option<Chart> {
    let member = |(scenario, loss): &(&str, f64)| {
        let rows = table::rows_of(results, scenario);
        table::names(&rows).into_iter().zip(rows).map(|(name, row)| (*loss, name, row)).collect()
    };
    let all: Vec<(f64, String, &Row)> =
        family.members.iter().flat_map::<Vec<_>, _>(member).collect();
    let line = |name: &String| {
        let same = || all.iter().filter(|one| one.1 == *name && one.2.picture_age_ms.count > 0);
        let ages = same().map(|(loss, _, row)| (*loss, row.picture_age_ms.p99));
        let span = |(loss, _, row): &(f64, String, &Row)| {
            table::extent(&row.round_p99_ms).map(|(low, high)| (*loss, low, high))
        };
        let key = same().next().map(|one| table::label(one.2)).unwrap_or_default();
        let line = line(results, name.clone(), &key, ages.filter(known).collect());
        let filled = Some(vec![true; line.points.len()]);
        Line { filled, spans: same().filter_map(span).collect(), ..line }
    };
    let names = table::distinct(all.iter().map(|(_, name, _)| name));
    let lines = apart(names.into_iter().map(line).collect());
    let percents: Vec<f64> = family.members.iter().map(|member| member.1).collect();
    let spread = lines.iter().flat_map(|line| line.spans.iter().flat_map(|span| [span.1, span.2]));
    let ages = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)).chain(spread);
    let y = Axis::logarithmic("p99 of picture age (ms)", ages.collect::<Vec<_>>(), exact)?;
    let x = Axis::linear("packets lost (%)", percents.clone(), exact)?.with_ticks(&percents);
    let sentence = |(loss, name, row): &(f64, String, &Row)| {
        format!("{name} at {loss} % loss: {} ms.", figure(row.picture_age_ms.p99))
    };
    Some(Chart {
        id: format!("loss-{}", slug(&family.name)),
        title: format!("{}: loss against the picture's age", family.name),
        legend: "99th percentile; vertical lines: lowest to highest round; lower is better."
            .to_owned(),
        summary: all.iter().map(sentence).collect::<Vec<_>>().join(" "),
        x,
        y,
        lines,
        order: Order::Ends,
    })
}

/// Message age by number of peers.
fn capacity(results: &Results) -> Option<Chart> {
    let known = |step: &&crate::results::Step| step.people > 0 && step.age_p99_ms > 0.0;
    let known = || results.capacity.iter().filter(known);
    let finite = known().map(|step| step.age_p99_ms).chain([STALE_MS]);
    let mut y = Axis::logarithmic("p99 of message age (ms)", finite, exact)?;
    y.mark = Some((STALE_MS, "bar: 100 ms"));
    let people = known().map(|step| f64::from(step.people));
    let x = Axis::logarithmic("people in the room, all in view of all, at 10 Hz", people, exact)?;
    let line = |system: &str| {
        let mut steps: Vec<_> =
            known().filter(|step| step.system == system && step.age_p99_ms.is_finite()).collect();
        steps.sort_by_key(|step| step.people);
        let points = steps.iter().map(|step| (f64::from(step.people), step.age_p99_ms)).collect();
        let filled = Some(steps.iter().map(|step| step.carried).collect());
        Line { filled, ..line(results, system.to_owned(), system, points) }
    };
    let systems = table::distinct(results.capacity.iter().map(|step| step.system.as_str()));
    let lines = apart(systems.into_iter().map(line).collect());
    let carried = load::carried(results).rows.into_iter();
    let sentences = carried.map(|row| format!("{} carried {} people.", row[0], row[1]));
    Some(Chart {
        id: "capacity".to_owned(),
        title: "How many people a server of one core carries".to_owned(),
        legend: "Filled: carried; hollow: not carried; further right is better.".to_owned(),
        summary: sentences.collect::<Vec<_>>().join(" "),
        x,
        y,
        lines,
        order: Order::Ends,
    })
}

/// One line for each of `rows` with points.
fn lines(results: &Results, rows: &[&Row], points: Vec<Vec<(f64, f64)>>) -> Vec<Line> {
    let of = |((row, name), points): ((&&Row, String), _)| {
        line(results, name, &table::label(row), points)
    };
    apart(rows.iter().zip(table::names(rows)).zip(points).map(of).collect())
}

/// A line in the style of `key`, the same in all plots.
fn line(results: &Results, name: String, key: &str, points: Vec<(f64, f64)>) -> Line {
    let rows = results.rows.iter().map(table::label);
    let keys = table::distinct(rows.chain(results.capacity.iter().map(|step| step.system.clone())));
    let style = keys.iter().position(|other| other == key).unwrap_or(0) % STYLES;
    Line { name, style, thin: false, filled: None, points, spans: Vec::new() }
}

/// The lines that have points, with distinct styles while there are enough.
fn apart(mut lines: Vec<Line>) -> Vec<Line> {
    lines.retain(|line| !line.points.is_empty());
    for at in 1..lines.len().min(STYLES) {
        while lines[..at].iter().any(|line| line.style == lines[at].style) {
            lines[at].style = (lines[at].style + 1) % STYLES;
        }
    }
    lines
}

/// A scenario's text alternative.
fn summary(rows: &[&Row]) -> String {
    let sentence = |(name, row): (String, &&Row)| {
        let age = &row.picture_age_ms;
        format!("{name}: median {} ms, p99 {} ms.", figure(age.p50), figure(age.p99))
    };
    table::names(rows).into_iter().zip(rows).map(sentence).collect::<Vec<_>>().join(" ")
}

fn known((x, y): &(f64, f64)) -> bool {
    x.is_finite() && y.is_finite()
}

/// A file name from a scenario's name.
fn slug(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' });
    let words: String = letters.collect();
    words.to_lowercase().split_whitespace().collect::<Vec<_>>().join("-")
}
