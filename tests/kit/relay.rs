//! Relays that a test puts between a client and a server, to take its network away.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client::PATIENCE;

/// Longest UDP datagram to carry, in bytes.
const DATAGRAM: usize = 65_536;

/// A TCP relay whose connections can fall silent without an end, as in a network that is gone.
pub struct TcpRelay {
    pub address: SocketAddr,
    /// The numbers of the connections that carry bytes.
    pub open: watch::Sender<Range<u32>>,
    /// The number from which on connections are not ended.
    pub ended: watch::Sender<u32>,
    /// How many connections there have been.
    pub count: watch::Receiver<u32>,
}

impl TcpRelay {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, gate) = watch::channel(0..u32::MAX);
        let (counted, count) = watch::channel(0);
        let (ended, end) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let number = *counted.borrow();
                counted.send_replace(number + 1);
                let (gate, mut end) = (gate.clone(), end.clone());
                tokio::spawn(async move {
                    let far = TcpStream::connect(server).await.unwrap();
                    let ((a, b), (c, d)) = (near.into_split(), far.into_split());
                    let copies = async {
                        tokio::join!(copy(a, d, number, gate.clone()), copy(c, b, number, gate));
                    };
                    tokio::select! {
                        () = copies => {}
                        _ = end.wait_for(|&end| number < end) => {}
                    }
                });
            }
        });
        Self { address, open, ended, count }
    }

    /// Silences everything, and waits until the client has tried another connection. Returns the
    /// number of the first such.
    pub async fn silence(&self) -> u32 {
        self.open.send_replace(0..0);
        let before = *self.count.borrow();
        let mut count = self.count.clone();
        timeout(PATIENCE, count.wait_for(|&count| count > before)).await.unwrap().unwrap();
        before
    }
}

/// Carries bytes one way while the connection is among the open ones.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: u32,
    mut gate: watch::Receiver<Range<u32>>,
) {
    let mut buffer = [0; 4_096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let is_open = gate.wait_for(|open| open.contains(&number)).await.is_ok();
        if !is_open || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// A UDP relay that can drop everything.
pub struct UdpRelay {
    pub address: SocketAddr,
    socket: Arc<UdpSocket>,
    /// Whether it carries datagrams.
    pub open: watch::Sender<bool>,
}

impl UdpRelay {
    /// A relay that knows no server yet, whose configuration may have to name the relay.
    pub async fn bind() -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = socket.local_addr().unwrap();
        Self { address, socket, open: watch::Sender::new(true) }
    }

    /// Carries datagrams to `server` and back, each client's from a port of its own.
    pub fn lead_to(&self, server: SocketAddr) {
        let (near, open) = (Arc::clone(&self.socket), self.open.subscribe());
        tokio::spawn(async move {
            let mut ports: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
            let mut buffer = vec![0; DATAGRAM];
            loop {
                let Ok((length, client)) = near.recv_from(&mut buffer).await else { continue };
                if !*open.borrow() {
                    continue;
                }
                let far = match ports.get(&client) {
                    Some(far) => Arc::clone(far),
                    None => {
                        let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                        far.connect(server).await.unwrap();
                        tokio::spawn(answer(
                            Arc::clone(&far),
                            Arc::clone(&near),
                            client,
                            open.clone(),
                        ));
                        Arc::clone(ports.entry(client).or_insert(far))
                    }
                };
                drop(far.send(&buffer[..length]).await);
            }
        });
    }
}

/// Carries the server's datagrams to one client.
async fn answer(
    far: Arc<UdpSocket>,
    near: Arc<UdpSocket>,
    client: SocketAddr,
    open: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok(length) = far.recv(&mut buffer).await else { continue };
        if *open.borrow() {
            drop(near.send_to(&buffer[..length], client).await);
        }
    }
}
