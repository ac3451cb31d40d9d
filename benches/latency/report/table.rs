//! The report's tables, independent of how they are rendered.

use crate::results::{Bar, Deadline, Percentiles, Ratio, Results, Row};

/// Stands for an absent figure.
const ABSENT: &str = "-";
/// The lateness of the path that is shown, in ms: what makes a trial void, if it is common.
const LATE_MS: f64 = 2.0;

/// One table; the first cell of each row is its heading.
pub(super) struct Table {
    /// What it shows.
    pub(super) caption: String,
    /// Its columns.
    pub(super) columns: Vec<Column>,
    /// Its rows, each with as many cells as there are columns.
    pub(super) rows: Vec<Vec<String>>,
}

/// One column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// The heading shared with its neighbours, or nothing.
    pub(super) group: &'static str,
    /// The column's heading.
    pub(super) name: &'static str,
    /// The unit, unless it is in the cells.
    pub(super) unit: &'static str,
    /// Whether to omit it in a terminal.
    pub(super) wide: bool,
}

impl Column {
    pub(super) const fn new(group: &'static str, name: &'static str, unit: &'static str) -> Self {
        Self { group, name, unit, wide: false }
    }

    /// A column that a terminal has no room for.
    const fn wide(group: &'static str, name: &'static str, unit: &'static str) -> Self {
        Self { group, name, unit, wide: true }
    }
}

/// All scenarios, in order of first appearance.
pub(super) fn scenarios(results: &Results) -> Vec<&str> {
    distinct(results.rows.iter().map(|row| row.scenario.as_str()))
}

/// The rows of one scenario.
pub(super) fn rows_of<'a>(results: &'a Results, scenario: &str) -> Vec<&'a Row> {
    results.rows.iter().filter(|row| row.scenario == scenario).collect()
}

/// Removes duplicates, keeping the order of first appearance.
pub(super) fn distinct<T: PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for one in all {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

/// The system and, if not native, its client.
pub(super) fn label(row: &Row) -> String {
    match row.client.as_str() {
        "" | "native" => row.system.clone(),
        client => format!("{} in {client}", row.system),
    }
}

/// Labels that distinguish `rows` shown together: [`label`], and the load where it differs.
pub(super) fn names(rows: &[&Row]) -> Vec<String> {
    let people = distinct(rows.iter().map(|row| row.people)).len() > 1;
    let hz = distinct(rows.iter().map(|row| row.hz)).len() > 1;
    let name = |row: &&Row| {
        let mut name = label(row);
        if people {
            name += &format!(", {} people", row.people);
        }
        if hz {
            name += &format!(", {} Hz", row.hz);
        }
        name
    };
    rows.iter().map(name).collect()
}

/// A scenario's load and path.
pub(super) fn conditions(results: &Results, scenario: &str) -> String {
    let rows = rows_of(results, scenario);
    let all = |of: fn(&Row) -> String| distinct(rows.iter().map(|row| of(row))).join(" or ");
    format!(
        "{} people{} at {} Hz; path: {}; {} s in {} rounds",
        all(|row| row.people.to_string()),
        distinct(rows.iter().map(|row| observers(row))).concat(),
        all(|row| row.hz.to_string()),
        all(|row| row.path.clone()),
        all(|row| exact((row.seconds * 10.0).round() / 10.0)),
        all(|row| row.rounds.to_string()),
    )
}

/// How many peers were measured, if not all.
fn observers(row: &Row) -> String {
    let all = row.observers == 0 || row.observers == row.people;
    if all { String::new() } else { format!(" ({} of them observe)", row.observers) }
}

/// The table of one scenario: one row per system.
pub(super) fn scenario(results: &Results, scenario: &str) -> Table {
    let rows = rows_of(results, scenario);
    let columns = vec![
        Column::new("", "system", ""),
        Column::new("message age", "p50", "ms"),
        Column::wide("message age", "p90", "ms"),
        Column::new("message age", "p99", "ms"),
        Column::wide("message age", "p99.9", "ms"),
        Column::new("message age", "max", "ms"),
        Column::new("picture age", "p50", "ms"),
        Column::new("picture age", "p99", "ms"),
        Column::wide("picture age", "p99 of rounds", "ms"),
        Column::wide("picture age", "max", "ms"),
        Column::new("known in time", "50 ms", "%"),
        Column::new("known in time", "100 ms", "%"),
        Column::new("known in time", "150 ms", "%"),
        Column::wide("it or a newer one", "100 ms", "%"),
        Column::new("", "stale", "%"),
        Column::new("join", "p50", "ms"),
        Column::new("a client", "down", "kB/s"),
        Column::new("a client", "up", "kB/s"),
        Column::wide("a client", "down", "packets/s"),
        Column::wide("a client", "up", "packets/s"),
        Column::new("server", "update", "us"),
        Column::wide("path late", "over 2 ms", "%"),
    ];
    let cells = |(name, row): (String, &&Row)| {
        let message = |of: fn(&Percentiles) -> f64| percentile(&row.message_age_ms, of);
        let picture = |of: fn(&Percentiles) -> f64| percentile(&row.picture_age_ms, of);
        let stale = if row.picture_age_ms.count == 0 { f64::NAN } else { row.stale_share };
        vec![
            name,
            message(|age| age.p50),
            message(|age| age.p90),
            message(|age| age.p99),
            message(|age| age.p999),
            message(|age| age.max),
            picture(|age| age.p50),
            picture(|age| age.p99),
            extent(&row.round_p99_ms).map_or_else(absent, |(low, high)| between(low, high, "")),
            picture(|age| age.max),
            in_time(row, 50.0, |deadline| deadline.share),
            in_time(row, 100.0, |deadline| deadline.share),
            in_time(row, 150.0, |deadline| deadline.share),
            in_time(row, 100.0, |deadline| deadline.or_newer_share),
            figure(100.0 * stale),
            row.join_ms.map_or_else(absent, |join| percentile(&join, |join| join.p50)),
            optional(row.down_bytes_per_second.map(|bytes| bytes / 1000.0)),
            optional(row.up_bytes_per_second.map(|bytes| bytes / 1000.0)),
            optional(row.down_packets_per_second),
            optional(row.up_packets_per_second),
            optional(row.server_us_per_update),
            late(row),
        ]
    };
    let rows = names(&rows).into_iter().zip(&rows).map(cells).collect();
    Table { caption: scenario.to_owned(), columns, rows }
}

/// A share of samples known by a deadline, in percent.
fn in_time(row: &Row, ms: f64, share: fn(&Deadline) -> f64) -> String {
    let deadline = row.deadlines.iter().find(|deadline| deadline.ms == ms);
    // Nearly all is not all.
    let percent = |share: f64| match share {
        share if (0.9995..1.0).contains(&share) => ">99.9".to_owned(),
        share => figure(100.0 * share),
    };
    deadline.map_or_else(absent, |deadline| percent(share(deadline)))
}

/// The share of packets that the path handed out too late, in percent.
fn late(row: &Row) -> String {
    let bound = row.path_late.iter().find(|(bound, _)| *bound == LATE_MS);
    optional(bound.map(|(_, share)| 100.0 * share))
}

/// The table of one scenario's ratios: a row for each pair of systems; none without ratios.
pub(super) fn ratios(results: &Results, scenario: &str) -> Option<Table> {
    let all: Vec<&Ratio> =
        results.ratios.iter().filter(|ratio| ratio.scenario == scenario).collect();
    let figures = [
        ("message age p50", Column::new("message age", "p50", "x (95 %)")),
        ("message age p99", Column::new("message age", "p99", "x (95 %)")),
        ("picture age p50", Column::wide("picture age", "p50", "x (95 %)")),
        ("picture age p99", Column::new("picture age", "p99", "x (95 %)")),
        ("server CPU per sample", Column::new("server", "update", "x (95 %)")),
    ];
    let cells = |(over, under): (&str, &str)| {
        let of = |figure: &str| {
            let same = |ratio: &&&Ratio| {
                (ratio.over.as_str(), ratio.under.as_str()) == (over, under)
                    && ratio.figure == figure
            };
            all.iter().find(same).map_or_else(absent, |ratio| with_interval(ratio))
        };
        let cells = figures.iter().map(|(figure, _)| of(figure));
        [format!("{over} / {under}")].into_iter().chain(cells).collect()
    };
    let pairs = distinct(all.iter().map(|ratio| (ratio.over.as_str(), ratio.under.as_str())));
    let columns = figures.iter().map(|(_, column)| *column);
    let table = Table {
        caption: format!("{scenario}: ratios"),
        columns: [Column::new("", "systems", "")].into_iter().chain(columns).collect(),
        rows: pairs.into_iter().map(cells).collect(),
    };
    (!table.rows.is_empty()).then_some(table)
}

fn with_interval(ratio: &Ratio) -> String {
    let Ratio { value, low, high, .. } = *ratio;
    match between(low, high, "") {
        range if value.is_finite() && range != ABSENT => format!("{} ({range})", figure(value)),
        _ => figure(value),
    }
}

/// The table of all bars, and whether they are met.
pub(super) fn bars(results: &Results) -> Table {
    let columns = vec![
        Column::new("", "what", ""),
        Column::new("", "verdict", ""),
        Column::new("", "measured", ""),
        Column::new("", "bar", ""),
        Column::new("", "95 % interval", ""),
    ];
    let cells = |bar: &Bar| {
        let side = if bar.at_least { "at least" } else { "at most" };
        vec![
            bar.what.clone(),
            verdict(bar).to_owned(),
            with_unit(figure(bar.value), &bar.unit),
            format!("{side} {}", with_unit(exact(bar.bar), &bar.unit)),
            match between(bar.low, bar.high, &bar.unit) {
                range if bar.interval || range == ABSENT => range,
                range => format!("{range} (rounds)"),
            },
        ]
    };
    let rows = results.bars.iter().map(cells).collect();
    Table { caption: "What the figures are held against".to_owned(), columns, rows }
}

/// Whether a bar is met, as one word. A bar without a figure is not.
fn verdict(bar: &Bar) -> &'static str {
    match bar.is_met() {
        _ if !bar.value.is_finite() => "NOT MEASURED",
        true => "met",
        false => "MISSED",
    }
}

/// The minimum and maximum of all numbers, if any.
pub(super) fn extent(values: &[f64]) -> Option<(f64, f64)> {
    let numbers = || values.iter().copied().filter(|value| value.is_finite());
    Some((numbers().reduce(f64::min)?, numbers().reduce(f64::max)?))
}

/// A measured number: three digits, or all of those before the point.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => absent(),
        0.0 => "0".to_owned(),
        _ if size < 0.005 => if value < 0.0 { ">-0.01" } else { "<0.01" }.to_owned(),
        _ if size < 9.995 => format!("{value:.2}"),
        _ if size < 99.95 => format!("{value:.1}"),
        _ => thousands(&format!("{value:.0}")),
    }
}

/// A chosen number, with all its digits.
pub(super) fn exact(value: f64) -> String {
    match value.is_finite() {
        false => absent(),
        // Rounds off binary errors.
        true if value.abs() < 1000.0 => format!("{}", (value * 1e6).round() / 1e6),
        true => thousands(&format!("{value:.0}")),
    }
}

/// A whole number with a comma before every three digits.
fn thousands(whole: &str) -> String {
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its unit, if it is present.
fn with_unit(figure: String, unit: &str) -> String {
    if figure == ABSENT || unit.is_empty() { figure } else { format!("{figure} {unit}") }
}

fn between(low: f64, high: f64, unit: &str) -> String {
    if low.is_finite() && high.is_finite() {
        with_unit(format!("{} to {}", figure(low), figure(high)), unit)
    } else {
        absent()
    }
}

fn percentile(all: &Percentiles, of: fn(&Percentiles) -> f64) -> String {
    if all.count == 0 { absent() } else { figure(of(all)) }
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or_else(absent, figure)
}

pub(super) fn absent() -> String {
    ABSENT.to_owned()
}
