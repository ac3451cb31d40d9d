//! A link over WebSocket: every binary message belongs to one of the two lanes.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::error::ConnectError;
use crate::link::end::{End, Incoming};
use crate::server_info::{Stream, Target};
use gpys_proto::wire::{DATAGRAM_LANE, MAX_SERVER_MESSAGE};

/// First of the protocol's own close codes.
const CLOSE_BASE: u16 = 4_000;
/// Read buffer, in bytes: clients are many, and frames are small.
const READ_BUFFER: usize = 4_096;

/// After this long, a server has given up a silent link.
const GIVEN_UP: Duration = Duration::from_secs(20);

/// One link over WebSocket.
pub struct WebSocketLink {
    socket: WebSocketStream<Box<dyn Stream>>,
}

impl std::fmt::Debug for WebSocketLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocketLink").finish_non_exhaustive()
    }
}

impl WebSocketLink {
    /// Opens a WebSocket over a stream that is connected to `target`, as a page of `origin` or as a
    /// program without one.
    ///
    /// # Errors
    /// If the server rejects the session, or cannot be reached.
    pub async fn open(
        stream: Box<dyn Stream>,
        target: &Target,
        origin: Option<&str>,
    ) -> Result<Self, ConnectError> {
        let fail = |error: Error| {
            let url = target.uri.to_string();
            match error {
                Error::Http(response) if response.status() == StatusCode::FORBIDDEN => {
                    ConnectError::Origin { url, origin: origin.map(str::to_owned) }
                }
                Error::Http(response) => ConnectError::Rejected { url, status: response.status() },
                error => ConnectError::broken(&url, error),
            }
        };
        let mut request = target.uri.clone().into_client_request().map_err(fail)?;
        if let Some(origin) = origin {
            let origin = HeaderValue::from_str(origin).map_err(|error| fail(error.into()))?;
            request.headers_mut().insert(header::ORIGIN, origin);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_SERVER_MESSAGE))
            .max_frame_size(Some(MAX_SERVER_MESSAGE));
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config))
                .await
                .map_err(fail)?;
        Ok(Self { socket })
    }

    /// Receives the next message of either lane. Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// When the link is over.
    pub async fn recv(&mut self) -> Result<Incoming, End> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => {
                    return match bytes.first() {
                        Some(&first) if first >= DATAGRAM_LANE => Ok(Incoming::Datagram(bytes)),
                        _ => Ok(Incoming::Message(bytes)),
                    };
                }
                Some(Ok(Message::Close(frame))) => {
                    // Sends the answering close frame.
                    let _ = self.socket.flush().await;
                    let Some(frame) = frame else {
                        return Err(End::because(&"closed by the server"));
                    };
                    let code = u16::from(frame.code).checked_sub(CLOSE_BASE);
                    let code = code.and_then(|code| u8::try_from(code).ok());
                    return Err(End { code, ..End::because(&frame.reason) });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(End::because(&error)),
                None => return Err(End::because(&"the connection is closed")),
            }
        }
    }

    /// Sends a message of either lane.
    ///
    /// # Errors
    /// When the link is over.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.socket
            .send(Message::binary(bytes.to_vec()))
            .await
            .map_err(|error| End::because(&error))
    }

    /// Stops reading and writing, and keeps the socket until the server has given it up.
    pub fn cut(self) {
        tokio::spawn(async move {
            tokio::time::sleep(GIVEN_UP).await;
            drop(self.socket);
        });
    }

    /// Closes the link in good order.
    pub async fn close(&mut self) {
        let _ = self.socket.close(None).await;
    }
}
