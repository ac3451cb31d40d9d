//! How a program joins a room.

use gpys_proto::kind::{Claim, Layout, Space};
use gpys_proto::wire::{Presence, ResumeToken, Sharing};

use crate::access::Access;
use crate::options::{Options, Transport};
use crate::trust::Trust;

/// How a program joins a room.
#[derive(Clone, Debug)]
pub struct RoomOptions {
    /// The name that others see, as [`text::name`](gpys_proto::text::name) cleans it; may be empty.
    pub name: String,
    /// What the client says of itself, as JSON of at most 512 bytes; may be empty.
    pub profile: String,
    /// The space that the room has to have; `None` for any.
    pub space: Option<Space>,
    /// The layout of state that the room has to have, such as a [`State`](crate::State)'s; `None`
    /// for any.
    pub state: Option<Layout>,
    /// The initial presence.
    pub presence: Presence,
    /// The terms on which the client shares.
    pub sharing: Sharing,
    /// Access tokens, for a room that needs them.
    pub access: Option<Access>,
    /// The only transport to use; `None` for the better of the two: WebTransport where the network
    /// lets it through, else WebSocket.
    pub transport: Option<Transport>,
    /// Maximum bytes of frames per second; 0 for the server's default.
    pub budget: u32,
    /// The token of an earlier [`Welcome`](gpys_proto::wire::Welcome), to come back as the same
    /// peer after the program itself was restarted.
    pub resume: Option<ResumeToken>,
    /// The origin to name, as a page would, for a server that requires one.
    pub origin: Option<String>,
    /// Which certificates are accepted.
    pub trust: Trust,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self {
            name: String::new(),
            profile: String::new(),
            space: None,
            state: None,
            presence: Presence::Sharing,
            sharing: Sharing::default(),
            access: None,
            transport: None,
            budget: 0,
            resume: None,
            origin: None,
            trust: Trust::Public,
        }
    }
}

impl RoomOptions {
    /// The options of the room's client.
    pub(crate) fn client(self, room: String) -> Options {
        let Self { name, profile, space, state, presence, sharing, access, .. } = self;
        let Self { transport, budget, resume, origin, .. } = self;
        Options {
            transport: transport.unwrap_or_default(),
            races: transport.is_none(),
            room,
            name,
            profile,
            claim: Claim { space, layout: state },
            presence,
            resume,
            budget,
            access,
            origin,
            sharing,
            redials: true,
            ..Options::default()
        }
    }
}
