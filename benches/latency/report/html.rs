//! The report as one self-contained page.

use super::chart::xml;
use super::load;
use super::plot::{Plot, Shows};
use super::table::{self, Table};
use super::{QUICK, REPEAT, WORDS, plots};
use crate::results::Results;

/// The page's style sheet.
const CSS: &str = include_str!("page.css");

/// The whole report as one page without scripts or external resources; also well-formed XML.
pub fn html(results: &Results) -> String {
    let plots = plots(results);
    let pictures = |shows: &Shows| {
        let shown = plots.iter().filter(|plot| plot.shows == *shows);
        shown.map(picture).collect::<String>()
    };
    let machine = &results.machine;
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>GPyS: latency benchmark</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n\
         <header>\n<h1>Latency benchmark</h1>\n\
         <p>{}, {} cores, kernel {}; {}; begun {}; seed {}</p>\n",
        xml(&machine.cpu),
        machine.cores,
        xml(&machine.kernel),
        xml(&machine.congestion),
        xml(&results.began),
        results.seed
    );
    if results.quick {
        out += &format!("<p class=\"warning\">{QUICK}</p>\n");
    }
    out += "</header>\n<main>\n";
    if !results.bars.is_empty() {
        out += &format!("<section>\n<h2>Bars</h2>\n{}</section>\n", grid(&table::bars(results)));
    }
    out += "<section>\n<h2>Scenarios</h2>\n";
    out += &format!("<p>{WORDS}</p>\n");
    for scenario in table::scenarios(results) {
        out += &format!(
            "<section>\n<h3>{}</h3>\n<p>{}</p>\n{}{}{}</section>\n",
            xml(scenario),
            xml(&table::conditions(results, scenario)),
            grid(&table::scenario(results, scenario)),
            table::ratios(results, scenario).map(|ratios| grid(&ratios)).unwrap_or_default(),
            pictures(&Shows::Scenario(scenario.to_owned())),
        );
    }
    out += "</section>\n";
    let loss = pictures(&Shows::Loss);
    if !loss.is_empty() {
        out += &format!("<section>\n<h2>Loss against age</h2>\n{loss}</section>\n");
    }
    if let Some([carried, at_equal_cpu, steps]) = load::tables(results) {
        out += &format!(
            "<section>\n<h2>Capacity</h2>\n{}{}{}<details>\n<summary>Every load</summary>\n{}\
             </details>\n</section>\n",
            grid(&carried),
            pictures(&Shows::Capacity),
            grid(&at_equal_cpu),
            grid(&steps),
        );
    }
    if !results.notes.is_empty() {
        let notes = results.notes.iter().map(|note| format!("<li>{}</li>\n", xml(note)));
        let notes = notes.collect::<String>();
        out += &format!("<section>\n<h2>Notes</h2>\n<ul>\n{notes}</ul>\n</section>\n");
    }
    let repeat =
        REPEAT.map(|(command, what)| format!("<dt><code>{command}</code></dt><dd>{what}</dd>\n"));
    out += &format!("<section>\n<h2>How to repeat it</h2>\n<dl>\n{}</dl>\n", repeat.concat());
    out + "</section>\n</main>\n</body>\n</html>\n"
}

fn picture(plot: &Plot) -> String {
    // Keyboard users must be able to scroll what is wider than the screen.
    format!(
        "<figure tabindex=\"0\" role=\"group\" aria-label=\"{}\">\n{}</figure>\n",
        xml(&plot.alternative),
        plot.svg
    )
}

fn grid(table: &Table) -> String {
    let caption = xml(&table.caption);
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{caption}\">\n<table>\n\
         <caption>{caption}</caption>\n<thead>\n"
    );
    let grouped = table.columns.iter().any(|column| !column.group.is_empty());
    if grouped {
        out += "<tr>";
        for columns in table.columns.chunk_by(|a, b| a.group == b.group) {
            let (group, span) = (columns[0].group, columns.len());
            out += &match group {
                "" => format!("<td colspan=\"{span}\"></td>"),
                _ => format!("<th scope=\"colgroup\" colspan=\"{span}\">{group}</th>"),
            };
        }
        out += "</tr>\n";
    }
    out += "<tr>";
    for column in &table.columns {
        let unit = match column.unit {
            "" => String::new(),
            unit => format!(" <small>{unit}</small>"),
        };
        out += &format!("<th scope=\"col\">{}{unit}</th>", column.name);
    }
    out += "</tr>\n</thead>\n<tbody>\n";
    for row in &table.rows {
        out += "<tr>";
        for (at, cell) in row.iter().enumerate() {
            let class = match cell.as_str() {
                "met" => " class=\"good\"",
                "MISSED" | "NOT MEASURED" => " class=\"bad\"",
                _ => "",
            };
            out += &match at {
                0 => format!("<th scope=\"row\">{}</th>", xml(cell)),
                _ => format!("<td{class}>{}</td>", xml(cell)),
            };
        }
        out += "</tr>\n";
    }
    out + "</tbody>\n</table>\n</div>\n"
}
