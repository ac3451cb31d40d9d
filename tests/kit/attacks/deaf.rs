//! A QUIC client that keeps sending despite losses and acknowledges nothing.

use std::any::Any;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use wtransport::quinn::congestion::{Controller, ControllerFactory};
use wtransport::quinn::udp::{RecvMeta, Transmit};
use wtransport::quinn::{
    AsyncUdpSocket, Endpoint, EndpointConfig, Runtime as _, TokioRuntime, UdpPoller,
};

use crate::attacks::arena::Target;
use crate::attacks::quic::{Quic, client, transport};
use crate::attacks::tools::patiently;

/// A socket that can stop receiving.
#[derive(Debug)]
pub struct Deaf {
    socket: Arc<dyn AsyncUdpSocket>,
    is_deaf: AtomicBool,
}

impl Deaf {
    /// Stops receiving, or resumes.
    pub fn set(&self, is_deaf: bool) {
        self.is_deaf.store(is_deaf, Ordering::Relaxed);
    }
}

impl AsyncUdpSocket for Deaf {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        about: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let count = ready!(self.socket.poll_recv(context, buffers, about));
            if count.is_err() || !self.is_deaf.load(Ordering::Relaxed) {
                return Poll::Ready(count);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Congestion control without a window: it always sends.
#[derive(Clone, Debug)]
struct Reckless;

impl Controller for Reckless {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}
    fn on_mtu_update(&mut self, _: u16) {}
    fn window(&self) -> u64 {
        1 << 28
    }
    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }
    fn initial_window(&self) -> u64 {
        1 << 28
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl ControllerFactory for Reckless {
    fn build(self: Arc<Self>, _: Instant, _: u16) -> Box<dyn Controller> {
        Box::new(Self)
    }
}

/// Connects over a socket that can stop receiving.
pub async fn connect(target: &Target) -> (Quic, Arc<Deaf>) {
    let runtime = Arc::new(TokioRuntime);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = runtime.wrap_udp_socket(socket).unwrap();
    let deaf = Arc::new(Deaf { socket, is_deaf: AtomicBool::new(false) });
    let (own, shared) = (EndpointConfig::default(), Arc::clone(&deaf));
    let endpoint = Endpoint::new_with_abstract_socket(own, None, shared, runtime).unwrap();
    let mut limits = transport();
    limits.congestion_controller_factory(Arc::new(Reckless));
    let connecting = endpoint.connect_with(client(limits), target.udp, "localhost").unwrap();
    let connection = patiently("a QUIC handshake", connecting).await.unwrap();
    (Quic { connection, endpoint }, deaf)
}
