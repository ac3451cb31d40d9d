//! The report of a run: a terminal's text, a page, tables for the documentation, and plots. All of
//! it is made of [`Results`](crate::results::Results) alone; only [`write_plots`] touches files.

mod axis;
mod chart;
mod html;
mod loss;
mod markdown;
pub mod plot;
mod table;
mod text;

use std::path::{Path, PathBuf};
use std::{fs, io};

pub use html::html;
pub use markdown::markdown;
use plot::{Plot, plots};
pub use text::text;

/// What the columns mean, for whoever reads a table without having read the benchmark.
const WORDS: &str = "Message age: how old a sample is as it arrives. Picture age: how old the \
    newest known sample of everybody else is, at evenly spaced moments; a lost or late sample \
    makes the picture older, so this is what a viewer sees. Stale: the share of these moments at \
    which it was more than 100 ms. Join: from the dial to the first frame with somebody in it. \
    Down and up: IP packets to and from one client, headers and repetitions included. Server: \
    its processor time for each sample that somebody received. A dash: not measured.";
/// Said of a short run, everywhere.
const QUICK: &str = "This was the short run: a smoke test. Its figures are no measurement.";
/// The commands that repeat a run, each with what it does.
const REPEAT: [(&str, &str); 3] = [
    ("cargo bench --bench latency", "the whole run, under ten minutes"),
    ("cargo bench --bench latency -- --peers", "with the servers it is compared with (needs npm)"),
    ("cargo bench --bench latency -- --quick", "a smoke test, under a minute"),
];

/// Writes every plot into `folder`, which is created if need be, under the name that
/// [`markdown`] refers to; returns what was written.
///
/// # Errors
/// If the folder cannot be created or a file cannot be written.
pub fn write_plots(results: &crate::results::Results, folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let write = |plot: Plot| {
        let path = folder.join(plot.file());
        fs::write(&path, plot.svg)?;
        Ok(path)
    };
    plots(results).into_iter().map(write).collect()
}
