//! The messages of docs/PROTOCOL.md: the reliable lane (section 3), and by its parts what the
//! server says, poses, pings and codes.
//!
//! Frames have a module of their own, [`frame`](crate::wire::frame). This is the only module that
//! knows bincode.

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::fmt;

use bincode::config::{Configuration, Limit};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::codes::{CloseCode, DecodeError, Field};
pub use self::datagram::{
    ClientDatagram, MAX_AGE_MS, PADDING, PING_TAG, PONG_LEN, PONG_TAG, POSE_LEN, POSE_TAG, Sample,
    decode_pong, encode_ping, encode_pong,
};

pub use self::server::{Closing, Limits, Refused, Roster, ServerMessage, Welcome};

use crate::geo::Viewport;
use crate::text;

pub mod bits;
mod codes;
mod datagram;
pub mod frame;
mod server;

/// The protocol's version.
pub const VERSION: u16 = 1;
/// Longest message of the reliable lane from a client, in bytes.
pub const MAX_CLIENT_MESSAGE: usize = 1024;
/// Longest message of the reliable lane from the server, in bytes.
pub const MAX_SERVER_MESSAGE: usize = u16::MAX as usize;
/// First bytes from this one on belong to the datagram lane.
pub const DATAGRAM_LANE: u8 = 0x40;
/// First byte of a frame.
pub const FRAME_TAG: u8 = 0x46;
/// Longest name of a room, in bytes.
pub const MAX_ROOM: usize = 64;
/// Longest access token, in bytes.
pub const MAX_ACCESS: usize = 768;

/// Number of a peer on the wire; never given out twice while the server lives.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct PeerId(pub u32);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The public identity of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicId(#[serde(with = "uuid::serde::compact")] pub Uuid);

/// The secret with which a peer comes back on another link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Token(pub [u8; 16]);

impl Token {
    /// A token for the peer `id`: the id, so that it is found at once, and a secret that nobody
    /// can guess.
    #[must_use]
    pub const fn mint(id: PeerId, secret: [u8; 12]) -> Self {
        let ([a, b, c, d], [e, f, g, h, i, j, k, l, m, n, o, p]) = (id.0.to_le_bytes(), secret);
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// What follows the id.
    #[must_use]
    pub const fn secret(self) -> [u8; 12] {
        let [_, _, _, _, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The peer whose token this is, if it is anybody's.
    #[must_use]
    pub const fn id(self) -> PeerId {
        let [a, b, c, d, ..] = self.0;
        PeerId(u32::from_le_bytes([a, b, c, d]))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What others may know of somebody's being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Presence {
    /// Sends its position.
    Sharing,
    /// Looks on; has no pin.
    Watching,
    /// Its page is in the background; drawn faded if it shared.
    Hidden,
    /// Its link is silent; neither counted nor drawn, but it may come back.
    Gone,
}

/// One person in a roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Its number on the wire.
    pub id: PeerId,
    /// Its public identity.
    pub uuid: PublicId,
    /// The name it gave; may be empty.
    pub name: String,
    /// Its presence.
    pub presence: Presence,
}

/// Somebody's presence changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whose.
    pub id: PeerId,
    /// To what.
    pub presence: Presence,
}

/// How many people are in the room, by presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Online {
    /// Sharing their position.
    pub sharing: u32,
    /// Watching.
    pub watching: u32,
    /// Hidden.
    pub hidden: u32,
}

impl Online {
    /// Everybody.
    #[must_use]
    pub const fn total(self) -> u32 {
        self.sharing + self.watching + self.hidden
    }
}

/// On which terms a peer shares where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sharing {
    /// Whether others, and all that the server computes, get the middle of a cell of about 1 km
    /// in place of the position.
    pub approximate: bool,
    /// After how many seconds the sharing ends by itself; 0: it does not.
    pub seconds: u32,
}

/// The first message of a client.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u16,
    /// The room to join.
    pub room: String,
    /// The name to show to others, which becomes what [`text::name`] makes of it.
    pub name: String,
    /// The presence to begin with.
    pub presence: Presence,
    /// The token of an earlier welcome, to come back as the same peer.
    pub resume: Option<Token>,
    /// Most bytes of frames per second that the client wants; 0 for the default.
    pub budget: u32,
    /// What the client shows, if it knows already.
    pub viewport: Option<Viewport>,
    /// The access token, for a room that asks for one.
    pub access: Option<String>,
    /// The terms on which the peer shares.
    pub sharing: Sharing,
}

/// A message of the reliable lane from a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientMessage {
    /// Joins a room; the first message of a link, and only that.
    Hello(Hello),
    /// What the client shows now.
    Viewport(Viewport),
    /// The client's presence now.
    Presence(Presence),
    /// Most bytes of frames per second that the client wants now; 0 for the default.
    Budget(u32),
    /// The peer leaves for good.
    Leave,
    /// The terms on which the peer shares from now on.
    Sharing(Sharing),
}

type Bincode = Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    Limit<MAX_SERVER_MESSAGE>,
>;
const BINCODE: Bincode = bincode::config::standard().with_limit::<MAX_SERVER_MESSAGE>();

fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Serialising these types into memory cannot fail: no map of unknown length, no custom error.
    bincode::serde::encode_to_vec(message, bincode::config::standard()).unwrap_or_default()
}

fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong(max));
    }
    // A message's number in a longer form than its one byte would be of the other lane.
    if bytes.first().is_some_and(|&first| first >= DATAGRAM_LANE) {
        return Err(DecodeError::Malformed);
    }
    let (message, used) =
        bincode::serde::decode_from_slice(bytes, BINCODE).map_err(|_| DecodeError::Malformed)?;
    match bytes.len() - used {
        0 => Ok(message),
        left => Err(DecodeError::Trailing(left)),
    }
}

impl ClientMessage {
    /// Its bytes on the reliable lane.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes and validates a message. A hello is to be [settled](Hello::settle) as well.
    ///
    /// # Errors
    /// If the bytes are not a message or a value is off its range. A hello of another version is
    /// [`DecodeError::Version`], whatever follows its version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if let Some((0, rest)) = bytes.split_first().map(|(&first, rest)| (first, rest))
            && let Ok((version, _)) = bincode::serde::decode_from_slice::<u16, _>(rest, BINCODE)
            && version != VERSION
        {
            return Err(DecodeError::Version(version));
        }
        let message = decode(bytes, MAX_CLIENT_MESSAGE)?;
        match &message {
            Self::Hello(hello) if !is_room_name(&hello.room) => Err(DecodeError::Room),
            Self::Viewport(viewport) => {
                viewport.validate().map(|_| message).map_err(DecodeError::Viewport)
            }
            Self::Presence(Presence::Gone) => Err(DecodeError::Presence),
            _ => Ok(message),
        }
    }
}

impl fmt::Debug for Hello {
    /// Leaves out what is secret or somebody's own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, presence, .. } = self;
        f.debug_struct("Hello")
            .field("version", version)
            .field("presence", presence)
            .finish_non_exhaustive()
    }
}

impl Hello {
    /// A hello to this room, from somebody without a name who shares and asks for nothing else.
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
        }
    }

    /// The hello as it counts, and the values that it loses by that: none of them turns its sender
    /// away. The name becomes fit to be shown, whatever it is.
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
        (self, refused)
    }
}

/// Whether `name` can be a room's: 1 to [`MAX_ROOM`] of a-z, 0-9 and `-`.
#[must_use]
pub fn is_room_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_ROOM).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geo::GeoError;

    fn hello() -> Hello {
        Hello {
            name: "Ada".into(),
            resume: Some(Token([7; 16])),
            budget: 65_536,
            viewport: Some(Viewport::WORLD),
            access: Some("a.b.c".into()),
            sharing: Sharing { approximate: true, seconds: 900 },
            ..Hello::new("lobby")
        }
    }

    #[test]
    fn a_hello_survives_the_wire_and_a_byte_more_does_not() {
        let mut bytes = ClientMessage::Hello(hello()).encode();
        assert_eq!(ClientMessage::decode(&bytes), Ok(ClientMessage::Hello(hello())));
        bytes.push(0);
        assert_eq!(ClientMessage::decode(&bytes), Err(DecodeError::Trailing(1)));
        bytes.truncate(bytes.len() - 2);
        assert_eq!(ClientMessage::decode(&bytes), Err(DecodeError::Malformed));
    }

    #[test]
    fn a_hello_of_another_version_is_told_so() {
        assert_eq!(ClientMessage::decode(&[0, 9, 255, 255]), Err(DecodeError::Version(9)));
    }

    #[test]
    fn values_off_their_range_are_refused() {
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
    fn a_hello_is_settled() {
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
    fn a_name_keeps_nobody_out() {
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
    fn a_length_that_lies_allocates_nothing() {
        // A roster that claims four thousand million people in ten bytes.
        let bytes = [1, 0, 0xFC, 255, 255, 255, 255, 0, 0, 0];
        assert_eq!(ServerMessage::decode(&bytes), Err(DecodeError::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = ClientMessage::decode(&bytes) {
                prop_assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
            }
            if let Ok(message) = ServerMessage::decode(&bytes) {
                prop_assert_eq!(ServerMessage::decode(&message.encode()), Ok(message));
            }
        }
    }
}
