//! The whole server in virtual time: the real server and real clients, real QUIC and TLS, over a
//! seeded network. Run one seed with `GPYS_SEED=N cargo test --test whole`, more than the suite's
//! with `GPYS_SEEDS=N`.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test may panic, and its modules are private anyway"
)]

mod check;
mod life;
#[allow(dead_code, reason = "UDP has no reliable lane")]
#[path = "../simulation/link.rs"]
mod link;
mod network;
mod panics;
mod person;
mod serving;
mod town;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::runtime::Builder;

use crate::network::Sent;
use crate::town::Tally;

/// Seeds of the suite.
const SEEDS: u64 = 200;

/// Runs something on a runtime of its own, whose clock goes on when all wait. A panic in any task
/// is a failure.
fn alone<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let run = panics::begin();
    let mut builder = Builder::new_current_thread();
    let builder = builder.enable_all().start_paused(true);
    let runtime = builder.on_thread_start(move || panics::belong(run)).build().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(future)));
    drop(runtime);
    match (panics::take(run).join("; "), outcome) {
        (panics, Ok(outcome)) if panics.is_empty() => outcome,
        (panics, _) => Err(format!("panics: {panics}")),
    }
}

fn run(seed: u64) -> Result<(Tally, Vec<Sent>), String> {
    alone(async {
        let (tally, town) = life::run(seed).await?;
        Ok((tally, town.network.trace()))
    })
}

#[test]
fn any_weather_heals() {
    if let Ok(seed) = std::env::var("GPYS_SEED") {
        let seed = seed.parse().expect("GPYS_SEED is a number");
        println!("{:?}", run(seed).unwrap().0);
        return;
    }
    let seeds = std::env::var("GPYS_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    let failures = Mutex::new(Vec::new());
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds {
            return;
        }
        match run(seed) {
            Ok((tally, _)) => sum.lock().unwrap().add(tally),
            Err(what) => failures.lock().unwrap().push(format!("seed {seed}: {what}")),
        }
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let (sum, failures) = (sum.into_inner().unwrap(), failures.into_inner().unwrap());
    println!("{seeds} seeds, {sum:?}");
    let list = failures.join("\n");
    assert!(failures.is_empty(), "{list}\nreplay with GPYS_SEED=N cargo test --test whole");
    // A few seeds need not have everything.
    if seeds >= SEEDS {
        sum.is_eventful(seeds).unwrap();
    }
}

#[test]
fn the_same_seed_runs_the_same() {
    let (first, again, other) = (run(3).unwrap().1, run(3).unwrap().1, run(4).unwrap().1);
    let differing = first.iter().zip(&again).find(|(a, b)| a != b);
    assert_eq!(differing, None);
    assert_eq!(first.len(), again.len());
    assert_ne!(first, other);
}

#[test]
fn a_panic_in_any_task_fails_the_run() {
    let unseen = alone(async {
        drop(tokio::spawn(async { panic!("in a task") }).await);
        drop(tokio::task::spawn_blocking(|| panic!("on a thread")).await);
        Ok(())
    });
    let panics = unseen.unwrap_err();
    assert!(panics.contains("in a task") && panics.contains("on a thread"), "{panics}");
    alone(async { Ok(()) }).unwrap();
}
