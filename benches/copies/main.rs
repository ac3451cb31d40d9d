//! Whether copies pay: how old the pictures of slow senders are on paths that lose packets, and
//! what the copies cost. The real server and real clients, over WebTransport in virtual time, so
//! that the figures depend on seeds alone: `cargo bench --bench copies`, with more seeds by
//! `GPYS_SEEDS=N`.
//!
//! For the figures without copies, put both `HIGH`s out of reach, in `src/proto/uplink.rs` and in
//! `src/proto/world/loss.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    dead_code,
    unreachable_pub,
    reason = "the modules are those of a test, which has more use for them"
)]

#[path = "../../tests/simulation/link.rs"]
mod link;
#[path = "../../tests/whole/network.rs"]
mod network;
#[path = "../../tests/whole/serving.rs"]
mod serving;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use gpys::client::{Client, Connector, Options, Reading, Trust, Udp};
use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::{Accuracy, Orientation};
use gpys::proto::wire::PeerId;
use tokio::runtime::Builder;
use tokio::time::{Instant, interval_at, sleep};

use crate::link::Weather;
use crate::network::{DeviceId, Network, SERVER};
use crate::serving::{Serving, client_config, seed_bytes};

/// Seeds of each row.
const SEEDS: u64 = 5;
/// People in the room.
const PEOPLE: usize = 20;
/// Samples a second.
const HZ: u32 = 10;
/// The delay each way, in ms.
const DELAY: u64 = 25;
/// A path that loses nothing, on which everybody joins.
const FINE: Weather =
    Weather { loss: 0.0, burst: 0.0, burst_end: 1.0, duplicate: 0.0, delay: DELAY, jitter: 1 };
/// By then every path knows what it loses.
const SETTLED: Duration = Duration::from_secs(20);
/// How long pictures are looked at, and how often.
const MEASURED: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(2);
/// The longest age that is told apart, in ms.
const LONGEST: usize = 5_000;
/// What everybody looks at.
const VIEWPORT: Viewport = Viewport {
    south: 457_600_000,
    west: 143_500_000,
    north: 457_800_000,
    east: 143_700_000,
    zoom: 160,
};

/// One person: a client, and when each sample was taken.
struct Person {
    id: PeerId,
    client: Arc<Client>,
    device: DeviceId,
    taken: Arc<Mutex<Vec<Instant>>>,
}

/// What a row adds up.
struct Row {
    /// Looks by age of the picture, in ms.
    ages: Vec<u64>,
    bytes: u64,
    poses: u64,
    repeats: u64,
    seconds: f64,
}

impl Row {
    fn quantile(&self, share: f64) -> usize {
        let all: u64 = self.ages.iter().sum();
        let mut below = 0;
        let is_there = |count: &u64| {
            below += count;
            below as f64 >= share * all as f64
        };
        self.ages.iter().position(is_there).unwrap_or(LONGEST)
    }
}

fn main() {
    let seeds = std::env::var("GPYS_SEEDS").map_or(SEEDS, |seeds| seeds.parse().unwrap());
    println!("{PEOPLE} people at {HZ} Hz, {DELAY} ms each way, {seeds} seeds; age of the picture");
    println!("  loss    p50    p90    p99  p99.9 ms   kB/s a client   copies sent");
    for loss in [0.0, 0.01, 0.02, 0.05, 0.1] {
        let mut row = Row { ages: vec![0; LONGEST], bytes: 0, poses: 0, repeats: 0, seconds: 0.0 };
        for seed in 0..seeds {
            let mut builder = Builder::new_current_thread();
            let runtime = builder.enable_all().start_paused(true).build().unwrap();
            runtime.block_on(measure(seed, loss, &mut row));
        }
        let [p50, p90, p99, most] = [0.5, 0.9, 0.99, 0.999].map(|share| row.quantile(share));
        println!(
            "{:5} %  {p50:5}  {p90:5}  {p99:5}  {most:5}      {:10.2}      {:6.1} %",
            loss * 100.0,
            row.bytes as f64 / row.seconds / PEOPLE as f64 / 1e3,
            row.repeats as f64 / row.poses as f64 * 100.0,
        );
    }
}

/// Adds a run.
async fn measure(seed: u64, loss: f64, row: &mut Row) {
    let mut rng = Rng::with_seed(seed);
    let network = Network::new(rng.u64(..));
    let serving = Serving::start(&network, rng.u64(..));
    let weather = Weather { loss, ..FINE };
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(join(&network, number, rng.u64(..)).await);
    }
    people.iter().for_each(|person| network.set_weather(person.device, weather));
    sleep(SETTLED).await;
    let poses =
        |it: fn(&Client) -> u64| people.iter().map(|person| it(&person.client)).sum::<u64>();
    let before =
        (network.fates().bytes, poses(|it| it.traffic().poses), poses(|it| it.traffic().repeats));
    let start = Instant::now();
    while start.elapsed() < MEASURED {
        look(&people, &mut row.ages);
        sleep(LOOK).await;
    }
    row.bytes += network.fates().bytes - before.0;
    row.poses += poses(|it| it.traffic().poses) - before.1;
    row.repeats += poses(|it| it.traffic().repeats) - before.2;
    row.seconds += start.elapsed().as_secs_f64();
    for person in people {
        person.client.leave().await;
    }
    serving.stop().await;
}

/// Joins, and walks at an own phase.
async fn join(network: &Network, number: usize, seed: u64) -> Person {
    let device = network.device(FINE);
    let (sockets, seeds) = (network.clone(), Mutex::new(Rng::with_seed(seed)));
    let open = move || {
        let seed = seed_bytes(seeds.lock().unwrap().u64(..));
        Ok(Udp { socket: sockets.socket(device), seed })
    };
    let connector = Connector::over(client_config(), Trust::Public, SERVER, Box::new(open));
    let options = Options { viewport: Some(VIEWPORT), ..Options::default() };
    let client = Arc::new(connector.connect(options).await.unwrap());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let person = Person { id: client.welcome().id, client, device, taken };
    let period = Duration::from_secs(1) / HZ;
    let phase = period.mul_f64(number as f64 * 0.618_034 % 1.0);
    let (client, taken) = (Arc::clone(&person.client), Arc::clone(&person.taken));
    tokio::spawn(async move {
        let mut rng = Rng::with_seed(seed);
        let mut turns = interval_at(Instant::now() + phase, period);
        loop {
            turns.tick().await;
            let mut taken = taken.lock().unwrap();
            let lat = 457_700_000 + rng.i32(-20_000..20_000);
            let position = Position::new(lat, 143_600_000 + rng.i32(-20_000..20_000)).unwrap();
            // The sample's number.
            let orientation = Some(Orientation::from_code(taken.len() as u32).unwrap());
            client.send(Reading { position, orientation, accuracy: Accuracy::from_metres(5.0) });
            taken.push(Instant::now());
        }
    });
    person
}

/// Looks at everybody's picture of everybody else.
fn look(people: &[Person], ages: &mut [u64]) {
    for (viewer, observer) in people.iter().enumerate() {
        let view = observer.client.view();
        for (number, person) in people.iter().enumerate() {
            if number == viewer {
                continue;
            }
            let figure = view.figure(person.id);
            let Some(code) = figure.and_then(|it| it.orientation).map(Orientation::code) else {
                continue;
            };
            let age = person.taken.lock().unwrap()[code as usize].elapsed().as_millis() as usize;
            ages[age.min(LONGEST - 1)] += 1;
        }
    }
}
