//! Why a link ends, and the framing of the lane on which its client is told.

use std::borrow::Cow;

use bytes::Bytes;

use crate::metrics::{Leave, Limit};
use gpys_proto::wire::{CloseCode, DecodeError, ServerMessage};

/// Length of the length that precedes a message of the reliable lane, in bytes.
pub(crate) const LENGTH_PREFIX: usize = 2;

/// Why a link ends, as the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The reason, as a code.
    pub(crate) code: CloseCode,
    /// The reason, in words.
    pub(crate) reason: Cow<'static, str>,
    /// The same as the operator is told.
    pub(crate) leave: Leave,
    /// The limit that was hit, if one was.
    pub(crate) limit: Option<Limit>,
}

impl Ending {
    /// An ending for this reason.
    pub(crate) fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), leave: code.into(), limit: None }
    }

    /// An ending because this limit was hit.
    pub(crate) fn at(limit: Limit, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { limit: Some(limit), ..Self::new(code, reason) }
    }

    /// The transport is gone, so nobody is left who could be told.
    pub(crate) fn gone(reason: &'static str) -> Self {
        Self { leave: Leave::Gone, ..Self::new(CloseCode::Timeout, reason) }
    }

    /// The client has closed the link, as a page does that is closed or reloaded.
    pub(crate) fn closed() -> Self {
        Self { leave: Leave::Closed, ..Self::new(CloseCode::Bye, "the client closed the link") }
    }

    /// The part of the server that served the link has failed; another takes its place.
    pub(crate) fn failed() -> Self {
        Self::new(CloseCode::Restarting, "the server made a mistake; come back")
    }

    /// After how many milliseconds the client may come back by itself.
    const fn retry_ms(&self) -> Option<u32> {
        match self.code {
            CloseCode::Restarting => Some(1_000),
            CloseCode::Timeout | CloseCode::TooSlow => Some(2_000),
            CloseCode::TooFast => Some(5_000),
            CloseCode::Full => Some(10_000),
            _ => None,
        }
    }

    /// The last message of the link, as [`frame_reliable`] frames it.
    pub(crate) fn message(&self) -> Bytes {
        let closing = ServerMessage::closing(self.code, &self.reason, self.retry_ms());
        frame_reliable(&closing.encode())
    }
}

impl From<DecodeError> for Ending {
    fn from(error: DecodeError) -> Self {
        let limit = matches!(error, DecodeError::TooLong(_)).then_some(Limit::MessageBytes);
        // A refused value ends a link only where no value is due at all.
        let code = error.outcome().err().unwrap_or(CloseCode::BadMessage);
        Self { limit, ..Self::new(code, error.to_string()) }
    }
}

/// A message's bytes with their length before them, as a WebTransport stream carries it;
/// a WebSocket carries what follows the first [`LENGTH_PREFIX`] bytes.
pub(crate) fn frame_reliable(body: &[u8]) -> Bytes {
    let length = u16::try_from(body.len()).unwrap_or_else(|_| {
        tracing::error!(bytes = body.len(), "a message is longer than the lane can carry");
        0
    });
    let mut framed = Vec::with_capacity(LENGTH_PREFIX + body.len());
    framed.extend_from_slice(&length.to_le_bytes());
    framed.extend_from_slice(body.get(..usize::from(length)).unwrap_or_default());
    framed.into()
}

/// How links end when the server stops.
pub(crate) fn restarting() -> Ending {
    Ending::new(CloseCode::Restarting, "the server is restarting")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_retryable_endings_say_when() {
        for code in [CloseCode::Bye, CloseCode::Replaced, CloseCode::Full, CloseCode::TooFast] {
            assert_eq!(Ending::new(code, "").retry_ms().is_some(), code.retryable());
        }
    }
}
