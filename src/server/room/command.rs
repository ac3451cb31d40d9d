//! What links ask of their room.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::access::Grant;
use crate::link::ending::Ending;
use crate::link::{Link, LinkId};
use crate::room::mailbox::Mailbox;
use gpys_proto::wire::{ClientMessage, Hello, PeerId, Refused};

/// What a link's task asks of its room.
#[derive(Debug)]
pub(crate) enum Command {
    /// To come in.
    Enter(Box<Enter>),
    /// To handle a message of the reliable lane.
    Message(PeerId, LinkId, ClientMessage),
    /// To leave for good.
    Leave(PeerId, LinkId),
    /// To tell a link of a value that was not taken, after all that it was told before.
    Refuse(PeerId, LinkId, Refused),
    /// To know that the link is gone.
    Detach(PeerId, LinkId),
    /// To give up the place of a peer without a link, because its network has too many.
    GiveUp(PeerId),
    /// To end every link, because the server stops.
    Drain,
    /// To fail.
    #[cfg(test)]
    Panic,
}

/// Somebody at the door.
#[derive(Debug)]
pub(crate) struct Enter {
    /// What it said.
    pub(crate) hello: Hello,
    /// What it may do.
    pub(crate) grant: Grant,
    /// How to reach it.
    pub(crate) link: Link,
    /// Where the answer goes.
    pub(crate) reply: oneshot::Sender<Admission>,
}

/// What a room's task gives back when it is asked to let somebody in.
pub(crate) type Admission = Result<(PeerId, Arc<Mailbox>), Ending>;
