//! The tables of capacity: one server on one core under growing loads.

use super::table::{Column, Table, absent, distinct, exact, figure, optional};
use crate::results::{Results, Step};

/// The shares of a core at which systems are compared.
const LEVELS: [(f64, &str); 3] =
    [(0.25, "25 % of a core"), (0.5, "50 % of a core"), (0.75, "75 % of a core")];

/// All tables, if anything was measured.
pub(super) fn tables(results: &Results) -> Option<[Table; 3]> {
    let any = !results.capacity.is_empty();
    any.then(|| [carried(results), at_equal_cpu(results), steps(results)])
}

/// The table of how many peers each system carried.
pub(super) fn carried(results: &Results) -> Table {
    let columns = vec![
        Column::new("", "system", ""),
        Column::new("carried", "people", ""),
        Column::new("carried", "age p99", "ms"),
        Column::new("carried", "server", "% of a core"),
        Column::new("not carried", "people", ""),
        Column::new("not carried", "age p99", "ms"),
    ];
    let cells = |system: &str| {
        let steps = || results.capacity.iter().filter(|step| step.system == system);
        let most = steps().filter(|step| step.carried).max_by_key(|step| step.people);
        let least = steps().filter(|step| !step.carried).min_by_key(|step| step.people);
        let people =
            |step: Option<&Step>| step.map_or_else(absent, |step| exact(f64::from(step.people)));
        // The server may carry more than the load could show.
        let bound = if least.is_some_and(Step::load_is_the_limit) { ">= " } else { "" };
        vec![
            system.to_owned(),
            format!("{bound}{}", people(most)),
            optional(most.map(|step| step.age_p99_ms)),
            optional(most.map(|step| 100.0 * step.server_share)),
            people(least),
            optional(least.map(|step| step.age_p99_ms)),
        ]
    };
    let systems = distinct(results.capacity.iter().map(|step| step.system.as_str()));
    let rows = systems.into_iter().map(cells).collect();
    Table { caption: "Most people that a server of one core carried".to_owned(), columns, rows }
}

/// The table of all loads of all servers.
fn steps(results: &Results) -> Table {
    let columns = vec![
        Column::new("", "system", ""),
        Column::new("", "people", ""),
        Column::new("", "age p99", "ms"),
        Column::new("", "server", "% of a core"),
        Column::new("", "load", "% of a core"),
        Column::new("samples", "received", "%"),
        Column::new("", "carried", ""),
    ];
    let cells = |step: &Step| {
        let carried = match step.carried {
            true => "yes",
            false if step.load_is_the_limit() => "no, or the load",
            false if step.nobody_is_the_limit() => "no, neither was busy",
            false => "no",
        };
        vec![
            step.system.clone(),
            exact(f64::from(step.people)),
            figure(step.age_p99_ms),
            figure(100.0 * step.server_share),
            figure(100.0 * step.load_share),
            figure(100.0 * step.received_share),
            carried.to_owned(),
        ]
    };
    let rows = results.capacity.iter().map(cells).collect();
    Table { caption: "Every load of every server".to_owned(), columns, rows }
}

/// The table of how many peers each system had, and how old samples were, with the same processor
/// time: between the loads that took a little less and a little more.
fn at_equal_cpu(results: &Results) -> Table {
    let levels = LEVELS.iter().flat_map(|(_, level)| {
        [Column::new(level, "people", ""), Column::new(level, "age p99", "ms")]
    });
    let cells = |system: &str| {
        let of = |step: &&Step| step.system == system && step.carried;
        let mut steps: Vec<&Step> = results.capacity.iter().filter(of).collect();
        steps.sort_by_key(|step| step.people);
        let levels = LEVELS.iter().flat_map(|(level, _)| {
            let (people, age) = between(&steps, *level).unzip();
            [people.map_or_else(absent, |people| exact(people.round())), optional(age)]
        });
        [system.to_owned()].into_iter().chain(levels).collect()
    };
    let systems = distinct(results.capacity.iter().map(|step| step.system.as_str()));
    Table {
        caption: "With the same processor time".to_owned(),
        columns: [Column::new("", "system", "")].into_iter().chain(levels).collect(),
        rows: systems.into_iter().map(cells).collect(),
    }
}

/// The people and the age p99 in ms at which these loads, by people, took this share of a core.
fn between(steps: &[&Step], share: f64) -> Option<(f64, f64)> {
    let (less, more) = steps.windows(2).find_map(|pair| match pair {
        [less, more] if less.server_share <= share && share <= more.server_share => {
            Some((less, more))
        }
        _ => None,
    })?;
    let width = more.server_share - less.server_share;
    let part = if width > 0.0 { (share - less.server_share) / width } else { 0.0 };
    let at = |less: f64, more: f64| less + part * (more - less);
    let people = at(less.people.into(), more.people.into());
    Some((people, at(less.age_p99_ms, more.age_p99_ms)))
}
