//! Plain `ws`: upwards, a pose as in docs/PROTOCOL.md, section 4; downwards, the sender's number
//! (u32, little endian) and a pose.

use gpys::proto::geo::Position;
use gpys::proto::time::Time;
use gpys::proto::wire::{ClientDatagram, Sample};
use tokio_tungstenite::tungstenite::Message;

use super::{Relay, RelayError};
use crate::track::Reading;

/// Length of the sender's number, in bytes.
const NUMBER_LEN: usize = 4;

/// A connection, which has no state.
pub struct Ws;

impl Relay for Ws {
    fn path(&self) -> String {
        "/".into()
    }

    fn ready(&self) -> bool {
        true
    }

    fn encode(&mut self, reading: &Reading) -> Message {
        let sample = Sample::new(reading.number, reading.pose());
        Message::binary(sample.encode(0))
    }

    fn decode(
        &mut self,
        message: &Message,
        now: Time,
        seen: &mut dyn FnMut(Position),
    ) -> Result<Option<Message>, RelayError> {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Ping(_) | Message::Pong(_) => return Ok(None),
            Message::Close(_) => return Err(RelayError::Closed(message.to_string())),
            _ => return Err(RelayError::unexpected(message)),
        };
        let pose = bytes.get(NUMBER_LEN..).unwrap_or_default();
        match ClientDatagram::decode(pose, now, 0)? {
            ClientDatagram::Pose(sample) => seen(sample.pose.position),
            _ => return Err(RelayError::unexpected(message)),
        }
        Ok(None)
    }
}
