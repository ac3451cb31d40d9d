//! What the server admits before a client is in a room.

use std::time::Duration;

/// Limits on connections, handshakes and rooms. None may be zero: that would admit no client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Maximum connections in total, over both transports; `None` for the peers of a full room
    /// and 1,024 more, which load the page.
    pub connections: Option<u32>,
    /// Maximum connections per network address.
    pub per_network: u32,
    /// Maximum handshakes per second per network address, with bursts of five times as many.
    pub handshakes: u32,
    /// Maximum connections with an unfinished handshake; from 1/64 of it on, QUIC clients must
    /// prove their address first.
    pub half_open: u32,
    /// Whether the limits per address apply to this computer, too.
    pub local: bool,
    /// Maximum rooms.
    pub rooms: u32,
    /// Time limit for each step up to the hello: TLS, QUIC with the request for a session, the
    /// head of a request, the stream, the hello.
    pub deadline: Duration,
}

impl Default for Guard {
    /// A crowd behind one address may scan a code together: 200 handshakes a second cost a
    /// twentieth of one core. A client that has not finished its handshake after 5 s is gone.
    fn default() -> Self {
        Self {
            connections: None,
            per_network: 1_024,
            handshakes: 200,
            half_open: 4_096,
            local: false,
            rooms: 10_000,
            deadline: Duration::from_secs(5),
        }
    }
}
