//! What the driver shares with the handles of its endpoint.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use quinn_proto::{
    self as proto, ConnectionError, ConnectionHandle, EcnCodepoint, Transmit, VarInt,
};
use wtransport::quinn::AsyncUdpSocket;
use wtransport::quinn::udp;

use crate::lock::lock;
use crate::quic::connection::Connection;
use crate::quic::state::{Shared, Touched, internal_error, now};

/// A socket, its endpoint and the endpoint's connections.
pub(super) struct Hub {
    /// The socket.
    pub(super) socket: Arc<dyn AsyncUdpSocket>,
    /// The connections to look at.
    pub(super) touched: Arc<Touched>,
    core: Mutex<Core>,
}

/// What the endpoint's lock guards. Whoever holds it takes no connection's.
pub(super) struct Core {
    /// The protocol.
    pub(super) endpoint: proto::Endpoint,
    /// The connections, by number.
    pub(super) connections: Vec<Option<Arc<Shared>>>,
    /// Connections that nobody has accepted yet.
    pub(super) incoming: VecDeque<proto::Incoming>,
    /// Waits for one of those.
    acceptor: Option<Waker>,
    /// Waits until there is no connection.
    idler: Option<Waker>,
    count: usize,
    /// How each connection is closed, once all are.
    closing: Option<(VarInt, Bytes)>,
    /// Whether there is no handle left.
    is_orphaned: bool,
    /// Whether there is no driver left.
    is_lost: bool,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub without connections.
    pub(super) fn new(socket: Arc<dyn AsyncUdpSocket>, endpoint: proto::Endpoint) -> Arc<Self> {
        let core = Core {
            endpoint,
            connections: Vec::new(),
            incoming: VecDeque::new(),
            acceptor: None,
            idler: None,
            count: 0,
            closing: None,
            is_orphaned: false,
            is_lost: false,
        };
        Arc::new(Self { socket, touched: Arc::default(), core: Mutex::new(core) })
    }

    /// The endpoint's state. Whoever holds it takes no connection's.
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    /// Sends an answer of the endpoint itself. If the socket is full it is lost, as any datagram
    /// may be: whoever asked will ask again.
    pub(super) fn respond(&self, transmit: &Transmit, bytes: &[u8]) {
        drop(self.socket.try_send(&datagram(transmit, bytes)));
    }

    /// Waits for a connection; `None` once the endpoint is closed.
    pub(super) fn poll_incoming(&self, context: &Context<'_>) -> Poll<Option<proto::Incoming>> {
        let mut core = self.lock();
        if let Some(incoming) = core.incoming.pop_front() {
            return Poll::Ready(Some(incoming));
        }
        if core.is_lost || core.closing.is_some() {
            return Poll::Ready(None);
        }
        core.acceptor = Some(context.waker().clone());
        Poll::Pending
    }

    /// Takes a connection that a client opens, and begins its handshake.
    pub(super) fn accept(&self, incoming: proto::Incoming) -> Result<Connection, ConnectionError> {
        let mut answer = Vec::new();
        let mut core = self.lock();
        if core.is_lost {
            core.endpoint.ignore(incoming);
            return Err(internal_error("the driver has ended"));
        }
        let (handle, quic) = match core.endpoint.accept(incoming, now(), &mut answer, None) {
            Ok(accepted) => accepted,
            Err(error) => {
                drop(core);
                if let Some(response) = error.response {
                    self.respond(&response, &answer);
                }
                return Err(error.cause);
            }
        };
        let shared = Shared::new(handle, quic, Arc::clone(&self.touched));
        core.insert(handle, Arc::clone(&shared));
        let closing = core.closing.clone();
        drop(core);
        shared.touch(&mut shared.lock());
        if let Some((code, reason)) = closing {
            shared.close(code, reason);
        }
        Ok(Connection::new(shared))
    }

    /// Refuses a connection.
    pub(super) fn refuse(&self, incoming: proto::Incoming) {
        let mut answer = Vec::new();
        let response = self.lock().endpoint.refuse(incoming, &mut answer);
        self.respond(&response, &answer);
    }

    /// Asks a client to prove its address, or refuses one that has done so.
    pub(super) fn retry(&self, incoming: proto::Incoming) {
        let mut answer = Vec::new();
        let retry = self.lock().endpoint.retry(incoming, &mut answer);
        match retry {
            Ok(response) => self.respond(&response, &answer),
            Err(error) => self.refuse(error.into_incoming()),
        }
    }

    /// Closes all connections, and takes no more.
    pub(super) fn close(&self, code: VarInt, reason: &Bytes) {
        let mut core = self.lock();
        core.closing = Some((code, reason.clone()));
        let acceptor = core.acceptor.take();
        let connections: Vec<_> = core.connections.iter().flatten().cloned().collect();
        drop(core);
        acceptor.into_iter().for_each(Waker::wake);
        for connection in connections {
            connection.close(code, reason.clone());
        }
    }

    /// Waits until there is no connection.
    pub(super) fn poll_idle(&self, context: &Context<'_>) -> Poll<()> {
        let mut core = self.lock();
        if core.count == 0 || core.is_lost {
            return Poll::Ready(());
        }
        core.idler = Some(context.waker().clone());
        Poll::Pending
    }

    /// Notes that there is no handle left.
    pub(super) fn orphan(&self) {
        self.lock().is_orphaned = true;
        self.touched.wake();
    }

    /// Notes that there is no driver left, which ends all connections.
    pub(super) fn lose(&self) {
        let mut core = self.lock();
        core.is_lost = true;
        for incoming in std::mem::take(&mut core.incoming) {
            core.endpoint.ignore(incoming);
        }
        let wakers = [core.acceptor.take(), core.idler.take()];
        let connections = std::mem::take(&mut core.connections);
        drop(core);
        self.touched.close();
        wakers.into_iter().flatten().for_each(Waker::wake);
        for connection in connections.into_iter().flatten() {
            connection.lock().lose(internal_error("the driver has ended")).for_each(Waker::wake);
        }
    }
}

impl Core {
    fn insert(&mut self, handle: ConnectionHandle, shared: Arc<Shared>) {
        if self.connections.len() <= handle.0 {
            self.connections.resize(handle.0 + 1, None);
        }
        if let Some(slot) = self.connections.get_mut(handle.0) {
            *slot = Some(shared);
            self.count += 1;
        }
    }

    /// Removes a connection that has said its last word.
    pub(super) fn remove(&mut self, handle: ConnectionHandle) {
        let slot = self.connections.get_mut(handle.0);
        if slot.and_then(Option::take).is_some() {
            self.count -= 1;
            if self.count == 0 {
                self.idler.take().into_iter().for_each(Waker::wake);
            }
        }
    }

    /// Adds a connection that a client opens. Returns it if the endpoint is closed.
    pub(super) fn offer(&mut self, incoming: proto::Incoming) -> Option<proto::Incoming> {
        if self.closing.is_some() {
            return Some(incoming);
        }
        self.incoming.push_back(incoming);
        self.acceptor.take().into_iter().for_each(Waker::wake);
        None
    }

    /// Whether nobody can use the endpoint any more.
    pub(super) const fn is_over(&self) -> bool {
        self.is_orphaned && self.count == 0
    }
}

/// A packet as the socket sends it.
pub(super) fn datagram<'a>(transmit: &Transmit, bytes: &'a [u8]) -> udp::Transmit<'a> {
    udp::Transmit {
        destination: transmit.destination,
        ecn: transmit.ecn.and_then(|ecn| udp::EcnCodepoint::from_bits(ecn as u8)),
        contents: bytes.get(..transmit.size).unwrap_or(bytes),
        segment_size: transmit.segment_size,
        src_ip: transmit.src_ip,
    }
}

/// A received packet's congestion mark.
pub(super) fn received_ecn(ecn: Option<udp::EcnCodepoint>) -> Option<EcnCodepoint> {
    EcnCodepoint::from_bits(ecn? as u8)
}
