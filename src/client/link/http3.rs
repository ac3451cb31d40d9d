//! The client's half of HTTP/3, as far as one WebTransport session needs it (RFC 9114, RFC 9220,
//! draft-ietf-webtrans-http3): settings, the request, and the stream of the session.

use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};
use http::StatusCode;
use wtransport::quinn::{
    Connection, ConnectionError, ReadError, RecvStream, SendStream, WriteError,
};
use wtransport_proto::bytes::{BytesReader as _, BytesWriter as _};
use wtransport_proto::frame::Frame;
use wtransport_proto::headers::Headers;
use wtransport_proto::session::SessionRequest;
use wtransport_proto::settings::Settings;
use wtransport_proto::varint::VarInt as Integer;

/// Types of unidirectional streams (RFC 9114, section 6.2; RFC 9204, section 4.2).
const CONTROL: u64 = 0x00;
const QPACK_ENCODER: u64 = 0x02;
const QPACK_DECODER: u64 = 0x03;
/// Frame types (RFC 9114, section 7.2).
const HEADERS: u64 = 0x01;
const SETTINGS: u64 = 0x04;
/// The type of a session's bidirectional stream.
const WEBTRANSPORT: u32 = 0x41;
/// `H3_STREAM_CREATION_ERROR`, for streams of a type without a use here (RFC 9114, section 8.1).
const STREAM_CREATION: u32 = 0x103;
/// Longest frame to accept, in bytes; settings and the head of a response need far less.
const MAX_FRAME: usize = 4_096;

/// Why there is no session.
#[derive(Debug)]
pub(super) enum Fault {
    /// The URL is not one of WebTransport.
    Url,
    /// The server answered with this status.
    Refused(StatusCode),
    /// The connection is lost.
    Lost(ConnectionError),
    /// The server breaks HTTP/3's rules.
    Broken(&'static str),
}

impl From<ConnectionError> for Fault {
    fn from(error: ConnectionError) -> Self {
        Self::Lost(error)
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ConnectionLost(error) => Self::Lost(error),
            _ => Self::Broken("the server stopped a stream of the handshake"),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(error) => Self::Lost(error),
            _ => Self::Broken("the server reset a stream of the handshake"),
        }
    }
}

/// An open session.
pub(super) struct Session {
    pub(super) quic: Connection,
    /// The stream of the reliable lane.
    pub(super) sending: SendStream,
    pub(super) receiving: RecvStream,
    /// What every datagram of the session begins with.
    pub(super) prefix: Bytes,
    /// Streams that last as long as the session: closing one would end it.
    _open: (SendStream, Vec<RecvStream>, SendStream, RecvStream),
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("quic", &self.quic).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session at `url` and its stream, as a page of `origin` or as a program without one.
    ///
    /// # Errors
    /// If the server refuses the session, or the connection is lost.
    pub(super) async fn open(
        quic: Connection,
        url: &str,
        origin: Option<&str>,
    ) -> Result<Self, Fault> {
        let mut request = SessionRequest::new(url).map_err(|_| Fault::Url)?;
        if let Some(origin) = origin {
            request.insert("origin", origin).map_err(|_| Fault::Url)?;
        }
        let mut control = quic.open_uni().await?;
        control.write_all(&control_stream()).await?;
        let critical = settled(&quic).await?;
        let (mut asking, mut answering) = quic.open_bi().await?;
        asking.write_all(&bytes_of(&request.headers().generate_frame())).await?;
        let status = response(&mut answering).await?;
        if !status.is_success() {
            return Err(Fault::Refused(status));
        }
        let id = u64::from(asking.id());
        let (mut sending, receiving) = quic.open_bi().await?;
        sending.write_all(&[integer(WEBTRANSPORT.into()), integer(id)].concat()).await?;
        // A quarter of the id (RFC 9297, section 2.1).
        let prefix = integer(id / 4).into();
        let open = (control, critical, asking, answering);
        Ok(Self { quic, sending, receiving, prefix, _open: open })
    }
}

/// The client's control stream: its type and the settings.
fn control_stream() -> Vec<u8> {
    let settings = Settings::builder()
        .qpack_max_table_capacity(Integer::from_u32(0))
        .qpack_blocked_streams(Integer::from_u32(0))
        .enable_connect_protocol()
        .enable_webtransport()
        .enable_h3_datagrams()
        .webtransport_max_sessions(Integer::from_u32(1))
        .build();
    [integer(CONTROL), bytes_of(&settings.generate_frame())].concat()
}

fn bytes_of(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a vector cannot fail.
    drop(frame.write(&mut bytes));
    bytes
}

/// Encodes an integer as QUIC does; ids of streams are in its range.
fn integer(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    drop(bytes.put_varint(Integer::try_from(value).unwrap_or(Integer::MAX)));
    bytes
}

/// Waits for the server's settings, before which no session may be requested. Returns its streams
/// that must stay open.
async fn settled(quic: &Connection) -> Result<Vec<RecvStream>, Fault> {
    let mut critical = Vec::new();
    loop {
        let mut stream = quic.accept_uni().await?;
        let mut buffer = BytesMut::new();
        match stream_type(&mut stream, &mut buffer).await? {
            CONTROL => {
                let (kind, payload) = frame(&mut stream, &mut buffer).await?;
                let settings = Frame::new_settings(payload.as_ref().into());
                if kind != SETTINGS || Settings::with_frame(&settings).is_err() {
                    return Err(Fault::Broken("the server's settings are no settings"));
                }
                critical.push(stream);
                return Ok(critical);
            }
            QPACK_ENCODER | QPACK_DECODER => critical.push(stream),
            // Fails only on a stream that has ended already.
            _ => drop(stream.stop(STREAM_CREATION.into())),
        }
    }
}

async fn stream_type(stream: &mut RecvStream, buffer: &mut BytesMut) -> Result<u64, Fault> {
    loop {
        let mut rest: &[u8] = buffer;
        if let Some(kind) = rest.get_varint() {
            let length = buffer.len() - rest.len();
            buffer.advance(length);
            return Ok(kind.into_inner());
        }
        fill(stream, buffer).await?;
    }
}

/// Waits for the final status of the request.
async fn response(stream: &mut RecvStream) -> Result<StatusCode, Fault> {
    let mut buffer = BytesMut::new();
    loop {
        let (kind, payload) = frame(stream, &mut buffer).await?;
        // Other frames may come first (RFC 9114, section 9).
        if kind != HEADERS {
            continue;
        }
        let malformed = Fault::Broken("the server's response is malformed");
        let headers = Headers::with_frame(&Frame::new_headers(payload.as_ref().into()));
        let Ok(headers) = headers else { return Err(malformed) };
        let status = headers.get(":status").map(str::as_bytes).map(StatusCode::from_bytes);
        let Some(Ok(status)) = status else { return Err(malformed) };
        if !status.is_informational() {
            return Ok(status);
        }
    }
}

/// Waits for a whole frame; returns its type and its payload.
async fn frame(stream: &mut RecvStream, buffer: &mut BytesMut) -> Result<(u64, Bytes), Fault> {
    loop {
        if let Some(frame) = take_frame(buffer)? {
            return Ok(frame);
        }
        fill(stream, buffer).await?;
    }
}

/// Removes a frame from the start of `buffer`, once it is whole.
fn take_frame(buffer: &mut BytesMut) -> Result<Option<(u64, Bytes)>, Fault> {
    let mut rest: &[u8] = buffer;
    let Some(kind) = rest.get_varint() else { return Ok(None) };
    let Some(length) = rest.get_varint() else { return Ok(None) };
    let length = usize::try_from(length.into_inner()).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(Fault::Broken("a frame of the server is too long"));
    }
    if rest.len() < length {
        return Ok(None);
    }
    let head = buffer.len() - rest.len();
    buffer.advance(head);
    Ok(Some((kind.into_inner(), buffer.split_to(length).freeze())))
}

/// Reads more of a stream that must not end here.
async fn fill(stream: &mut RecvStream, buffer: &mut BytesMut) -> Result<(), Fault> {
    let chunk = stream.read_chunk(MAX_FRAME, true).await?;
    let chunk = chunk.ok_or(Fault::Broken("the server ended a stream of the handshake"))?;
    buffer.extend_from_slice(&chunk.bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_once_it_is_whole() {
        let bytes = [&integer(0x21 + 0x1f * 900), [2, 7, 8, 1, 1, 9].as_slice()].concat();
        for cut in 0..=bytes.len() {
            let mut buffer = BytesMut::new();
            let mut frames = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                buffer.extend_from_slice(part);
                while let Some((kind, payload)) = take_frame(&mut buffer).unwrap() {
                    frames.push((kind, payload.to_vec()));
                }
            }
            assert_eq!(frames, [(0x21 + 0x1f * 900, vec![7, 8]), (1, vec![9])], "{cut}");
        }
    }

    #[test]
    fn a_frame_that_would_need_much_memory_is_refused_at_its_head() {
        let mut buffer = BytesMut::from([&[1], &*integer(1 << 40)].concat().as_slice());
        assert!(matches!(take_frame(&mut buffer), Err(Fault::Broken(_))));
    }
}
