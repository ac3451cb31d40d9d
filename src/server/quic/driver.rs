//! The task that moves all packets: from the socket to the connections and back.
//!
//! Each pass takes what has arrived, runs the timers that are due, and looks at the connections
//! that packets, timers or handles have touched, in that order. A pass does a bounded amount of
//! work, for each connection and in all, and then lets other tasks run.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use quinn_proto::{DatagramEvent, EndpointEvent, Transmit};
use tokio::time::{Sleep, sleep_until};
use wtransport::quinn::UdpPoller;
use wtransport::quinn::udp::{BATCH_SIZE, RecvMeta};

use crate::metrics::{Metrics, Part};
use crate::quic::hub::{Hub, datagram, received_ecn};
use crate::quic::state::{Shared, State, now};
use crate::quic::timers::Timers;

/// Most batches received in a pass. One takes about 0.1 ms.
const BATCHES: usize = 8;
/// Most that is done for connections in a pass: each look at one counts as one, and each packet
/// sent. All of it takes about 1 ms.
const WORK: usize = 256;
/// Most packets that a connection sends before the others have their turn.
const PACKETS_EACH: usize = 10;
/// Largest datagram of all, in bytes.
const MAX_DATAGRAM: usize = 65_535;

/// What is left to do for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// It has more to send.
    Packets,
    /// The socket is full.
    Room,
}

/// The task.
pub(super) struct Driver {
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    room: Pin<Box<dyn UdpPoller>>,
    received: Box<[u8]>,
    /// The packet being sent.
    packet: Vec<u8>,
    /// Set while the socket does not take that packet.
    blocked: Option<Transmit>,
    /// The connections to look at, each once.
    queue: VecDeque<Arc<Shared>>,
    timers: Timers<Arc<Shared>>,
    /// Goes off with the first of the timers.
    sleep: Pin<Box<Sleep>>,
    /// Who is to be woken once a connection's lock is free.
    woken: Vec<Waker>,
}

impl Driver {
    /// The driver of this hub.
    pub(super) fn new(hub: Arc<Hub>, metrics: Arc<Metrics>) -> Self {
        let segments = hub.socket.max_receive_segments();
        let longest = hub.lock().endpoint.config().get_max_udp_payload_size();
        let longest = usize::try_from(longest).unwrap_or(MAX_DATAGRAM).min(MAX_DATAGRAM);
        let room = Arc::clone(&hub.socket).create_io_poller();
        Self {
            hub,
            metrics,
            room,
            received: vec![0; longest * segments * BATCH_SIZE].into(),
            packet: Vec::with_capacity(longest),
            blocked: None,
            queue: VecDeque::new(),
            timers: Timers::default(),
            sleep: Box::pin(sleep_until(tokio::time::Instant::now())),
            woken: Vec::new(),
        }
    }

    /// Takes what has arrived. Returns whether there may be more.
    fn receive(&mut self, context: &mut Context<'_>, now: Instant) -> io::Result<bool> {
        let mut received = std::mem::take(&mut self.received);
        let mut about = [RecvMeta::default(); BATCH_SIZE];
        let mut batches = 0;
        let result = loop {
            if batches == BATCHES {
                break Ok(true);
            }
            let size = received.len() / BATCH_SIZE;
            let mut chunks = received.chunks_exact_mut(size);
            let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let count = match self.hub.socket.poll_recv(context, &mut buffers, &mut about) {
                Poll::Pending => break Ok(false),
                Poll::Ready(Ok(count)) => count,
                // Undefined for QUIC, and anybody can provoke it.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => 0,
                Poll::Ready(Err(error)) => break Err(error),
            };
            batches += 1;
            for (buffer, about) in buffers.iter().zip(&about).take(count) {
                let bytes = buffer.get(..about.len).unwrap_or_default();
                for datagram in bytes.chunks(about.stride.max(1)) {
                    self.handle(now, about, datagram);
                }
            }
        };
        self.received = received;
        result
    }

    /// Takes a datagram to whom it belongs.
    fn handle(&mut self, now: Instant, about: &RecvMeta, bytes: &[u8]) {
        let (bytes, ecn) = (BytesMut::from(bytes), received_ecn(about.ecn));
        let mut answer = Vec::new();
        let mut core = self.hub.lock();
        let endpoint = &mut core.endpoint;
        let handled = catch_unwind(AssertUnwindSafe(|| {
            endpoint.handle(now, about.addr, about.dst_ip, ecn, bytes, &mut answer)
        }));
        let event = handled.unwrap_or_else(|_| {
            self.metrics.panicked(Part::Connection);
            None
        });
        match event {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let shared = core.connections.get(handle.0).cloned().flatten();
                drop(core);
                let Some(shared) = shared else { return };
                let mut state = shared.lock();
                let quic = &mut state.quic;
                if catch_unwind(AssertUnwindSafe(|| quic.handle_event(event))).is_err() {
                    self.fail(&shared, &mut state);
                } else if !std::mem::replace(&mut state.is_queued, true) {
                    drop(state);
                    self.queue.push_back(shared);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                let refused = core.offer(incoming);
                drop(core);
                refused.into_iter().for_each(|incoming| self.hub.refuse(incoming));
            }
            Some(DatagramEvent::Response(transmit)) => {
                drop(core);
                self.hub.respond(&transmit, &answer);
            }
            None => {}
        }
    }

    /// Queues the connections whose timers are due.
    fn expire(&mut self, now: Instant) {
        while let Some(shared) = self.timers.take_due(now) {
            let mut state = shared.lock();
            state.armed = None;
            let deadline = state.quic.poll_timeout();
            if deadline.is_none_or(|deadline| deadline > now) {
                let value = || Arc::clone(&shared);
                self.timers.arm(shared.handle.0, &mut state.armed, deadline, value);
            } else if !std::mem::replace(&mut state.is_queued, true) {
                self.queue.push_back(Arc::clone(&shared));
            }
        }
    }

    /// Looks at the queued connections, as far as a pass allows.
    fn advance(&mut self, context: &mut Context<'_>, now: Instant) {
        let mut work = 0;
        while work < WORK && self.is_writable(context) {
            let Some(shared) = self.queue.pop_front() else { return };
            let mut state = shared.lock();
            state.is_queued = false;
            let advanced = || self.advance_one(&shared, &mut state, now, &mut work);
            match catch_unwind(AssertUnwindSafe(advanced)) {
                Ok(Left::Nothing) => {}
                Ok(Left::Packets | Left::Room) => {
                    state.is_queued = true;
                    self.queue.push_back(Arc::clone(&shared));
                }
                Err(_) => self.fail(&shared, &mut state),
            }
            drop(state);
            self.woken.drain(..).for_each(Waker::wake);
        }
    }

    fn advance_one(
        &mut self,
        shared: &Arc<Shared>,
        state: &mut State,
        now: Instant,
        work: &mut usize,
    ) -> Left {
        *work += 1;
        if state.is_broken() {
            return Left::Nothing;
        }
        state.advance(now, &mut self.woken);
        while let Some(event) = state.quic.poll_endpoint_events() {
            let mut core = self.hub.lock();
            if event.is_drained() {
                core.remove(shared.handle);
            }
            let reply = core.endpoint.handle_event(shared.handle, event);
            drop(core);
            reply.into_iter().for_each(|event| state.quic.handle_event(event));
        }
        if state.quic.is_drained() {
            self.timers.disarm(shared.handle.0, &mut state.armed);
            return Left::Nothing;
        }
        let left = self.send(state, now, work);
        let deadline = state.quic.poll_timeout();
        self.timers.arm(shared.handle.0, &mut state.armed, deadline, || Arc::clone(shared));
        // Sending can end a connection, whose last events are then handled in its next turn.
        if state.quic.is_drained() { Left::Packets } else { left }
    }

    /// Sends what a connection has to send.
    fn send(&mut self, state: &mut State, now: Instant, work: &mut usize) -> Left {
        for _ in 0..PACKETS_EACH {
            self.packet.clear();
            let Some(transmit) = state.quic.poll_transmit(now, 1, &mut self.packet) else {
                return Left::Nothing;
            };
            *work += 1;
            if !self.send_packet(&transmit) {
                self.blocked = Some(transmit);
                return Left::Room;
            }
        }
        Left::Packets
    }

    /// Sends the packet; returns false if the socket is full.
    fn send_packet(&self, transmit: &Transmit) -> bool {
        let sent = self.hub.socket.try_send(&datagram(transmit, &self.packet));
        // A packet that cannot be sent at all is lost.
        !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether the socket takes packets, and has taken the one that it did not take before.
    fn is_writable(&mut self, context: &mut Context<'_>) -> bool {
        while let Some(transmit) = self.blocked.take() {
            if self.room.as_mut().poll_writable(context).is_pending() {
                self.blocked = Some(transmit);
                return false;
            }
            if !self.send_packet(&transmit) {
                self.blocked = Some(transmit);
            }
        }
        true
    }

    /// Ends a connection whose state a bug has left inconsistent.
    fn fail(&mut self, shared: &Shared, state: &mut State) {
        self.metrics.panicked(Part::Connection);
        tracing::error!("a bug ended a connection; the rest keeps running");
        state.fail().for_each(Waker::wake);
        self.timers.disarm(shared.handle.0, &mut state.armed);
        let mut core = self.hub.lock();
        core.remove(shared.handle);
        drop(core.endpoint.handle_event(shared.handle, EndpointEvent::drained()));
    }

    /// Waits for the first of the timers.
    fn rest(&mut self, context: &mut Context<'_>) {
        let Some(next) = self.timers.next().map(tokio::time::Instant::from_std) else { return };
        if self.sleep.deadline() != next || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(next);
        }
        if self.sleep.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let now = now();
        this.hub.touched.take(&mut this.queue, context);
        let has_more = match this.receive(context, now) {
            Ok(has_more) => has_more,
            Err(error) => {
                tracing::error!(%error, "the UDP socket failed; WebTransport has ended");
                return Poll::Ready(());
            }
        };
        this.expire(now);
        this.advance(context, now);
        if this.hub.lock().is_over() {
            return Poll::Ready(());
        }
        if has_more || !this.queue.is_empty() && this.blocked.is_none() {
            context.waker().wake_by_ref();
        } else {
            this.rest(context);
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.hub.lose();
    }
}
