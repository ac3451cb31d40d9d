//! Socket.IO 4 over WebSocket: JSON in the packets of Engine.IO (protocol 4) and Socket.IO
//! (protocol 5).

use gpys::proto::geo::Position;
use gpys::proto::time::Time;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;

use super::{Relay, RelayError, text};
use crate::track::Reading;

/// Requests the main namespace; also the start of the reply that grants it.
const CONNECT: &str = "40";
const PING: &str = "2";
const PONG: &str = "3";
/// The start of a pose event, up to its argument.
const POSE: &str = "42[\"pose\",";
/// The start of a leave event.
const LEFT: &str = "42[\"left\",";

/// The parts of a pose that are read.
#[derive(Deserialize)]
struct Place {
    lat: f64,
    lng: f64,
}

/// A connection.
#[derive(Default)]
pub struct SocketIo {
    connected: bool,
}

impl Relay for SocketIo {
    fn path(&self) -> String {
        "/socket.io/?EIO=4&transport=websocket".into()
    }

    fn ready(&self) -> bool {
        self.connected
    }

    fn encode(&mut self, reading: &Reading) -> Message {
        let (lat, lng) = reading.position.degrees();
        let [alpha, beta, gamma] = reading.angles;
        let time = reading.sampled.as_ms();
        Message::text(format!(
            r#"{POSE}{{"lat":{lat},"lng":{lng},"time":{time},"angles":[{alpha},{beta},{gamma}]}}]"#
        ))
    }

    fn decode(
        &mut self,
        message: &Message,
        _now: Time,
        seen: &mut dyn FnMut(Position),
    ) -> Result<Option<Message>, RelayError> {
        let Some(text) = text(message)? else { return Ok(None) };
        if let Some(pose) = text.strip_prefix(POSE).and_then(|rest| rest.strip_suffix(']')) {
            let Place { lat, lng } = serde_json::from_str(pose)?;
            seen(Position::from_degrees(lat, lng)?);
            return Ok(None);
        }
        if text == PING {
            return Ok(Some(Message::text(PONG)));
        }
        if text.starts_with("0{") {
            return Ok(Some(Message::text(CONNECT)));
        }
        if text.starts_with(CONNECT) {
            self.connected = true;
        } else if text == "1" || text.starts_with("41") || text.starts_with("44") {
            return Err(RelayError::Closed(text.into()));
        } else if !text.starts_with(LEFT) {
            return Err(RelayError::unexpected(message));
        }
        Ok(None)
    }
}
