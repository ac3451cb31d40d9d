//! What a tick of a room costs: `cargo bench --bench world`.
//!
//! Without arguments it prints the table of bars, measured with all rooms interleaved in one run,
//! and then lets criterion time single ticks; `cargo bench --bench world -- --bars` and
//! `-- --criterion` do one of the two.
//!
//! A tick is all that a server does for a room in 33.3 ms: the poses of a third of the people (10
//! Hz each) go in, timeouts run, and every viewer whose turn it is gets its frame composed.

#![allow(clippy::print_stdout, reason = "the figures are what this bench is for")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench may panic")]

mod bars;
mod room;

use std::time::Duration;

use criterion::Criterion;

use crate::room::{Crowd, Room};

fn timed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tick");
    let mut time = |name: &str, people, viewers, crowd| {
        let mut room = Room::new(people, viewers, crowd);
        room.ticks(60);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| room.tick().time).sum());
        });
    };
    time("1,000 people, 500 viewers", 1_000, 500, Crowd::Spread);
    time("10,000 people, 500 viewers", 10_000, 500, Crowd::Spread);
    time("10,000 people, 5,000 viewers", 10_000, 5_000, Crowd::Spread);
    time("100,000 people, 500 viewers", 100_000, 500, Crowd::Spread);
    time("100,000 people, 5,000 viewers", 100_000, 5_000, Crowd::Spread);
    time("one cell, 1,000 people, 500 viewers", 1_000, 500, Crowd::OneCell);
    time("one cell, 10,000 people, 500 viewers", 10_000, 500, Crowd::OneCell);
    time("all in view of all, 1,000", 1_000, 1_000, Crowd::AllInView);
    group.finish();
}

fn main() {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    // Cargo runs benches with --test to see whether they work, and nothing more.
    if has("--test") {
        Room::new(1_000, 50, Crowd::Spread).ticks(3);
        return;
    }
    if !has("--criterion") {
        bars::run();
    }
    if !has("--bars") {
        let mut criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(3));
        timed(&mut criterion);
        criterion.final_summary();
    }
}
