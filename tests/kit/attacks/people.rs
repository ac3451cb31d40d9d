//! Two bystanders who walk in the lobby, one over each transport, and constantly see each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use gpys::client::{Client, Connector, Event, Options, Reading, Transport, Trust};
use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::Accuracy;
use gpys::proto::view::Figure;
use gpys::proto::wire::{PeerId, Presence, Roster, ServerMessage};
use tokio::runtime::Runtime;

use crate::attacks::arena::{PATIENCE, Target};

/// The room of the bystanders, and of most attackers.
pub const ROOM: &str = "lobby";
/// How often each bystander sends its position.
const STEP: Duration = Duration::from_millis(40);
/// Number of sightings by each bystander for the age at rest: 99 in 100 of them excludes one.
const CALM_SIGHTS: usize = 100;
/// How many ms a siege may always add to the age that 99 in 100 sightings do not exceed: attackers
/// and server share two cores and a debug build.
const NOISE_MS: i32 = 250;
/// Maximum time between two sightings, and maximum age of one. A server at rest needs a tenth of a
/// second; a busy computer with a debug build may need much more.
const BOUND: Duration = Duration::from_secs(3);
const NAMES: [&str; 2] = ["Ada", "Grace"];
/// Where they walk, in units of 1e-7 degrees.
const HERE: (i32, i32) = (457_500_000, 143_600_000);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one bystander saw of the other.
#[derive(Debug)]
struct Sight {
    other: Option<PeerId>,
    /// The other's name, which is unique.
    name: &'static str,
    /// How often the other was reported to join.
    joins: u32,
    last: Instant,
    longest: Duration,
    /// The age of each sighting in ms, since the ages were last taken.
    ages: Vec<i32>,
    /// How often the other was seen at a new position.
    moves: u64,
    /// What should not have arrived.
    wrong: Vec<String>,
}

impl Sight {
    fn new(name: &'static str) -> Self {
        Self {
            other: None,
            name,
            joins: 0,
            last: Instant::now(),
            longest: Duration::ZERO,
            ages: Vec::new(),
            moves: 0,
            wrong: Vec::new(),
        }
    }

    fn figure(&mut self, figure: &Figure, now: gpys::proto::time::Stamp) {
        self.longest = self.longest.max(self.last.elapsed());
        self.last = Instant::now();
        self.ages.push(now.after(figure.sampled));
        self.moves += 1;
    }

    /// Checks that, after the other has joined, no roster mentions it.
    fn roster(&mut self, roster: &Roster) {
        let named = roster.joined.iter().filter(|person| person.name == self.name);
        self.joins += named.count() as u32;
        let Some(other) = self.other else { return };
        if roster.left.contains(&other) {
            self.wrong.push("the other left".into());
        }
        for change in roster.presence.iter().filter(|change| change.id == other) {
            self.wrong.push(format!("the other is {:?}", change.presence));
        }
    }
}

/// The age that 99 in 100 do not exceed.
fn p99(mut ages: Vec<i32>) -> i32 {
    ages.sort_unstable();
    ages.get((ages.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

struct Walker {
    client: Arc<Client>,
    sight: Arc<Mutex<Sight>>,
}

impl Walker {
    async fn join(
        connector: &Connector,
        transport: Transport,
        [name, other]: [&'static str; 2],
    ) -> Self {
        let sight = Arc::new(Mutex::new(Sight::new(other)));
        let seen = Arc::clone(&sight);
        let events = move |event: Event<'_>| {
            let mut sight = lock(&seen);
            match event {
                Event::Figure { id, figure, now } if sight.other == Some(id) => {
                    sight.figure(figure, now);
                }
                Event::Message(ServerMessage::Roster(roster)) => sight.roster(roster),
                _ => {}
            }
        };
        let (lat, lng) = HERE;
        let viewport = Viewport {
            south: lat - 10_000,
            west: lng - 10_000,
            north: lat + 10_000,
            east: lng + 10_000,
            zoom: 170,
        };
        let options = Options {
            transport,
            room: ROOM.into(),
            name: name.into(),
            viewport: Some(viewport),
            events: Some(Box::new(events)),
            ..Options::default()
        };
        let client = Arc::new(connector.connect(options).await.unwrap());
        tokio::spawn(walk(Arc::downgrade(&client)));
        Self { client, sight }
    }

    fn id(&self) -> PeerId {
        self.client.welcome().id
    }

    fn take_ages(&self) -> Vec<i32> {
        std::mem::take(&mut lock(&self.sight).ages)
    }

    fn check(&self) {
        let ended = self.client.closed().now_or_never();
        assert!(ended.is_none(), "a bystander was disconnected: {ended:?}");
        let moves = lock(&self.sight).moves;
        let since = Instant::now();
        while lock(&self.sight).moves < moves + 2 {
            assert!(since.elapsed() < BOUND, "a bystander stopped seeing the other move");
            std::thread::sleep(Duration::from_millis(5));
        }
        let sight = lock(&self.sight);
        let other = sight.other.unwrap();
        assert_eq!(sight.joins, 1, "how often the other joined");
        assert!(sight.wrong.is_empty(), "a bystander received: {:?}", sight.wrong);
        assert!(sight.longest < BOUND, "the other was out of sight for {:?}", sight.longest);
        let oldest = sight.ages.iter().copied().max().unwrap_or_default();
        assert!(i128::from(oldest) < BOUND.as_millis() as i128, "a sighting was {oldest} ms old");
        drop(sight);
        let view = self.client.view();
        let known = view.roster().filter(|person| person.id == other).count();
        assert_eq!(known, 1, "the roster has the other once");
        assert_eq!(self.client.traffic().bad, 0, "a bystander received bad datagrams");
    }
}

/// Walks in a small circle for as long as the client lives.
async fn walk(client: std::sync::Weak<Client>) {
    let mut steps = tokio::time::interval(STEP);
    for step in 0_i32.. {
        steps.tick().await;
        let Some(client) = client.upgrade() else { return };
        let (lat, lng) = HERE;
        let position = Position::new(lat + 20 * (step % 40), lng + 20 * (step % 50)).unwrap();
        client.send(Reading { position, orientation: None, accuracy: Accuracy::UNKNOWN });
    }
}

/// The two bystanders.
pub struct Pair {
    runtime: Runtime,
    connector: Connector,
    walkers: [Walker; 2],
}

impl Pair {
    /// Lets both in, and waits until they see each other.
    pub fn join(runtime: Runtime, target: &Target) -> Self {
        let (connector, walkers) = runtime.block_on(async {
            let url = format!("https://{}", target.https);
            let connector = Connector::new(&url, Trust::Public).await.unwrap();
            let [ada, grace] = NAMES;
            let first = Walker::join(&connector, Transport::WebTransport, [ada, grace]).await;
            let second = Walker::join(&connector, Transport::WebSocket, [grace, ada]).await;
            (connector, [first, second])
        });
        let [first, second] = &walkers;
        for (one, other) in [(first, second), (second, first)] {
            let since = Instant::now();
            while !one.client.view().roster().any(|person| person.id == other.id()) {
                assert!(since.elapsed() < PATIENCE, "the bystanders do not meet");
                std::thread::sleep(Duration::from_millis(2));
            }
            let mut sight = lock(&one.sight);
            (sight.other, sight.last) = (Some(other.id()), Instant::now());
        }
        let pair = Self { runtime, connector, walkers };
        pair.check();
        pair
    }

    /// Runs a future on the bystanders' runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Waits until each has seen the other often enough, and returns the age at rest.
    pub fn calm_ms(&self) -> i32 {
        self.walkers.iter().for_each(|it| drop(it.take_ages()));
        let since = Instant::now();
        while self.walkers.iter().any(|it| lock(&it.sight).ages.len() < CALM_SIGHTS) {
            assert!(since.elapsed() < PATIENCE, "the bystanders see each other too rarely");
            std::thread::sleep(Duration::from_millis(5));
        }
        p99(self.walkers.iter().flat_map(Walker::take_ages).collect())
    }

    /// Checks that sightings since then were not much older than at rest.
    pub fn check_ages(&self, calm_ms: i32) {
        let siege_ms = p99(self.walkers.iter().flat_map(Walker::take_ages).collect());
        eprintln!("99 in 100 sightings are at most {siege_ms} ms old, {calm_ms} ms at rest");
        let bound = (calm_ms + calm_ms / 2).max(calm_ms + NOISE_MS);
        assert!(siege_ms <= bound, "sightings are {siege_ms} ms old, {calm_ms} ms at rest");
    }

    /// Checks that both are connected and never stopped seeing each other move.
    pub fn check(&self) {
        self.walkers.iter().for_each(Walker::check);
    }

    /// Checks that a newcomer over each transport finds the bystanders, each once, and leaves.
    pub fn meet_newcomers(&self) {
        for transport in [Transport::WebTransport, Transport::WebSocket] {
            self.runtime.block_on(async {
                let options = Options {
                    transport,
                    room: ROOM.into(),
                    presence: Presence::Watching,
                    ..Options::default()
                };
                let client = self.connector.connect(options).await.unwrap();
                let found = || {
                    let mut found: BTreeMap<String, usize> = BTreeMap::new();
                    for person in client.view().roster() {
                        *found.entry(person.name.clone()).or_default() += 1;
                    }
                    NAMES.map(|name| found.get(name).copied().unwrap_or_default())
                };
                let since = Instant::now();
                while found() != [1, 1] {
                    assert!(
                        since.elapsed() < BOUND,
                        "a newcomer finds {:?} of the bystanders",
                        found()
                    );
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                client.leave().await;
            });
        }
    }

    /// Waits until the server has closed both links.
    pub fn say_goodbye(self) {
        let Self { runtime, walkers, .. } = self;
        runtime.block_on(async {
            for walker in &walkers {
                drop(tokio::time::timeout(PATIENCE, walker.client.closed()).await);
            }
        });
        drop(walkers);
        runtime.shutdown_background();
    }
}
