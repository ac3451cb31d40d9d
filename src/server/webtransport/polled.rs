//! A UDP socket that waits for wake-ups under light traffic and polls once a millisecond under
//! heavy traffic, as network drivers do: a wake-up for every packet is the largest part of a
//! frame's cost (docs/BENCHMARKS.md).

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net;
use tokio::time::{Instant, Sleep, sleep};
use wtransport::quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use wtransport::quinn::{AsyncUdpSocket, UdpPoller};

use crate::lock::lock;

/// The interval between polls. It is the most by which polling delays a pose; tokio's timers are
/// no finer.
const INTERVAL: Duration = Duration::from_millis(1);
/// The period over which arrivals are counted while waiting.
const WINDOW: Duration = Duration::from_millis(16);
/// Arrivals in a window from which polling is cheaper: one each millisecond.
const MANY: usize = 16;
/// Polls after which the socket waits again, unless they found [`MANY`] datagrams. They take two
/// windows, so polling ends at half the traffic at which it begins.
const POLLS: u32 = 32;

/// A UDP socket that switches between wake-ups and polling.
#[derive(Debug)]
pub(crate) struct Polled {
    socket: UdpSocket,
    state: UdpSocketState,
    watch: Mutex<Watch>,
    /// Whether the last send found the socket's buffer full.
    is_full: AtomicBool,
}

#[derive(Debug)]
enum Watch {
    /// The kernel signals each arrival.
    Wait { ready: net::UdpSocket, since: Instant, arrived: usize },
    /// A timer sets off each poll.
    Poll { timer: Pin<Box<Sleep>>, polls: u32, arrived: usize },
}

impl Watch {
    /// Registers a separate handle, because closing it is what ends the registration.
    fn wait(socket: &UdpSocket) -> io::Result<Self> {
        let ready = net::UdpSocket::from_std(socket.try_clone()?)?;
        Ok(Self::Wait { ready, since: Instant::now(), arrived: 0 })
    }
}

impl Polled {
    /// Wraps a socket. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the system refuses to set a socket option or to register the socket.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new((&socket).into())?;
        let watch = Mutex::new(Watch::wait(&socket)?);
        Ok(Self { socket, state, watch, is_full: AtomicBool::new(false) })
    }

    fn recv(&self, buffers: &mut [IoSliceMut<'_>], about: &mut [RecvMeta]) -> io::Result<usize> {
        self.state.recv((&self.socket).into(), buffers, about)
    }
}

impl AsyncUdpSocket for Polled {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { socket: self, timer: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.state.send((&self.socket).into(), transmit).inspect_err(|error| {
            self.is_full.fetch_or(error.kind() == ErrorKind::WouldBlock, Ordering::Relaxed);
        })
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        about: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut watch = lock(&self.watch);
        loop {
            match &mut *watch {
                Watch::Wait { ready, since, arrived } => {
                    ready!(ready.poll_recv_ready(context))?;
                    let received = ready.try_io(Interest::READABLE, || self.recv(buffers, about));
                    if let Err(error) = &received
                        && error.kind() == ErrorKind::WouldBlock
                    {
                        continue;
                    }
                    *arrived += received.as_ref().copied().unwrap_or_default();
                    if since.elapsed() >= WINDOW {
                        if *arrived >= MANY {
                            let timer = Box::pin(sleep(INTERVAL));
                            *watch = Watch::Poll { timer, polls: 0, arrived: 0 };
                        } else {
                            (*since, *arrived) = (Instant::now(), 0);
                        }
                    }
                    return Poll::Ready(received);
                }
                Watch::Poll { timer, polls, arrived } => {
                    ready!(timer.as_mut().poll(context));
                    match self.recv(buffers, about) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        received => {
                            *arrived += received.as_ref().copied().unwrap_or_default();
                            return Poll::Ready(received);
                        }
                    }
                    *polls += 1;
                    timer.as_mut().reset(Instant::now() + INTERVAL);
                    if *polls < POLLS {
                        continue;
                    }
                    let is_quiet = *arrived < MANY;
                    (*polls, *arrived) = (0, 0);
                    // An error here would end the endpoint, so without a spare file descriptor
                    // polling goes on.
                    if is_quiet && let Ok(wait) = Watch::wait(&self.socket) {
                        *watch = wait;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Retries a full socket after a while. That needs no file descriptor, and a full UDP buffer drains
/// within microseconds.
#[derive(Debug)]
struct Room {
    socket: Arc<Polled>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.is_full.load(Ordering::Relaxed) {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(INTERVAL)));
            ready!(timer.as_mut().poll(context));
            self.timer = None;
            self.socket.is_full.store(false, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::Ipv4Addr;

    use tokio::time::timeout;

    use super::*;

    const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Receives one batch, and returns how many datagrams it held.
    async fn receive(socket: &Polled) -> usize {
        let mut bytes = [0; 2_048];
        let received = poll_fn(|context| {
            let mut buffers = [IoSliceMut::new(&mut bytes)];
            let mut about = [RecvMeta::default()];
            socket.poll_recv(context, &mut buffers, &mut about).map(|received| {
                received.unwrap();
                about[0].len.div_ceil(about[0].stride.max(1))
            })
        });
        timeout(PATIENCE, received).await.unwrap()
    }

    fn is_polling(socket: &Polled) -> bool {
        matches!(&*lock(&socket.watch), Watch::Poll { .. })
    }

    #[tokio::test]
    async fn polls_under_heavy_traffic_and_waits_under_light_traffic() {
        let socket = Polled::new(UdpSocket::bind(HERE).unwrap()).unwrap();
        let (sender, to) = (UdpSocket::bind(HERE).unwrap(), socket.local_addr().unwrap());
        let send = || sender.send_to(b"x", to).unwrap();
        let (mut sent, mut received) = (0, 0);
        while !is_polling(&socket) {
            assert!(sent < 100_000, "the socket still waits");
            for _ in 0..8 {
                send();
                sent += 1;
            }
            while received < sent {
                received += receive(&socket).await;
            }
        }
        for _ in 0..100 {
            send();
        }
        let mut polled = 0;
        while polled < 100 {
            polled += receive(&socket).await;
        }
        // After a quiet period, the socket waits for the next datagram.
        let none = timeout(INTERVAL * POLLS * 20, receive(&socket)).await;
        assert!(none.is_err() && !is_polling(&socket));
        send();
        assert_eq!(receive(&socket).await, 1);
    }

    #[tokio::test]
    async fn a_socket_with_room_is_writable_at_once_and_a_full_one_later() {
        let socket = Arc::new(Polled::new(UdpSocket::bind(HERE).unwrap()).unwrap());
        let mut room = Arc::clone(&socket).create_io_poller();
        for is_full in [false, true] {
            socket.is_full.store(is_full, Ordering::Relaxed);
            let writable = poll_fn(|context| room.as_mut().poll_writable(context));
            timeout(PATIENCE, writable).await.unwrap().unwrap();
            assert!(!socket.is_full.load(Ordering::Relaxed));
        }
    }
}
