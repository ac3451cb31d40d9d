//! One link, over either transport.

pub(crate) mod dial;
pub mod end;
pub mod greeting;
mod http3;
pub(crate) mod race;
pub mod websocket;
pub mod webtransport;

use crate::link::end::{End, Incoming};
use crate::options::Transport;

/// One link.
#[derive(Debug)]
pub enum Link {
    /// Over WebTransport.
    WebTransport(Box<webtransport::WebTransportLink>),
    /// Over WebSocket.
    WebSocket(Box<websocket::WebSocketLink>),
}

impl Link {
    /// The transport that carries it.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match self {
            Self::WebTransport(_) => Transport::WebTransport,
            Self::WebSocket(_) => Transport::WebSocket,
        }
    }

    /// Receives the next message of either lane. Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// When the link is over.
    pub async fn recv(&mut self) -> Result<Incoming, End> {
        match self {
            Self::WebTransport(link) => link.recv().await,
            Self::WebSocket(link) => link.recv().await,
        }
    }

    /// Sends a message of the reliable lane.
    ///
    /// # Errors
    /// When the link is over.
    pub async fn send_message(&mut self, message: &[u8]) -> Result<(), End> {
        match self {
            Self::WebTransport(link) => link.send_message(message).await,
            Self::WebSocket(link) => link.send(message).await,
        }
    }

    /// Sends a message of the datagram lane.
    ///
    /// # Errors
    /// When the link is over.
    pub async fn send_datagram(&mut self, datagram: &[u8]) -> Result<(), End> {
        match self {
            Self::WebTransport(link) => link.send_datagram(datagram),
            Self::WebSocket(link) => link.send(datagram).await,
        }
    }

    /// Simulates a lost network: nothing is sent or received any more, not even a farewell.
    pub fn cut(self) {
        match self {
            Self::WebTransport(link) => link.cut(),
            Self::WebSocket(link) => link.cut(),
        }
    }

    /// Closes the link.
    pub async fn close(&mut self) {
        match self {
            Self::WebTransport(link) => link.close(),
            Self::WebSocket(link) => link.close().await,
        }
    }
}
