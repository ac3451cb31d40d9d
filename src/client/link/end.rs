//! What arrives over a link, and how it ends.

use bytes::Bytes;
use gpys_proto::text;

/// A message that arrived.
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
    /// The reason, fit to be shown.
    pub reason: String,
}

impl End {
    /// An end without a code. The reason may be the server's text, so it is cleaned.
    pub fn because(reason: &impl ToString) -> Self {
        Self { code: None, reason: text::clean(&reason.to_string(), text::MAX_REASON) }
    }
}
