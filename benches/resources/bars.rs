//! The command line, and the table of results.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use tokio::runtime::Builder;

use crate::bar::Bar;
use crate::{burst, churn, idle, pinned, restart, talk, watchers};

/// What the server uses, and how it copes with overload
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench resources --")]
struct Args {
    /// Fail if a bar is missed
    #[arg(long)]
    bars: bool,
    /// Run only parts with this in their names: idle, pinned, burst, churn, watchers, talk, restart
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// With fewer peers and connections, only to check that everything works
    #[arg(long)]
    quick: bool,
    /// Run only as this many attackers that dial all at once, both addresses
    #[arg(long, hide = true, num_args = 3)]
    dial: Option<Vec<String>>,
    /// Become this many watchers of the server at this address, and do nothing else
    #[arg(long, hide = true, num_args = 2)]
    watch: Option<Vec<String>>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// Passed by cargo test: only check that it starts
    #[arg(long, hide = true)]
    test: bool,
}

pub fn main() -> ExitCode {
    let args = Args::parse();
    if args.test {
        return ExitCode::SUCCESS;
    }
    match execute(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) if !args.bars => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("resources: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything requested, and returns whether every bar was met.
fn execute(args: &Args) -> Result<bool> {
    // Fails only if a provider is already installed, and nothing else in this process installs one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Some(dial) = &args.dial {
        let [https, udp]: [SocketAddr; 2] = [dial[0].parse()?, dial[1].parse()?];
        let count = dial[2].parse()?;
        return runtime.block_on(burst::dial(https, udp, count)).map(|()| true);
    }
    if let Some(watch) = &args.watch {
        return runtime.block_on(watchers::watch(&watch[0], watch[1].parse()?)).map(|()| true);
    }
    let mut bars = Vec::new();
    let share = if args.quick { 10 } else { 1 };
    println!("| what | bar | measured | |\n|---|---|---|---|");
    for part in ["idle", "pinned", "burst", "churn", "watchers", "talk", "restart"] {
        if !part.contains(&args.only) {
            continue;
        }
        let measured = runtime.block_on(async {
            match part {
                "idle" => idle::measure(share).await,
                "pinned" => pinned::measure(share).await,
                "burst" => burst::measure(share).await,
                "churn" => churn::measure(share).await,
                "watchers" => watchers::measure(share).await,
                "talk" => talk::measure(share).await,
                _ => restart::measure(share).await,
            }
        })?;
        for Bar { what, bar, measured, is_met } in &measured {
            let verdict = if *is_met { "" } else { "**missed**" };
            println!("| {what} | {bar} | {measured} | {verdict} |");
        }
        bars.extend(measured);
    }
    Ok(bars.iter().all(|bar| bar.is_met))
}
