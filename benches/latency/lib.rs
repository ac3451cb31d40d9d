//! WebTransport against WebSocket on bad networks: `cargo bench --bench latency`.
//!
//! Real servers in separate processes, real clients, real packets through an emulated path; the
//! systems of a scenario take turns in one run. It measures the age of information at the receiver:
//! `board` knows when every sample was taken, and positions tell samples apart.
//!
//! Reading order: `scenarios` (what is run), `run` and `trial` (how), `board` and `tally` (ages),
//! `judge` and `bootstrap` (ratios, bars), `attend` and `thin` (clients), `servers`, `place` and
//! `congestion` (where), `stock` with `room` and `alone`, `peers`, `broadcast` and `relay` (what
//! GPyS is compared with), `chromium`, `capacity`, `report`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing figures is its purpose")]
#![allow(missing_docs, unreachable_pub, reason = "the benchmark and its tests alone use it")]

mod ages;
mod alone;
mod attend;
mod board;
mod bootstrap;
pub mod broadcast;
mod bulk;
mod capacity;
mod chromium;
mod congestion;
mod judge;
pub mod peers;
pub mod place;
pub mod relay;
pub mod report;
pub mod results;
mod room;
mod run;
mod scenarios;
pub mod servers;
mod stock;
mod tally;
mod thin;
pub mod track;
mod trial;
mod webrtc;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use gpys::path::PathSettings;
use indicatif::{ProgressBar, ProgressStyle};

use crate::congestion::Congestion;
use crate::judge::Judge;
use crate::place::Place;
use crate::results::{Machine, Results};
use crate::run::Ground;
use crate::scenarios::{Scenario, System};
use crate::servers::Certificates;
use crate::thin::Carrier;

/// How long an ordinary run repeats trials that were void, in all.
const REPEATS: Duration = Duration::from_secs(30);
/// Rounds of each scenario in the matrix.
const SEEDS: u32 = 10;

/// WebTransport against WebSocket on bad networks
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench latency --")]
struct Args {
    /// Only check that everything works, in under a minute
    #[arg(long)]
    quick: bool,
    /// Write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report to this file, as one self-contained page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write tables and plots for the documentation to this directory
    #[arg(long, value_name = "FOLDER")]
    markdown: Option<PathBuf>,
    /// Also measure ws, Socket.IO (installed by npm) and axum, and every system's capacity
    #[arg(long)]
    peers: bool,
    /// Also measure a WebRTC data channel beside the other carriers; builds benches/webrtc first
    #[arg(long)]
    webrtc: bool,
    /// Run only scenarios with this in their names, including "Chromium" and "capacity"
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Also run every round trip, rate and loss, and every scenario with ten seeds: hours
    #[arg(long, conflicts_with = "quick")]
    matrix: bool,
    /// Seed of the path's losses in the first round; each round has the next
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds of every scenario, instead of its own number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Congestion control on both sides: the system's for TCP with quinn's own, or Reno with NewReno
    #[arg(long, value_enum, default_value_t = Congestion::Default)]
    congestion: Congestion,
    /// Print the report of a file written by --json, then exit
    #[arg(long, value_name = "FILE")]
    read: Option<PathBuf>,
    /// Run only as a conventional server at this address and tick rate, with this certificate and key
    #[arg(long, hide = true, num_args = 4)]
    stock: Option<Vec<String>>,
    /// Run only as a broadcasting server at this host, with this certificate and key
    #[arg(long, hide = true, num_args = 3)]
    broadcast: Option<Vec<PathBuf>>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// Passed by cargo test: only check that it starts
    #[arg(long, hide = true)]
    test: bool,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let args = Args::parse();
    match execute(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("latency: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(args: &Args) -> Result<()> {
    if args.test {
        return Ok(());
    }
    if let Some([address, tick_hz, cert, key]) = args.stock.as_deref() {
        return stock::serve(address.parse()?, tick_hz.parse()?, cert.as_ref(), key.as_ref());
    }
    if let Some([host, cert, key]) = args.broadcast.as_deref() {
        return broadcast::serve(host.display().to_string().parse()?, cert, key);
    }
    args.congestion.enter()?;
    if args.webrtc {
        webrtc::build()?;
    }
    let (results, failed) = match &args.read {
        Some(file) => (serde_json::from_slice(&fs::read(file)?)?, 0),
        None => measure(args)?,
    };
    println!("{}", report::text(&results));
    if let Some(file) = &args.json {
        fs::write(file, serde_json::to_vec_pretty(&results)?)
            .context(file.display().to_string())?;
    }
    if let Some(file) = &args.html {
        fs::write(file, report::html(&results)).context(file.display().to_string())?;
    }
    if let Some(folder) = &args.markdown {
        report::write_plots(&results, folder).context(folder.display().to_string())?;
        fs::write(folder.join("tables.md"), report::markdown(&results, "bench"))?;
    }
    if failed > 0 {
        bail!("{failed} parts could not be measured; see the notes");
    }
    Ok(())
}

/// Measures everything requested, and counts the parts that failed: one part's failure must not
/// lose the others' figures.
fn measure(args: &Args) -> Result<(Results, u32)> {
    let mut failed = 0;
    // Fails only if a provider is already installed, and nothing else in this process installs one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut results = Results {
        machine: machine(),
        began: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        quick: args.quick,
        seed: args.seed,
        rows: Vec::new(),
        capacity: Vec::new(),
        ratios: Vec::new(),
        bars: Vec::new(),
        notes: Vec::new(),
    };
    let place = match gpys::path::isolate().and_then(|()| Place::path(args.seed)) {
        Ok(place) => place,
        Err(error) => {
            results.notes.push(format!("Only a clean network was measured, on loopback: {error}."));
            Place::Loopback
        }
    };
    let emulated = matches!(place, Place::Path(_));
    args.congestion.apply(&place)?;
    results.machine.congestion = args.congestion.words(&place)?;
    let repeats = match args {
        // A smoke test has no figures to save.
        Args { quick: true, .. } => Duration::ZERO,
        Args { matrix: false, rounds: None, .. } => REPEATS,
        _ => Duration::MAX,
    };
    let ground = Ground::new(place, args.seed, repeats)?;
    if args.peers {
        install_peers()?;
    }
    let scenarios = scenarios(args, emulated)?;
    let bar = progress(expected(args, &scenarios, emulated));
    for scenario in scenarios {
        report_progress(&bar, scenario.name.clone());
        let played = ground.play(&scenario, |what| {
            report_progress(&bar, format!("{}: {what}", scenario.name));
        });
        match played {
            Ok(played) => {
                let judge = Judge::new(&played);
                results.rows.extend(judge.rows());
                results.ratios.extend(judge.ratios());
                results.bars.extend(judge.bars());
                results.notes.extend(judge.notes());
                failed += u32::from(judge.failed());
            }
            Err(error) => {
                failed += 1;
                results.notes.push(format!("{}: {error:#}.", scenario.name));
            }
        }
    }
    if browses(args, emulated) {
        failed += browse(args, &ground, &bar, &mut results);
    }
    if searches(args) {
        let certificates = Certificates::new(Place::Loopback.server_address())?;
        let mut steps = Vec::new();
        let searched = capacity::search(&certificates, &mut steps, |what| {
            report_progress(&bar, format!("capacity: {what}"));
        });
        results.bars.extend(capacity::judge(&steps));
        results.notes.extend(capacity::notes(&steps));
        results.capacity = steps;
        if let Err(error) = searched {
            failed += 1;
            results.notes.push(format!("Capacity: {error:#}."));
        }
    }
    bar.finish_and_clear();
    results.notes.extend(ground.lateness());
    results
        .notes
        .push("Everything is encrypted: TLS 1.3 for WebSocket, QUIC for WebTransport.".into());
    Ok((results, failed))
}

/// Whether to measure what needs a browser.
fn browses(args: &Args, emulated: bool) -> bool {
    emulated && "Chromium".contains(&args.only)
}

/// Whether to search for capacities.
fn searches(args: &Args) -> bool {
    args.peers && "capacity".contains(&args.only)
}

/// How long all of this takes, if no trial is repeated.
fn expected(args: &Args, scenarios: &[Scenario], emulated: bool) -> Duration {
    let mut all: Duration = scenarios.iter().map(Scenario::expected).sum();
    if browses(args, emulated) {
        let (paths, seconds) = pages(args.quick);
        let page = Duration::from_secs(seconds) + chromium::AROUND;
        all += page * paths.len() as u32 + chromium::FALL_BACK;
    }
    if searches(args) {
        all += capacity::SEARCH;
    }
    all
}

fn scenarios(args: &Args, emulated: bool) -> Result<Vec<Scenario>> {
    let mut all = match (args.quick, emulated) {
        (true, true) => scenarios::quick(),
        (true, false) => scenarios::quick().into_iter().take(1).collect(),
        (false, _) => scenarios::clean(),
    };
    if emulated && !args.quick {
        all.extend(scenarios::bad()?);
        if args.matrix {
            all.extend(scenarios::grid());
        }
    }
    if args.peers {
        all.extend(scenarios::peers());
    }
    if args.webrtc {
        let first = System::Carrier(Carrier::Datagrams);
        let carriers = all.iter_mut().filter(|scenario| scenario.systems[0] == first);
        carriers.for_each(|scenario| scenario.systems.push(System::WebRtc));
    }
    all.retain(|scenario| scenario.name.contains(&args.only));
    for scenario in &mut all {
        let own = if args.matrix { SEEDS } else { scenario.rounds };
        scenario.rounds = args.rounds.unwrap_or(own);
    }
    Ok(all)
}

/// The paths over which a page measures, and for how many seconds each.
fn pages(quick: bool) -> (Vec<(String, PathSettings)>, u64) {
    let lossy = |percent: u32| {
        let loss = f64::from(percent) / 100.0;
        (scenarios::lossy(percent), PathSettings { loss, ..scenarios::delayed() })
    };
    if quick {
        return (vec![lossy(5)], 5);
    }
    let clean = (scenarios::CLEAN.to_owned(), PathSettings::default());
    (vec![clean, lossy(0), lossy(2), lossy(5)], 8)
}

/// Measures what needs a browser, and returns the number of parts that failed.
fn browse(args: &Args, ground: &Ground, bar: &ProgressBar, results: &mut Results) -> u32 {
    let mut failed = 0;
    let (paths, seconds) = pages(args.quick);
    for (name, path) in paths {
        report_progress(bar, format!("Chromium: {name}"));
        match chromium::measure(ground, &name, path, seconds) {
            Ok(rows) => results.rows.extend(rows),
            Err(error) => {
                failed += 1;
                results.notes.push(format!("Chromium, {name}: {error:#}."));
            }
        }
    }
    report_progress(bar, "Chromium: UDP blocked".into());
    match chromium::fall_back(ground, scenarios::delayed()) {
        Ok(fallback) => results.bars.extend(fallback),
        Err(error) => {
            failed += 1;
            results.notes.push(format!("Chromium, UDP blocked: {error:#}."));
        }
    }
    failed
}

/// Installs the compared servers by npm, if they are missing.
fn install_peers() -> Result<()> {
    if peers::installed() {
        return Ok(());
    }
    let status = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(peers::dir())
        .status()
        .context("cannot start npm; --peers needs Node and npm")?;
    if !status.success() {
        bail!("npm could not install the compared servers: {status}");
    }
    Ok(())
}

/// A progress bar on standard error, hidden unless that is a terminal; says how long it all takes.
fn progress(expected: Duration) -> ProgressBar {
    let minutes = expected.as_secs().div_ceil(60);
    eprintln!("This takes about {minutes} min, more where the machine is busy.");
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(250));
    let template = format!("{{spinner}} [{{elapsed_precise}} of about {minutes} min] {{msg}}");
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Reports progress: in place on a terminal, otherwise line by line.
fn report_progress(bar: &ProgressBar, what: String) {
    if bar.is_hidden() {
        eprintln!("[{:>4} s] {what}", bar.elapsed().as_secs());
    }
    bar.set_message(what);
}

fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name);
    Machine {
        cpu: model.into(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        kernel: read("/proc/sys/kernel/osrelease").trim().into(),
        congestion: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_run_is_to_take_less_than_ten_minutes() {
        let args = Args::parse_from(["latency"]);
        let all = expected(&args, &scenarios(&args, true).expect("the traces parse"), true);
        assert!(all + REPEATS < Duration::from_secs(600), "{all:?}");
    }
}
