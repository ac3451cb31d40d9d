//! Writes with a time limit: a client that reads too slowly is disconnected.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Maximum length of one write, a TLS record: the kernel sends what it holds before it takes more,
/// so even a client too slow for this much counts as taking nothing.
const MOST: usize = 17 * 1024;

/// How slow a client may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How long writes may wait in total until the client has taken `bytes`.
    pub(crate) patience: Duration,
    /// How much the client must take in that time.
    pub(crate) bytes: usize,
}

/// Signals a stream that its connection has become a link, which has its own terms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promoted(Arc<AtomicBool>);

impl Promoted {
    /// Marks the connection as a link.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream whose writes fail once its client is too slow.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    stream: S,
    answers: Terms,
    link: Terms,
    promoted: Promoted,
    /// Fires when writes have waited too long; `None` until a write first waits.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Since when a write has waited, if one does.
    waits: Option<Instant>,
    /// How long writes have waited, and how much was taken, since the client last met its terms.
    waited: Duration,
    taken: usize,
}

impl<S> Paced<S> {
    /// A stream whose client must meet `answers` and, once it is a link, `link`.
    pub(crate) fn new(stream: S, answers: Terms, link: Terms, promoted: Promoted) -> Self {
        let (waited, taken) = (Duration::ZERO, 0);
        Self { stream, answers, link, promoted, alarm: None, waits: None, waited, taken }
    }

    fn terms(&self) -> Terms {
        if self.promoted.0.load(Ordering::Relaxed) { self.link } else { self.answers }
    }

    /// Lets a pending write wait, but not forever.
    fn pace<T>(&mut self, cx: &mut Context<'_>, written: Poll<Result<T>>) -> Poll<Result<T>> {
        let Terms { patience, .. } = self.terms();
        if written.is_ready() {
            if let Some(since) = self.waits.take() {
                self.waited += since.elapsed();
            }
            return written;
        }
        let left = patience.saturating_sub(self.waited);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(left)));
        if self.waits.is_none() {
            let now = Instant::now();
            self.waits = Some(now);
            alarm.as_mut().reset(now + left);
        }
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client reads too slowly")))
    }

    /// The same for a write of bytes.
    fn write(&mut self, cx: &mut Context<'_>, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        let written = ready!(self.pace(cx, written))?;
        self.taken += written;
        if self.taken >= self.terms().bytes {
            self.reset();
        }
        Poll::Ready(Ok(written))
    }

    /// Starts over: the client has taken enough, or all there was.
    fn reset(&mut self) {
        (self.waited, self.taken) = (Duration::ZERO, 0);
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
        let bytes = bytes.get(..MOST).unwrap_or(bytes);
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let mut length = 0;
        let fit = bytes.iter().take_while(|part| {
            length += part.len();
            length <= MOST
        });
        let written = match (fit.count(), bytes) {
            (0, [first, ..]) => Pin::new(&mut self.stream).poll_write(cx, &first[..MOST]),
            (fit, _) => Pin::new(&mut self.stream).poll_write_vectored(cx, &bytes[..fit]),
        };
        self.write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        ready!(self.pace(cx, flushed))?;
        self.reset();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.pace(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(500);
    const ANSWERS: Terms = Terms { patience: PATIENCE, bytes: 40 };
    const LINK: Terms = Terms { patience: Duration::from_secs(1), bytes: 1 };

    /// A stream that holds ten bytes, and its client.
    fn paced(promoted: &Promoted) -> (Paced<DuplexStream>, DuplexStream) {
        let (server, client) = duplex(10);
        (Paced::new(server, ANSWERS, LINK, promoted.clone()), client)
    }

    /// Writes 200 bytes to a client that takes `bytes` per tenth of the patience. Returns whether
    /// it was disconnected, and after how long.
    async fn write_to(promoted: &Promoted, bytes: usize) -> (bool, Duration) {
        let (mut paced, mut client) = paced(promoted);
        let since = Instant::now();
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; bytes];
            loop {
                sleep(PATIENCE / 10).await;
                if client.read_exact(&mut buffer).await.is_err() {
                    return;
                }
            }
        });
        let written = timeout(100 * PATIENCE, paced.write_all(&[0; 200])).await.unwrap();
        let took = since.elapsed();
        drop(paced);
        reading.await.unwrap();
        let slow = written.map_err(|error| assert_eq!(error.kind(), ErrorKind::TimedOut));
        (slow.is_err(), took)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_disconnected() {
        let promoted = Promoted::default();
        for patience in [ANSWERS.patience, LINK.patience] {
            let (mut paced, _client) = paced(&promoted);
            let since = Instant::now();
            let written = timeout(100 * PATIENCE, paced.write_all(&[0; 100])).await.unwrap();
            assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
            assert!((patience..2 * patience).contains(&since.elapsed()));
            promoted.set();
        }
    }

    #[tokio::test]
    async fn a_client_that_takes_too_little_of_an_answer_is_disconnected() {
        let (slow, took) = write_to(&Promoted::default(), 1).await;
        assert!(slow && took < 2 * PATIENCE, "{took:?}");
        let (slow, took) = write_to(&Promoted::default(), 5).await;
        assert!(!slow && took > 2 * PATIENCE, "{took:?}");
    }

    #[tokio::test]
    async fn a_link_may_be_slow_as_long_as_it_takes_something() {
        let promoted = Promoted::default();
        promoted.set();
        let (slow, took) = write_to(&promoted, 1).await;
        assert!(!slow && took > 10 * PATIENCE, "{took:?}");
    }

    #[tokio::test]
    async fn a_write_taken_in_full_does_not_count_against_the_next() {
        let (mut paced, mut client) = paced(&Promoted::default());
        let reading = tokio::spawn(async move {
            for _ in 0..6 {
                sleep(PATIENCE / 2).await;
                client.read_exact(&mut [0; 15]).await.unwrap();
            }
            client
        });
        for _ in 0..6 {
            paced.write_all(&[0; 15]).await.unwrap();
            paced.flush().await.unwrap();
        }
        reading.await.unwrap();
    }
}
