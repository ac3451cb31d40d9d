//! Commands from links to their room.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::access::Grant;
use crate::link::ending::Ending;
use crate::link::{Link, LinkId};
use crate::room::mailbox::Mailbox;
use crate::room::order::Order;
use gpys_proto::wire::{ClientMessage, Hello, PeerId, Refused, Say};

/// A command from a link's task to its room.
#[derive(Debug)]
pub(crate) enum Command {
    /// Enter the room.
    Enter(Box<Enter>),
    /// Handle a message of the reliable lane.
    Message(PeerId, LinkId, ClientMessage),
    /// Handle a message to others from the datagram lane, with its number.
    Say(PeerId, LinkId, u32, Say),
    /// Leave for good.
    Leave(PeerId, LinkId),
    /// Report a refused value to a link, after everything sent to it before.
    Refuse(PeerId, LinkId, Refused),
    /// Note that the link is gone.
    Detach(PeerId, LinkId),
    /// Give up the place of a peer without a link, because its network has too many.
    GiveUp(PeerId),
    /// Do what a program at the server asks for.
    Order(Box<Order>),
    /// End every link, because the server stops.
    Drain,
    /// Panic.
    #[cfg(test)]
    Panic,
}

/// A request to enter.
#[derive(Debug)]
pub(crate) struct Enter {
    /// The client's hello.
    pub(crate) hello: Hello,
    /// What the client may do.
    pub(crate) grant: Grant,
    /// The client's link.
    pub(crate) link: Link,
    /// Receives the answer.
    pub(crate) reply: oneshot::Sender<Admission>,
}

/// A room's answer to [`Enter`].
pub(crate) type Admission = Result<Admitted, Ending>;

/// A peer that has entered.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Its number.
    pub(crate) peer: PeerId,
    /// Takes its poses.
    pub(crate) mailbox: Arc<Mailbox>,
    /// Bits of state in each of them.
    pub(crate) state_bits: u32,
}
