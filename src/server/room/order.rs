//! What a program at the server asks a room for.

use tokio::sync::oneshot;

use crate::room::thing::{NotPut, Thing};
use gpys_proto::kind::Kind;
use gpys_proto::time::Time;
use gpys_proto::wire::{Online, PeerId, Say};
use gpys_proto::world::{Placed, Seen};

/// Where a room's answer goes. Whoever asked may be gone.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What a program at the server asks a room for.
#[derive(Debug)]
pub(crate) enum Order {
    /// Put things: an outcome for each, in order.
    Put(Vec<Thing>, Reply<Vec<Result<Placed, NotPut>>>),
    /// Take out the thing of this key: whether it was there.
    TakeOut(String, Reply<bool>),
    /// Count who is here.
    Count(Reply<RoomInfo>),
    /// Tell who is here and where.
    Look(Reply<People>),
    /// Say something to people: how many get it, or why nobody does.
    Say(Say, Reply<Result<usize, &'static str>>),
    /// Remove somebody, for a reason: whether they were here.
    Remove(PeerId, String, Reply<bool>),
    /// Show everybody a text.
    Announce(String, Reply<()>),
    /// Close the room, for a reason.
    Close(String, Reply<()>),
}

/// Why a program's request reached no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// There is no such room.
    #[error("there is no such room now: nobody and nothing is in it")]
    NoRoom,
    /// The server has so many rooms, the most that it may have.
    #[error("the server has {0} rooms already; wait until some are empty, or raise max-rooms")]
    Rooms(usize),
    /// The room failed.
    #[error("the room failed or ended just now; ask again")]
    Failed,
    /// The server stops.
    #[error("the server is stopping; ask again once it is back")]
    Stopping,
}

/// What a room is, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// How many are here.
    pub online: Online,
}

/// Who and what is in a room.
#[derive(Clone, Debug)]
pub struct People {
    /// The room.
    pub info: RoomInfo,
    /// What a host or a program shows everybody; empty for nothing.
    pub announcement: String,
    /// Everybody and everything here, as viewers see it: approximate positions are approximate.
    pub seen: Vec<Seen>,
    /// The time of this, on the clock of the samples.
    pub now: Time,
}
