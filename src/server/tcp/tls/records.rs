//! Records of TLS, decrypted and encrypted.

use bytes::BytesMut;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};

/// Expected overhead of a record, in bytes: header, nonce, type and tag of today's ciphers.
const EXPECTED: usize = 32;

/// What the server sends next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say<'a> {
    /// Only what TLS itself has to say.
    Nothing,
    /// Bytes of the application.
    Bytes(&'a [u8]),
    /// That nothing follows.
    Close,
}

/// What came of handling records.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Number of bytes handled.
    pub(super) discard: usize,
    pub(super) plain: BytesMut,
    pub(super) outgoing: BytesMut,
    pub(super) is_established: bool,
    pub(super) is_finished: bool,
    /// Whether what was to be sent is in `outgoing`.
    pub(super) has_sent: bool,
}

/// Handles `incoming` until the connection needs more, and encrypts what is to be sent if that is
/// possible by now.
pub(super) fn process(
    tls: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    say: Say<'_>,
    progress: &mut Progress,
) -> Result<(), rustls::Error> {
    loop {
        let rest = incoming.get_mut(progress.discard..).unwrap_or_default();
        let UnbufferedStatus { discard, state, .. } = tls.process_tls_records(rest);
        progress.discard += discard;
        match state? {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    progress.discard += record.discard;
                    progress.plain.extend_from_slice(record.payload);
                }
            }
            ConnectionState::EncodeTlsData(data) => encode(data, &mut progress.outgoing),
            // What has been encoded waits in the stream's own buffer.
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::WriteTraffic(mut traffic) => {
                progress.is_established = true;
                let expected = match say {
                    _ if progress.has_sent => return Ok(()),
                    Say::Nothing => return Ok(()),
                    Say::Bytes(bytes) => bytes.len() + EXPECTED,
                    Say::Close => EXPECTED,
                };
                progress.has_sent = append(&mut progress.outgoing, expected, |space| {
                    let written = match say {
                        Say::Bytes(bytes) => traffic.encrypt(bytes, space),
                        Say::Nothing | Say::Close => traffic.queue_close_notify(space),
                    };
                    written.map_err(|error| match error {
                        EncryptError::InsufficientSize(error) => Some(error.required_size),
                        EncryptError::EncryptExhausted => None,
                    })
                });
                if !progress.has_sent {
                    return Err(rustls::Error::EncryptError);
                }
            }
            ConnectionState::PeerClosed => progress.is_finished = true,
            ConnectionState::Closed => {
                progress.is_finished = true;
                return Ok(());
            }
            ConnectionState::BlockedHandshake => return Ok(()),
            // The server accepts no early data, and no other state is known.
            _ => return Err(rustls::Error::General("a state of TLS without meaning".into())),
        }
    }
}

/// Encodes the alert that says why the connection has failed, if there is one. The library panics
/// if it meets the same error twice, so nothing may be handled afterwards.
pub(super) fn alert(
    tls: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    progress: &mut Progress,
) {
    loop {
        let rest = incoming.get_mut(progress.discard..).unwrap_or_default();
        let UnbufferedStatus { discard, state, .. } = tls.process_tls_records(rest);
        progress.discard += discard;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while traffic.next_record().is_some() {}
            }
            Ok(ConnectionState::EncodeTlsData(data)) => {
                return encode(data, &mut progress.outgoing);
            }
            _ => return,
        }
    }
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, outgoing: &mut BytesMut) {
    append(outgoing, EXPECTED, |space| match data.encode(space) {
        Ok(length) => Ok(length),
        Err(EncodeError::InsufficientSize(error)) => Err(Some(error.required_size)),
        Err(EncodeError::AlreadyEncoded) => Err(None),
    });
}

/// Lets `write` append to `buffer`, first with space for `expected` bytes and then with as much as
/// it asks for. Returns whether it wrote.
fn append(
    buffer: &mut BytesMut,
    expected: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> bool {
    let start = buffer.len();
    let mut size = expected;
    for _ in 0..2 {
        buffer.resize(start + size, 0);
        match write(buffer.get_mut(start..).unwrap_or_default()) {
            Ok(length) => {
                buffer.truncate(start + length);
                return true;
            }
            Err(Some(required)) => size = required,
            Err(None) => break,
        }
    }
    buffer.truncate(start);
    false
}
