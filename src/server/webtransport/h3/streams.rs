//! The streams of a connection: what each is for is known from its first bytes.

use std::task::{Context, Poll, ready};

use wtransport::quinn::{ReadError, RecvStream, SendStream, VarInt};
use wtransport_proto::error::ErrorCode;

use crate::webtransport::h3::critical::{Control, Qpack};
use crate::webtransport::h3::fault::{Fault, quic_code};
use crate::webtransport::h3::items::{
    self, Item, Items, MAX_PAYLOAD, MAX_PUSH_ID, Rest, WEBTRANSPORT,
};
use crate::webtransport::h3::lane::Lane;
use crate::webtransport::h3::request::{Refusal, Request};

/// Types of streams of one direction (RFC 9114, section 6.2; RFC 9204, section 4.2).
const CONTROL: u64 = 0x00;
const PUSH: u64 = 0x01;
const QPACK_ENCODER: u64 = 0x02;
const QPACK_DECODER: u64 = 0x03;

/// Types of frames (RFC 9114, section 7.2).
const DATA: u64 = 0x00;
const HEADERS: u64 = 0x01;
/// The capsule with which a client ends its session, and its longest payload: a code, and words.
const CLOSE_SESSION: u64 = 0x2843;
const MAX_CLOSE: u64 = 4 + 1_024;

/// Why a stream is over without a request (RFC 9114, section 8.1).
const REQUEST_INCOMPLETE: u32 = 0x10D;
const REQUEST_CANCELLED: u32 = 0x10C;

/// Most bytes that are read at once from a stream that is not the session's.
const READ: usize = 2_048;
/// A stream of one direction: one that is not known yet, or one that lasts as long as the
/// connection. Others are not read.
#[derive(Debug)]
struct Uni {
    recv: RecvStream,
    kind: UniKind,
}

#[derive(Debug)]
enum UniKind {
    /// Bytes of a type that is not whole.
    Unknown(Vec<u8>),
    Control(Control),
    Qpack(Qpack),
}

/// A stream of both directions whose first frame is not there yet.
#[derive(Debug)]
struct Bi {
    id: u64,
    send: SendStream,
    recv: RecvStream,
    frames: Items,
    /// Whether a frame has come, of a kind that is passed over.
    has_begun: bool,
}

impl Bi {
    fn new(send: SendStream, recv: RecvStream) -> Self {
        let id = VarInt::from(recv.id()).into_inner();
        Self { id, send, recv, frames: Items::default(), has_begun: false }
    }

    fn reject(mut self, code: VarInt) {
        // A stream that is over needs no more.
        drop(self.send.reset(code));
        drop(self.recv.stop(code));
    }
}

/// The streams of a connection, and what is known from them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    uni: Vec<Uni>,
    bi: Vec<Bi>,
    /// Which of the streams have come that come once, by their type.
    seen: [bool; 4],
    has_settings: bool,
    request: Option<Request>,
    session: Option<Bi>,
    capsules: Items,
    /// What the session's stream is read for before it is asked for.
    lane: Option<Lane>,
    has_lane: bool,
}

/// What is to be done with a frame on a stream of both directions.
fn on_request(kind: u64, length: u64) -> Result<Rest, ErrorCode> {
    match kind {
        DATA | HEADERS if length > MAX_PAYLOAD => Err(ErrorCode::ExcessiveLoad),
        DATA | HEADERS => Ok(Rest::Keep),
        WEBTRANSPORT => Ok(Rest::Bare),
        0..0x0A | MAX_PUSH_ID => Err(ErrorCode::FrameUnexpected),
        _ => Ok(Rest::Skip),
    }
}

/// What is to be done with a capsule.
fn on_capsule(kind: u64, length: u64) -> Result<Rest, ErrorCode> {
    match kind {
        CLOSE_SESSION if (4..=MAX_CLOSE).contains(&length) => Ok(Rest::Keep),
        CLOSE_SESSION => Err(ErrorCode::Datagram),
        _ => Ok(Rest::Skip),
    }
}

/// What was read from a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read<'a> {
    Bytes(&'a [u8]),
    /// The client has said all.
    End,
    /// The client does not want to go on.
    Reset,
}

/// Reads some bytes, or that there are no more.
fn poll_read<'a>(
    recv: &mut RecvStream,
    cx: &mut Context<'_>,
    buffer: &'a mut [u8],
) -> Poll<Result<Read<'a>, Fault>> {
    let read = match ready!(recv.poll_read(cx, buffer)) {
        Ok(count) => match buffer.get(..count) {
            Some(bytes) if !bytes.is_empty() => Read::Bytes(bytes),
            _ => Read::End,
        },
        Err(ReadError::ConnectionLost(_)) => return Poll::Ready(Err(Fault::Lost)),
        Err(_) => Read::Reset,
    };
    Poll::Ready(Ok(read))
}

impl Streams {
    /// The client opened a stream of one direction.
    pub(super) fn add_uni(&mut self, recv: RecvStream) {
        self.uni.push(Uni { recv, kind: UniKind::Unknown(Vec::new()) });
    }

    /// The client opened a stream of both directions.
    pub(super) fn add_bi(&mut self, send: SendStream, recv: RecvStream) {
        self.bi.push(Bi::new(send, recv));
    }

    /// The request for a session, once the client's settings are there as well.
    pub(super) fn take_request(&mut self) -> Option<Request> {
        if self.has_settings { self.request.take() } else { None }
    }

    /// The stream of the session's lane, once it is there.
    pub(super) fn take_lane(&mut self) -> Option<Lane> {
        self.lane.take()
    }

    /// The session's number, once it is asked for.
    pub(super) fn session_id(&self) -> Option<u64> {
        self.session.as_ref().map(|session| session.id)
    }

    /// Where a session that is asked for is answered.
    pub(super) fn session_send(&mut self) -> Option<&mut SendStream> {
        self.session.as_mut().map(|session| &mut session.send)
    }

    /// Waits until a stream has bytes or ends, and handles that. Tells how much the client said:
    /// a frame is something, even an empty one, and so is each read.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<u32, Fault>> {
        let mut buffer = [0; READ];
        if let Some(session) = &mut self.session
            && let Poll::Ready(read) = poll_read(&mut session.recv, cx, &mut buffer)
        {
            return Poll::Ready(self.handle_session(read?));
        }
        for index in 0..self.uni.len() {
            if let Poll::Ready(read) = poll_read(&mut self.uni[index].recv, cx, &mut buffer) {
                let stream = self.uni.swap_remove(index);
                return Poll::Ready(self.handle_uni(stream, read?));
            }
        }
        for index in 0..self.bi.len() {
            if let Poll::Ready(read) = poll_read(&mut self.bi[index].recv, cx, &mut buffer) {
                let stream = self.bi.swap_remove(index);
                return Poll::Ready(self.handle_bi(stream, read?));
            }
        }
        Poll::Pending
    }

    fn handle_uni(&mut self, mut uni: Uni, read: Read<'_>) -> Result<u32, Fault> {
        let Read::Bytes(mut bytes) = read else {
            return match uni.kind {
                UniKind::Unknown(_) => Ok(1),
                _ => Err(ErrorCode::ClosedCriticalStream.into()),
            };
        };
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
        let mut said = 1;
        match &mut uni.kind {
            UniKind::Unknown(_) => {}
            UniKind::Control(control) => {
                said = control.take(bytes)?.max(1);
                self.has_settings = control.has_settings();
            }
            UniKind::Qpack(qpack) => qpack.take(bytes)?,
        }
        self.uni.push(uni);
        Ok(said)
    }

    /// What a stream of this type is for; `None` if for nothing.
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

    fn handle_bi(&mut self, mut bi: Bi, read: Read<'_>) -> Result<u32, Fault> {
        let mut bytes = match read {
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
        let mut said = 0;
        while let Some(frame) = bi.frames.take(&mut bytes, on_request)? {
            said += 1;
            match frame.kind {
                DATA => return Err(ErrorCode::FrameUnexpected.into()),
                HEADERS => return Ok(said + self.handle_request(bi, &frame, bytes)?),
                // It is a stream's beginning or nothing.
                WEBTRANSPORT if bi.has_begun => return Err(ErrorCode::Frame.into()),
                WEBTRANSPORT => {
                    self.handle_lane(bi, frame.value, bytes)?;
                    return Ok(said);
                }
                _ => bi.has_begun = true,
            }
        }
        self.bi.push(bi);
        Ok(said.max(1))
    }

    /// Somebody asks for something; behind the request there may be more.
    fn handle_request(&mut self, bi: Bi, frame: &Item, rest: &[u8]) -> Result<u32, Fault> {
        match Request::read(&frame.payload) {
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
                    return self.handle_session(Read::Bytes(rest));
                }
            }
        }
        Ok(0)
    }

    /// A stream of a session has begun. There is one session, which has one.
    fn handle_lane(&mut self, bi: Bi, session: u64, read: &[u8]) -> Result<(), ErrorCode> {
        // The number of a stream that a client opens for both directions is a multiple of 4.
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

    /// The session's own stream carries capsules, and its end is the session's.
    fn handle_session(&mut self, read: Read<'_>) -> Result<u32, Fault> {
        let Self { session: Some(session), capsules, .. } = self else { return Ok(1) };
        let mut bytes = match read {
            Read::Bytes(bytes) => bytes,
            Read::End if !session.frames.is_between() => return Err(ErrorCode::Frame.into()),
            Read::End | Read::Reset => return Err(Fault::Closed),
        };
        let mut said = 0;
        while let Some(frame) = session.frames.take(&mut bytes, on_request)? {
            said += 1;
            match frame.kind {
                DATA => {}
                // Behind a CONNECT there is nothing but data (RFC 9114, section 4.4).
                HEADERS => return Err(ErrorCode::FrameUnexpected.into()),
                WEBTRANSPORT => return Err(ErrorCode::Frame.into()),
                _ => continue,
            }
            let mut data = frame.payload.as_slice();
            while let Some(capsule) = capsules.take(&mut data, on_capsule)? {
                said += 1;
                if capsule.kind == CLOSE_SESSION {
                    let words = capsule.payload.get(4..).unwrap_or_default();
                    std::str::from_utf8(words).map_err(|_| ErrorCode::Datagram)?;
                    return Err(Fault::Closed);
                }
            }
        }
        Ok(said.max(1))
    }
}
