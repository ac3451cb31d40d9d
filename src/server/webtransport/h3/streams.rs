//! The streams of a connection; the first bytes of each determine its purpose.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quinn_proto::VarInt;
use wtransport_proto::error::ErrorCode;

use crate::quic::streams::{ReadError, RecvStream, SendStream};
use crate::webtransport::h3::critical::{Control, Qpack};
use crate::webtransport::h3::fault::{Fault, quic_code};
use crate::webtransport::h3::items::{
    self, Handling, Item, Items, MAX_PAYLOAD, MAX_PUSH_ID, WEBTRANSPORT,
};
use crate::webtransport::h3::lane::Lane;
use crate::webtransport::h3::request::{Refusal, Request};

/// Types of unidirectional streams (RFC 9114, section 6.2; RFC 9204, section 4.2).
const CONTROL: u64 = 0x00;
const PUSH: u64 = 0x01;
const QPACK_ENCODER: u64 = 0x02;
const QPACK_DECODER: u64 = 0x03;

/// Frame types (RFC 9114, section 7.2).
const DATA: u64 = 0x00;
const HEADERS: u64 = 0x01;
/// The capsule that ends a session, and its maximum payload: a code and a message, in bytes.
const CLOSE_SESSION: u64 = 0x2843;
const MAX_CLOSE: u64 = 4 + 1_024;

/// Error codes for a stream that ends without a request (RFC 9114, section 8.1).
const REQUEST_INCOMPLETE: u32 = 0x10D;
const REQUEST_CANCELLED: u32 = 0x10C;

/// Longest read from streams other than the lane, in bytes.
const READ: usize = 2_048;

/// A unidirectional stream: of unknown type so far, or one that lasts as long as the connection.
/// Others are not read.
#[derive(Debug)]
struct Uni {
    recv: RecvStream,
    kind: UniKind,
}

#[derive(Debug)]
enum UniKind {
    /// The bytes of an incomplete type.
    Unknown(Vec<u8>),
    Control(Control),
    Qpack(Qpack),
}

/// A bidirectional stream that has not yet shown whether it is a request or the lane.
#[derive(Debug)]
struct Bi {
    id: u64,
    send: SendStream,
    recv: RecvStream,
    frames: Items,
    /// Whether a skipped frame has arrived.
    has_begun: bool,
}

impl Bi {
    fn new(send: SendStream, recv: RecvStream) -> Self {
        let id = VarInt::from(recv.id()).into_inner();
        Self { id, send, recv, frames: Items::default(), has_begun: false }
    }

    fn reject(mut self, code: VarInt) {
        // Fails only on a stream that has ended already.
        drop(self.send.reset(code));
        drop(self.recv.stop(code));
    }
}

/// The streams of a connection, and the session that they have set up.
#[derive(Debug, Default)]
pub(super) struct Streams {
    uni: Vec<Uni>,
    bi: Vec<Bi>,
    /// Which of the stream types that may open only once have opened.
    seen: [bool; 4],
    has_settings: bool,
    request: Option<Request>,
    session: Option<Bi>,
    capsules: Items,
    /// The lane, which may arrive before the request for its session.
    lane: Option<Lane>,
    has_lane: bool,
}

/// Decides how to handle a frame on a bidirectional stream.
fn frame_handling(kind: u64, length: u64) -> Result<Handling, ErrorCode> {
    match kind {
        DATA | HEADERS if length > MAX_PAYLOAD => Err(ErrorCode::ExcessiveLoad),
        DATA | HEADERS => Ok(Handling::Keep),
        WEBTRANSPORT => Ok(Handling::Bare),
        0..0x0A | MAX_PUSH_ID => Err(ErrorCode::FrameUnexpected),
        _ => Ok(Handling::Skip),
    }
}

/// Decides how to handle a capsule.
fn capsule_handling(kind: u64, length: u64) -> Result<Handling, ErrorCode> {
    match kind {
        CLOSE_SESSION if (4..=MAX_CLOSE).contains(&length) => Ok(Handling::Keep),
        CLOSE_SESSION => Err(ErrorCode::Datagram),
        _ => Ok(Handling::Skip),
    }
}

/// The result of a read from a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Read {
    Bytes(Bytes),
    /// The client finished the stream.
    End,
    /// The client reset the stream.
    Reset,
}

/// Reads some bytes, or the end of the stream.
fn poll_read(recv: &mut RecvStream, cx: &Context<'_>) -> Poll<Result<Read, Fault>> {
    Poll::Ready(match ready!(recv.poll_read(cx, READ)) {
        Ok(Some(bytes)) => Ok(Read::Bytes(bytes)),
        Ok(None) => Ok(Read::End),
        Err(ReadError::Reset) => Ok(Read::Reset),
        Err(ReadError::Lost) => Err(Fault::Lost),
    })
}

impl Streams {
    /// Adds a unidirectional stream that the client opened.
    pub(super) fn add_uni(&mut self, recv: RecvStream) {
        self.uni.push(Uni { recv, kind: UniKind::Unknown(Vec::new()) });
    }

    /// Adds a bidirectional stream that the client opened.
    pub(super) fn add_bi(&mut self, send: SendStream, recv: RecvStream) {
        self.bi.push(Bi::new(send, recv));
    }

    /// The request for a session, once the client's settings have arrived as well.
    pub(super) fn take_request(&mut self) -> Option<Request> {
        if self.has_settings { self.request.take() } else { None }
    }

    /// The stream of the session's lane, once it has opened. Few streams follow, so the space that
    /// the first ones took is given back.
    pub(super) fn take_lane(&mut self) -> Option<Lane> {
        let lane = self.lane.take()?;
        self.uni.shrink_to_fit();
        self.bi.shrink_to_fit();
        Some(lane)
    }

    /// The session's id, once the session has been requested.
    pub(super) fn session_id(&self) -> Option<u64> {
        self.session.as_ref().map(|session| session.id)
    }

    /// The stream on which to answer the request for a session.
    pub(super) fn session_send(&mut self) -> Option<&mut SendStream> {
        self.session.as_mut().map(|session| &mut session.send)
    }

    /// Waits until a stream has bytes or ends, and handles that. Returns how much to count against
    /// the client's rate: one for each frame, even an empty one, and at least one for the read.
    pub(super) fn poll_read(&mut self, cx: &Context<'_>) -> Poll<Result<u32, Fault>> {
        if let Some(session) = &mut self.session
            && let Poll::Ready(read) = poll_read(&mut session.recv, cx)
        {
            return Poll::Ready(self.handle_session(read?));
        }
        for index in 0..self.uni.len() {
            if let Poll::Ready(read) = poll_read(&mut self.uni[index].recv, cx) {
                let stream = self.uni.swap_remove(index);
                return Poll::Ready(self.handle_uni(stream, read?));
            }
        }
        for index in 0..self.bi.len() {
            if let Poll::Ready(read) = poll_read(&mut self.bi[index].recv, cx) {
                let stream = self.bi.swap_remove(index);
                return Poll::Ready(self.handle_bi(stream, read?));
            }
        }
        Poll::Pending
    }

    fn handle_uni(&mut self, mut uni: Uni, read: Read) -> Result<u32, Fault> {
        let Read::Bytes(bytes) = read else {
            return match uni.kind {
                UniKind::Unknown(_) => Ok(1),
                _ => Err(ErrorCode::ClosedCriticalStream.into()),
            };
        };
        let mut bytes = &bytes[..];
        if let UniKind::Unknown(head) = &mut uni.kind {
            let known = head.len();
            head.extend_from_slice(bytes.get(..8).unwrap_or(bytes));
            if let Some((kind, length)) = items::varint(head) {
                bytes = bytes.get(length - known..).unwrap_or_default();
                let Some(kind) = self.uni_kind(kind)? else {
                    drop(uni.recv.stop(quic_code(ErrorCode::StreamCreation)));
                    return Ok(1);
                };
                uni.kind = kind;
            }
        }
        let mut count = 1;
        match &mut uni.kind {
            UniKind::Unknown(_) => {}
            UniKind::Control(control) => {
                count = control.take(bytes)?.max(1);
                self.has_settings = control.has_settings();
            }
            UniKind::Qpack(qpack) => qpack.take(bytes)?,
        }
        self.uni.push(uni);
        Ok(count)
    }

    /// The purpose of a unidirectional stream of this type; `None` if it has none here.
    fn uni_kind(&mut self, kind: u64) -> Result<Option<UniKind>, ErrorCode> {
        let once = usize::try_from(kind).ok().and_then(|kind| self.seen.get_mut(kind));
        if once.is_some_and(|seen| std::mem::replace(seen, true)) {
            return Err(ErrorCode::StreamCreation);
        }
        match kind {
            CONTROL => Ok(Some(UniKind::Control(Control::default()))),
            PUSH => Err(ErrorCode::StreamCreation),
            QPACK_ENCODER => Ok(Some(UniKind::Qpack(Qpack::Encoder))),
            QPACK_DECODER => Ok(Some(UniKind::Qpack(Qpack::Decoder(false)))),
            _ => Ok(None),
        }
    }

    fn handle_bi(&mut self, mut bi: Bi, read: Read) -> Result<u32, Fault> {
        let bytes = match read {
            Read::Bytes(bytes) => bytes,
            Read::End if !bi.frames.is_between() => return Err(ErrorCode::Frame.into()),
            Read::End => {
                bi.reject(VarInt::from_u32(REQUEST_INCOMPLETE));
                return Ok(1);
            }
            Read::Reset => {
                bi.reject(VarInt::from_u32(REQUEST_CANCELLED));
                return Ok(1);
            }
        };
        let mut bytes = &bytes[..];
        let mut count = 0;
        while let Some(frame) = bi.frames.take(&mut bytes, frame_handling)? {
            count += 1;
            match frame.kind {
                DATA => return Err(ErrorCode::FrameUnexpected.into()),
                HEADERS => return Ok(count + self.handle_request(bi, &frame, bytes)?),
                // Valid only at the start of a stream.
                WEBTRANSPORT if bi.has_begun => return Err(ErrorCode::Frame.into()),
                WEBTRANSPORT => {
                    self.handle_lane(bi, frame.value, bytes)?;
                    return Ok(count);
                }
                _ => bi.has_begun = true,
            }
        }
        self.bi.push(bi);
        Ok(count.max(1))
    }

    /// Handles a request, which data may follow.
    fn handle_request(&mut self, bi: Bi, frame: &Item, rest: &[u8]) -> Result<u32, Fault> {
        match Request::parse(&frame.payload) {
            Err(Refusal::Undecodable) => return Err(Refusal::Undecodable.code().into()),
            Err(refusal) => bi.reject(quic_code(refusal.code())),
            Ok(_) if self.session.is_some() => bi.reject(quic_code(ErrorCode::RequestRejected)),
            Ok(request) => {
                if self.lane.as_ref().is_some_and(|lane| lane.session != bi.id) {
                    (self.lane, self.has_lane) = (None, false);
                }
                self.request = Some(request);
                self.session = Some(bi);
                if !rest.is_empty() {
                    return self.handle_session(Read::Bytes(Bytes::copy_from_slice(rest)));
                }
            }
        }
        Ok(0)
    }

    /// Handles the start of a session's stream. There is one session, with one such stream.
    fn handle_lane(&mut self, bi: Bi, session: u64, read: &[u8]) -> Result<(), ErrorCode> {
        // The id of a bidirectional stream that a client opens is a multiple of 4.
        if !session.is_multiple_of(4) {
            return Err(ErrorCode::Id);
        }
        let is_foreign = self.session.as_ref().is_some_and(|it| it.id != session);
        if is_foreign || self.has_lane {
            bi.reject(quic_code(ErrorCode::BufferedStreamRejected));
            return Ok(());
        }
        let Bi { send, recv, .. } = bi;
        self.lane = Some(Lane { send, recv, read: read.to_vec(), session });
        self.has_lane = true;
        Ok(())
    }

    /// Handles the session's own stream: it carries capsules, and its end ends the session.
    fn handle_session(&mut self, read: Read) -> Result<u32, Fault> {
        let Self { session: Some(session), capsules, .. } = self else { return Ok(1) };
        let bytes = match read {
            Read::Bytes(bytes) => bytes,
            Read::End if !session.frames.is_between() => return Err(ErrorCode::Frame.into()),
            Read::End | Read::Reset => return Err(Fault::Closed),
        };
        let mut bytes = &bytes[..];
        let mut count = 0;
        while let Some(frame) = session.frames.take(&mut bytes, frame_handling)? {
            count += 1;
            match frame.kind {
                DATA => {}
                // Only data may follow a CONNECT (RFC 9114, section 4.4).
                HEADERS => return Err(ErrorCode::FrameUnexpected.into()),
                WEBTRANSPORT => return Err(ErrorCode::Frame.into()),
                _ => continue,
            }
            let mut data = frame.payload.as_slice();
            while let Some(capsule) = capsules.take(&mut data, capsule_handling)? {
                count += 1;
                if capsule.kind == CLOSE_SESSION {
                    let reason = capsule.payload.get(4..).unwrap_or_default();
                    std::str::from_utf8(reason).map_err(|_| ErrorCode::Datagram)?;
                    return Err(Fault::Closed);
                }
            }
        }
        Ok(count.max(1))
    }
}
