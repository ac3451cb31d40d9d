//! The client side of what the compared servers speak over a WebSocket, without sockets or clocks.

mod socketio;
mod sockjs;
mod ws;

use gpys::proto::geo::{GeoError, Position};
use gpys::proto::time::Time;
use gpys::proto::wire::DecodeError;
pub use socketio::SocketIo;
pub use sockjs::SockJs;
use tokio_tungstenite::tungstenite::Message;
pub use ws::Ws;

use crate::track::Reading;

/// The client side of one connection to a compared server.
///
/// Open a WebSocket at [`path`](Self::path), pass every message that arrives to
/// [`decode`](Self::decode), and send what it returns; once [`ready`](Self::ready), send readings.
pub trait Relay: Send {
    /// The path and query of the WebSocket's URL.
    fn path(&self) -> String;

    /// Whether the greeting is complete, so readings may be sent.
    fn ready(&self) -> bool;

    /// The message that carries `reading`.
    fn encode(&mut self, reading: &Reading) -> Message;

    /// Decodes a message that arrived at `now`, on the clock of [`Reading::sampled`]: calls `seen`
    /// with each position in it, and returns a reply to send, if any.
    ///
    /// # Errors
    /// If the server closes the connection or sends something unexpected. The connection is then
    /// unusable.
    fn decode(
        &mut self,
        message: &Message,
        now: Time,
        seen: &mut dyn FnMut(Position),
    ) -> Result<Option<Message>, RelayError>;
}

/// The text of a message; `None` if it is a WebSocket control message.
fn text(message: &Message) -> Result<Option<&str>, RelayError> {
    match message {
        Message::Text(text) => Ok(Some(text.as_str())),
        Message::Ping(_) | Message::Pong(_) => Ok(None),
        Message::Close(_) => Err(RelayError::Closed(message.to_string())),
        _ => Err(RelayError::unexpected(message)),
    }
}

/// Why a connection to a compared server is unusable.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The server closed the connection.
    #[error("the server closed the connection: {0}")]
    Closed(String),
    /// A kind of message that this server does not send.
    #[error("the server sent what its protocol does not have: {0:?}")]
    Unexpected(String),
    /// Malformed JSON.
    #[error("the server's JSON cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A malformed pose.
    #[error("a relayed pose cannot be read: {0}")]
    Pose(#[from] DecodeError),
    /// A position out of range.
    #[error("a relayed position is off the map: {0}")]
    Position(#[from] GeoError),
}

impl RelayError {
    /// The message, or enough of it to recognise it.
    fn unexpected(message: &Message) -> Self {
        Self::Unexpected(message.to_string().chars().take(80).collect())
    }
}
