//! How both transports treat what a client sends: decode it, limit it, pass it on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::IgnoredAny;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::access::{Grant, Refusal};
use crate::clock;
use crate::context::ServerContext;
use crate::limits::allowance::{Allowance, Excess};
use crate::link::ending::{Ending, frame_reliable};
use crate::link::{Link, ended};
use crate::metrics::{Failure, Limit, Part, Transport};
use crate::panics::{Panicked, caught};
use crate::room::command::Command;
use crate::room::directory::Entered;
use gpys_proto::bucket::Bucket;
use gpys_proto::time::Time;
use gpys_proto::uplink::{Arrival, Uplink};
use gpys_proto::wire::{
    ClientDatagram, ClientMessage, CloseCode, Copies, DecodeError, Hello, Refused, ServerMessage,
    encode_pong,
};

/// How long an ending link may take to send its close message.
pub(crate) const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// Datagrams per second above which a client is disconnected, and the burst allowed.
const DATAGRAMS: (u64, u64) = (300, 900);
/// The same for messages of the reliable lane and for anything else that the transport carries.
const MESSAGES: (u64, u64) = (20, 60);
/// The same for pings; those above the rate go unanswered.
const PINGS: (u64, u64) = (10, 10);
/// Refusals reported to a client per second, and the burst allowed. A client whose sensor sends
/// nonsense at its full rate learns of it quickly and keeps learning of it, while its lane stays
/// free.
const REFUSALS: (u64, u64) = (1, 5);

/// Input from a link.
#[derive(Debug)]
pub(crate) enum Input {
    /// A message of the reliable lane.
    Reliable(Bytes),
    /// A message of the datagram lane.
    Datagram(Bytes),
    /// Anything else that counts as a datagram: one for no session here, or a pong.
    Stray,
    /// A number of things that count as messages: pings, or HTTP/3 frames outside the session.
    Other(u32),
}

/// Counts all input of a link from its start.
#[derive(Debug)]
struct Meter {
    datagrams: Bucket,
    messages: Bucket,
}

impl Meter {
    fn new(now: Time) -> Self {
        let bucket = |(per_second, burst)| Bucket::new(per_second, burst, now);
        Self { datagrams: bucket(DATAGRAMS), messages: bucket(MESSAGES) }
    }

    /// Counts one input.
    ///
    /// # Errors
    /// If the client exceeds a limit.
    fn take(&mut self, input: &Input, now: Time) -> Result<(), Ending> {
        let count = if let &Input::Other(count) = input { count } else { 1 };
        let (bucket, limit, reason) = match input {
            Input::Reliable(_) | Input::Other(_) => {
                (&mut self.messages, Limit::Messages, "more than 20 messages a second")
            }
            Input::Datagram(_) | Input::Stray => {
                (&mut self.datagrams, Limit::Datagrams, "more than 300 datagrams a second")
            }
        };
        let too_fast = || Ending::at(limit, CloseCode::TooFast, reason);
        (0..count).all(|_| bucket.take(now)).then_some(()).ok_or_else(too_fast)
    }
}

/// Why a session is over.
#[derive(Debug)]
pub(crate) enum Over {
    /// The server ends it, and sends the client this.
    Tell(Ending),
    /// The client closed the link cleanly.
    Closed,
    /// The connection is lost.
    Gone,
}

impl From<Ending> for Over {
    fn from(ending: Ending) -> Self {
        Self::Tell(ending)
    }
}

/// The receiving half of a transport.
pub(crate) trait Source {
    /// Waits for the next input. Cancel-safe.
    ///
    /// # Errors
    /// If the session is over, and why.
    fn next(&mut self) -> impl Future<Output = Result<Input, Over>> + Send;
}

/// Runs a link's receiving half until the link ends; by then the link knows why.
pub(crate) async fn run(
    context: &Arc<ServerContext>,
    link: &Link,
    mut ending: watch::Receiver<Option<Ending>>,
    source: &mut impl Source,
) {
    let mut entered = None;
    let talk = async {
        let mut meter = Meter::new(context.clock.now());
        // Boxed, to free what only the handshake needs.
        let session = match Box::pin(enter(context, link, source, &mut meter)).await {
            Ok(session) => entered.insert(session),
            Err(over) => return over,
        };
        let expiry = session.expiry;
        tokio::select! {
            // What a client sends no longer counts once its link has ended.
            biased;
            _ = ended(&mut ending) => Over::Gone,
            () = expired(expiry) => Over::Tell(Refusal::Expired.into()),
            over = session.converse(source, &mut meter) => over,
        }
    };
    let over = caught(&context.metrics, Part::Session, talk).await;
    let ending = over.unwrap_or_else(|Panicked| Ending::failed().into()).ending();
    if let Some(limit) = ending.limit {
        context.metrics.hit(limit);
    }
    link.close(ending);
    if let Some(session) = entered {
        session.detach().await;
    }
}

/// Waits for the client's hello, and enters the room named in it.
async fn enter(
    context: &Arc<ServerContext>,
    link: &Link,
    source: &mut impl Source,
    meter: &mut Meter,
) -> Result<Session, Over> {
    let refused = |failure| {
        move |over| {
            context.metrics.failed(failure);
            over
        }
    };
    let hello = hello(context, source, meter);
    let hello = match tokio::time::timeout(context.deadline, hello).await {
        Ok(hello) => hello.map_err(|over| {
            let gone = matches!(over, Over::Closed | Over::Gone);
            refused(if gone { Failure::Gone } else { Failure::Hello })(over)
        })?,
        Err(_) => {
            let ending = Ending::new(CloseCode::Timeout, "no hello in time");
            return Err(refused(Failure::HelloTimeout)(ending.into()));
        }
    };
    let grant = context.access.admit(&hello, clock::since_1970(), context.deadline);
    let grant = grant.await.map_err(|refusal| {
        tracing::debug!(?refusal, link = ?link.id(), "refused to admit a client");
        refused(refusal.failure())(Ending::from(refusal).into())
    })?;
    let (mut hello, mut errors) = hello.settle();
    if !is_profile(&hello.profile) {
        hello.profile.clear();
        errors.push(DecodeError::Profile);
    }
    let session = Session::enter(Arc::clone(context), link.clone(), &hello, grant).await;
    let mut session = session.map_err(|ending| refused(Failure::Hello)(ending.into()))?;
    for error in errors {
        session.refuse(error, context.clock.now()).await?;
    }
    Ok(session)
}

/// Whether a text can be a profile: JSON, or nothing.
fn is_profile(text: &str) -> bool {
    text.is_empty() || serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Waits until `expiry`, or forever without one.
async fn expired(expiry: Option<Instant>) {
    match expiry {
        Some(expiry) => sleep_until(expiry).await,
        None => std::future::pending().await,
    }
}

/// Waits for the client's hello. Datagrams that overtake it are dropped.
async fn hello(
    context: &ServerContext,
    source: &mut impl Source,
    meter: &mut Meter,
) -> Result<Hello, Over> {
    loop {
        let input = source.next().await?;
        meter.take(&input, context.clock.now())?;
        if let Input::Reliable(bytes) = input {
            return Ok(decode_hello(&bytes)?);
        }
    }
}

fn decode_hello(bytes: &[u8]) -> Result<Hello, Ending> {
    match ClientMessage::decode(bytes) {
        Ok(ClientMessage::Hello(hello)) => Ok(hello),
        Err(error) if error.outcome().is_err() => Err(error.into()),
        _ => Err(Ending::new(CloseCode::BadMessage, "the first message is not a hello")),
    }
}

impl Over {
    /// How the link ends.
    fn ending(self) -> Ending {
        match self {
            Self::Tell(ending) => ending,
            Self::Closed => Ending::closed(),
            Self::Gone => Ending::gone("the link is gone"),
        }
    }
}

/// A peer in a room, as its link's task sees it.
#[derive(Debug)]
struct Session {
    context: Arc<ServerContext>,
    link: Link,
    entered: Entered,
    /// When the access token expires.
    expiry: Option<Instant>,
    poses: Allowance,
    pings: Bucket,
    refusals: Bucket,
    uplink: Uplink,
}

impl Session {
    /// Enters the room named in the link's hello.
    async fn enter(
        context: Arc<ServerContext>,
        link: Link,
        hello: &Hello,
        grant: Grant,
    ) -> Result<Self, Ending> {
        // A time too far away to represent never comes.
        let expiry = grant.left.and_then(|left| Instant::now().checked_add(left));
        let entered = context.rooms.enter(hello, grant, &link).await?;
        let now = context.clock.now();
        let bucket = |(per_second, burst)| Bucket::new(per_second, burst, now);
        Ok(Self {
            poses: Allowance::new(context.limits.pose_hz.into(), now),
            pings: bucket(PINGS),
            refusals: bucket(REFUSALS),
            uplink: Uplink::default(),
            context,
            link,
            entered,
            expiry,
        })
    }

    /// Handles input until the session is over.
    async fn converse(&mut self, source: &mut impl Source, meter: &mut Meter) -> Over {
        loop {
            let Err(over) = self.take(source, meter).await else { continue };
            return over;
        }
    }

    async fn take(&mut self, source: &mut impl Source, meter: &mut Meter) -> Result<(), Over> {
        let input = source.next().await?;
        let now = self.context.clock.now();
        meter.take(&input, now)?;
        if matches!(input, Input::Reliable(_) | Input::Datagram(_)) {
            self.link.note_spoken(now);
        }
        match input {
            // Boxed, as these are rare and large.
            Input::Reliable(bytes) => match ClientMessage::decode(&bytes) {
                Ok(ClientMessage::Profile(profile)) if !is_profile(&profile) => {
                    Box::pin(self.refuse(DecodeError::Profile, now)).await
                }
                Ok(message) => Box::pin(self.reliable(message)).await,
                Err(error) => Box::pin(self.refuse(error, now)).await,
            },
            Input::Datagram(bytes) => {
                match ClientDatagram::decode(&bytes, now, self.entered.state_bits) {
                    Ok(datagram) => Ok(self.datagram(datagram, now)?),
                    // A refused pose counts like an accepted one.
                    Err(error) if error.outcome().is_ok() && !self.may_pose(now)? => Ok(()),
                    Err(error) => Box::pin(self.refuse(error, now)).await,
                }
            }
            Input::Stray | Input::Other(_) => Ok(()),
        }
    }

    /// Reports a refused value to the client, or ends the link if the error is fatal.
    async fn refuse(&mut self, error: DecodeError, now: Time) -> Result<(), Over> {
        let field = error.outcome().map_err(|_| Ending::from(error))?;
        self.context.metrics.refused(field);
        if !self.refusals.take(now) {
            self.context.metrics.hit(Limit::Refusals);
            return Ok(());
        }
        let refused = Refused { field: field as u8, reason: error.to_string() };
        let command = Command::Refuse(self.entered.peer, self.link.id(), refused);
        self.entered.room.send(command).await.map_err(|_| Over::Gone)
    }

    async fn reliable(&self, message: ClientMessage) -> Result<(), Over> {
        let (peer, link) = (self.entered.peer, self.link.id());
        let command = match message {
            ClientMessage::Leave => Command::Leave(peer, link),
            message => Command::Message(peer, link, message),
        };
        self.entered.room.send(command).await.map_err(|_| Over::Gone)
    }

    /// Whether the rate limit admits another pose.
    fn may_pose(&mut self, now: Time) -> Result<bool, Ending> {
        match self.poses.take(now) {
            Ok(()) => Ok(true),
            Err(Excess::Surplus) => {
                self.context.metrics.hit(Limit::Poses);
                Ok(false)
            }
            Err(Excess::Abuse) => {
                let reason = "sent far too many poses for too long";
                Err(Ending::at(Limit::PoseAbuse, CloseCode::TooFast, reason))
            }
        }
    }

    fn datagram(&mut self, datagram: ClientDatagram, now: Time) -> Result<(), Ending> {
        match datagram {
            ClientDatagram::Pose(sample) => {
                // A copy that was asked for is known, and does not count.
                if !self.is_copy(sample.seq) && self.may_pose(now)? {
                    self.entered.mailbox.put(sample);
                }
            }
            ClientDatagram::Ping(echo) if self.pings.take(now) => {
                self.link.send_pong(encode_pong(echo, now));
            }
            ClientDatagram::Say(seq, say) => {
                let command = Command::Say(self.entered.peer, self.link.id(), seq, say);
                // Where the room is this far behind, a newer one will do.
                drop(self.entered.room.try_send(command));
            }
            ClientDatagram::Ping(_) => self.context.metrics.hit(Limit::Pings),
            ClientDatagram::Unknown => {}
        }
        Ok(())
    }

    /// Notes that a pose with this number has arrived, and returns whether it is only the copy of
    /// one. Tells the client when copies begin or cease to pay. TCP loses nothing for good.
    fn is_copy(&mut self, seq: u32) -> bool {
        if self.link.transport() == Transport::WebSocket {
            return false;
        }
        let Arrival { is_copy, wanted } = self.uplink.take(seq);
        if let Some(wanted) = wanted {
            let message = ServerMessage::Copies(Copies { wanted }).encode();
            // Where the lane is full, the room ends the link.
            let _ = self.link.send_reliable(Arc::new(frame_reliable(&message)));
        }
        is_copy
    }

    /// Tells the room that the link is gone.
    async fn detach(self) {
        let command = Command::Detach(self.entered.peer, self.link.id());
        // The room may already be gone, too.
        drop(self.entered.room.send(command).await);
    }
}

#[cfg(test)]
mod tests;
