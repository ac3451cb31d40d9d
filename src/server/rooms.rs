//! The rooms of the server: a name leads to the task that owns the room's world.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::clock::Clock;
use super::gate::lock;
use super::link::{Ending, Link};
use super::mailbox::Mailbox;
use super::room::{Command, Enter, Room};
use crate::proto::wire::{CloseCode, Hello, PeerId, PublicId, Token};
use crate::proto::world::Settings;

/// Most rooms at once. Each costs a task, and whoever leaves one can open another.
const MAX_ROOMS: usize = 10_000;
/// Most commands that wait for a room; whoever sends more waits itself.
const COMMANDS: usize = 1_024;

/// Mints what must not come twice.
#[derive(Debug, Default)]
pub(crate) struct Mint {
    peers: AtomicU32,
}

impl Mint {
    /// A number that no peer had before; `None` once all are used up.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        let next = |last: u32| last.checked_add(1);
        let last = self.peers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        last.ok().map(PeerId)
    }

    /// A public identity.
    pub(crate) fn uuid() -> PublicId {
        PublicId(Uuid::new_v4())
    }

    /// The secret of this peer.
    pub(crate) fn token(peer: PeerId) -> Token {
        // These bytes of a uuid are random to the last bit.
        let [a, b, c, d, e, f, _, _, _, g, h, i, j, k, l, _] = Uuid::new_v4().into_bytes();
        Token::mint(peer, [a, b, c, d, e, f, g, h, i, j, k, l])
    }
}

/// What a peer's link has of its room.
#[derive(Debug)]
pub(crate) struct Entered {
    /// Who the peer is.
    pub(crate) peer: PeerId,
    /// Where its poses go.
    pub(crate) mailbox: Arc<Mailbox>,
    /// Where everything else goes.
    pub(crate) room: mpsc::Sender<Command>,
}

/// What a room's task gives back when it is asked to let somebody in.
pub(crate) type Admission = Result<(PeerId, Arc<Mailbox>), Ending>;

#[derive(Debug, Default)]
struct Directory {
    rooms: HashMap<String, mpsc::Sender<Command>>,
    draining: bool,
}

/// The rooms of the server.
#[derive(Debug)]
pub(crate) struct Rooms {
    settings: Settings,
    clock: Clock,
    mint: Arc<Mint>,
    directory: Mutex<Directory>,
}

impl Rooms {
    /// No rooms yet.
    pub(crate) fn new(settings: Settings, clock: Clock) -> Arc<Self> {
        Arc::new(Self { settings, clock, mint: Arc::default(), directory: Mutex::default() })
    }

    /// Lets a link into the room that its hello names; the room is made if it is not there.
    ///
    /// # Errors
    /// How the link ends if it cannot come in.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        hello: &Hello,
        link: &Link,
    ) -> Result<Entered, Ending> {
        // A room that has just become empty drops what it has not answered; the next try makes
        // a new one. Two rooms of this name never hold people at the same time.
        loop {
            let room = self.room(&hello.room)?;
            let (reply, answer) = oneshot::channel();
            let enter = Enter { hello: hello.clone(), link: link.clone(), reply };
            if room.send(Command::Enter(Box::new(enter))).await.is_err() {
                continue;
            }
            if let Ok(admission) = answer.await {
                let (peer, mailbox) = admission?;
                return Ok(Entered { peer, mailbox, room });
            }
        }
    }

    /// The room of this name, made if it is not there.
    fn room(self: &Arc<Self>, name: &str) -> Result<mpsc::Sender<Command>, Ending> {
        let mut directory = lock(&self.directory);
        if directory.draining {
            return Err(restarting());
        }
        if let Some(room) = directory.rooms.get(name).filter(|room| !room.is_closed()) {
            return Ok(room.clone());
        }
        if directory.rooms.len() >= MAX_ROOMS {
            return Err(Ending::new(CloseCode::Full, "the server has too many rooms"));
        }
        let (commands, inbox) = mpsc::channel(COMMANDS);
        directory.rooms.insert(name.to_owned(), commands.clone());
        let room = Room::new(self.settings, self.clock, Arc::clone(&self.mint), inbox);
        let (rooms, name, own) = (Arc::clone(self), name.to_owned(), commands.downgrade());
        tokio::spawn(async move {
            tracing::info!(room = name, "the room opens");
            room.run().await;
            rooms.forget(&name, &own);
            tracing::info!(room = name, "the room is empty and closes");
        });
        Ok(commands)
    }

    /// Forgets a room that has ended, unless another has taken its name.
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

    /// Ends every link of every room and lets nobody in any more.
    pub(crate) async fn drain(&self) {
        let rooms: Vec<_> = {
            let mut directory = lock(&self.directory);
            directory.draining = true;
            directory.rooms.values().cloned().collect()
        };
        for room in rooms {
            // A room that has just ended has nobody to tell.
            drop(room.send(Command::Drain).await);
        }
    }
}

/// How links end when the server stops.
pub(crate) fn restarting() -> Ending {
    Ending::new(CloseCode::Restarting, "the server is restarting")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_peers_do_not_come_twice() {
        let mint = Mint { peers: AtomicU32::new(u32::MAX - 2) };
        assert_eq!(mint.peer(), Some(PeerId(u32::MAX - 2)));
        assert_eq!(mint.peer(), Some(PeerId(u32::MAX - 1)));
        assert_eq!(mint.peer(), None);
        assert_eq!(mint.peer(), None);
    }

    #[test]
    fn secrets_differ() {
        assert!(Mint::token(PeerId(1)) != Mint::token(PeerId(1)));
        assert_eq!(Mint::token(PeerId(7)).id(), PeerId(7));
        assert!(Mint::uuid() != Mint::uuid());
    }
}
