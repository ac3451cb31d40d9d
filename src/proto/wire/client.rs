//! Messages from a client on the reliable lane (docs/PROTOCOL.md, section 3).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::geo::Viewport;
use crate::kind::{Claim, Layout, Space};
use crate::text;
use crate::wire::codes::DecodeError;
use crate::wire::encoding::{decode, encode, hello_version};
use crate::wire::limits::{MAX_CLIENT_MESSAGE, MAX_PROFILE, VERSION, is_room_name};
use crate::wire::peer::{PeerId, Presence, ResumeToken, Sharing};
use crate::wire::say::Say;

/// The first message of a client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u16,
    /// The room to join.
    pub room: String,
    /// The name to show to others, after [`text::name`].
    pub name: String,
    /// The presence to begin with.
    pub presence: Presence,
    /// The token of an earlier welcome, to come back as the same peer.
    pub resume: Option<ResumeToken>,
    /// Most bytes of frames per second that the client wants; 0 for the default.
    pub budget: u32,
    /// The viewport, if the client knows it already.
    pub viewport: Option<Viewport>,
    /// The access token, for a room that asks for one.
    pub access: Option<String>,
    /// The terms on which the peer shares.
    pub sharing: Sharing,
    /// The space that the client takes the room to have; `None` for any.
    pub space: Option<Space>,
    /// The layout of state that the client takes the room to have; `None` for any.
    pub layout: Option<Layout>,
    /// What the peer says of itself, as JSON of at most [`MAX_PROFILE`] bytes; may be empty.
    pub profile: String,
}

/// A message of the reliable lane from a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientMessage {
    /// Joins a room; the first message of a link, and only that.
    Hello(Hello),
    /// The client's viewport now.
    Viewport(Viewport),
    /// The client's presence now.
    Presence(Presence),
    /// Most bytes of frames per second that the client wants now; 0 for the default.
    Budget(u32),
    /// The peer leaves for good.
    Leave,
    /// The terms on which the peer shares from now on.
    Sharing(Sharing),
    /// How often the client wants frames from now on.
    Pace(Pace),
    /// The peer's name now.
    Name(String),
    /// What the peer says of itself now, as JSON of at most [`MAX_PROFILE`] bytes.
    Profile(String),
    /// A message to others.
    Say(Say),
    /// What only a host may do.
    Host(HostAction),
}

/// What only a host may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostAction {
    /// Shows everybody a text, also those who come later; an empty one takes it away.
    Announce(String),
    /// Removes a peer, for as long as the room lives.
    Remove(Removal),
    /// Closes the room: everybody has to leave.
    Close(String),
}

/// Whom a host removes, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The peer.
    pub peer: PeerId,
    /// The reason, as the peer is told.
    pub reason: String,
}

/// How often a client wants frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Most frames per second, such as its display draws; 0 for as many as the server can afford.
    pub max_frames_hz: u8,
}

impl ClientMessage {
    /// Encodes the message for the reliable lane.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes and validates a message. A hello then has to be [settled](Hello::settle).
    ///
    /// # Errors
    /// If the bytes are not a message or a value is off its range. A hello of another version is
    /// [`DecodeError::Version`], whatever follows its version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if let Some(version) = hello_version(bytes)
            && version != VERSION
        {
            return Err(DecodeError::Version(version));
        }
        let message = decode(bytes, MAX_CLIENT_MESSAGE)?;
        match &message {
            Self::Hello(hello) => hello.validate().map(|()| message),
            Self::Viewport(viewport) => {
                viewport.validate().map(|_| message).map_err(DecodeError::Viewport)
            }
            Self::Presence(Presence::Gone) => Err(DecodeError::Presence),
            Self::Profile(profile) if profile.len() > MAX_PROFILE => Err(DecodeError::Profile),
            Self::Say(say) => say.validate().map(|()| message),
            _ => Ok(message),
        }
    }
}

impl fmt::Debug for Hello {
    /// Leaves out secrets and personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, presence, .. } = self;
        f.debug_struct("Hello")
            .field("version", version)
            .field("presence", presence)
            .finish_non_exhaustive()
    }
}

impl Hello {
    /// Makes a hello to `room` from a peer without a name that shares and asks for nothing else.
    #[must_use]
    pub fn new(room: impl Into<String>) -> Self {
        Self {
            version: VERSION,
            room: room.into(),
            name: String::new(),
            presence: Presence::Sharing,
            resume: None,
            budget: 0,
            viewport: None,
            access: None,
            sharing: Sharing::default(),
            space: None,
            layout: None,
            profile: String::new(),
        }
    }

    fn validate(&self) -> Result<(), DecodeError> {
        if !is_room_name(&self.room) {
            return Err(DecodeError::Room);
        }
        let space = self.space.iter().try_for_each(Space::validate);
        let layout = self.layout.iter().try_for_each(Layout::validate);
        space.and(layout).map_err(DecodeError::Kind)
    }

    /// What the client takes the room to be.
    #[must_use]
    pub fn claim(&self) -> Claim {
        Claim { space: self.space.clone(), layout: self.layout.clone() }
    }

    /// Replaces values that are off their range, and lists what was wrong with them: none of them
    /// turns its sender away. Makes the name fit to show.
    #[must_use]
    pub fn settle(mut self) -> (Self, Vec<DecodeError>) {
        let mut refused = Vec::new();
        self.name = text::name(&self.name);
        if self.presence == Presence::Gone {
            refused.push(DecodeError::Presence);
            self.presence = Presence::Watching;
        }
        if let Some(Err(error)) = self.viewport.map(Viewport::validate) {
            refused.push(DecodeError::Viewport(error));
            self.viewport = None;
        }
        if self.profile.len() > MAX_PROFILE {
            refused.push(DecodeError::Profile);
            self.profile.clear();
        }
        (self, refused)
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::geo::GeoError;
    use crate::wire::codes::{CloseCode, Field};
    use crate::wire::server::{Closing, ServerMessage};

    fn hello() -> Hello {
        Hello {
            name: "Ada".into(),
            resume: Some(ResumeToken([7; 16])),
            budget: 65_536,
            viewport: Some(Viewport::WORLD),
            access: Some("a.b.c".into()),
            sharing: Sharing { approximate: true, seconds: 900 },
            ..Hello::new("lobby")
        }
    }

    #[test]
    fn a_hello_survives_the_wire_but_one_with_an_extra_byte_does_not() {
        let mut bytes = ClientMessage::Hello(hello()).encode();
        assert_eq!(ClientMessage::decode(&bytes), Ok(ClientMessage::Hello(hello())));
        bytes.push(0);
        assert_eq!(ClientMessage::decode(&bytes), Err(DecodeError::Trailing(1)));
        bytes.truncate(bytes.len() - 2);
        assert_eq!(ClientMessage::decode(&bytes), Err(DecodeError::Malformed));
    }

    #[test]
    fn rejects_a_hello_of_another_version() {
        assert_eq!(ClientMessage::decode(&[0, 9, 255, 255]), Err(DecodeError::Version(9)));
    }

    #[test]
    fn rejects_values_off_their_range() {
        let refuse = |change: fn(&mut Hello), error| {
            let mut hello = hello();
            change(&mut hello);
            assert_eq!(ClientMessage::decode(&ClientMessage::Hello(hello).encode()), Err(error));
        };
        refuse(|h| h.room = "Lobby".into(), DecodeError::Room);
        refuse(|h| h.room.clear(), DecodeError::Room);
        refuse(|h| h.room = "x".repeat(65), DecodeError::Room);
        let gone = ClientMessage::Presence(Presence::Gone).encode();
        assert_eq!(ClientMessage::decode(&gone), Err(DecodeError::Presence));
        let beyond = Viewport { south: i32::MAX, ..Viewport::WORLD };
        let beyond = ClientMessage::Viewport(beyond).encode();
        let error = DecodeError::Viewport(GeoError::Latitude);
        assert_eq!(ClientMessage::decode(&beyond), Err(error));
        assert_eq!(error.outcome(), Ok(Field::Viewport));
    }

    #[test]
    fn settling_a_hello_replaces_bad_values() {
        assert_eq!(hello().settle(), (hello(), Vec::new()));
        let bad = Hello {
            presence: Presence::Gone,
            viewport: Some(Viewport { north: i32::MIN, ..Viewport::WORLD }),
            ..hello()
        };
        let (settled, refused) = bad.settle();
        assert_eq!(settled, Hello { presence: Presence::Watching, viewport: None, ..hello() });
        let viewport = DecodeError::Viewport(GeoError::Latitude);
        assert_eq!(refused, [DecodeError::Presence, viewport]);
    }

    #[test]
    fn no_name_keeps_a_client_out() {
        let told = |name: &str| {
            let hello = Hello { name: name.into(), ..hello() };
            let (settled, refused) = hello.settle();
            assert_eq!(refused, []);
            settled.name
        };
        assert_eq!(told("Anna\tB\u{7}"), "Anna B");
        assert_eq!(told(&"田".repeat(23)), "田".repeat(21));
        assert_eq!(told("Bob \u{202E}moc.live"), "Bob moc.live");
        assert_eq!(told(&"\u{3164}".repeat(200)), "");
    }

    #[test]
    fn a_reason_is_fit_for_a_terminal() {
        let reason = "\u{1b}[2Jfull\r\n".to_owned();
        let closing = Closing { code: CloseCode::Full as u8, retry_ms: None, reason };
        assert_eq!(closing.words(), "[2Jfull");
    }

    #[test]
    fn a_false_length_allocates_nothing() {
        // A roster that claims four billion people in ten bytes.
        let bytes = [1, 0, 0xFC, 255, 255, 255, 255, 0, 0, 0];
        assert_eq!(ServerMessage::decode(&bytes), Err(DecodeError::Malformed));
    }
}
