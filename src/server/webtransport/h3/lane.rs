//! The stream of a session.

use wtransport::quinn::{RecvStream, SendStream};

/// The stream of a session's reliable lane.
#[derive(Debug)]
pub(crate) struct Lane {
    /// To the client.
    pub(crate) send: SendStream,
    /// From the client.
    pub(crate) recv: RecvStream,
    /// What came from the client already.
    pub(crate) read: Vec<u8>,
    pub(super) session: u64,
}
