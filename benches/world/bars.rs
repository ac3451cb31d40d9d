//! The bars of docs/BENCHMARKS.md: memory, ticks and encoding, measured in one run.

use gpys::proto::wire::{PeerId, Sample};

use crate::room::{Cost, Crowd, Room, Walker};

/// The low, middle and high of some measurements.
#[derive(Clone, Copy)]
struct Spread {
    low: f64,
    middle: f64,
    high: f64,
}

fn spread(values: impl IntoIterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values[((values.len() - 1) as f64 * part) as usize];
    Spread { low: at(0.1), middle: at(0.5), high: at(0.9) }
}

fn row(what: &str, unit: &str, Spread { low, middle, high }: Spread, bar: f64, at_least: bool) {
    let met = if at_least { middle >= bar } else { middle <= bar };
    let (mark, sign) = (if met { "met" } else { "MISSED" }, if at_least { ">=" } else { "<=" });
    println!(
        "{what:<52} {middle:9.3} {unit:<3} ({low:.3} to {high:.3})  {sign} {bar}: {mark}, {:.2}",
        if at_least { middle / bar } else { bar / middle }
    );
}

fn ms(cost: &Cost) -> f64 {
    cost.time.as_secs_f64() * 1e3
}

/// Returns this process's resident memory in bytes, on systems that report it.
fn resident() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(text.split_whitespace().nth(1)?.parse::<f64>().ok()? * 4096.0)
}

fn memory() {
    for people in [10_000, 100_000] {
        let before = resident();
        let mut room = Room::new(people, 0, Crowd::Spread);
        room.ticks(4);
        let own = room.world.memory() as f64 / people as f64;
        row(
            &format!("memory per person, {people}, by its own count"),
            "B",
            spread([own]),
            300.0,
            false,
        );
        if let (Some(before), Some(after)) = (before, resident()) {
            let bench = room.walkers.capacity() * size_of::<Walker>()
                + room.samples.capacity() * size_of::<(PeerId, Sample)>();
            let grown = (after - before - bench as f64) / people as f64;
            println!(
                "{:<52} {grown:9.3} B   (resident, with names, leftovers of joining and all)",
                format!("memory per person, {people}, as the system sees it")
            );
        }
    }
}

/// Measures and prints the bars.
pub(crate) fn run() {
    memory();
    let sizes = [(1_000, 50), (10_000, 500), (100_000, 5_000)];
    let mut spread_rooms: Vec<Room> =
        sizes.map(|(people, viewers)| Room::new(people, viewers, Crowd::Spread)).into();
    let mut crowds: Vec<Room> = [(1_000, 500), (10_000, 500), (10_000, 5_000), (100_000, 500)]
        .map(|(people, viewers)| Room::new(people, viewers, Crowd::OneCell))
        .into();
    // As much memory as the largest room, in small rooms: what remains is the algorithm.
    let mut hundred: Vec<Room> = (0..100).map(|_| Room::new(1_000, 50, Crowd::Spread)).collect();
    let mut shared = Room::new(1_000, 1_000, Crowd::AllInView);
    let mut naive = Room::new(1_000, 0, Crowd::AllInView);
    let all_rooms = spread_rooms.iter_mut().chain(&mut hundred).chain(&mut crowds);
    for room in all_rooms.chain([&mut shared]) {
        room.ticks(60);
    }
    let mut times: Vec<Vec<Cost>> = vec![Vec::new(); 3];
    let mut crowded: Vec<Vec<Cost>> = vec![Vec::new(); crowds.len()];
    let (mut exponents, mut all, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sharing, mut apart, mut equals) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..12 {
        let rounds: Vec<f64> = spread_rooms
            .iter_mut()
            .zip(&mut times)
            .map(|(room, times)| {
                let costs = room.ticks(15);
                times.extend(&costs);
                costs.iter().map(ms).sum::<f64>()
            })
            .collect();
        exponents.push((rounds[2] / rounds[0]).ln() / 100.0_f64.ln());
        let round: Vec<f64> =
            (0..15).map(|_| hundred.iter_mut().map(|room| ms(&room.tick())).sum()).collect();
        equals.push(1.0 + (rounds[2] / round.iter().sum::<f64>()).ln() / 100.0_f64.ln());
        apart.extend(round);
        for (room, crowded) in crowds.iter_mut().zip(&mut crowded) {
            crowded.extend(room.ticks(5));
        }
        let ours = shared.ticks(15);
        let mean = ours.iter().map(ms).sum::<f64>() / 15.0;
        sharing.extend(ours);
        all.push(ms(&naive.naive_tick(1_000, true)) / mean);
        let costs: Vec<f64> = (0..3).map(|_| ms(&naive.naive_tick(1_000, false))).collect();
        changed.push(costs.iter().sum::<f64>() / 3.0 / mean);
    }
    for (((people, viewers), times), bar) in sizes.iter().zip(&times).zip([0.3, 3.0, 33.0]) {
        let what = format!("tick, {people} people, {viewers} viewers");
        row(&what, "ms", spread(times.iter().map(ms)), bar, false);
        note(times);
    }
    row("growth exponent, 1,000 to 100,000", "", spread(exponents), 1.1, false);
    let Spread { low, middle, high } = spread(apart);
    println!(
        "{:<52} {middle:9.3} ms  ({low:.3} to {high:.3})",
        "a hundred rooms of 1,000, 50 viewers"
    );
    row("the same, against these hundred rooms", "", spread(equals), 1.1, false);
    for (what, times) in
        ["1,000, 500", "10,000, 500", "10,000, 5,000", "100,000, 500"].iter().zip(&crowded)
    {
        let Spread { low, middle, high } = spread(times.iter().map(ms));
        println!(
            "{:<52} {middle:9.3} ms  ({low:.3} to {high:.3})",
            format!("one cell: {what} viewers")
        );
        note(times);
    }
    row("all in view of all: naive, everybody / ours", "x", spread(all), 20.0, true);
    row("all in view of all: naive, only changes / ours", "x", spread(changed), 20.0, true);
    note(&sharing);
}

fn note(costs: &[Cost]) {
    let n = costs.len() as f64;
    let frames: usize = costs.iter().map(|cost| cost.frames).sum();
    let bytes: usize = costs.iter().map(|cost| cost.bytes).sum();
    println!(
        "    {:.0} frames a tick of {:.0} bytes, {:.0} ns a frame",
        frames as f64 / n,
        bytes as f64 / frames as f64,
        costs.iter().map(ms).sum::<f64>() * 1e6 / frames as f64
    );
}
