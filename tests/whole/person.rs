//! A person with a device: a real client that comes back whenever its link ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gpys::client::{Client, Connector, Event, Events, Options, Reading, Trust, Udp};
use gpys::proto::geo::{Position, Viewport};
use gpys::proto::pose::{Accuracy, Orientation};
use gpys::proto::wire::{Presence, PublicId, ResumeToken, ServerMessage, Welcome};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::network::{DeviceId, Network, SERVER};
use crate::serving::{client_config, seed_bytes};

/// Time before the first try to come back; it doubles with every failure.
const RETRY: Duration = Duration::from_millis(300);
/// The longest time between two tries.
const RETRY_MOST: Duration = Duration::from_secs(8);
/// Numbers of readings are told apart by person: an orientation is `number * MOST + person`.
pub const MOST: u32 = 64;

/// What everybody looks at.
pub const VIEWPORT: Viewport = Viewport {
    south: 457_600_000,
    west: 143_500_000,
    north: 457_800_000,
    east: 143_700_000,
    zoom: 160,
};

/// What a person wants, and what its device has.
#[derive(Default)]
pub struct State {
    /// The room to be in, if any.
    pub room: Option<String>,
    pub presence: Option<Presence>,
    /// The link, once there is one.
    pub client: Option<Arc<Client>>,
    token: Option<ResumeToken>,
    pub reading: Option<Reading>,
    /// When each reading was taken.
    pub taken: Vec<Instant>,
    /// The identity in the room, and whether it changed while the person stayed.
    pub uuid: Option<PublicId>,
    pub identities: u32,
    pub links: u32,
    pub resumed: u32,
    /// Links that a client opened by itself.
    pub redials: u32,
}

impl State {
    fn greeted(&mut self, welcome: &Welcome) {
        self.links += 1;
        self.resumed += u32::from(welcome.resumed);
        if self.uuid.replace(welcome.uuid) != Some(welcome.uuid) {
            self.identities += 1;
        }
        self.token = Some(welcome.token);
    }
}

/// A person.
pub struct Person {
    pub number: u32,
    pub device: DeviceId,
    pub state: Arc<Mutex<State>>,
    wake: Arc<Notify>,
    life: JoinHandle<()>,
}

impl Person {
    pub fn new(network: &Network, device: DeviceId, number: u32, seed: u64) -> Self {
        let (state, wake) = (Arc::new(Mutex::new(State::default())), Arc::new(Notify::new()));
        let (sockets, sockets_seed) = (network.clone(), Mutex::new(fastrand::Rng::with_seed(seed)));
        let open = move || {
            let seed = seed_bytes(sockets_seed.lock().unwrap().u64(..));
            Ok(Udp { socket: sockets.socket(device), seed })
        };
        let connector = Connector::over(client_config(), Trust::Public, SERVER, Box::new(open));
        // Every other client redials by itself; the others leave that to their program.
        let redials = number % 2 == 1;
        let life = live(connector, redials, Arc::clone(&state), Arc::clone(&wake));
        Self { number, device, state, wake, life: tokio::spawn(life) }
    }

    /// Changes what the person wants.
    pub fn want(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.wake.notify_one();
    }

    /// The live link, if there is one.
    pub fn client(&self) -> Option<Arc<Client>> {
        self.state.lock().unwrap().client.clone()
    }

    /// Takes a reading here, and sends it.
    pub fn walk(&self, position: Position) {
        let mut state = self.state.lock().unwrap();
        let number = u32::try_from(state.taken.len()).unwrap();
        let orientation = Some(Orientation::from_code(number * MOST + self.number).unwrap());
        let reading = Reading { position, orientation, accuracy: Accuracy::from_metres(5.0) };
        state.taken.push(Instant::now());
        state.reading = Some(reading);
        if let Some(client) = &state.client {
            client.send(reading);
        }
    }

    pub fn set_presence(&self, presence: Presence) {
        let mut state = self.state.lock().unwrap();
        state.presence = Some(presence);
        if let Some(client) = &state.client {
            client.set_presence(presence);
        }
    }

    /// Breaks the link without a farewell, as a page that is killed.
    pub fn drop_link(&self) {
        self.state.lock().unwrap().client = None;
        self.wake.notify_one();
    }

    /// Ends the task; the link must be gone already.
    pub async fn end(self) {
        self.life.abort();
        drop(self.life.await);
    }
}

/// Comes back whenever the link ends, for as long as the person wants to be in a room.
async fn live(connector: Connector, redials: bool, state: Arc<Mutex<State>>, wake: Arc<Notify>) {
    let mut pause = RETRY;
    loop {
        let Some(options) = options(&state, redials) else {
            wake.notified().await;
            continue;
        };
        let room = options.room.clone();
        let Ok(client) = connector.connect(options).await else {
            drop(timeout(pause, wake.notified()).await);
            pause = (pause * 2).min(RETRY_MOST);
            continue;
        };
        pause = RETRY;
        let client = Arc::new(client);
        entered(&mut state.lock().unwrap(), &client);
        stay(&client, &room, &state, &wake).await;
    }
}

fn options(shared: &Arc<Mutex<State>>, redials: bool) -> Option<Options> {
    let state = shared.lock().unwrap();
    let greeted = Arc::clone(shared);
    let events: Events = Box::new(move |event| {
        if let Event::Message(ServerMessage::Welcome(welcome)) = event {
            let mut state = greeted.lock().unwrap();
            state.redials += 1;
            state.greeted(welcome);
        }
    });
    Some(Options {
        room: state.room.clone()?,
        presence: state.presence.unwrap_or(Presence::Sharing),
        resume: state.token,
        viewport: Some(VIEWPORT),
        redials,
        events: Some(events),
        ..Options::default()
    })
}

fn entered(state: &mut State, client: &Arc<Client>) {
    state.greeted(&client.welcome());
    state.client = Some(Arc::clone(client));
    // What changed while the link was being opened.
    if let Some(presence) = state.presence {
        client.set_presence(presence);
    }
    if let Some(reading) = state.reading {
        client.send(reading);
    }
}

/// Stays in the room until the link ends, or until the person wants to be elsewhere.
async fn stay(client: &Arc<Client>, room: &str, state: &Mutex<State>, wake: &Notify) {
    loop {
        let (wants, is_dropped) = {
            let state = state.lock().unwrap();
            (state.room.as_deref() == Some(room), state.client.is_none())
        };
        if is_dropped {
            return;
        }
        if !wants {
            client.leave().await;
            let mut state = state.lock().unwrap();
            (state.client, state.token, state.uuid) = (None, None, None);
            return;
        }
        tokio::select! {
            biased;
            _ = client.closed() => state.lock().unwrap().client = None,
            () = wake.notified() => {}
        }
    }
}
