//! The stream that carries a session's reliable lane.

use crate::quic::streams::{RecvStream, SendStream};

/// The stream of a session's reliable lane.
#[derive(Debug)]
pub(crate) struct Lane {
    /// The half towards the client.
    pub(crate) send: SendStream,
    /// The half from the client.
    pub(crate) recv: RecvStream,
    /// Bytes of that half that have been read already.
    pub(crate) read: Vec<u8>,
    pub(super) session: u64,
}
