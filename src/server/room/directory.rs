//! The rooms of the server: maps each name to the task that owns the room's world.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};

use crate::access::Grant;
use crate::events::Events;
use crate::link::Link;
use crate::link::ending::{Ending, restarting};
use crate::lock::lock;
use crate::metrics::{Limit, Part};
use crate::panics::caught;
use crate::room::attendance::Attendance;
use crate::room::command::{Admitted, Command, Enter};
use crate::room::mailbox::Mailbox;
use crate::room::order::{Order, Reply, Unreached};
use crate::room::{Means, Room};
use gpys_proto::kind::Kind;
use gpys_proto::wire::{CloseCode, Hello, PeerId};
use gpys_proto::world::RoomSettings;

/// How often a link tries to enter a room that is just ending. An empty room ends once; one that
/// ends every time fails on this very hello.
const TRIES: usize = 4;
/// Maximum number of commands waiting for a room; further senders wait.
const COMMANDS: usize = 1_024;

/// A peer's link to its room.
#[derive(Debug)]
pub(crate) struct Entered {
    /// The peer's number.
    pub(crate) peer: PeerId,
    /// Takes its poses.
    pub(crate) mailbox: Arc<Mailbox>,
    /// Bits of state in each of them.
    pub(crate) state_bits: u32,
    /// Takes everything else.
    pub(crate) room: mpsc::Sender<Command>,
}

#[derive(Debug, Default)]
struct Directory {
    rooms: HashMap<String, mpsc::Sender<Command>>,
    draining: bool,
}

/// The rooms of the server.
#[derive(Debug)]
pub(crate) struct Rooms {
    settings: RoomSettings,
    /// Maximum number of rooms. Each costs a task, and a peer that leaves one can open another.
    max_rooms: usize,
    /// The kinds of rooms that the operator set.
    kinds: BTreeMap<String, Kind>,
    means: Means,
    directory: Mutex<Directory>,
}

impl Rooms {
    /// No rooms yet.
    pub(crate) fn new(
        settings: RoomSettings,
        max_rooms: u32,
        kinds: BTreeMap<String, Kind>,
        means: Means,
    ) -> Arc<Self> {
        let (max_rooms, directory) = (max_rooms as usize, Mutex::default());
        Arc::new(Self { settings, max_rooms, kinds, means, directory })
    }

    /// Enters the room named in a link's hello, creating it if necessary.
    ///
    /// # Errors
    /// How the link ends if it is refused.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        hello: &Hello,
        grant: Grant,
        link: &Link,
    ) -> Result<Entered, Ending> {
        // A room that has just become empty drops unanswered requests; the next try creates a new
        // one. Two rooms of this name never hold peers at the same time.
        for _ in 0..TRIES {
            let room = self.room(&hello.room)?;
            let (reply, answer) = oneshot::channel();
            let enter =
                Enter { hello: hello.clone(), grant: grant.clone(), link: link.clone(), reply };
            if room.send(Command::Enter(Box::new(enter))).await.is_err() {
                continue;
            }
            if let Ok(admission) = answer.await {
                let Admitted { peer, mailbox, state_bits } = admission?;
                return Ok(Entered { peer, mailbox, state_bits, room });
            }
        }
        Err(Ending::failed())
    }

    /// Asks a room for something, creating it if necessary if it `may_begin`.
    ///
    /// # Errors
    /// If there is no such room.
    pub(crate) async fn ask<T>(
        self: &Arc<Self>,
        name: &str,
        may_begin: bool,
        order: impl Fn(Reply<T>) -> Order,
    ) -> Result<T, Unreached> {
        for _ in 0..TRIES {
            let room = if may_begin {
                self.room(name).map_err(|ending| match ending.limit {
                    Some(Limit::Rooms) => {
                        self.means.metrics.hit(Limit::Rooms);
                        Unreached::Rooms(self.max_rooms)
                    }
                    _ => Unreached::Stopping,
                })?
            } else {
                let room = lock(&self.directory).rooms.get(name).cloned();
                room.filter(|room| !room.is_closed()).ok_or(Unreached::NoRoom)?
            };
            let (reply, answer) = oneshot::channel();
            if room.send(Command::Order(Box::new(order(reply)))).await.is_ok()
                && let Ok(answer) = answer.await
            {
                return Ok(answer);
            }
        }
        Err(Unreached::Failed)
    }

    /// The names of all rooms, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = lock(&self.directory).rooms.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Returns the room of this name, creating it if necessary.
    fn room(self: &Arc<Self>, name: &str) -> Result<mpsc::Sender<Command>, Ending> {
        let mut directory = lock(&self.directory);
        if directory.draining {
            return Err(restarting());
        }
        if let Some(room) = directory.rooms.get(name).filter(|room| !room.is_closed()) {
            return Ok(room.clone());
        }
        if directory.rooms.len() >= self.max_rooms {
            let reason = "the server has too many rooms";
            return Err(Ending::at(Limit::Rooms, CloseCode::Full, reason));
        }
        let (commands, inbox) = mpsc::channel(COMMANDS);
        directory.rooms.insert(name.to_owned(), commands.clone());
        let own = commands.downgrade();
        let kind = self.kinds.get(name).cloned();
        let attendance = Attendance::new(name.to_owned(), Arc::clone(&self.means.journal));
        let means = self.means.clone();
        let room = Room::new(self.settings, kind, means, own.clone(), inbox, attendance);
        let (rooms, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            // Without its name, which may be all that keeps strangers out.
            tracing::info!("opening a room");
            let metrics = &rooms.means.metrics;
            metrics.room_opened();
            let failed = caught(metrics, Part::Room, room.run()).await.is_err();
            metrics.room_closed();
            rooms.forget(&name, &own);
            if failed {
                tracing::error!("a room failed; its peers will reconnect");
            } else {
                tracing::info!("closing an empty room");
            }
        });
        Ok(commands)
    }

    /// Removes a room that has ended, unless another has taken its name.
    fn forget(&self, name: &str, ended: &mpsc::WeakSender<Command>) {
        let mut directory = lock(&self.directory);
        let same = directory
            .rooms
            .get(name)
            .is_some_and(|room| ended.upgrade().is_some_and(|ended| room.same_channel(&ended)));
        if same {
            directory.rooms.remove(name);
        }
    }

    /// What happens in them from now on.
    pub(crate) fn events(&self) -> Events {
        self.means.journal.events()
    }

    /// Number of rooms.
    pub(crate) fn count(&self) -> usize {
        lock(&self.directory).rooms.len()
    }

    /// Number of places kept in them for peers without a link.
    pub(crate) fn places(&self) -> usize {
        self.means.places.count()
    }

    /// Ends every link of every room and admits no more.
    pub(crate) async fn drain(&self) {
        let rooms: Vec<_> = {
            let mut directory = lock(&self.directory);
            directory.draining = true;
            directory.rooms.values().cloned().collect()
        };
        for room in rooms {
            // A room that has just ended has no links left.
            drop(room.send(Command::Drain).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::alarm::Alarms;
    use crate::clock::Clock;
    use crate::limits::gate::{Bounds, Gate, Network};
    use crate::link::{LinkEnd, ended};
    use crate::metrics::Metrics;
    use crate::room::identity::{Mint, Secret};
    use crate::room::places::Places;
    use gpys_proto::wire::Presence;
    use gpys_proto::wire::{ServerMessage, Welcome};

    /// Maximum number of places per network.
    const SHARE: u32 = 3;

    fn hello(room: &str) -> Hello {
        Hello { presence: Presence::Watching, ..Hello::new(room) }
    }

    fn rooms(max_rooms: u32) -> Arc<Rooms> {
        let bounds = Bounds {
            connections: u32::MAX,
            per_network: SHARE,
            handshakes: u32::MAX,
            half_open: u32::MAX,
            local: true,
        };
        let means = Means {
            clock: Clock::start(),
            mint: Arc::new(Mint::new(Secret::random(), 0)),
            places: Places::new(Gate::new(bounds)),
            metrics: Metrics::new(),
            load: Arc::default(),
            journal: Arc::default(),
            alarms: Alarms::coarse(),
        };
        let settings = RoomSettings { max_people: 6, ..RoomSettings::default() };
        Rooms::new(settings, max_rooms, BTreeMap::new(), means)
    }

    async fn enter(rooms: &Arc<Rooms>, room: &str) -> Result<(Link, LinkEnd, Entered), Ending> {
        enter_from(rooms, None, &hello(room)).await
    }

    async fn enter_from(
        rooms: &Arc<Rooms>,
        network: Option<Network>,
        hello: &Hello,
    ) -> Result<(Link, LinkEnd, Entered), Ending> {
        let (link, end, _path) = Link::web_socket(rooms.means.clock);
        link.count_for(network);
        let entered = rooms.enter(hello, Grant::OPEN, &link).await?;
        Ok((link, end, entered))
    }

    /// The next welcome on a link's lane.
    async fn welcome(end: &mut LinkEnd) -> Welcome {
        loop {
            let framed = end.reliable.recv().await.unwrap();
            if let Ok(ServerMessage::Welcome(welcome)) = ServerMessage::decode(&framed[2..]) {
                return welcome;
            }
        }
    }

    #[tokio::test]
    async fn a_network_never_has_more_places_than_its_share() {
        let rooms = rooms(2);
        let [crowd, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| Network::of(ip.parse().unwrap()));
        let vanish = async |room: &str| {
            let (link, mut end, entered) =
                enter_from(&rooms, Some(crowd), &hello(room)).await.unwrap();
            let detach = Command::Detach(entered.peer, link.id());
            entered.room.send(detach).await.unwrap();
            welcome(&mut end).await
        };
        let (_host, _end, _entered) = enter(&rooms, "room").await.unwrap();
        let mut tokens = Vec::new();
        for round in 0..20 {
            tokens.push(vanish(["room", "elsewhere"][round % 2]).await.token);
        }
        // The room never filled up, so others are admitted.
        for _ in 0..2 {
            let theirs = enter_from(&rooms, Some(other), &hello("room")).await;
            assert!(theirs.is_ok(), "the room is full of vanished peers");
        }
        let evicted = rooms.means.metrics.hits(Limit::Places);
        assert!(evicted >= 20 - u64::from(SHARE) - 1, "{evicted}");
        // The last to vanish resumes; the oldest place is gone.
        for (token, room, resumed) in [(tokens[18], "room", true), (tokens[0], "room", false)] {
            let back = Hello { resume: Some(token), ..hello(room) };
            let (_link, mut end, _entered) = enter_from(&rooms, Some(crowd), &back).await.unwrap();
            assert_eq!(welcome(&mut end).await.resumed, resumed);
        }
    }

    #[tokio::test]
    async fn in_a_full_room_a_newcomer_takes_its_network_s_oldest_place() {
        let rooms = rooms(1);
        let [few, other] = ["192.0.2.1", "192.0.2.2"].map(|ip| Network::of(ip.parse().unwrap()));
        let mut inside = Vec::new();
        for _ in 0..5 {
            inside.push(enter(&rooms, "room").await.unwrap());
        }
        let (link, _end, entered) = enter_from(&rooms, Some(few), &hello("room")).await.unwrap();
        let detach = Command::Detach(entered.peer, link.id());
        entered.room.send(detach).await.unwrap();
        let refused = enter_from(&rooms, Some(other), &hello("room")).await.unwrap_err();
        assert_eq!(refused.limit, Some(Limit::People));
        assert!(enter_from(&rooms, Some(few), &hello("room")).await.is_ok());
        let refused = enter_from(&rooms, Some(few), &hello("room")).await.unwrap_err();
        assert_eq!(refused.limit, Some(Limit::People), "its network has no other place to give up");
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_own_room() {
        let rooms = rooms(10);
        let (_link, mut end, failing) = enter(&rooms, "failing").await.unwrap();
        let (bystander, mut bystander_end, healthy) = enter(&rooms, "healthy").await.unwrap();
        failing.room.send(Command::Panic).await.unwrap();
        let ending = ended(&mut end.ending).await.unwrap();
        assert_eq!(ending.code, CloseCode::Restarting, "its peers reconnect on their own");

        assert_eq!(bystander.why(), None);
        let leave = Command::Leave(healthy.peer, bystander.id());
        healthy.room.send(leave).await.unwrap();
        assert_eq!(ended(&mut bystander_end.ending).await.unwrap().code, CloseCode::Bye);
        let (back, _end, again) = enter(&rooms, "failing").await.unwrap();
        assert_eq!(back.why(), None);
        assert_ne!(again.peer, failing.peer);

        let text = rooms.means.metrics.text().unwrap();
        for line in [
            "gpys_panics_total{part=\"room\"} 1",
            "gpys_panics_total{part=\"session\"} 0",
            "gpys_peers{transport=\"websocket\"} 1",
            "gpys_leaves_total{reason=\"restarting\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[tokio::test]
    async fn rooms_are_limited() {
        let rooms = rooms(1);
        let _first = enter(&rooms, "first").await.unwrap();
        let refused = enter(&rooms, "second").await.unwrap_err();
        assert_eq!((refused.code, refused.limit), (CloseCode::Full, Some(Limit::Rooms)));
        assert!(enter(&rooms, "first").await.is_ok());
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_disconnected() {
        let rooms = rooms(1);
        // Nothing is taken from this link's lane.
        let (deaf, mut end, _entered) = enter(&rooms, "room").await.unwrap();
        let mut others = 0;
        while deaf.why().is_none() {
            let (other, other_end, entered) = enter(&rooms, "room").await.unwrap();
            drop(entered.room.send(Command::Leave(entered.peer, other.id())).await);
            drop(other_end);
            others += 1;
            assert!(others < 100_000, "the lane is unbounded");
            tokio::task::yield_now().await;
        }
        assert_eq!(ended(&mut end.ending).await.unwrap().code, CloseCode::TooSlow);
        assert_eq!(rooms.means.metrics.hits(Limit::Unread), 1);
    }

    #[tokio::test]
    async fn clients_are_not_silent_while_the_server_is_suspended() {
        let rooms = rooms(1);
        let (link, _end, _entered) = enter(&rooms, "room").await.unwrap();
        let writer = link.clone();
        let writing =
            tokio::spawn(async move { writer.writing(std::future::pending::<()>()).await });
        tokio::task::yield_now().await;
        // The server has only this thread.
        std::thread::sleep(Duration::from_secs(16));
        sleep(Duration::from_secs(2)).await;
        assert_eq!(link.why(), None, "16 s in which no client could be heard");
        writing.abort();
    }

    /// Enters a room, writes what the transport never takes, and waits for the link to end.
    async fn stall(rooms: &Arc<Rooms>, talks: bool) -> (CloseCode, u64) {
        let (link, mut end, _entered) = enter(rooms, "room").await.unwrap();
        let (since, writer) = (Instant::now(), link.clone());
        let writing =
            tokio::spawn(async move { writer.writing(std::future::pending::<()>()).await });
        let ending = loop {
            if talks {
                link.touch();
            }
            tokio::select! {
                ending = ended(&mut end.ending) => break ending.unwrap(),
                () = sleep(Duration::from_secs(1)) => {}
            }
        };
        writing.abort();
        (ending.code, since.elapsed().as_secs())
    }

    #[tokio::test]
    async fn a_stalled_client_is_disconnected_before_a_silent_one() {
        let rooms = rooms(1);
        let (talks, is_silent) = tokio::join!(stall(&rooms, true), stall(&rooms, false));
        assert_eq!(talks.0, CloseCode::TooSlow);
        assert_eq!(is_silent.0, CloseCode::Timeout);
        assert!((10..13).contains(&talks.1) && (15..18).contains(&is_silent.1));
        assert_eq!(rooms.means.metrics.hits(Limit::Stalled), 1);
    }
}
