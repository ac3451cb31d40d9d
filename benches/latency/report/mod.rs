//! The report of a run: text for a terminal, a page, tables for the documentation, and plots. All
//! of it derives from [`Results`](crate::results::Results) alone; only [`write_plots`] touches
//! files.

mod axis;
mod chart;
mod html;
mod load;
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

/// What the columns mean, for readers new to the benchmark.
const WORDS: &str = "Message age: how old a sample is when it arrives. Picture age: how old the \
    newest known sample of each other peer is, at evenly spaced moments; a lost or late sample \
    makes the picture older, so this is what a viewer sees. Stale: the share of these moments at \
    which it was more than 100 ms. Known in time: the share of all samples taken that had reached \
    a receiver so soon after they were taken; lost ones, and those never sent because a newer one \
    took their place, are missed (the other column counts the newer one as well). Join: from dialling to the first frame with another peer in \
    it. Down and up: IP packets to and from one client, including headers and retransmissions. \
    Those of a large room who do not observe receive and acknowledge as the others do, but do \
    not decode. Server: its processor time for each sample received by a client. Path late: packets that the \
    emulated path handed out more than 2 ms after their time, because the machine was busy; a trial \
    with more than 1 % of them is void and repeated. Ratios: of the figures over all rounds, with \
    95 % intervals from a bootstrap that draws rounds, then senders and seconds. A dash: not \
    measured.";
/// The notice on every report of a short run.
const QUICK: &str = "This was the short run: a smoke test. Its figures are not measurements.";
/// Commands that repeat a run, each with what it does.
const REPEAT: [(&str, &str); 3] = [
    ("cargo bench --bench latency", "the whole run, under ten minutes"),
    ("cargo bench --bench latency -- --peers", "with the servers it is compared with (needs npm)"),
    ("cargo bench --bench latency -- --quick", "a smoke test, under a minute"),
];

/// Writes every plot into `folder`, creating it if necessary, under the name that [`markdown`]
/// refers to. Returns the files written.
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
