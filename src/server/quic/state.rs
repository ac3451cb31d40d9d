//! A connection's state, as its handles and the driver share it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use quinn_proto::{self as proto, ConnectionError, ConnectionHandle, Event, StreamEvent, VarInt};

use crate::lock::lock;
use crate::quic::wakers::{Interest, Wakers};

/// The time on the runtime's clock, which tests may stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The connections that handles have touched since the driver last looked.
#[derive(Debug, Default)]
pub(super) struct Touched(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    connections: Vec<Arc<Shared>>,
    driver: Option<Waker>,
    is_closed: bool,
}

impl Touched {
    fn push(&self, connection: Arc<Shared>) {
        let mut list = lock(&self.0);
        if !list.is_closed {
            list.connections.push(connection);
        }
        let driver = list.driver.take();
        drop(list);
        driver.into_iter().for_each(Waker::wake);
    }

    /// Wakes the driver.
    pub(super) fn wake(&self) {
        let driver = lock(&self.0).driver.take();
        driver.into_iter().for_each(Waker::wake);
    }

    /// Moves the connections to the driver's queue, and wakes its task when there are more.
    pub(super) fn take(&self, queue: &mut VecDeque<Arc<Shared>>, context: &Context<'_>) {
        let mut list = lock(&self.0);
        queue.extend(list.connections.drain(..));
        list.driver = Some(context.waker().clone());
    }

    /// Forgets the driver.
    pub(super) fn close(&self) {
        let mut list = lock(&self.0);
        list.is_closed = true;
        let left = (std::mem::take(&mut list.connections), list.driver.take());
        drop(list);
        drop(left);
    }
}

/// A connection.
pub(super) struct Shared {
    /// Its number.
    pub(super) handle: ConnectionHandle,
    state: Mutex<State>,
    touched: Arc<Touched>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.handle.0).finish()
    }
}

impl Shared {
    /// A connection whose handshake has begun.
    pub(super) fn new(
        handle: ConnectionHandle,
        quic: proto::Connection,
        touched: Arc<Touched>,
    ) -> Arc<Self> {
        Arc::new(Self { handle, state: Mutex::new(State::new(quic)), touched })
    }

    /// The state. Nobody may wait while holding it, or take another connection's.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Has the driver send what there is to send and note the timers.
    pub(super) fn touch(self: &Arc<Self>, state: &mut State) {
        if !std::mem::replace(&mut state.is_queued, true) {
            self.touched.push(Arc::clone(self));
        }
    }

    /// Closes the connection, unless it is lost already.
    pub(super) fn close(self: &Arc<Self>, code: VarInt, reason: Bytes) {
        let mut state = self.lock();
        if state.error.is_none() {
            state.quic.close(now(), code, reason);
            state.lose(ConnectionError::LocallyClosed).for_each(Waker::wake);
            self.touch(&mut state);
        }
    }
}

/// What a connection's lock guards.
pub(super) struct State {
    /// The protocol.
    pub(super) quic: proto::Connection,
    /// Who waits for what.
    pub(super) wakers: Wakers,
    /// Whether the driver's queue holds the connection.
    pub(super) is_queued: bool,
    /// When the driver's timer for the connection goes off.
    pub(super) armed: Option<Instant>,
    /// Why the connection is lost, once it is.
    error: Option<ConnectionError>,
    is_connected: bool,
    is_broken: bool,
}

impl State {
    const fn new(quic: proto::Connection) -> Self {
        Self {
            quic,
            wakers: Wakers(Vec::new()),
            is_queued: false,
            armed: None,
            error: None,
            is_connected: false,
            is_broken: false,
        }
    }

    /// Why the connection is lost, if it is.
    pub(super) const fn error(&self) -> Option<&ConnectionError> {
        self.error.as_ref()
    }

    /// Whether the handshake is done.
    pub(super) const fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Whether a bug left the protocol's state inconsistent.
    pub(super) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// The protocol, unless the connection is lost.
    pub(super) fn live(&mut self) -> Result<&mut proto::Connection, ConnectionError> {
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(&mut self.quic),
        }
    }

    /// Takes something from the protocol, or waits for it. What arrived before the connection was
    /// lost can still be taken.
    pub(super) fn poll<T>(
        &mut self,
        context: &Context<'_>,
        interest: Interest,
        take: impl FnOnce(&mut proto::Connection) -> Option<T>,
    ) -> Poll<Result<T, ConnectionError>> {
        let taken = if self.is_broken { None } else { take(&mut self.quic) };
        match (taken, &self.error) {
            (Some(taken), _) => Poll::Ready(Ok(taken)),
            (None, Some(error)) => Poll::Ready(Err(error.clone())),
            (None, None) => {
                self.wakers.register(interest, context);
                Poll::Pending
            }
        }
    }

    /// Marks the connection as lost. Returns everybody who waits.
    pub(super) fn lose(&mut self, error: ConnectionError) -> impl Iterator<Item = Waker> {
        self.error.get_or_insert(error);
        self.wakers.take_all()
    }

    /// Marks the connection as lost to a bug. Returns everybody who waits.
    pub(super) fn fail(&mut self) -> impl Iterator<Item = Waker> {
        self.is_broken = true;
        self.lose(internal_error("a bug ended the connection"))
    }

    /// Runs the timer if it is due, and handles what has happened. Whom that wakes is added to
    /// `woken`.
    pub(super) fn advance(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        if self.quic.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.quic.handle_timeout(now);
        }
        while let Some(event) = self.quic.poll() {
            let interest = match event {
                Event::Connected => {
                    self.is_connected = true;
                    Interest::Connected
                }
                Event::ConnectionLost { reason } => {
                    woken.extend(self.lose(reason));
                    continue;
                }
                Event::DatagramReceived => Interest::Datagram,
                Event::Stream(StreamEvent::Opened { dir }) => Interest::Accept(dir),
                Event::Stream(StreamEvent::Available { dir }) => Interest::Open(dir),
                Event::Stream(StreamEvent::Readable { id }) => Interest::Read(id),
                Event::Stream(StreamEvent::Writable { id }) => Interest::Write(id),
                Event::Stream(StreamEvent::Finished { id }) => Interest::Stopped(id),
                Event::Stream(StreamEvent::Stopped { id, .. }) => {
                    woken.extend(self.wakers.take(Interest::Write(id)));
                    Interest::Stopped(id)
                }
                Event::HandshakeDataReady | Event::DatagramsUnblocked => continue,
            };
            woken.extend(self.wakers.take(interest));
        }
    }
}

/// A loss that is this server's own fault.
pub(super) fn internal_error(reason: &str) -> ConnectionError {
    ConnectionError::TransportError(proto::TransportError {
        code: proto::TransportErrorCode::INTERNAL_ERROR,
        frame: None,
        reason: reason.to_owned(),
    })
}

/// Keeps a connection open: it is closed when the last handle to it is dropped.
#[derive(Debug)]
pub(super) struct Open(pub(super) Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close(VarInt::from_u32(0), Bytes::new());
    }
}
