//! A server and the people on it, and everything that happens to them.

use std::time::Duration;

use fastrand::Rng;
use gpys::proto::geo::Position;
use gpys::proto::wire::Presence;
use gpys::server::Census;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use crate::link::Weather;
use crate::network::{Dark, DeviceId, Fates, Network};
use crate::person::{MOST, Person};
use crate::serving::Serving;

/// The rooms; most people want the first.
const ROOMS: [&str; 3] = ["lobby", "lobby", "stage"];
/// Most people at once; a few, so that many seeds run in little time.
const CROWD: usize = 9;

/// Counts of what happened, to check that a run tries what it is there to try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub fates: Fates,
    pub links: u32,
    pub resumed: u32,
    pub redials: u32,
    pub restarts: u32,
    pub crashes: u32,
    pub blackouts: u32,
    pub moves: u32,
    pub suspensions: u32,
    pub kills: u32,
    /// The most by which information was older than its path and its sender explain, in ms.
    pub excess_ms: u64,
    pub quiet_hours: u32,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.fates.add(other.fates);
        self.links += other.links;
        self.resumed += other.resumed;
        self.redials += other.redials;
        self.restarts += other.restarts;
        self.crashes += other.crashes;
        self.blackouts += other.blackouts;
        self.moves += other.moves;
        self.suspensions += other.suspensions;
        self.kills += other.kills;
        self.excess_ms = self.excess_ms.max(other.excess_ms);
        self.quiet_hours += other.quiet_hours;
    }

    /// Checks that everything that may happen has, many times in this many seeds: a test that does
    /// nothing proves nothing.
    pub fn is_eventful(&self, seeds: u64) -> Result<(), String> {
        let Fates { lost, doubled, overtaken, .. } = self.fates;
        let each = |count: u32| f64::from(count) / seeds as f64;
        let least = [
            ("lost", lost as f64 / seeds as f64, 100.0),
            ("doubled", doubled as f64 / seeds as f64, 100.0),
            ("overtaken", overtaken as f64 / seeds as f64, 500.0),
            ("links", each(self.links), 10.0),
            ("resumed", each(self.resumed), 3.0),
            ("redials", each(self.redials), 1.0),
            ("restarts", each(self.restarts), 1.0),
            ("crashes", each(self.crashes), 1.0),
            ("blackouts", each(self.blackouts), 10.0),
            ("moves", each(self.moves), 10.0),
            ("suspensions", each(self.suspensions), 2.0),
            ("kills", each(self.kills), 4.0),
            ("quiet hours", each(self.quiet_hours), 0.01),
        ];
        match least.iter().find(|(_, count, least)| count < least) {
            Some((what, count, least)) => Err(format!("{what}: {count} a seed, not {least}")),
            None => Ok(()),
        }
    }
}

/// Everything in one virtual world.
pub struct Town {
    pub rng: Rng,
    pub network: Network,
    pub people: Vec<Person>,
    serving: Option<Serving>,
    /// What goes on in the background: blackouts that end, servers that drain unheard.
    background: Vec<JoinHandle<()>>,
    pub tally: Tally,
}

impl Town {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let network = Network::new(rng.u64(..));
        let serving = Some(Serving::start(&network, rng.u64(..)));
        let (people, background) = (Vec::new(), Vec::new());
        Self { rng, network, people, serving, background, tally: Tally::default() }
    }

    /// Any weather. The least jitter is 1 ms, as on any real path.
    fn any_weather(&mut self) -> Weather {
        let weather = Weather::any(&mut self.rng);
        Weather { delay: weather.delay.max(1), jitter: weather.jitter.max(1), ..weather }
    }

    fn any_room(&mut self) -> Option<String> {
        self.rng.choice(ROOMS).map(str::to_owned)
    }

    /// Somebody new comes.
    pub fn join(&mut self) {
        let number = u32::try_from(self.people.len()).unwrap();
        if self.people.len() >= CROWD || number >= MOST {
            return;
        }
        let weather = self.any_weather();
        let device = self.network.device(weather);
        let person = Person::new(&self.network, device, number, self.rng.u64(..));
        let (room, position) = (self.any_room(), self.anywhere());
        person.want(|it| it.room = room);
        person.walk(position);
        self.people.push(person);
    }

    fn anywhere(&mut self) -> Position {
        let lat = 457_700_000 + self.rng.i32(-20_000..20_000);
        Position::new(lat, 143_600_000 + self.rng.i32(-20_000..20_000)).unwrap()
    }

    /// Some of those who share take a step.
    pub fn walk(&mut self, share: f64) {
        for index in 0..self.people.len() {
            if self.rng.f64() < share {
                let position = self.anywhere();
                self.people[index].walk(position);
            }
        }
    }

    /// Makes something happen.
    pub async fn disturb(&mut self) {
        let index = self.rng.usize(0..self.people.len().max(1));
        let Some(person) = self.people.get(index) else { return self.join() };
        let (device, is_in) = (person.device, person.state.lock().unwrap().room.is_some());
        match self.rng.u32(0..100) {
            0..8 => self.join(),
            8..12 => self.people[index].want(|it| it.room = None),
            12..24 if !is_in => {
                let room = self.any_room();
                self.people[index].want(|it| it.room = room);
            }
            24..27 if is_in => {
                let room = self.any_room();
                self.people[index].want(|it| it.room = room);
            }
            27..32 => {
                self.tally.kills += 1;
                self.people[index].drop_link();
            }
            32..46 => self.black_out(device),
            46..58 => {
                self.tally.moves += 1;
                let changes_network = self.rng.bool();
                self.network.rebind(device, changes_network);
            }
            58..66 => {
                let weather = self.any_weather();
                self.network.set_weather(device, weather);
            }
            66..76 => {
                let all = [Presence::Sharing, Presence::Watching, Presence::Hidden];
                let presence = self.rng.choice(all).unwrap();
                self.people[index].set_presence(presence);
            }
            76..78 => self.suspend().await,
            78 => self.restart().await,
            79 => self.crash().await,
            _ => {}
        }
    }

    /// A device's path carries nothing for a while, in one direction or both.
    fn black_out(&mut self, device: DeviceId) {
        self.tally.blackouts += 1;
        let dark = match self.rng.u32(0..4) {
            0 => Dark { up: true, down: false },
            1 => Dark { up: false, down: true },
            _ => Dark { up: true, down: true },
        };
        self.network.set_dark(device, dark);
        let most = if self.rng.u32(0..4) == 0 { 45_000 } else { 4_000 };
        let (network, ms) = (self.network.clone(), self.rng.u64(100..most));
        self.background.push(tokio::spawn(async move {
            sleep(Duration::from_millis(ms)).await;
            network.set_dark(device, Dark::default());
        }));
    }

    /// The computer that runs everything sleeps: all clocks have gone on when it wakes.
    async fn suspend(&mut self) {
        self.tally.suspensions += 1;
        advance(Duration::from_millis(self.rng.u64(1_500..40_000))).await;
    }

    /// The server is stopped, and another starts in its place.
    async fn restart(&mut self) {
        self.tally.restarts += 1;
        self.stop().await;
        self.start().await;
    }

    /// The server is gone at once, without a word; another starts in its place.
    async fn crash(&mut self) {
        self.tally.crashes += 1;
        self.network.unplug();
        let unheard = self.serving.take().into_iter();
        self.background.extend(unheard.map(|it| tokio::spawn(it.stop())));
        self.start().await;
    }

    async fn start(&mut self) {
        sleep(Duration::from_millis(self.rng.u64(0..4_000))).await;
        self.serving = Some(Serving::start(&self.network, self.rng.u64(..)));
    }

    /// Stops the server in good order.
    pub async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.stop().await;
        }
    }

    /// What the server holds, and its counters.
    pub fn census(&self) -> &Census {
        &self.serving.as_ref().unwrap().census
    }

    /// The weather turns fine and stays so, and every path carries something.
    pub async fn calm(&mut self) {
        for task in self.background.drain(..) {
            task.await.unwrap();
        }
        for person in &self.people {
            let weather = self.network.weather(person.device);
            self.network.set_weather(person.device, weather.calm());
        }
    }
}
