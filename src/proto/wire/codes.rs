//! Why bytes are refused and why links end (docs/PROTOCOL.md, section 3).

use std::error::Error;
use std::fmt;

use crate::geo::GeoError;
use crate::kind::KindError;
use crate::pose::PoseError;
use crate::wire::limits::{MAX_PROFILE, MAX_ROOM, MAX_SAY, MAX_TOPIC, VERSION};

/// Why bytes from the other side are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes are not a message.
    Malformed,
    /// Bytes are left over after the message.
    Trailing(usize),
    /// The message is longer than allowed.
    TooLong(usize),
    /// A hello of another version.
    Version(u16),
    /// An impossible room name.
    Room,
    /// A presence that a client cannot claim.
    Presence,
    /// A viewport that is off its range.
    Viewport(GeoError),
    /// A position that is off its range.
    Geo(GeoError),
    /// A pose that is off its range.
    Pose(PoseError),
    /// A pose whose state does not have the room's number of bits.
    State(u32),
    /// A space or a layout that a room cannot have.
    Kind(KindError),
    /// A profile that is too long, or not JSON.
    Profile,
    /// The topic of a message to others is empty, too long or has characters that it may not have.
    Topic,
    /// The body of a message to others is too long.
    Body,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => {
                write!(f, "the bytes are not a message of protocol version {VERSION}")
            }
            Self::Trailing(len) => write!(f, "{len} bytes are left over after the message"),
            Self::TooLong(most) => write!(f, "the message is longer than {most} bytes"),
            Self::Version(other) => {
                write!(f, "this server speaks protocol version {VERSION}, not {other}")
            }
            Self::Room => write!(f, "a room's name is 1 to {MAX_ROOM} of a-z, 0-9 and -"),
            Self::Presence => f.write_str("a client is sharing, watching or hidden"),
            Self::Viewport(error) | Self::Geo(error) => error.fmt(f),
            Self::Pose(error) => error.fmt(f),
            Self::State(0) => f.write_str("this room has no state"),
            Self::State(bits) => write!(f, "a pose in this room has {bits} bits of state"),
            Self::Kind(error) => error.fmt(f),
            Self::Profile => write!(f, "a profile is JSON of at most {MAX_PROFILE} bytes"),
            Self::Topic => {
                write!(f, "a topic is 1 to {MAX_TOPIC} of a-z, A-Z, 0-9, and any of _ - . /")
            }
            Self::Body => write!(f, "a message has at most {MAX_SAY} bytes"),
        }
    }
}

impl Error for DecodeError {}

impl From<GeoError> for DecodeError {
    fn from(error: GeoError) -> Self {
        Self::Geo(error)
    }
}

impl From<PoseError> for DecodeError {
    fn from(error: PoseError) -> Self {
        Self::Pose(error)
    }
}

impl DecodeError {
    /// Returns the field whose value is not taken, while the link goes on.
    ///
    /// # Errors
    /// The code with which the link ends, if it does.
    pub const fn outcome(self) -> Result<Field, CloseCode> {
        match self {
            Self::Malformed | Self::Trailing(_) | Self::TooLong(_) => Err(CloseCode::BadMessage),
            Self::Version(_) => Err(CloseCode::BadVersion),
            Self::Room => Err(CloseCode::BadRoom),
            Self::Presence => Ok(Field::Presence),
            Self::Viewport(_) => Ok(Field::Viewport),
            Self::Geo(_) => Ok(Field::Position),
            Self::Pose(PoseError::Accuracy) => Ok(Field::Accuracy),
            Self::Pose(PoseError::Orientation | PoseError::NotARotation) => Ok(Field::Orientation),
            Self::State(_) => Ok(Field::State),
            Self::Kind(_) => Err(CloseCode::WrongKind),
            Self::Profile => Ok(Field::Profile),
            Self::Topic | Self::Body => Ok(Field::Say),
        }
    }
}

/// The field of a refused value (docs/PROTOCOL.md, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Field {
    /// A pose's latitude or longitude.
    Position = 0,
    /// A pose's accuracy.
    Accuracy = 1,
    /// A pose's orientation.
    Orientation = 2,
    /// A viewport.
    Viewport = 3,
    /// A presence.
    Presence = 4,
    /// A pose's state.
    State = 5,
    /// The terms on which a peer shares.
    Sharing = 6,
    /// A profile.
    Profile = 7,
    /// A message to others.
    Say = 8,
    /// What a host does.
    Host = 9,
}

/// Why a link ends (docs/PROTOCOL.md, section 3). Number 4 is unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseCode {
    /// Answer to [`Leave`](crate::wire::ClientMessage::Leave).
    Bye = 0,
    /// Bytes that do not decode, or a message out of turn.
    BadMessage = 1,
    /// A version that the server does not speak.
    BadVersion = 2,
    /// A room's name that is not one.
    BadRoom = 3,
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
    /// The room asks for an access token, and the client's is missing, invalid or does not allow
    /// what the client asked.
    Forbidden = 11,
    /// The access token expired; a new one lets the client back in.
    Expired = 12,
    /// The room is of another kind than the client takes it to be, or a kind that no room can be of.
    WrongKind = 13,
    /// A host removed the peer.
    Removed = 14,
    /// A host closed the room.
    Ended = 15,
}

impl CloseCode {
    /// The code of this number; `None` if this version knows none.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Bye,
            1 => Self::BadMessage,
            2 => Self::BadVersion,
            3 => Self::BadRoom,
            5 => Self::TooFast,
            6 => Self::TooSlow,
            7 => Self::Replaced,
            8 => Self::Timeout,
            9 => Self::Full,
            10 => Self::Restarting,
            11 => Self::Forbidden,
            12 => Self::Expired,
            13 => Self::WrongKind,
            14 => Self::Removed,
            15 => Self::Ended,
            _ => return None,
        })
    }

    /// Returns the code of a WebSocket close frame.
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
            | Self::Replaced
            | Self::Forbidden
            | Self::Expired
            | Self::WrongKind
            | Self::Removed
            | Self::Ended => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_are_pinned() {
        let codes = [
            CloseCode::Bye,
            CloseCode::BadMessage,
            CloseCode::BadVersion,
            CloseCode::BadRoom,
            CloseCode::TooFast,
            CloseCode::TooSlow,
            CloseCode::Replaced,
            CloseCode::Timeout,
            CloseCode::Full,
            CloseCode::Restarting,
            CloseCode::Forbidden,
            CloseCode::Expired,
            CloseCode::WrongKind,
            CloseCode::Removed,
            CloseCode::Ended,
        ];
        // 4 is unused.
        let numbers = (0..=15).filter(|&number| number != 4);
        for (number, code) in numbers.zip(codes) {
            assert_eq!(code as usize, number);
            assert_eq!(CloseCode::from_code(number as u8), Some(code));
            assert_eq!(usize::from(code.websocket()), 4000 + number);
            assert_eq!(code.retryable(), [5, 6, 8, 9, 10].contains(&number));
        }
        assert_eq!([4, 16].map(CloseCode::from_code), [None, None]);
    }
}
