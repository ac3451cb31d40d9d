//! Messages from one peer to others (docs/PROTOCOL.md, section 3).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::wire::codes::DecodeError;
use crate::wire::encoding::{decode_part, encode};
use crate::wire::limits::{MAX_SAY, MAX_TOPIC};
use crate::wire::peer::PeerId;

/// First byte of a message to others on the datagram lane.
pub const SAY_TAG: u8 = 0x55;
/// First byte of a message from another on the datagram lane.
pub const SAID_TAG: u8 = 0x56;

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum To {
    /// Everybody in the room.
    Room,
    /// Those in the sender's view.
    Near,
    /// The room's hosts.
    Hosts,
    /// One peer.
    Peer(PeerId),
}

/// A message to others.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    /// Whom it is for.
    pub to: To,
    /// What it is about.
    pub topic: String,
    /// What it says; the server does not look into it.
    pub body: Vec<u8>,
}

/// A message from another.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who sent it.
    pub from: PeerId,
    /// Whom it is for.
    pub to: To,
    /// What it is about.
    pub topic: String,
    /// What it says.
    pub body: Vec<u8>,
}

impl fmt::Debug for Say {
    /// Leaves out what is between the peers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, topic, body } = self;
        write!(f, "Say {{ to: {to:?}, topic: {topic:?}, body: {} bytes }}", body.len())
    }
}

impl fmt::Debug for Said {
    /// Leaves out what is between the peers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, topic, body } = self;
        write!(
            f,
            "Said {{ from: {from}, to: {to:?}, topic: {topic:?}, body: {} bytes }}",
            body.len()
        )
    }
}

impl Say {
    /// Checks topic and length.
    ///
    /// # Errors
    /// If the topic is not one, or the body is too long.
    pub fn validate(&self) -> Result<(), DecodeError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
        if !(1..=MAX_TOPIC).contains(&self.topic.len()) || !self.topic.bytes().all(allowed) {
            return Err(DecodeError::Topic);
        }
        if self.body.len() > MAX_SAY { Err(DecodeError::Body) } else { Ok(()) }
    }

    /// Encodes the message for the datagram lane; `seq` numbers the peer's messages on its link.
    #[must_use]
    pub fn encode_datagram(&self, seq: u32) -> Vec<u8> {
        tagged(SAY_TAG, seq, &encode(self))
    }

    pub(crate) fn decode_datagram(rest: &[u8]) -> Result<(u32, Self), DecodeError> {
        let (seq, rest) = rest.split_first_chunk().ok_or(DecodeError::Malformed)?;
        let say: Self = decode_part(rest)?;
        say.validate()?;
        Ok((u32::from_le_bytes(*seq), say))
    }
}

impl Said {
    /// Encodes the message for the datagram lane; of two from one sender on one topic, the one with
    /// the later `time`, in ms on the server's clock, is newer.
    #[must_use]
    pub fn encode_datagram(&self, time: u32) -> Vec<u8> {
        tagged(SAID_TAG, time, &encode(self))
    }

    /// Decodes a message of the datagram lane, with its time.
    ///
    /// # Errors
    /// If the bytes are not such a message.
    pub fn decode_datagram(bytes: &[u8]) -> Result<(u32, Self), DecodeError> {
        let rest = bytes.strip_prefix(&[SAID_TAG]).ok_or(DecodeError::Malformed)?;
        let (time, rest) = rest.split_first_chunk().ok_or(DecodeError::Malformed)?;
        Ok((u32::from_le_bytes(*time), decode_part(rest)?))
    }
}

fn tagged(tag: u8, number: u32, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5 + message.len());
    bytes.push(tag);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(message);
    bytes
}
