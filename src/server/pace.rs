//! Writes that do not wait for ever: a client that takes nothing is given up.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream whose writes fail once nothing was taken for `patience`.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    stream: S,
    patience: Duration,
    /// Ends when a write has waited too long; none before the first one waits.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Whether a write waits.
    waits: bool,
}

impl<S> Paced<S> {
    /// A stream whose client must take something within `patience`, again and again.
    pub(crate) const fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, alarm: None, waits: false }
    }

    /// Lets a write that waits wait on, but not for ever.
    fn pace<T>(&mut self, cx: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.waits = false;
            return written;
        }
        let patience = self.patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !std::mem::replace(&mut self.waits, true) {
            alarm.as_mut().reset(Instant::now() + patience);
        }
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.pace(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.pace(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.pace(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.pace(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn whoever_takes_nothing_is_given_up() {
        let patience = Duration::from_millis(100);
        let (server, _client) = duplex(10);
        let mut paced = Paced::new(server, patience);
        let since = Instant::now();
        let written = timeout(100 * patience, paced.write_all(&[0; 100])).await.unwrap();
        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(since.elapsed() >= patience);
    }

    #[tokio::test]
    async fn whoever_takes_a_little_at_times_is_not() {
        let patience = Duration::from_secs(1);
        let (server, mut client) = duplex(10);
        let mut paced = Paced::new(server, patience);
        let since = Instant::now();
        let writing = tokio::spawn(async move { paced.write_all(&[7; 50]).await });
        for _ in 0..50 {
            sleep(patience / 20).await;
            assert_eq!(client.read_u8().await.unwrap(), 7);
        }
        writing.await.unwrap().unwrap();
        assert!(since.elapsed() > 2 * patience);
    }
}
