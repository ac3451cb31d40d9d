//! What the servers that GPyS is compared with speak over a WebSocket, seen from a client. No
//! sockets and no clocks in here.

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

/// The client's side of one connection to a compared server.
///
/// Open a WebSocket at [`path`](Self::path), give every message that arrives to
/// [`decode`](Self::decode), and send what it returns; once [`ready`](Self::ready), send readings.
pub trait Relay: Send {
    /// The path, with query, of the WebSocket's address.
    fn path(&self) -> String;

    /// Whether the greeting is over, so that readings may be sent.
    fn ready(&self) -> bool;

    /// The message that carries `reading`.
    fn encode(&mut self, reading: &Reading) -> Message;

    /// Reads a message that arrived at `now`, on the clock of [`Reading::sampled`]: calls `seen`
    /// with each position in it, and returns what must be answered.
    ///
    /// # Errors
    /// If the server closes the connection, or says what it should not. The connection is then
    /// good for nothing.
    fn decode(
        &mut self,
        message: &Message,
        now: Time,
        seen: &mut dyn FnMut(Position),
    ) -> Result<Option<Message>, RelayError>;
}

/// The text of a message; none if it is one of WebSocket's own.
fn text(message: &Message) -> Result<Option<&str>, RelayError> {
    match message {
        Message::Text(text) => Ok(Some(text.as_str())),
        Message::Ping(_) | Message::Pong(_) => Ok(None),
        Message::Close(_) => Err(RelayError::Closed(message.to_string())),
        _ => Err(RelayError::unexpected(message)),
    }
}

/// Why a connection to a compared server is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The server closed the connection.
    #[error("the server closed the connection: {0}")]
    Closed(String),
    /// A message of a kind that this server does not send.
    #[error("the server sent what its protocol does not have: {0:?}")]
    Unexpected(String),
    /// JSON that cannot be read.
    #[error("the server's JSON cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A pose that cannot be read.
    #[error("a relayed pose cannot be read: {0}")]
    Pose(#[from] DecodeError),
    /// A place that is none.
    #[error("a relayed position is off the map: {0}")]
    Position(#[from] GeoError),
}

impl RelayError {
    /// The message, or as much of it as tells what it is.
    fn unexpected(message: &Message) -> Self {
        Self::Unexpected(message.to_string().chars().take(80).collect())
    }
}
