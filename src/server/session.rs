//! What both transports do with what a client sends: decode, limit, hand on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::Shared;
use super::link::{Ending, Link, ended};
use super::rate::Bucket;
use super::room::Command;
use super::rooms::Entered;
use crate::proto::wire::{ClientDatagram, ClientMessage, CloseCode, Hello, encode_pong};

/// How long a client has for each step until it has said hello.
pub(crate) const STEP_DEADLINE: Duration = Duration::from_secs(5);
/// How long a link that ends has to tell its client.
pub(crate) const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// Datagrams a second above which a client is cut off, and how many may come at once.
const DATAGRAMS: (u64, u64) = (300, 900);
/// The same for messages of the reliable lane.
const MESSAGES: (u64, u64) = (20, 60);
/// The same for pings; more go unanswered.
const PINGS: (u64, u64) = (10, 10);

/// What arrives over a link.
#[derive(Debug)]
pub(crate) enum Input {
    /// A message of the reliable lane.
    Reliable(Bytes),
    /// A message of the datagram lane.
    Datagram(Bytes),
}

/// Why a session is over.
#[derive(Debug)]
pub(crate) enum Over {
    /// The client is told this.
    Tell(Ending),
    /// Nobody is there any more.
    Gone,
}

impl From<Ending> for Over {
    fn from(ending: Ending) -> Self {
        Self::Tell(ending)
    }
}

/// The receiving half of a transport.
pub(crate) trait Source {
    /// Waits for the next input. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why there is none.
    fn next(&mut self) -> impl Future<Output = Result<Input, Over>> + Send;
}

/// Runs a link's receiving half until the link ends; the link knows why when this returns.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    link: &Link,
    mut ending: watch::Receiver<Option<Ending>>,
    source: &mut impl Source,
) {
    let over = match hello(source).await {
        Ok(hello) => match Session::enter(Arc::clone(shared), link.clone(), &hello).await {
            Ok(mut session) => {
                let over = tokio::select! {
                    _ = ended(&mut ending) => Over::Gone,
                    over = session.converse(source) => over,
                };
                link.close(over.ending());
                return session.detach().await;
            }
            Err(ending) => ending.into(),
        },
        Err(over) => over,
    };
    link.close(over.ending());
}

/// Waits for the client's hello. Datagrams that overtake it are lost, as datagrams may be.
async fn hello(source: &mut impl Source) -> Result<Hello, Over> {
    let hello = async {
        loop {
            if let Input::Reliable(bytes) = source.next().await? {
                return Ok(decode_hello(&bytes)?);
            }
        }
    };
    let in_time = tokio::time::timeout(STEP_DEADLINE, hello).await;
    in_time.unwrap_or_else(|_| Err(Ending::new(CloseCode::Timeout, "no hello within 5 s").into()))
}

fn decode_hello(bytes: &[u8]) -> Result<Hello, Ending> {
    match ClientMessage::decode(bytes)? {
        ClientMessage::Hello(hello) => Ok(hello),
        _ => Err(Ending::new(CloseCode::BadMessage, "the first message is not a hello")),
    }
}

impl Over {
    /// How the link ends.
    fn ending(self) -> Ending {
        match self {
            Self::Tell(ending) => ending,
            Self::Gone => Ending::new(CloseCode::Timeout, "the link is gone"),
        }
    }
}

/// A peer that is in a room, seen from its link's task.
#[derive(Debug)]
struct Session {
    shared: Arc<Shared>,
    link: Link,
    entered: Entered,
    poses: Bucket,
    pings: Bucket,
    datagrams: Bucket,
    messages: Bucket,
}

impl Session {
    /// Lets a link into the room that its hello names.
    async fn enter(shared: Arc<Shared>, link: Link, hello: &Hello) -> Result<Self, Ending> {
        let entered = shared.rooms.enter(hello, &link).await?;
        let now = shared.clock.now();
        let pose_hz = u64::from(shared.limits.pose_hz);
        let bucket = |(per_second, burst)| Bucket::new(per_second, burst, now);
        Ok(Self {
            poses: bucket((pose_hz, pose_hz)),
            pings: bucket(PINGS),
            datagrams: bucket(DATAGRAMS),
            messages: bucket(MESSAGES),
            shared,
            link,
            entered,
        })
    }

    /// Takes what arrives until the session is over.
    async fn converse(&mut self, source: &mut impl Source) -> Over {
        loop {
            let taken = match source.next().await {
                Ok(Input::Reliable(bytes)) => self.reliable(&bytes).await,
                Ok(Input::Datagram(bytes)) => self.datagram(&bytes).map_err(Over::Tell),
                Err(over) => Err(over),
            };
            if let Err(over) = taken {
                return over;
            }
        }
    }

    async fn reliable(&mut self, bytes: &[u8]) -> Result<(), Over> {
        if !self.messages.take(self.shared.clock.now()) {
            return Err(Ending::new(CloseCode::TooFast, "more than 20 messages a second").into());
        }
        let message = ClientMessage::decode(bytes).map_err(Ending::from)?;
        let (peer, link) = (self.entered.peer, self.link.id());
        let command = match message {
            ClientMessage::Leave => Command::Leave(peer, link),
            message => Command::Message(peer, link, message),
        };
        self.entered.room.send(command).await.map_err(|_| Over::Gone)
    }

    fn datagram(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        let now = self.shared.clock.now();
        if !self.datagrams.take(now) {
            return Err(Ending::new(CloseCode::TooFast, "more than 300 datagrams a second"));
        }
        match ClientDatagram::decode(bytes, now)? {
            ClientDatagram::Pose(sample) if self.poses.take(now) => {
                self.entered.mailbox.put(sample);
            }
            ClientDatagram::Ping(echo) if self.pings.take(now) => {
                self.link.send_pong(encode_pong(echo, now));
            }
            ClientDatagram::Pose(_) | ClientDatagram::Ping(_) | ClientDatagram::Unknown => {}
        }
        Ok(())
    }

    /// Tells the room that the link is gone.
    async fn detach(self) {
        let command = Command::Detach(self.entered.peer, self.link.id());
        // A room that is gone needs not be told.
        drop(self.entered.room.send(command).await);
    }
}
