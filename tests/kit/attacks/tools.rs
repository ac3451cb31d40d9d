//! Tools of all attackers: TLS that trusts any server, messages, timeouts.

use std::time::Duration;

use gpys::proto::wire::{ClientMessage, CloseCode, Closing, Hello, ResumeToken};
use rustls::ClientConfig;

use crate::attacks::arena::PATIENCE;
use crate::attacks::people::ROOM;

/// A TLS client that accepts any certificate and offers this protocol.
pub fn tls(protocol: &[u8]) -> ClientConfig {
    gpys::client::trust::tls(false, protocol).unwrap()
}

/// Waits with a timeout.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

/// Asserts that this takes about as long as the server's deadline of 5 s per step.
pub async fn within_the_deadline<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(9), future).await;
    waited.unwrap_or_else(|_| panic!("{what} outlives its deadline"))
}

/// How a link ended, as its client saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The server's last message.
    pub closing: Option<Closing>,
    /// The transport's close code.
    pub code: Option<u64>,
}

impl End {
    /// Asserts the reason in the server's last message.
    pub fn is(&self, code: CloseCode) {
        let received = self.closing.as_ref().map(|closing| closing.code);
        assert_eq!(received, Some(code as u8), "{self:?} instead of {code:?}");
    }
}

/// A hello to the lobby.
pub fn hello() -> Hello {
    Hello { name: "Mallory".into(), ..Hello::new(ROOM) }
}

/// The bytes of a hello to this room.
pub fn hello_to(room: &str, resume: Option<ResumeToken>) -> Vec<u8> {
    ClientMessage::Hello(Hello { room: room.into(), resume, ..hello() }).encode()
}

/// A pose far away, with this number, taken at the server's `time`.
pub fn pose(seq: u32, time: u32) -> [u8; 22] {
    let mut bytes = [0; 22];
    bytes[0] = 0x50;
    bytes[1..5].copy_from_slice(&seq.to_le_bytes());
    bytes[5..9].copy_from_slice(&time.to_le_bytes());
    bytes[18..].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes
}
