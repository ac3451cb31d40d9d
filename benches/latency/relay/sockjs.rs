//! sockjs-node: JSON in SockJS frames (the `websocket` transport of SockJS protocol 0.3.3).

use gpys::proto::geo::Position;
use gpys::proto::time::Time;
use serde::de::IgnoredAny;
use tokio_tungstenite::tungstenite::Message;

use super::{Relay, RelayError, text};
use crate::track::Reading;

/// A location: latitude and longitude (`None` if the peer has left), UUID, sample time, and, unless
/// it has left, angles.
type Location = (f64, f64, IgnoredAny, IgnoredAny, IgnoredAny);

/// A session of one WebSocket.
pub struct SockJs {
    number: u32,
    open: bool,
}

impl SockJs {
    /// A session with a unique `number`.
    pub const fn new(number: u32) -> Self {
        Self { number, open: false }
    }
}

impl Relay for SockJs {
    fn path(&self) -> String {
        format!("/live/000/{:08x}/websocket", self.number)
    }

    fn ready(&self) -> bool {
        self.open
    }

    fn encode(&mut self, reading: &Reading) -> Message {
        let (lat, lng) = reading.position.degrees();
        let [alpha, beta, gamma] = reading.angles;
        let time = reading.sampled.as_ms();
        // Neither contains a character that a string would escape.
        Message::text(format!(r#"["[{lat},{lng},{time},[{alpha},{beta},{gamma}]]"]"#))
    }

    fn decode(
        &mut self,
        message: &Message,
        _now: Time,
        seen: &mut dyn FnMut(Position),
    ) -> Result<Option<Message>, RelayError> {
        let Some(text) = text(message)? else { return Ok(None) };
        match text.split_at_checked(1) {
            Some(("o", "")) => self.open = true,
            Some(("h", "")) => {}
            Some(("a", list)) => {
                for message in serde_json::from_str::<Vec<String>>(list)? {
                    read(&message, seen)?;
                }
            }
            Some(("c", why)) => return Err(RelayError::Closed(why.into())),
            _ => return Err(RelayError::unexpected(message)),
        }
        Ok(None)
    }
}

/// Reads a message: one location, all locations, who has left, or the number of peers.
fn read(message: &str, seen: &mut dyn FnMut(Position)) -> Result<(), RelayError> {
    let locations = if message.starts_with("[[") {
        serde_json::from_str::<Vec<Location>>(message)?
    } else if message == "[]"
        || message.starts_with("[null,")
        || message.starts_with("{\"online\":")
    {
        Vec::new()
    } else {
        vec![serde_json::from_str::<Location>(message)?]
    };
    for (lat, lng, ..) in locations {
        seen(Position::from_degrees(lat, lng)?);
    }
    Ok(())
}
