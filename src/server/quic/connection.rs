//! A handle to a connection.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use quinn_proto::{
    self as proto, ConnectionError, ConnectionStats, Dir, SendDatagramError, StreamId, VarInt,
};

use crate::quic::state::{Open, Shared};
use crate::quic::streams::{RecvStream, SendStream};
use crate::quic::wakers::Interest;

/// A connection. It is closed when the last handle to it and its streams is dropped.
///
/// One task waits for each thing: of two that wait for datagrams, only the later is woken.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Open>);

impl Connection {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Open(shared)))
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// Waits until the handshake is done.
    pub(super) async fn connected(&self) -> Result<(), ConnectionError> {
        poll_fn(|context| {
            let mut state = self.shared().lock();
            let is_connected = state.is_connected();
            state.poll(context, Interest::Connected, |_| is_connected.then_some(()))
        })
        .await
    }

    /// Waits for something that the protocol may have; taking it may give the client more credit.
    async fn take<T>(
        &self,
        interest: Interest,
        take: impl Fn(&mut proto::Connection) -> Option<T>,
    ) -> Result<T, ConnectionError> {
        poll_fn(|context| {
            let mut state = self.shared().lock();
            let taken = state.poll(context, interest, &take);
            if matches!(taken, Poll::Ready(Ok(_))) {
                self.shared().touch(&mut state);
            }
            taken
        })
        .await
    }

    async fn accept(&self, dir: Dir) -> Result<StreamId, ConnectionError> {
        self.take(Interest::Accept(dir), |quic| quic.streams().accept(dir)).await
    }

    /// Waits for a unidirectional stream that the client opens. Cancel-safe.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) async fn accept_uni(&self) -> Result<RecvStream, ConnectionError> {
        let id = self.accept(Dir::Uni).await?;
        Ok(RecvStream::new(Arc::clone(&self.0), id))
    }

    /// Waits for a bidirectional stream that the client opens. Cancel-safe.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) async fn accept_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        let id = self.accept(Dir::Bi).await?;
        let send = SendStream::new(Arc::clone(&self.0), id);
        Ok((send, RecvStream::new(Arc::clone(&self.0), id)))
    }

    /// Opens a unidirectional stream, once the client allows another.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) async fn open_uni(&self) -> Result<SendStream, ConnectionError> {
        let id = self.take(Interest::Open(Dir::Uni), |quic| quic.streams().open(Dir::Uni)).await?;
        Ok(SendStream::new(Arc::clone(&self.0), id))
    }

    /// Waits for a datagram. Cancel-safe.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        poll_fn(|context| {
            let mut state = self.shared().lock();
            state.poll(context, Interest::Datagram, |quic| quic.datagrams().recv())
        })
        .await
    }

    /// Sends a datagram. Where there is no room, it replaces the oldest that wait.
    ///
    /// # Errors
    /// If it is too long, or the connection takes none.
    pub(crate) fn send_datagram(&self, bytes: Bytes) -> Result<(), SendDatagramError> {
        let mut state = self.shared().lock();
        let Ok(quic) = state.live() else { return Err(SendDatagramError::Disabled) };
        quic.datagrams().send(bytes, true)?;
        self.shared().touch(&mut state);
        Ok(())
    }

    /// The longest datagram that can be sent now, in bytes; `None` if the client takes none.
    pub(crate) fn max_datagram_size(&self) -> Option<usize> {
        self.shared().lock().live().ok()?.datagrams().max_size()
    }

    /// The length of a datagram that would replace none that waits, in bytes.
    pub(crate) fn datagram_send_buffer_space(&self) -> usize {
        self.shared().lock().live().map_or(0, |quic| quic.datagrams().send_buffer_space())
    }

    /// The connection's counters.
    pub(crate) fn stats(&self) -> ConnectionStats {
        self.shared().lock().quic.stats()
    }

    /// Where the client is now.
    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.shared().lock().quic.remote_address()
    }

    /// Closes the connection. Whoever waits for something on it learns that at once.
    pub(crate) fn close(&self, code: VarInt, reason: &[u8]) {
        self.shared().close(code, Bytes::copy_from_slice(reason));
    }

    /// Why the connection is lost, if it is.
    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        self.shared().lock().error().cloned()
    }

    /// Waits until the connection is lost, and returns why. Cancel-safe.
    pub(crate) async fn closed(&self) -> ConnectionError {
        let lost = poll_fn(|context| {
            let mut state = self.shared().lock();
            state.poll(context, Interest::Closed, |_| None::<std::convert::Infallible>)
        });
        match lost.await {
            Err(error) => error,
            Ok(never) => match never {},
        }
    }
}
