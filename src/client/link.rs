//! One link, whichever transport carries it.

use bytes::Bytes;
use http::StatusCode;

use crate::client::{websocket, webtransport};
use gpys_proto::text;

/// What arrived.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message of the reliable lane.
    Message(Bytes),
    /// A message of the datagram lane.
    Datagram(Bytes),
}

/// How a link ended below the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The protocol's close code, if the server gave one.
    pub(super) code: Option<u8>,
    /// In words.
    pub(super) reason: String,
}

impl End {
    /// A reason may be the server's words, so it is made fit to be shown.
    pub(super) fn because(reason: &impl ToString) -> Self {
        Self { code: None, reason: text::clean(&reason.to_string(), text::MAX_REASON) }
    }
}

/// Why a link cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OpenError {
    /// The server is there and says no: with this status, where the transport tells it.
    #[error("the server does not accept the session{}", .0.map(|it| format!(": {it}")).unwrap_or_default())]
    Rejected(Option<StatusCode>),
    /// There is no way to the server, or it speaks something else.
    #[error("{0}")]
    Failed(String),
}

impl OpenError {
    pub(super) fn because(reason: &impl ToString) -> Self {
        Self::Failed(reason.to_string())
    }
}

/// One link.
#[derive(Debug)]
pub(super) enum Link {
    WebTransport(Box<webtransport::Link>),
    WebSocket(Box<websocket::Link>),
}

impl Link {
    /// The next message of either lane. It may be cancelled at any time; nothing is lost then.
    pub(super) async fn recv(&mut self) -> Result<Incoming, End> {
        match self {
            Self::WebTransport(link) => link.recv().await,
            Self::WebSocket(link) => link.recv().await,
        }
    }

    /// Sends a message of the reliable lane.
    pub(super) async fn send_message(&mut self, message: &[u8]) -> Result<(), End> {
        match self {
            Self::WebTransport(link) => link.send_message(message).await,
            Self::WebSocket(link) => link.send(message).await,
        }
    }

    /// Sends a message of the datagram lane.
    pub(super) async fn send_datagram(&mut self, datagram: &[u8]) -> Result<(), End> {
        match self {
            Self::WebTransport(link) => link.send_datagram(datagram),
            Self::WebSocket(link) => link.send(datagram).await,
        }
    }

    /// Makes the network vanish: nothing is sent or received any more, not even a farewell.
    pub(super) fn cut(self) {
        match self {
            Self::WebTransport(link) => link.cut(),
            Self::WebSocket(link) => link.cut(),
        }
    }

    /// Closes the link.
    pub(super) async fn close(&mut self) {
        match self {
            Self::WebTransport(link) => link.close(),
            Self::WebSocket(link) => link.close().await,
        }
    }
}
