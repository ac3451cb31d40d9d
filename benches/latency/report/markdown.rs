//! The documentation's tables, as GitHub Markdown.

use super::plot::{Plot, Shows};
use super::table::{self, Table};
use super::{QUICK, WORDS, load, plots};
use crate::results::Results;

/// The contents of a second-level section: third-level headings, tables, and references to the
/// plots that [`write_plots`](super::write_plots) writes into `folder`, a path relative to the
/// document.
pub fn markdown(results: &Results, folder: &str) -> String {
    let plots = plots(results);
    let pictures = |shows: &Shows| {
        let shown = plots.iter().filter(|plot| plot.shows == *shows);
        shown.map(|plot| picture(plot, folder)).collect::<String>()
    };
    let machine = &results.machine;
    let mut out = format!(
        "Measured on {}, {} cores, kernel {}; {}; begun {}; seed {}.\n\n",
        plain(&machine.cpu),
        machine.cores,
        plain(&machine.kernel),
        plain(&machine.congestion),
        plain(&results.began),
        results.seed
    );
    if results.quick {
        out += &format!("**{QUICK}**\n\n");
    }
    out += &format!("{WORDS}\n\n");
    if !results.bars.is_empty() {
        out += &section("###", &table::bars(results), "");
    }
    for scenario in table::scenarios(results) {
        let conditions = format!("{}.\n\n", plain(&table::conditions(results, scenario)));
        out += &section("###", &table::scenario(results, scenario), &conditions);
        if let Some(ratios) = table::ratios(results, scenario) {
            out += &grid(&ratios);
        }
        out += &pictures(&Shows::Scenario(scenario.to_owned()));
    }
    let loss = pictures(&Shows::Loss);
    if !loss.is_empty() {
        out += &format!("### Loss against age\n\n{loss}");
    }
    if let Some([carried, at_equal_cpu, steps]) = load::tables(results) {
        out += &section("###", &carried, "");
        out += &pictures(&Shows::Capacity);
        out += &section("####", &at_equal_cpu, "");
        out += &section("####", &steps, "");
    }
    if !results.notes.is_empty() {
        out += "### Notes\n\n";
        for note in &results.notes {
            out += &format!("- {}\n", plain(note));
        }
    }
    out.trim_end().to_owned() + "\n"
}

fn picture(plot: &Plot, folder: &str) -> String {
    let folder = folder.trim_end_matches('/');
    format!("![{}]({folder}/{})\n\n", plain(&plot.alternative), plot.file())
}

/// A table under its caption as a heading, with `more` in between.
fn section(level: &str, table: &Table, more: &str) -> String {
    format!("{level} {}\n\n{more}{}", plain(&table.caption), grid(table))
}

fn grid(table: &Table) -> String {
    let mut heads = Vec::new();
    for column in &table.columns {
        let name = [column.group, column.name].join(" ");
        let unit = if column.unit.is_empty() { "" } else { &format!(" ({})", column.unit) };
        heads.push(format!("{}{unit}", name.trim()));
    }
    let sides = table.columns.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "--:" });
    let mut out = line(heads.iter().map(String::as_str));
    out += &line(sides);
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| plain(cell)).collect();
        out += &line(cells.iter().map(String::as_str));
    }
    out + "\n"
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

/// `text` on one line, with everything escaped that Markdown or HTML would read as markup.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars().filter(|c| !c.is_control()) {
            if r"\`*_[]<>|~#&!".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
    }
    out
}
