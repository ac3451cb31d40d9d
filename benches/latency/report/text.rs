//! The report as text for a terminal.

use super::table::{self, Column, Table};
use super::{QUICK, REPEAT, WORDS, load};
use crate::results::Results;

/// The width, in columns, that prose is wrapped to and that tables keep to.
const WIDTH: usize = 118;
/// The width of a row's heading, in columns; a longer one takes a line of its own.
const HEADING: usize = 28;
/// The gap between columns.
const GAP: usize = 2;

/// The full report: the machine, a table per scenario, the capacity, the bars, the notes. Lines
/// have up to about 120 columns.
pub fn text(results: &Results) -> String {
    let machine = &results.machine;
    let mut out = format!(
        "latency benchmark of {}, seed {}\n{}, {} cores, kernel {}; {}\n",
        results.began, results.seed, machine.cpu, machine.cores, machine.kernel, machine.congestion
    );
    if results.quick {
        out += &format!("{QUICK}\n");
    }
    for scenario in table::scenarios(results) {
        section(&mut out, scenario);
        prose(&mut out, "", &table::conditions(results, scenario));
        grid(&mut out, &table::scenario(results, scenario));
        if let Some(ratios) = table::ratios(results, scenario) {
            out.push('\n');
            grid(&mut out, &ratios);
        }
    }
    for table in load::tables(results).into_iter().flatten() {
        section(&mut out, &table.caption);
        grid(&mut out, &table);
    }
    if !results.bars.is_empty() {
        let table = table::bars(results);
        section(&mut out, &table.caption);
        grid(&mut out, &table);
    }
    section(&mut out, "Notes");
    for note in results.notes.iter().map(String::as_str).chain([WORDS]) {
        prose(&mut out, "- ", note);
    }
    for (command, what) in REPEAT {
        out += &format!("- {command}: {what}\n");
    }
    // Text from the machine or a tool must not control the terminal.
    out.retain(|c| c == '\n' || !c.is_control());
    out
}

fn section(out: &mut String, title: &str) {
    *out += &format!("\n== {title} ==\n");
}

/// Wraps `words` into lines, the first after `bullet`, the others below it.
fn prose(out: &mut String, bullet: &str, words: &str) {
    let mut line = bullet.to_owned();
    let margin = " ".repeat(width(bullet));
    for word in words.split_whitespace() {
        let full = width(&line) + 1 + width(word) > WIDTH && width(&line) > width(&margin);
        if full {
            *out += &format!("{}\n", line.trim_end());
            line = margin.clone();
        }
        line += &format!("{word} ");
    }
    *out += &format!("{}\n", line.trim_end());
}

/// A table with left-aligned headings and right-aligned cells.
fn grid(out: &mut String, table: &Table) {
    let shown: Vec<usize> =
        (0..table.columns.len()).filter(|&at| !table.columns[at].wide).collect();
    let columns: Vec<Column> = shown.iter().map(|&at| table.columns[at]).collect();
    let rows: Vec<Vec<&str>> =
        table.rows.iter().map(|row| shown.iter().map(|&at| row[at].as_str()).collect()).collect();
    let widths = widths(&columns, &rows);
    let mut last = "";
    // A group's name appears once, over its first column.
    let mut groups = Vec::new();
    for column in &columns {
        groups.push(if column.group == last { "" } else { column.group });
        last = column.group;
    }
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let units: Vec<&str> = columns.iter().map(|column| column.unit).collect();
    for head in [groups_line(&groups, &widths), line(&names, &widths), line(&units, &widths)] {
        if !head.is_empty() {
            *out += &format!("{head}\n");
        }
    }
    for row in &rows {
        if width(row[0]) > widths[0] {
            *out += &format!("{}\n", row[0]);
            let mut rest = row.clone();
            rest[0] = "";
            *out += &format!("{}\n", line(&rest, &widths));
        } else {
            *out += &format!("{}\n", line(row, &widths));
        }
    }
}

fn widths(columns: &[Column], rows: &[Vec<&str>]) -> Vec<usize> {
    let mut widths: Vec<usize> =
        columns.iter().map(|column| width(column.name).max(width(column.unit))).collect();
    for row in rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    let others: usize = widths.iter().skip(1).map(|column| column + GAP).sum();
    if let Some(heading) = widths.first_mut() {
        *heading = (*heading).min(HEADING.max(WIDTH.saturating_sub(others)));
    }
    widths
}

/// One line of cells.
fn line(cells: &[&str], widths: &[usize]) -> String {
    let mut out = String::new();
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let space = " ".repeat(width.saturating_sub(self::width(cell)));
        out += &match at {
            0 => format!("{cell}{space}"),
            _ => format!("{:GAP$}{space}{cell}", ""),
        };
    }
    out.trim_end().to_owned()
}

/// The line above the column names: a group starts at its first column.
fn groups_line(groups: &[&str], widths: &[usize]) -> String {
    let mut out = String::new();
    let mut start = 0;
    for (group, column) in groups.iter().zip(widths) {
        if !group.is_empty() {
            let space = start + GAP;
            out += &" ".repeat(space.saturating_sub(width(&out)));
            out += group;
            out += " ";
        }
        start += column + if start == 0 { 0 } else { GAP };
    }
    out.trim_end().to_owned()
}

/// The number of columns that `text` takes in a terminal.
fn width(text: &str) -> usize {
    text.chars().count()
}
