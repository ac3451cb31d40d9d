//! A room that one joins and stays in.

mod ages;
mod event;
mod feed;
mod options;
mod person;
mod place;
mod state;

pub use self::event::{Closed, Phase, RoomEvent, Said, Status};
pub use self::options::RoomOptions;
pub use self::person::Person;
pub use self::place::{Bounds, Move};
pub use self::state::{Field, State, range};

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use futures_util::task::AtomicWaker;
use serde::Serialize;
use tokio::sync::Notify;

use gpys_proto::kind::Layout;
use gpys_proto::place::PlaceError;
use gpys_proto::time::Stamp;
use gpys_proto::view::View;
use gpys_proto::wire::{
    self, HostAction, PeerId, Presence, Removal, ServerMessage, Sharing, To, Welcome, is_room_name,
};

use crate::client::Client;
use crate::connector::Connector;
use crate::error::{ConnectError, Ended, SayError};
use crate::options::Event;
use crate::room::feed::{Feed, News};
use crate::server_info::Target;
use crate::session::state::lock;

/// The room at a server's root.
const LOBBY: &str = "lobby";

/// A room that this program is in.
///
/// It holds a link to the server, over WebTransport where the network lets that through and else
/// over WebSocket, and opens another when the link is silent or over, as the same peer: others see
/// neither a leave nor a join. It ends when the program leaves, or the server says that it must not
/// come back.
///
/// It is a [`Stream`] of [`RoomEvent`]s. [`Room::join`] returns once the list of who is here is
/// complete; those are in [`Room::people`], and events tell what changes from there, including who
/// came in the moment before (the server tells of joins every 0.1 to 2 s). Dropping a room
/// breaks the link without a farewell: others see this client fade. [`Room::leave`] leaves for good.
pub struct Room {
    client: Client,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// What a room and the callback of its client share. The callback may run while the view is locked,
/// so whoever locks the feed locks nothing else meanwhile.
#[derive(Default)]
struct Shared {
    feed: Mutex<Feed>,
    waker: AtomicWaker,
    /// The first list is complete.
    ready: Notify,
}

/// Feeds the room from its client's events, and notices when no more can come.
struct Ears(Arc<Shared>);

impl Ears {
    fn hear(&self, event: &Event<'_>) {
        let (is_news, is_ready) = {
            let mut feed = lock(&self.0.feed);
            let was_ready = feed.is_ready();
            (feed.handle(event), feed.is_ready() && !was_ready)
        };
        if is_ready {
            self.0.ready.notify_one();
        }
        if let Event::Message(ServerMessage::Welcome(welcome)) = event
            && !welcome.resumed
        {
            self.wait(Duration::from_millis(welcome.limits.resume_ms.into()));
        }
        if is_news {
            self.0.waker.wake();
        }
    }

    /// Gives those who were here before the server restarted this long to come back.
    fn wait(&self, grace: Duration) {
        let shared = Arc::downgrade(&self.0);
        let restarts = lock(&self.0.feed).restarts();
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            if let Some(shared) = shared.upgrade() {
                lock(&shared.feed).give_up(restarts);
                shared.waker.wake();
            }
        });
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        // The session says how it ends, unless it panics.
        let ended = Ended::Lost("the client's task has failed".to_owned());
        self.hear(&Event::Ended { ended: &ended, comes_back: false });
    }
}

/// This room has another layout of state than the program's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this room has {room}; the program's state has {own}")]
pub struct StateError {
    /// The room's layout.
    pub room: Layout,
    /// The program's.
    pub own: Layout,
}

impl Room {
    /// Joins the room at `url`: `https://HOST/` is the lobby, `https://HOST/r/NAME` any other, as
    /// in a browser.
    ///
    /// # Errors
    /// If the server cannot be reached or refuses. Once joined, the room looks for another link by
    /// itself.
    pub async fn join(url: &str, options: RoomOptions) -> Result<Self, ConnectError> {
        let name = named(url)?;
        let server = Connector::new(url, options.trust).await?;
        Self::join_at(&server, &name, options).await
    }

    /// Joins a room of this name at a server that many rooms of the program share.
    ///
    /// # Errors
    /// As with [`join`](Self::join).
    pub async fn join_at(
        server: &Connector,
        name: &str,
        options: RoomOptions,
    ) -> Result<Self, ConnectError> {
        let shared = Arc::<Shared>::default();
        let ears = Ears(Arc::clone(&shared));
        let mut options = options.client(name.to_owned());
        options.events = Some(Box::new(move |event| ears.hear(&event)));
        let client = server.connect(options).await?;
        lock(&shared.feed).begin(&client.welcome());
        let room = Self { client, shared };
        while !lock(&room.shared.feed).is_ready() {
            room.shared.ready.notified().await;
        }
        match room.status().reason {
            Some(Ended::Closed { code, reason, retry_ms }) if room.is_over() => {
                Err(ConnectError::Refused { code, reason, retry_ms })
            }
            Some(ended) if room.is_over() => {
                Err(ConnectError::broken(&server.config().websocket, ended.to_string()))
            }
            _ => Ok(room),
        }
    }

    fn is_over(&self) -> bool {
        lock(&self.shared.feed).phase == Phase::Ended
    }

    /// Moves this client. The latest place wins: nothing is queued, and while there is no link,
    /// the last one waits for the next.
    ///
    /// # Errors
    /// If it is not a place in this room.
    pub fn move_to(&self, to: impl Into<Move>) -> Result<(), PlaceError> {
        let kind = Arc::clone(&lock(&self.shared.feed).kind);
        let (reading, motion) = to.into().reading(&kind.space)?;
        self.client.send_moving(reading, motion);
        Ok(())
    }

    /// Sets this client's state, which goes with its pose; the latest wins.
    ///
    /// # Errors
    /// If the room has another layout of state.
    pub fn set_state<S: State>(&self, state: &S) -> Result<(), StateError> {
        let kind = Arc::clone(&lock(&self.shared.feed).kind);
        let own = S::layout();
        if own != kind.layout {
            return Err(StateError { room: kind.layout.clone(), own });
        }
        self.client.set_state(state.pack());
        Ok(())
    }

    /// Changes what this client says of itself: at most 512 bytes as JSON. What is too long comes
    /// back as [`RoomEvent::Refused`].
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn set_profile(&self, profile: &impl Serialize) -> Result<(), serde_json::Error> {
        self.client.set_profile(serde_json::to_string(profile)?);
        Ok(())
    }

    /// Changes the name that others see.
    pub fn set_name(&self, name: &str) {
        self.client.set_name(name);
    }

    /// Tells the server whether this client shares, watches or is hidden.
    pub fn set_presence(&self, presence: Presence) {
        self.client.set_presence(presence);
    }

    /// Sets the terms on which this client shares, from now on.
    pub fn set_sharing(&self, sharing: Sharing) {
        self.client.set_sharing(sharing);
    }

    /// Says something to others: at most 512 bytes as JSON, on a topic of at most 32 characters.
    /// With `reliable`, it arrives once, in order, unless the link is lost at that moment; without,
    /// the latest on each topic wins and may be lost.
    ///
    /// # Errors
    /// If it cannot be sent at all. What the server refuses comes back as [`RoomEvent::Refused`].
    pub fn say(
        &self,
        topic: &str,
        body: &impl Serialize,
        to: To,
        reliable: bool,
    ) -> Result<(), SayError> {
        let say = event::say(topic, body, to)?;
        if reliable { self.client.say(say) } else { self.client.say_latest(say) }
    }

    /// Looks at a part of the room: others come into [`Room::people`] with a place only there. At
    /// most 10 times a second; without a look, all of the room is seen coarsely.
    ///
    /// # Errors
    /// If these are no bounds in this room.
    pub fn look(&self, bounds: Bounds) -> Result<(), PlaceError> {
        let kind = Arc::clone(&lock(&self.shared.feed).kind);
        self.client.set_viewport(bounds.viewport(&kind.space)?);
        Ok(())
    }

    /// Shows everybody a text, as a host; an empty one takes it away.
    ///
    /// # Errors
    /// If too much waits already.
    pub fn announce(&self, text: &str) -> Result<(), SayError> {
        self.client.host(HostAction::Announce(text.to_owned()))
    }

    /// Removes somebody, as a host.
    ///
    /// # Errors
    /// If too much waits already.
    pub fn remove(&self, peer: PeerId, reason: &str) -> Result<(), SayError> {
        self.client.host(HostAction::Remove(Removal { peer, reason: reason.to_owned() }))
    }

    /// Closes the room for everybody, as a host.
    ///
    /// # Errors
    /// If too much waits already.
    pub fn close(&self, reason: &str) -> Result<(), SayError> {
        self.client.host(HostAction::Close(reason.to_owned()))
    }

    /// Who else is here, by id, each with its newest pose. In a room of more than 1,024 people,
    /// those whom the server has named.
    #[must_use]
    pub fn people(&self) -> Vec<Person> {
        let (people, kind) = {
            let feed = lock(&self.shared.feed);
            let others = feed.people().filter(|person| !feed.is_own(person.id));
            (others.cloned().collect::<Vec<_>>(), Arc::clone(&feed.kind))
        };
        let view = self.client.view();
        let seen = |person: Arc<wire::Person>| {
            let figure = view.figure(person.id).copied();
            Person::new(person, figure, Arc::clone(&kind), false)
        };
        people.into_iter().map(seen).collect()
    }

    /// One of those who are here, this client included.
    #[must_use]
    pub fn person(&self, id: PeerId) -> Option<Person> {
        let person = lock(&self.shared.feed).person(id).cloned();
        person.map(|person| self.seen(person))
    }

    /// This client, as others see it; `None` if the server does not list it.
    #[must_use]
    pub fn me(&self) -> Option<Person> {
        self.person(self.client.welcome().id)
    }

    /// Calls `look` with everything that frames show: crowds, and people beyond the list of a
    /// large room. Frames that arrive meanwhile wait.
    pub fn with_view<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.client.view())
    }

    /// How the connection is.
    #[must_use]
    pub fn status(&self) -> Status {
        let now = self.clock();
        let (phase, reason, age) = {
            let feed = lock(&self.shared.feed);
            (feed.phase, feed.reason.clone(), feed.ages.median(now))
        };
        let ms = |ms: f64| Duration::from_secs_f64(ms.max(0.0) / 1_000.0);
        let round_trip = self.client.round_trip().map(ms);
        Status { phase, transport: self.client.transport(), round_trip, age, reason }
    }

    /// The server's clock now, by which poses are timed; everybody in the room has the same.
    #[must_use]
    pub fn clock(&self) -> Stamp {
        self.client.now()
    }

    /// The server's latest welcome: who this client is, the room's kind, and what the server
    /// allows.
    #[must_use]
    pub fn welcome(&self) -> Welcome {
        self.client.welcome()
    }

    /// Waits for the next event; `None` after the end. One task at a time may wait.
    pub async fn next(&self) -> Option<RoomEvent> {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(&self, context: &Context<'_>) -> Poll<Option<RoomEvent>> {
        self.shared.waker.register(context.waker());
        let (news, is_over) = {
            let mut feed = lock(&self.shared.feed);
            (feed.next(), feed.is_over())
        };
        match news {
            Some(news) => Poll::Ready(Some(self.event(news))),
            None if is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn event(&self, news: News) -> RoomEvent {
        match news {
            News::Enter(person) => RoomEvent::Enter(self.seen(person)),
            News::Leave(person) => RoomEvent::Leave(self.seen(person)),
            News::Change(person) => RoomEvent::Change(self.seen(person)),
            News::Moved(person) => RoomEvent::Moved(self.seen(person)),
            News::Said(said) | News::Latest(said) => RoomEvent::Said(said.into()),
            News::Announcement(text) => RoomEvent::Announcement(text),
            News::Refused(reason) => RoomEvent::Refused(reason),
            News::Status => RoomEvent::Status(self.status()),
            News::Closed(closed) => RoomEvent::Closed(closed),
        }
    }

    fn seen(&self, person: Arc<wire::Person>) -> Person {
        let (kind, is_me) = {
            let feed = lock(&self.shared.feed);
            (Arc::clone(&feed.kind), feed.is_own(person.id))
        };
        let figure = self.client.view().figure(person.id).copied();
        Person::new(person, figure, kind, is_me)
    }

    /// Leaves for good, and waits up to 2 s until the server knows.
    pub async fn leave(&self) {
        self.client.leave().await;
    }
}

impl Stream for Room {
    type Item = RoomEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<RoomEvent>> {
        self.poll_event(context)
    }
}

/// The name of the room at a URL.
fn named(url: &str) -> Result<String, ConnectError> {
    let target = Target::parse(url)?;
    let name = match target.uri.path() {
        "" | "/" => LOBBY,
        path => path.strip_prefix("/r/").unwrap_or_default(),
    };
    let name = name.strip_suffix('/').unwrap_or(name).to_ascii_lowercase();
    if is_room_name(&name) { Ok(name) } else { Err(ConnectError::NoRoom { url: url.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_room_as_in_a_browser() {
        for (url, name) in [
            ("https://gpys.example", "lobby"),
            ("https://gpys.example/", "lobby"),
            ("https://gpys.example/r/stage", "stage"),
            ("https://gpys.example/r/Stage/?x=1", "stage"),
        ] {
            assert_eq!(named(url).unwrap(), name, "{url}");
        }
        let error = named("https://gpys.example/stage").unwrap_err().to_string();
        assert!(error.contains("names no room; use https://HOST/ for the lobby"), "{error}");
        assert!(named("https://gpys.example/r/no room").is_err());
        assert!(named("https://gpys.example/r/").is_err());
        assert!(matches!(named("gpys.example"), Err(ConnectError::InvalidUrl { .. })));
    }
}
