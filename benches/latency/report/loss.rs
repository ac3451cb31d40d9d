//! Finds scenarios that differ only in their loss.

use super::table;
use crate::results::Results;

/// Scenarios of one path at several losses.
pub(super) struct Family<'a> {
    /// The common part of their names.
    pub(super) name: String,
    /// Each scenario with its loss in percent, lowest first.
    pub(super) members: Vec<(&'a str, f64)>,
}

/// All families of more than one scenario, grouped by name: "50 ms round trip, 2 % loss" and "50 ms
/// round trip, no loss" or just "50 ms round trip".
pub(super) fn families(results: &Results) -> Vec<Family<'_>> {
    let scenarios = table::scenarios(results);
    let mut families: Vec<Family<'_>> = Vec::new();
    for (scenario, name, loss) in scenarios.iter().filter_map(|name| member(name)) {
        match families.iter_mut().find(|family| family.name == name) {
            Some(family) => family.members.push((scenario, loss)),
            None => families.push(Family { name, members: vec![(scenario, loss)] }),
        }
    }
    for family in &mut families {
        let lossless = scenarios.iter().find(|scenario| trim(scenario) == family.name);
        family.members.extend(lossless.map(|scenario| (*scenario, 0.0)));
        family.members.sort_by(|a, b| a.1.total_cmp(&b.1));
    }
    families.retain(|family| family.members.len() > 1);
    families
}

/// Splits a scenario's name into the rest and the loss in percent.
fn member(scenario: &str) -> Option<(&str, String, f64)> {
    if scenario.to_lowercase().contains("burst") {
        return None;
    }
    let (before, after) = scenario.split_once("loss")?;
    let before = before.trim_end();
    let (before, loss) = match before.strip_suffix("no").or_else(|| before.strip_suffix("without"))
    {
        Some(before) => (before, 0.0),
        None => number(before.strip_suffix('%')?.trim_end())?,
    };
    let parts = [trim(before), trim(after)];
    let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    Some((scenario, name, loss))
}

/// Splits off the number at the end of `text`.
fn number(text: &str) -> Option<(&str, f64)> {
    let before = text.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let loss = text[before.len()..].parse().ok()?;
    Some((before, loss))
}

/// Trims what joined `text` to the removed part.
fn trim(text: &str) -> &str {
    let text = text.trim_matches(|c: char| c.is_whitespace() || ",;:".contains(c));
    text.strip_suffix(" with").unwrap_or(text)
}
