//! sockjs-node: JSON in SockJS's frames (the `websocket` transport of SockJS protocol 0.3.3).

use gpys::proto::geo::Position;
use gpys::proto::time::Time;
use serde::de::IgnoredAny;
use tokio_tungstenite::tungstenite::Message;

use super::{Relay, RelayError, text};
use crate::track::Reading;

/// A location: latitude and longitude (none if that person has left), uuid, sample time, and, but
/// for who has left, angles.
type Location = (f64, f64, IgnoredAny, IgnoredAny, IgnoredAny);

/// A session of one WebSocket.
pub struct SockJs {
    number: u32,
    open: bool,
}

impl SockJs {
    /// A session whose `number` no other has.
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
        let time = reading.sampled.0;
        // Neither has a character that a string would escape.
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
                for told in serde_json::from_str::<Vec<String>>(list)? {
                    read(&told, seen)?;
                }
            }
            Some(("c", why)) => return Err(RelayError::Closed(why.into())),
            _ => return Err(RelayError::unexpected(message)),
        }
        Ok(None)
    }
}

/// Reads what the server tells: a location, everybody's, who has left, or how many are there.
fn read(told: &str, seen: &mut dyn FnMut(Position)) -> Result<(), RelayError> {
    let locations = if told.starts_with("[[") {
        serde_json::from_str::<Vec<Location>>(told)?
    } else if told == "[]" || told.starts_with("[null,") || told.starts_with("{\"online\":") {
        Vec::new()
    } else {
        vec![serde_json::from_str::<Location>(told)?]
    };
    for (lat, lng, ..) in locations {
        seen(Position::from_degrees(lat, lng)?);
    }
    Ok(())
}
