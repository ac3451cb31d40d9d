//! What tests of QUIC share: a network in memory, and clients of another make.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::time::{Sleep, sleep};
use wtransport::quinn::crypto::rustls::QuicClientConfig;
use wtransport::quinn::udp::{RecvMeta, Transmit};
use wtransport::quinn::{
    AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, TokioRuntime, UdpPoller,
};

use crate::lock::lock;

/// Configures a client that trusts this certificate.
pub(crate) fn client_config(root: CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_protocol_versions(&[&rustls::version::TLS13])
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

#[derive(Debug, Default)]
struct Inbox {
    packets: VecDeque<(SocketAddr, Vec<u8>)>,
    reader: Option<Waker>,
    /// Number of looks at the socket.
    looks: usize,
}

#[derive(Debug, Default)]
struct Inner {
    inboxes: BTreeMap<u16, Inbox>,
    /// Where each packet went, in order.
    sent: Vec<u16>,
    /// The port from which and to which nothing gets through.
    cut: Option<u16>,
    /// The port whose socket is full.
    full: Option<u16>,
}

/// A network in memory, without delay or loss. Addresses are told apart by their ports.
#[derive(Clone, Debug, Default)]
pub(super) struct Net(Arc<Mutex<Inner>>);

impl Net {
    /// Opens a socket at this port.
    pub(super) fn socket(&self, port: u16) -> Arc<Socket> {
        lock(&self.0).inboxes.insert(port, Inbox::default());
        Arc::new(Socket { net: self.clone(), port })
    }

    /// A client at this port, by quinn.
    pub(super) fn client(&self, port: u16) -> Endpoint {
        let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
        let socket = self.socket(port);
        Endpoint::new_with_abstract_socket(config, None, socket, runtime).unwrap()
    }

    /// Lets nothing from or to this port through any more.
    pub(super) fn cut(&self, port: u16) {
        lock(&self.0).cut = Some(port);
    }

    /// Sets whose socket is full.
    pub(super) fn fill(&self, port: Option<u16>) {
        lock(&self.0).full = port;
    }

    /// Number of looks at the socket of this port.
    pub(super) fn looks(&self, port: u16) -> usize {
        lock(&self.0).inboxes[&port].looks
    }

    /// Takes the ports to which packets went, in order.
    pub(super) fn take_sent(&self) -> Vec<u16> {
        std::mem::take(&mut lock(&self.0).sent)
    }

    /// Sends bytes to a port.
    pub(super) fn send(&self, from: u16, to: u16, bytes: &[u8]) {
        let mut inner = lock(&self.0);
        inner.sent.push(to);
        if inner.cut.is_some_and(|cut| cut == from || cut == to) {
            return;
        }
        if let Some(inbox) = inner.inboxes.get_mut(&to) {
            inbox.packets.push_back((address(from), bytes.to_vec()));
            inbox.reader.take().into_iter().for_each(Waker::wake);
        }
    }
}

/// The address of a port.
pub(super) fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

#[derive(Debug)]
pub(super) struct Socket {
    net: Net,
    port: u16,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { socket: self, retry: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if lock(&self.net.0).full == Some(self.port) {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.net.send(self.port, transmit.destination.port(), transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        about: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inner = lock(&self.net.0);
        let inbox = inner.inboxes.get_mut(&self.port).unwrap();
        inbox.looks += 1;
        let mut count = 0;
        for (buffer, about) in buffers.iter_mut().zip(about) {
            let Some((addr, bytes)) = inbox.packets.pop_front() else { break };
            let len = bytes.len();
            buffer[..len].copy_from_slice(&bytes);
            *about = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
            count += 1;
        }
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        inbox.reader = Some(context.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(address(self.port))
    }
}

/// A full socket has room at the earliest after a while.
#[derive(Debug)]
struct Room {
    socket: Arc<Socket>,
    retry: Option<Pin<Box<Sleep>>>,
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while lock(&self.socket.net.0).full == Some(self.socket.port) {
            let again = || Box::pin(sleep(Duration::from_millis(1)));
            if self.retry.get_or_insert_with(again).as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.retry = None;
        }
        Poll::Ready(Ok(()))
    }
}
