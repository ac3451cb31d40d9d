//! Why a link ends, and the framing of the lane that carries the reason.

use std::borrow::Cow;

use bytes::Bytes;

use crate::metrics::{Leave, Limit};
use gpys_proto::wire::{CloseCode, DecodeError, ServerMessage};

/// Length of a reliable message's length prefix, in bytes.
pub(crate) const LENGTH_PREFIX: usize = 2;

/// Why a link ends, as sent to its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The reason, as a code.
    pub(crate) code: CloseCode,
    /// The reason, as text.
    pub(crate) reason: Cow<'static, str>,
    /// The reason, as counted for the operator.
    pub(crate) leave: Leave,
    /// The limit that was hit, if one was.
    pub(crate) limit: Option<Limit>,
}

impl Ending {
    /// An ending for this reason.
    pub(crate) fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into(), leave: code.into(), limit: None }
    }

    /// An ending because a limit was hit.
    pub(crate) fn at(limit: Limit, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { limit: Some(limit), ..Self::new(code, reason) }
    }

    /// An ending of a link whose transport is gone, with no one left to inform.
    pub(crate) fn gone(reason: &'static str) -> Self {
        Self { leave: Leave::Gone, ..Self::new(CloseCode::Timeout, reason) }
    }

    /// An ending by the client, such as a page that was closed or reloaded.
    pub(crate) fn closed() -> Self {
        Self { leave: Leave::Closed, ..Self::new(CloseCode::Bye, "the client closed the link") }
    }

    /// An ending because the part of the server behind the link failed; another takes its place.
    pub(crate) fn failed() -> Self {
        Self::new(CloseCode::Restarting, "internal server error; please reconnect")
    }

    /// Milliseconds after which the client may reconnect on its own.
    const fn retry_ms(&self) -> Option<u32> {
        match self.code {
            CloseCode::Restarting => Some(1_000),
            CloseCode::Timeout | CloseCode::TooSlow => Some(2_000),
            CloseCode::TooFast => Some(5_000),
            CloseCode::Full => Some(10_000),
            _ => None,
        }
    }

    /// The link's last message, framed by [`frame_reliable`].
    pub(crate) fn message(&self) -> Bytes {
        let closing = ServerMessage::closing(self.code, &self.reason, self.retry_ms());
        frame_reliable(&closing.encode())
    }
}

impl From<DecodeError> for Ending {
    fn from(error: DecodeError) -> Self {
        let limit = matches!(error, DecodeError::TooLong(_)).then_some(Limit::MessageBytes);
        // A refused value ends a link only where no value is allowed at all.
        let code = error.outcome().err().unwrap_or(CloseCode::BadMessage);
        Self { limit, ..Self::new(code, error.to_string()) }
    }
}

/// Prefixes a message with its length, as a WebTransport stream carries it; a WebSocket carries
/// what follows the first [`LENGTH_PREFIX`] bytes.
pub(crate) fn frame_reliable(body: &[u8]) -> Bytes {
    let length = u16::try_from(body.len()).unwrap_or_else(|_| {
        tracing::error!(bytes = body.len(), "a message is too long for the reliable lane");
        0
    });
    let mut framed = Vec::with_capacity(LENGTH_PREFIX + body.len());
    framed.extend_from_slice(&length.to_le_bytes());
    framed.extend_from_slice(body.get(..usize::from(length)).unwrap_or_default());
    framed.into()
}

/// The ending of every link when the server stops.
pub(crate) fn restarting() -> Ending {
    Ending::new(CloseCode::Restarting, "the server is restarting")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_retryable_endings_carry_a_delay() {
        for code in [CloseCode::Bye, CloseCode::Replaced, CloseCode::Full, CloseCode::TooFast] {
            assert_eq!(Ending::new(code, "").retry_ms().is_some(), code.retryable());
        }
    }
}
