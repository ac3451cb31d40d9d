//! TLS over a stream, without a buffer that outlives what is in it.
//!
//! The library's own stream keeps 4 KiB for incoming records as long as it lives, a quarter of
//! what an idle WebSocket costs. Its unbuffered interface leaves the bytes to the caller: here they
//! are read into the stack, and only an incomplete record, or what the other side has yet to take,
//! is kept.

mod records;

use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tcp::tls::records::{Progress, Say, alert, process};

/// Bytes to read from the stream at a time.
const READ: usize = 4 * 1024;
/// Longest plaintext of a record, in bytes (RFC 8446, section 5.1).
const PLAIN: usize = 16 * 1024;
/// Bytes that a record may be longer than its plaintext (RFC 5246, section 6.2.3, and the header).
const OVERHEAD: usize = 2_048 + 5;

/// A TLS connection over `stream`, as the server.
pub(crate) struct TlsStream<S> {
    stream: S,
    tls: UnbufferedServerConnection,
    /// Records that are not complete yet.
    incoming: Vec<u8>,
    /// What the client sent and nobody has read yet.
    plain: Bytes,
    /// Records that the stream has not taken yet.
    outgoing: Bytes,
    is_established: bool,
    /// Whether the client has said that nothing follows.
    is_finished: bool,
    /// Whether the server has said so.
    is_closed: bool,
    /// Whether the client has broken the rules, after which nothing is handled any more.
    is_broken: bool,
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Completes a handshake as the server.
    ///
    /// # Errors
    /// If the client breaks the rules of TLS, offers nothing that the server takes, or goes away.
    pub(crate) async fn accept(config: Arc<ServerConfig>, stream: S) -> Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(broken)?;
        let mut stream = Self {
            stream,
            tls,
            incoming: Vec::new(),
            plain: Bytes::new(),
            outgoing: Bytes::new(),
            is_established: false,
            is_finished: false,
            is_closed: false,
            is_broken: false,
        };
        std::future::poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            ready!(self.poll_drain(cx))?;
            if self.is_established {
                return Pin::new(&mut self.stream).poll_flush(cx);
            }
            if !ready!(self.poll_records(cx))? {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Reads what has arrived and handles it. Returns whether anything has, or the end of the
    /// stream.
    fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if self.is_broken {
            return Poll::Ready(Err(ErrorKind::InvalidData.into()));
        }
        let mut space = [const { MaybeUninit::uninit() }; READ];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        if self.incoming.is_empty() {
            let (handled, discard) = self.handle(read.filled_mut());
            let rest = read.filled().get(discard..).unwrap_or_default();
            self.incoming = rest.to_vec();
            handled
        } else {
            self.incoming.extend_from_slice(read.filled());
            let mut incoming = std::mem::take(&mut self.incoming);
            let (handled, discard) = self.handle(&mut incoming);
            if discard < incoming.len() {
                incoming.drain(..discard);
                self.incoming = incoming;
            }
            handled
        }
        .map_err(|error| {
            // The alert that says why; a client that takes nothing misses it.
            let _ = self.poll_drain(cx);
            broken(error)
        })?;
        // The library bounds a record, but not a handshake message in several.
        if self.incoming.len() > PLAIN + OVERHEAD {
            return Poll::Ready(Err(ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(true))
    }

    /// Handles records; also returns the number of bytes that are done with.
    fn handle(&mut self, incoming: &mut [u8]) -> (std::result::Result<(), rustls::Error>, usize) {
        let mut progress = Progress::default();
        let handled = process(&mut self.tls, incoming, Say::Nothing, &mut progress);
        if handled.is_err() {
            self.is_broken = true;
            alert(&mut self.tls, incoming, &mut progress);
        }
        (handled, self.keep(progress))
    }

    /// Keeps what came of handling records, and returns the number of bytes handled.
    fn keep(&mut self, progress: Progress) -> usize {
        let Progress { discard, plain, outgoing, is_established, is_finished, .. } = progress;
        self.plain = joined(std::mem::take(&mut self.plain), plain);
        self.outgoing = joined(std::mem::take(&mut self.outgoing), outgoing);
        self.is_established |= is_established;
        self.is_finished |= is_finished;
        discard
    }

    /// Encrypts what is to be sent.
    fn send(&mut self, say: Say<'_>) -> Result<()> {
        if self.is_broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut progress = Progress::default();
        let mut incoming = std::mem::take(&mut self.incoming);
        let sent = process(&mut self.tls, &mut incoming, say, &mut progress);
        let has_sent = progress.has_sent;
        let discard = self.keep(progress);
        incoming.drain(..discard.min(incoming.len()));
        self.incoming = incoming;
        self.is_broken |= sent.is_err();
        sent.map_err(broken)?;
        if has_sent { Ok(()) } else { Err(ErrorKind::BrokenPipe.into()) }
    }

    /// Writes what waits until the stream has taken all of it.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.outgoing.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.outgoing))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => self.outgoing.advance(written),
            }
        }
        self.outgoing = Bytes::new();
        Poll::Ready(Ok(()))
    }
}

/// One after the other, in a buffer of their size.
fn joined(first: Bytes, second: BytesMut) -> Bytes {
    match (first.is_empty(), second.is_empty()) {
        (_, true) => first,
        (true, false) => second.freeze(),
        (false, false) => [first.as_ref(), second.as_ref()].concat().into(),
    }
}

fn broken(error: rustls::Error) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        while self.plain.is_empty() {
            if self.is_finished {
                return Poll::Ready(Ok(()));
            }
            if !ready!(self.poll_records(cx))? {
                // Only the client's word that nothing follows is an end; anybody can end TCP.
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
            // Answers of TLS itself; if they do not fit now, the next write takes them along. A
            // stream that takes nothing more may still have something to read, such as a farewell.
            let _ = self.poll_drain(cx);
        }
        let count = buffer.remaining().min(self.plain.len());
        buffer.put_slice(&self.plain.split_to(count));
        if self.plain.is_empty() {
            self.plain = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let bytes = bytes.get(..PLAIN).unwrap_or(bytes);
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // One record waits, not two: what waits cannot be replaced.
        ready!(self.poll_drain(cx))?;
        self.send(Say::Bytes(bytes))?;
        if let Poll::Ready(drained) = self.poll_drain(cx) {
            drained?;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_drain(cx))?;
        if !self.is_broken && !std::mem::replace(&mut self.is_closed, true) {
            self.send(Say::Close)?;
            ready!(self.poll_drain(cx))?;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
