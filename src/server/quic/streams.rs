//! The two halves of streams.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn_proto::{self as proto, ClosedStream, FinishError, StreamId, VarInt};

use crate::quic::state::Open;
use crate::quic::wakers::Interest;

/// Why a stream yields no more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The client reset it.
    Reset,
    /// The connection is lost.
    Lost,
}

/// Why a stream takes no more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// The client wants no more of it, or it has ended.
    Stopped,
    /// The connection is lost.
    Lost,
}

/// The half of a stream that comes from the client. If it is dropped before its end, the client is
/// asked to stop.
#[derive(Debug)]
pub(crate) struct RecvStream {
    open: Arc<Open>,
    id: StreamId,
    /// Whether the end or a reset has been read, or the stream stopped.
    is_over: bool,
}

impl RecvStream {
    pub(super) const fn new(open: Arc<Open>, id: StreamId) -> Self {
        Self { open, id, is_over: false }
    }

    /// The stream's id.
    pub(crate) const fn id(&self) -> StreamId {
        self.id
    }

    /// Waits for the next bytes, at most `most` of them; `None` is the end of the stream.
    ///
    /// # Errors
    /// If the client reset the stream, or the connection is lost.
    pub(crate) fn poll_read(
        &mut self,
        context: &Context<'_>,
        most: usize,
    ) -> Poll<Result<Option<Bytes>, ReadError>> {
        if self.is_over {
            return Poll::Ready(Ok(None));
        }
        let (shared, id) = (&self.open.0, self.id);
        let mut state = shared.lock();
        let mut frees = false;
        let read = state.poll(context, Interest::Read(id), |quic| {
            let mut stream = quic.recv_stream(id);
            // A stream that is unknown has ended.
            let Ok(mut chunks) = stream.read(true) else { return Some(Ok(None)) };
            let read = match chunks.next(most) {
                Ok(chunk) => Some(Ok(chunk.map(|chunk| chunk.bytes))),
                Err(proto::ReadError::Reset(_)) => Some(Err(ReadError::Reset)),
                Err(proto::ReadError::Blocked) => None,
            };
            frees = chunks.finalize().should_transmit();
            read
        });
        if frees {
            shared.touch(&mut state);
        }
        drop(state);
        let read = read.map(|read| read.unwrap_or(Err(ReadError::Lost)));
        self.is_over = matches!(read, Poll::Ready(Ok(None) | Err(ReadError::Reset)));
        read
    }

    /// Waits for the next bytes, at most `most` of them; `None` is the end of the stream.
    /// Cancel-safe.
    ///
    /// # Errors
    /// As with [`poll_read`](Self::poll_read).
    pub(crate) async fn read(&mut self, most: usize) -> Result<Option<Bytes>, ReadError> {
        poll_fn(|context| self.poll_read(context, most)).await
    }

    /// Asks the client to stop sending, with this error code.
    ///
    /// # Errors
    /// If the stream has ended.
    pub(crate) fn stop(&mut self, code: VarInt) -> Result<(), ClosedStream> {
        self.is_over = true;
        let shared = &self.open.0;
        let mut state = shared.lock();
        drop(state.wakers.take(Interest::Read(self.id)));
        let Ok(quic) = state.live() else { return Err(ClosedStream::default()) };
        quic.recv_stream(self.id).stop(code)?;
        shared.touch(&mut state);
        Ok(())
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        if !self.is_over {
            // Fails only on a stream that has ended.
            drop(self.stop(VarInt::from_u32(0)));
        }
    }
}

/// The half of a stream that goes to the client. If it is dropped, it is finished.
#[derive(Debug)]
pub(crate) struct SendStream {
    open: Arc<Open>,
    id: StreamId,
}

impl SendStream {
    pub(super) const fn new(open: Arc<Open>, id: StreamId) -> Self {
        Self { open, id }
    }

    fn poll_write(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<Result<usize, WriteError>> {
        let (shared, id) = (&self.open.0, self.id);
        let mut state = shared.lock();
        if state.error().is_some() {
            return Poll::Ready(Err(WriteError::Lost));
        }
        let written = state.poll(context, Interest::Write(id), |quic| {
            match quic.send_stream(id).write(bytes) {
                Err(proto::WriteError::Blocked) => None,
                Err(proto::WriteError::Stopped(_) | proto::WriteError::ClosedStream) => {
                    Some(Err(WriteError::Stopped))
                }
                Ok(count) => Some(Ok(count)),
            }
        });
        if matches!(written, Poll::Ready(Ok(Ok(_)))) {
            shared.touch(&mut state);
        }
        written.map(|written| written.unwrap_or(Err(WriteError::Lost)))
    }

    /// Writes all of `bytes`. Dropped half-way, it has written some of them.
    ///
    /// # Errors
    /// If the client stopped the stream, or the connection is lost.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let count = poll_fn(|context| self.poll_write(context, bytes)).await?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// If it has ended already.
    pub(crate) fn finish(&self) -> Result<(), ClosedStream> {
        let shared = &self.open.0;
        let mut state = shared.lock();
        let Ok(quic) = state.live() else { return Err(ClosedStream::default()) };
        match quic.send_stream(self.id).finish() {
            Ok(()) => shared.touch(&mut state),
            Err(FinishError::ClosedStream) => return Err(ClosedStream::default()),
            // `stopped` tells.
            Err(FinishError::Stopped(_)) => {}
        }
        Ok(())
    }

    /// Abandons the stream with this error code.
    ///
    /// # Errors
    /// If it has ended already.
    pub(crate) fn reset(&self, code: VarInt) -> Result<(), ClosedStream> {
        let shared = &self.open.0;
        let mut state = shared.lock();
        let Ok(quic) = state.live() else { return Err(ClosedStream::default()) };
        quic.send_stream(self.id).reset(code)?;
        shared.touch(&mut state);
        Ok(())
    }

    /// Waits until the client has all of a finished stream (`None`) or stops the stream (its error
    /// code).
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) async fn stopped(&self) -> Result<Option<VarInt>, WriteError> {
        let (shared, id) = (&self.open.0, self.id);
        let stopped = poll_fn(|context| {
            shared.lock().poll(context, Interest::Stopped(id), |quic| {
                match quic.send_stream(id).stopped() {
                    Ok(None) => None,
                    Ok(code) => Some(code),
                    Err(ClosedStream { .. }) => Some(None),
                }
            })
        });
        stopped.await.map_err(|_| WriteError::Lost)
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        let shared = &self.open.0;
        let mut state = shared.lock();
        drop(state.wakers.take(Interest::Write(self.id)));
        drop(state.wakers.take(Interest::Stopped(self.id)));
        let Ok(quic) = state.live() else { return };
        let mut stream = quic.send_stream(self.id);
        let changes = match stream.finish() {
            Ok(()) => true,
            Err(FinishError::Stopped(code)) => stream.reset(code).is_ok(),
            Err(FinishError::ClosedStream) => false,
        };
        if changes {
            shared.touch(&mut state);
        }
    }
}
