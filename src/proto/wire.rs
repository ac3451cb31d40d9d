//! The bytes of docs/PROTOCOL.md, both ways.
//!
//! Reading order: `limits` and `codes`; `peer`, the parts of messages that describe one; the
//! reliable lane (section 3) with `client` and `server`, the messages, and `encoding`, the only
//! file that knows bincode; the datagram lane with `datagram` (poses and pings) and [`frame`] over
//! [`bits`] (section 5).

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

pub mod bits;
mod client;
mod codes;
mod datagram;
mod encoding;
pub mod frame;
mod limits;
mod peer;
mod say;
mod server;

pub use self::client::{ClientMessage, Hello, HostAction, Pace, Removal};
pub use self::codes::{CloseCode, DecodeError, Field};
pub use self::datagram::{
    ClientDatagram, MAX_AGE_MS, MOVING_TAG, PADDING, PING_TAG, PONG_LEN, PONG_TAG, POSE_LEN,
    POSE_TAG, Sample, decode_pong, encode_ping, encode_pong,
};
pub use self::limits::{
    DATAGRAM_LANE, FRAME_TAG, MAX_ACCESS, MAX_CLIENT_MESSAGE, MAX_PROFILE, MAX_ROOM, MAX_SAY,
    MAX_SERVER_MESSAGE, MAX_TOPIC, VERSION, is_room_name,
};
pub use self::peer::{
    Change, Online, PeerId, Person, Presence, PublicId, ResumeToken, Role, Sharing,
};
pub use self::say::{SAID_TAG, SAY_TAG, Said, Say, To};
pub use self::server::{Closing, Copies, Limits, Refused, Roster, ServerMessage, Welcome};
