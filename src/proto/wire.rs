//! The messages of docs/PROTOCOL.md: the reliable lane (sections 3 and 9), poses (4), pings (6).
//!
//! Frames have a module of their own, [`frame`](super::frame). This is the only module that
//! knows bincode.

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::fmt;

use bincode::config::{Configuration, Limit};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::geo::{GeoError, Position, Viewport};
use super::pose::{Accuracy, Orientation, Pose, PoseError};
use super::time::{Stamp, Time};

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
/// First byte of a pose.
pub const POSE_TAG: u8 = 0x50;
/// First byte of a ping.
pub const PING_TAG: u8 = 0x51;
/// First byte of a pong.
pub const PONG_TAG: u8 = 0x52;
/// Length of a pose, in bytes.
pub const POSE_LEN: usize = 22;
/// Length of a pong, in bytes.
pub const PONG_LEN: usize = 9;
/// In place of an orientation code: the device has no orientation sensor.
const NO_ORIENTATION: u32 = u32::MAX;
/// How far ahead of the server's clock a sample's time may be, in ms: the error of a client's
/// estimate of that clock over a bad link.
pub const MAX_AHEAD_MS: u64 = 5_000;
/// Samples older than this, in ms, are taken as this old.
pub const MAX_AGE_MS: u64 = 60_000;
/// Longest name of a room, in bytes.
pub const MAX_ROOM: usize = 64;
/// Longest name of a person, in bytes.
pub const MAX_NAME: usize = 64;

/// Why bytes from the other side are refused. It ends the link, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a message.
    #[error("the bytes are not a message of protocol version {VERSION}")]
    Malformed,
    /// Bytes are left over after the message.
    #[error("{0} bytes are left over after the message")]
    Trailing(usize),
    /// The message is longer than allowed.
    #[error("the message is longer than {0} bytes")]
    TooLong(usize),
    /// A hello of another version.
    #[error("this server speaks protocol version {VERSION}, not {0}")]
    Version(u16),
    /// A room's name that is not one.
    #[error("a room's name is 1 to {MAX_ROOM} of a-z, 0-9 and -")]
    Room,
    /// A person's name that is too long or has control characters.
    #[error("a name has at most {MAX_NAME} bytes and no control characters")]
    Name,
    /// A presence that a client cannot claim.
    #[error("a client is sharing, watching or hidden")]
    Presence,
    /// A place that is off its range.
    #[error(transparent)]
    Geo(#[from] GeoError),
    /// A pose that is off its range.
    #[error(transparent)]
    Pose(#[from] PoseError),
    /// A sample from the future.
    #[error("the sample's time is more than {MAX_AHEAD_MS} ms ahead")]
    Future,
}

impl DecodeError {
    /// The close code that tells the peer.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Malformed | Self::Trailing(_) | Self::TooLong(_) => CloseCode::BadMessage,
            Self::Version(_) => CloseCode::BadVersion,
            Self::Room => CloseCode::BadRoom,
            Self::Name | Self::Presence | Self::Geo(_) | Self::Pose(_) | Self::Future => {
                CloseCode::BadValue
            }
        }
    }
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PublicId(#[serde(with = "uuid::serde::compact")] pub Uuid);

/// The secret with which a peer comes back on another link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Token(pub [u8; 16]);

impl Token {
    /// A token for the peer `id`: the id, so that it is found at once, and 96 random bits.
    #[must_use]
    pub const fn mint(id: PeerId, random: [u8; 12]) -> Self {
        let ([a, b, c, d], [e, f, g, h, i, j, k, l, m, n, o, p]) = (id.0.to_le_bytes(), random);
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
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

/// What the server allows, told in a welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest reliable message from a client, in bytes.
    pub max_message: u16,
    /// Poses per second that are read.
    pub pose_hz: u8,
    /// Longest frame, in bytes.
    pub max_frame: u16,
    /// Least bytes per second of frames that a client can ask for.
    pub min_budget: u32,
    /// Most bytes per second of frames that a client can ask for.
    pub max_budget: u32,
    /// Every cell is repeated within this time, in ms.
    pub refresh_ms: u16,
    /// How long a peer may be away and come back as itself, in ms.
    pub resume_ms: u32,
}

/// The first message of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u16,
    /// The room to join.
    pub room: String,
    /// The name to show to others; may be empty.
    pub name: String,
    /// The presence to begin with.
    pub presence: Presence,
    /// The token of an earlier welcome, to come back as the same peer.
    pub resume: Option<Token>,
    /// Most bytes of frames per second that the client wants; 0 for the default.
    pub budget: u32,
    /// What the client shows, if it knows already.
    pub viewport: Option<Viewport>,
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
}

/// The first message of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`VERSION`].
    pub version: u16,
    /// The client's own number.
    pub id: PeerId,
    /// The client's public identity.
    pub uuid: PublicId,
    /// The secret to come back with.
    pub token: Token,
    /// Whether the client came back as the peer it was.
    pub resumed: bool,
    /// The server's clock.
    pub time: Stamp,
    /// Ticks per second.
    pub tick_hz: u8,
    /// What the server allows.
    pub limits: Limits,
}

/// Who is in the room: a change, or a part of the first list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The server's clock.
    pub time: Stamp,
    /// People who are here, new or with newer facts.
    pub joined: Vec<Person>,
    /// People who left, for good.
    pub left: Vec<PeerId>,
    /// People whose presence changed.
    pub presence: Vec<Change>,
    /// How many people are here.
    pub online: Online,
}

/// Why and how the link ends; the last message of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The reason, as a code.
    pub code: u8,
    /// Come back after this long plus a random part of as much again, in ms; `None`: do not.
    pub retry_ms: Option<u32>,
    /// The reason, in words.
    pub reason: String,
}

/// A message of the reliable lane from the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerMessage {
    /// The client is in.
    Welcome(Welcome),
    /// Who is here.
    Roster(Roster),
    /// The link ends.
    Closing(Closing),
}

/// Why a link ends (docs/PROTOCOL.md, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseCode {
    /// Answer to [`ClientMessage::Leave`].
    Bye = 0,
    /// Bytes that do not decode, or a message out of turn.
    BadMessage = 1,
    /// A version that is not spoken here.
    BadVersion = 2,
    /// A room's name that is not one.
    BadRoom = 3,
    /// A value out of its range.
    BadValue = 4,
    /// Far more messages or datagrams than allowed.
    TooFast = 5,
    /// The client did not read its reliable lane.
    TooSlow = 6,
    /// The same peer came back on another link.
    Replaced = 7,
    /// No hello in time.
    Timeout = 8,
    /// The room or the server is full.
    Full = 9,
    /// The server is stopping.
    Restarting = 10,
}

impl CloseCode {
    /// The code of a WebSocket close frame.
    #[must_use]
    pub const fn websocket(self) -> u16 {
        4000 + self as u16
    }

    /// Whether a client may come back by itself.
    #[must_use]
    pub const fn retryable(self) -> bool {
        match self {
            Self::TooFast | Self::TooSlow | Self::Timeout | Self::Full | Self::Restarting => true,
            Self::Bye
            | Self::BadMessage
            | Self::BadVersion
            | Self::BadRoom
            | Self::BadValue
            | Self::Replaced => false,
        }
    }
}

/// A sample of a pose as a client numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The link's count of samples.
    pub seq: u32,
    /// The sample.
    pub pose: Pose,
}

impl Sample {
    /// Its bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> [u8; POSE_LEN] {
        let mut bytes = [POSE_TAG; POSE_LEN];
        let Pose { position, orientation, accuracy, sampled } = self.pose;
        let fields = [
            self.seq.to_le_bytes(),
            sampled.stamp().0.to_le_bytes(),
            position.lat().to_le_bytes(),
            position.lng().to_le_bytes(),
        ];
        let tail = orientation.map_or(NO_ORIENTATION, Orientation::code).to_le_bytes();
        let all = fields.into_iter().flatten().chain([accuracy.code()]).chain(tail);
        for (byte, value) in bytes.iter_mut().skip(1).zip(all) {
            *byte = value;
        }
        bytes
    }
}

/// A message of the datagram lane from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientDatagram {
    /// A pose.
    Pose(Sample),
    /// A ping, to be answered with the same number.
    Ping(u32),
    /// A kind that this version does not know; ignored.
    Unknown,
}

impl ClientDatagram {
    /// Decodes a datagram that arrived at `now`.
    ///
    /// # Errors
    /// If its length is wrong or a value is off its range. A sample's time that is too old is
    /// clamped instead.
    pub fn decode(bytes: &[u8], now: Time) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&POSE_TAG, rest)) => decode_pose(rest, now).map(Self::Pose),
            Some((&PING_TAG, rest)) => {
                let echo = rest.try_into().map_err(|_| DecodeError::Malformed)?;
                Ok(Self::Ping(u32::from_le_bytes(echo)))
            }
            Some((&tag, _)) if tag > PONG_TAG => Ok(Self::Unknown),
            _ => Err(DecodeError::Malformed),
        }
    }
}

fn decode_pose(mut rest: &[u8], now: Time) -> Result<Sample, DecodeError> {
    let mut word = || -> Result<[u8; 4], DecodeError> {
        let (word, tail) = rest.split_first_chunk().ok_or(DecodeError::Malformed)?;
        rest = tail;
        Ok(*word)
    };
    let seq = u32::from_le_bytes(word()?);
    let time = Stamp(u32::from_le_bytes(word()?));
    let lat = i32::from_le_bytes(word()?);
    let lng = i32::from_le_bytes(word()?);
    let (&accuracy, orientation) = rest.split_first().ok_or(DecodeError::Malformed)?;
    let orientation = orientation.try_into().map_err(|_| DecodeError::Malformed)?;
    let orientation = match u32::from_le_bytes(orientation) {
        NO_ORIENTATION => None,
        code => Some(Orientation::from_code(code)?),
    };
    let ahead = i64::from(time.after(now.stamp()));
    if ahead > MAX_AHEAD_MS as i64 {
        return Err(DecodeError::Future);
    }
    let pose = Pose {
        position: Position::new(lat, lng)?,
        orientation,
        accuracy: Accuracy::from_code(accuracy)?,
        sampled: now.nearest(time).max(now - MAX_AGE_MS),
    };
    Ok(Sample { seq, pose })
}

/// A ping with this number.
#[must_use]
pub fn encode_ping(echo: u32) -> [u8; 5] {
    let [a, b, c, d] = echo.to_le_bytes();
    [PING_TAG, a, b, c, d]
}

/// The answer, at `now`, to a ping with this number.
#[must_use]
pub fn encode_pong(echo: u32, now: Time) -> [u8; PONG_LEN] {
    let ([a, b, c, d], [e, f, g, h]) = (echo.to_le_bytes(), now.stamp().0.to_le_bytes());
    [PONG_TAG, a, b, c, d, e, f, g, h]
}

/// The number and the server's clock in a pong.
///
/// # Errors
/// If the bytes are not a pong.
pub fn decode_pong(bytes: &[u8]) -> Result<(u32, Stamp), DecodeError> {
    match bytes {
        &[PONG_TAG, a, b, c, d, e, f, g, h] => {
            Ok((u32::from_le_bytes([a, b, c, d]), Stamp(u32::from_le_bytes([e, f, g, h]))))
        }
        _ => Err(DecodeError::Malformed),
    }
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

    /// Decodes and validates a message.
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
            Self::Hello(hello) => hello.validate()?,
            Self::Viewport(viewport) => {
                viewport.validate()?;
            }
            Self::Presence(Presence::Gone) => return Err(DecodeError::Presence),
            Self::Presence(_) | Self::Budget(_) | Self::Leave => {}
        }
        Ok(message)
    }
}

impl Hello {
    fn validate(&self) -> Result<(), DecodeError> {
        if !is_room_name(&self.room) {
            return Err(DecodeError::Room);
        }
        if self.name.len() > MAX_NAME || self.name.chars().any(char::is_control) {
            return Err(DecodeError::Name);
        }
        if self.presence == Presence::Gone {
            return Err(DecodeError::Presence);
        }
        if let Some(viewport) = self.viewport {
            viewport.validate()?;
        }
        Ok(())
    }
}

/// Whether `name` can be a room's: 1 to [`MAX_ROOM`] of a-z, 0-9 and `-`.
#[must_use]
pub fn is_room_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_ROOM).contains(&name.len()) && name.bytes().all(allowed)
}

impl ServerMessage {
    /// Its bytes on the reliable lane.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes a message.
    ///
    /// # Errors
    /// If the bytes are not a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes, MAX_SERVER_MESSAGE)
    }

    /// The last message of a link.
    #[must_use]
    pub fn closing(code: CloseCode, reason: &str, retry_ms: Option<u32>) -> Self {
        Self::Closing(Closing { code: code as u8, retry_ms, reason: reason.to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello() -> Hello {
        Hello {
            version: VERSION,
            room: "lobby".into(),
            name: "Ada".into(),
            presence: Presence::Sharing,
            resume: Some(Token([7; 16])),
            budget: 65_536,
            viewport: Some(Viewport::WORLD),
        }
    }

    fn sample() -> Sample {
        let pose = Pose {
            position: Position::from_degrees(45.75, 14.36).unwrap(),
            orientation: Some(Orientation::from_euler(10.0, 20.0, 30.0).unwrap()),
            accuracy: Accuracy::from_metres(5.0),
            sampled: Time(70_000),
        };
        Sample { seq: 300, pose }
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
        refuse(|h| h.name = "a\u{7}".into(), DecodeError::Name);
        refuse(|h| h.name = "x".repeat(65), DecodeError::Name);
        refuse(|h| h.presence = Presence::Gone, DecodeError::Presence);
        refuse(
            |h| h.viewport = Some(Viewport { south: i32::MAX, ..Viewport::WORLD }),
            DecodeError::Geo(GeoError::Latitude),
        );
        let gone = ClientMessage::Presence(Presence::Gone).encode();
        assert_eq!(ClientMessage::decode(&gone), Err(DecodeError::Presence));
    }

    #[test]
    fn a_length_that_lies_allocates_nothing() {
        // A roster that claims four thousand million people in ten bytes.
        let bytes = [1, 0, 0xFC, 255, 255, 255, 255, 0, 0, 0];
        assert_eq!(ServerMessage::decode(&bytes), Err(DecodeError::Malformed));
    }

    #[test]
    fn a_pose_survives_the_wire() {
        let bytes = sample().encode();
        let decoded = ClientDatagram::decode(&bytes, Time(70_010));
        assert_eq!(decoded, Ok(ClientDatagram::Pose(sample())));
    }

    #[test]
    fn a_pose_off_its_range_is_refused() {
        let check = |at: usize, value: [u8; 4], error| {
            let mut bytes = sample().encode();
            bytes[at..at + 4].copy_from_slice(&value);
            assert_eq!(ClientDatagram::decode(&bytes, Time(70_010)), Err(error));
        };
        check(5, 76_000_u32.to_le_bytes(), DecodeError::Future);
        check(9, 900_000_001_i32.to_le_bytes(), DecodeError::Geo(GeoError::Latitude));
        check(13, i32::MIN.to_le_bytes(), DecodeError::Geo(GeoError::Longitude));
        check(18, 133_544_992_u32.to_le_bytes(), DecodeError::Pose(PoseError::Orientation));
        let short = &sample().encode()[..21];
        assert_eq!(ClientDatagram::decode(short, Time(0)), Err(DecodeError::Malformed));
    }

    #[test]
    fn an_old_sample_is_taken_as_a_minute_old() {
        let Ok(ClientDatagram::Pose(old)) =
            ClientDatagram::decode(&sample().encode(), Time(1_000_000))
        else {
            panic!("an old pose is a pose")
        };
        assert_eq!(old.pose.sampled, Time(940_000));
    }

    #[test]
    fn pings_and_pongs_match() {
        assert_eq!(ClientDatagram::decode(&encode_ping(77), Time(0)), Ok(ClientDatagram::Ping(77)));
        assert_eq!(decode_pong(&encode_pong(77, Time(9))), Ok((77, Stamp(9))));
        assert_eq!(ClientDatagram::decode(&[0x60, 1], Time(0)), Ok(ClientDatagram::Unknown));
        assert_eq!(ClientDatagram::decode(&[], Time(0)), Err(DecodeError::Malformed));
        assert_eq!(ClientDatagram::decode(&[FRAME_TAG], Time(0)), Err(DecodeError::Malformed));
    }

    #[test]
    fn close_codes_are_pinned() {
        let codes = [
            CloseCode::Bye,
            CloseCode::BadMessage,
            CloseCode::BadVersion,
            CloseCode::BadRoom,
            CloseCode::BadValue,
            CloseCode::TooFast,
            CloseCode::TooSlow,
            CloseCode::Replaced,
            CloseCode::Timeout,
            CloseCode::Full,
            CloseCode::Restarting,
        ];
        for (number, code) in codes.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            assert_eq!(usize::from(code.websocket()), 4000 + number);
            assert_eq!(code.retryable(), [5, 6, 8, 9, 10].contains(&number));
        }
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
            if let Ok(ClientDatagram::Pose(sample)) = ClientDatagram::decode(&bytes, Time(1 << 33)) {
                prop_assert_eq!(sample.encode().len(), POSE_LEN);
            }
        }
    }
}
