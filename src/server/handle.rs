//! What a program that embeds the server does with its rooms.

use std::sync::Arc;

use crate::context::ServerContext;
use crate::room::order::{Order, People, Reply, RoomInfo, Unreached};
use crate::room::thing::{NotPut, Thing};
use gpys_proto::wire::{DecodeError, PeerId, Say, is_room_name};
use gpys_proto::world::Placed;

/// Why a request to a room had no effect.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HandleError {
    /// The name is no room's.
    #[error("a room's name is 1 to 64 of a-z, 0-9 and -")]
    Name,
    /// The request reached no room.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// The thing was not put.
    #[error(transparent)]
    NotPut(#[from] NotPut),
    /// The topic or the body is malformed or too long.
    #[error(
        "a message has a topic of 1 to 32 of a-z, A-Z, 0-9, _, -, . and /, and at most 512 bytes"
    )]
    Say(DecodeError),
    /// Nobody can get the message.
    #[error("{0}")]
    Unheard(&'static str),
    /// Nobody here has this number.
    #[error("nobody in this room has this number; ask for the room's people")]
    Nobody,
}

/// A handle on the rooms of a server, for as long as the server runs.
///
/// Each request goes to the task that owns the room and waits for its answer. A room is there while
/// somebody or something is in it; putting a thing begins one.
#[derive(Clone, Debug)]
pub struct Handle {
    context: Arc<ServerContext>,
}

impl Handle {
    pub(crate) const fn new(context: Arc<ServerContext>) -> Self {
        Self { context }
    }

    /// The rooms whose names come after `after`, in order, at most so many.
    pub async fn rooms(&self, after: Option<&str>, most: usize) -> Vec<RoomInfo> {
        let mut rooms = Vec::new();
        let names = self.context.rooms.names().into_iter();
        for name in names.filter(|name| after.is_none_or(|after| name.as_str() > after)) {
            if rooms.len() == most {
                break;
            }
            // A room may have ended meanwhile.
            rooms.extend(self.context.rooms.ask(&name, false, Order::Count).await);
        }
        rooms
    }

    /// Who and what is in a room, and where, at the precision at which each shares it.
    ///
    /// # Errors
    /// If there is no such room.
    pub async fn people(&self, room: &str) -> Result<People, HandleError> {
        self.ask(room, Order::Look).await
    }

    /// Puts a thing into a room, or moves it there. It stays until its time to live is over.
    ///
    /// # Errors
    /// If the room does not take it, and why.
    pub async fn put_thing(&self, room: &str, thing: Thing) -> Result<Placed, HandleError> {
        let mut put = self.put_things(room, vec![thing]).await?;
        Ok(put.pop().unwrap_or(Err(NotPut::Stopping))?)
    }

    /// Puts many things at once; each has an outcome of its own, in their order.
    ///
    /// # Errors
    /// If there can be no such room.
    pub async fn put_things(
        &self,
        room: &str,
        things: Vec<Thing>,
    ) -> Result<Vec<Result<Placed, NotPut>>, HandleError> {
        check(room)?;
        let order = |reply| Order::Put(things.clone(), reply);
        Ok(self.context.rooms.ask(room, true, order).await?)
    }

    /// Takes a thing out of a room, and reports whether it was there.
    ///
    /// # Errors
    /// If there is no such room.
    pub async fn remove_thing(&self, room: &str, key: &str) -> Result<bool, HandleError> {
        self.ask(room, |reply| Order::TakeOut(key.to_owned(), reply)).await
    }

    /// Says something to a room, to its hosts or to one peer, from
    /// [`PeerId::PROGRAM`](gpys_proto::wire::PeerId::PROGRAM). Returns how many get it.
    ///
    /// # Errors
    /// If the message is malformed, nobody can get it, or too much is said.
    pub async fn say(&self, room: &str, say: &Say) -> Result<usize, HandleError> {
        say.validate().map_err(HandleError::Say)?;
        let said = self.ask(room, |reply| Order::Say(say.clone(), reply)).await?;
        said.map_err(HandleError::Unheard)
    }

    /// Removes a person or a thing, which does not get in again while the room lives.
    ///
    /// # Errors
    /// If nobody there has this number.
    pub async fn remove(&self, room: &str, id: PeerId, reason: &str) -> Result<(), HandleError> {
        let was_here = self.ask(room, |reply| Order::Remove(id, reason.to_owned(), reply)).await?;
        was_here.then_some(()).ok_or(HandleError::Nobody)
    }

    /// Shows a text to everybody in a room, also to those who come later; an empty one takes it
    /// away.
    ///
    /// # Errors
    /// If there is no such room.
    pub async fn announce(&self, room: &str, text: &str) -> Result<(), HandleError> {
        self.ask(room, |reply| Order::Announce(text.to_owned(), reply)).await
    }

    /// Closes a room: everybody has to leave it. Whoever comes after that opens a new one.
    ///
    /// # Errors
    /// If there is no such room.
    pub async fn close(&self, room: &str, reason: &str) -> Result<(), HandleError> {
        self.ask(room, |reply| Order::Close(reason.to_owned(), reply)).await
    }

    async fn ask<T>(
        &self,
        room: &str,
        order: impl Fn(Reply<T>) -> Order,
    ) -> Result<T, HandleError> {
        check(room)?;
        Ok(self.context.rooms.ask(room, false, order).await?)
    }
}

fn check(room: &str) -> Result<(), HandleError> {
    if is_room_name(room) { Ok(()) } else { Err(HandleError::Name) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::access::Access;
    use crate::config::Config;
    use crate::context::{Own, Timing};
    use crate::metrics::{Limit, Metrics};
    use crate::room::identity::{Mint, Secret};
    use gpys_proto::place::Place;
    use gpys_proto::wire::To;
    use gpys_proto::world::PutError;

    fn handle(settings: &[(&str, &str)]) -> Handle {
        let config = Config::from_pairs(settings.iter().copied()).unwrap();
        let (access, mint) = (Access::default(), Mint::new(Secret::random(), 0));
        let (own, timing) = (Own::default(), Timing::default());
        Handle::new(ServerContext::new(&config, own, access, mint, timing, Metrics::new()))
    }

    fn bus(key: &str) -> Thing {
        Thing::new(key, Place::Earth { lat: 46.05, lng: 14.51 })
    }

    #[tokio::test]
    async fn a_thing_begins_a_room_which_ends_with_it() {
        let handle = handle(&[]);
        let mut events = handle.context.rooms.events();
        assert_eq!(handle.people("city").await.unwrap_err(), Unreached::NoRoom.into());
        let placed = handle.put_thing("city", bus("7")).await.unwrap();
        let people = handle.people("city").await.unwrap();
        let seen = &people.seen[0];
        assert_eq!((seen.person.id, seen.key.as_deref()), (placed.id, Some("7")));
        assert_eq!((people.info.online.things, people.info.online.total()), (1, 0));
        let (pose, _) = seen.pose.unwrap();
        assert_eq!(pose.position.degrees(), (46.05, 14.51));
        assert_eq!(handle.rooms(None, 10).await[0].name, "city");
        assert!(handle.rooms(Some("city"), 10).await.is_empty());
        assert!(handle.remove_thing("city", "7").await.unwrap());
        while handle.people("city").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let again = handle.put_thing("city", bus("7")).await.unwrap();
        assert!(again.is_new && again.id != placed.id);
        assert_eq!(events.next().now_or_never(), None, "a thing is nobody who comes or goes");
    }

    #[tokio::test]
    async fn each_thing_of_many_has_its_own_outcome() {
        let handle = handle(&[("max-things", "1")]);
        let things = vec![bus("a b"), bus("a"), bus("b")];
        let put = handle.put_things("city", things).await.unwrap();
        assert_eq!(put[0], Err(NotPut::Key));
        assert!(put[1].is_ok());
        assert_eq!(put[2], Err(NotPut::Room(PutError::Full(1))));
        assert_eq!(handle.context.metrics.hits(Limit::Things), 1);
        assert_eq!(handle.put_thing("A", bus("a")).await, Err(HandleError::Name));
        assert_eq!(handle.remove("city", PeerId(77), "").await, Err(HandleError::Nobody));
        let say = Say { to: To::Room, topic: "door".into(), body: Vec::new() };
        assert_eq!(handle.say("city", &say).await, Ok(0));
        let bad = Say { topic: String::new(), ..say };
        assert!(matches!(handle.say("city", &bad).await, Err(HandleError::Say(_))));
        handle.close("city", "over").await.unwrap();
        while handle.people("city").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn things_do_not_keep_a_server_from_stopping() {
        let handle = handle(&[]);
        handle.put_thing("city", bus("7")).await.unwrap();
        handle.context.rooms.drain().await;
        assert!(handle.put_thing("city", bus("8")).await.is_err());
        while handle.context.rooms.count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
