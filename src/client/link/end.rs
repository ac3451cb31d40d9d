//! What arrives over a link, and how it fails or ends.

use bytes::Bytes;
use gpys_proto::text;
use http::StatusCode;

/// What arrived.
#[derive(Debug)]
pub enum Incoming {
    /// A message of the reliable lane.
    Message(Bytes),
    /// A message of the datagram lane.
    Datagram(Bytes),
}

/// How a link ended below the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The protocol's close code, if the server gave one.
    pub code: Option<u8>,
    /// In words.
    pub reason: String,
}

impl End {
    /// A reason may be the server's words, so it is made fit to be shown.
    pub fn because(reason: &impl ToString) -> Self {
        Self { code: None, reason: text::clean(&reason.to_string(), text::MAX_REASON) }
    }
}

/// Why a link cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The server is there and says no: with this status, where the transport tells it.
    #[error("the server does not accept the session{}", .0.map(|it| format!(": {it}")).unwrap_or_default())]
    Rejected(Option<StatusCode>),
    /// There is no way to the server, or it speaks something else.
    #[error("{0}")]
    Failed(String),
}

impl OpenError {
    /// From the words of an error below.
    pub fn because(reason: &impl ToString) -> Self {
        Self::Failed(reason.to_string())
    }
}
