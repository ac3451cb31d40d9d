//! A UDP network in virtual time: queues in place of sockets, and seeded weather in between.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fastrand::Rng;
use gpys::proto::time::Time;
use tokio::time::{Instant, Sleep, sleep_until};
use wtransport::quinn::udp::{RecvMeta, Transmit};
use wtransport::quinn::{AsyncUdpSocket, UdpPoller};

use crate::link::{Lane, Weather};

/// The server's address.
pub const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(host(0, 0, 1)), 4433);

/// How many datagrams the trace holds: more than a seed's foul weather has.
const TRACED: usize = 50_000;

const fn host(b: u8, c: u8, d: u8) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::new(10, b, c, d)
}

/// One datagram as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// When, in us since the start.
    pub at: u128,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub length: usize,
}

/// What became of the datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    pub sent: u64,
    pub bytes: u64,
    /// Lost by the weather, not in the dark.
    pub lost: u64,
    pub doubled: u64,
    /// Arrived after one that had been sent later.
    pub overtaken: u64,
}

impl Fates {
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.overtaken += other.overtaken;
    }
}

/// A datagram under way.
#[derive(Clone, Debug)]
struct Packet {
    /// Its place in the order of sending.
    number: u64,
    from: SocketAddr,
    bytes: Arc<[u8]>,
}

/// Which directions of a path carry nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dark {
    pub up: bool,
    pub down: bool,
}

/// A client's socket, and the path between it and the server.
struct Device {
    /// The address at which the server sees it.
    address: SocketAddr,
    /// The path's own, so that what one client sends does not change another's weather.
    rng: Rng,
    weather: Weather,
    up: Lane<Packet>,
    down: Lane<Packet>,
    /// The newest datagrams that have arrived, up and down.
    newest: [u64; 2],
    dark: Dark,
    /// Number of the newest socket.
    socket: u32,
    waker: Option<Waker>,
}

struct Inner {
    start: Instant,
    seed: u64,
    devices: Vec<Device>,
    /// Which device an address leads to. A network forgets the address that a device had before.
    routes: BTreeMap<SocketAddr, usize>,
    /// Number of the server's socket; those of earlier servers are dead.
    server: u32,
    server_waker: Option<Waker>,
    fates: Fates,
    trace: Vec<Sent>,
}

/// A device's number on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceId(usize);

/// The network.
#[derive(Clone)]
pub struct Network(Arc<Mutex<Inner>>);

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network(..)")
    }
}

impl Network {
    pub fn new(seed: u64) -> Self {
        let (start, routes) = (Instant::now(), BTreeMap::new());
        let (devices, fates, trace) = (Vec::new(), Fates::default(), Vec::new());
        let (server, server_waker) = (0, None);
        let inner = Inner { start, seed, devices, routes, server, server_waker, fates, trace };
        Self(Arc::new(Mutex::new(inner)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Plugs in a server, and unplugs the one before.
    pub fn serve(&self) -> Arc<dyn AsyncUdpSocket> {
        let mut inner = self.lock();
        inner.server += 1;
        Arc::new(Socket::new(self.clone(), End::Server(inner.server)))
    }

    /// Unplugs the server: it hears and says nothing any more.
    pub fn unplug(&self) {
        self.lock().server += 1;
    }

    /// Adds a device.
    pub fn device(&self, weather: Weather) -> DeviceId {
        let mut inner = self.lock();
        let index = inner.devices.len();
        let rng = Rng::with_seed(inner.seed ^ (index as u64 + 1) << 32);
        let (up, down) = (Lane::new(weather), Lane::new(weather));
        let [_, _, c, d] = (index as u32 + 1).to_be_bytes();
        let address = SocketAddr::new(host(1, c, d).into(), 40_000);
        let (newest, dark, socket, waker) = ([0; 2], Dark::default(), 0, None);
        inner.routes.insert(address, index);
        inner.devices.push(Device { address, rng, weather, up, down, newest, dark, socket, waker });
        DeviceId(index)
    }

    /// Opens a socket of a device. What arrives is for the newest; a client opens another once many
    /// links have used one, and has one link at a time.
    pub fn socket(&self, DeviceId(device): DeviceId) -> Arc<dyn AsyncUdpSocket> {
        let newest = &mut self.lock().devices[device].socket;
        *newest += 1;
        Arc::new(Socket::new(self.clone(), End::Device(device, *newest)))
    }

    /// Moves a device to another address: a NAT forgot it, or it changed networks.
    pub fn rebind(&self, DeviceId(device): DeviceId, changes_network: bool) {
        let mut inner = self.lock();
        let old = inner.devices[device].address;
        let new = match old.ip() {
            std::net::IpAddr::V4(ip) if changes_network => {
                let [a, b, c, d] = ip.octets();
                SocketAddr::new([a, b % 200 + 1, c, d].into(), old.port())
            }
            ip => SocketAddr::new(ip, old.port() + 1),
        };
        inner.routes.remove(&old);
        inner.routes.insert(new, device);
        inner.devices[device].address = new;
    }

    /// Changes the weather on a device's path.
    pub fn set_weather(&self, DeviceId(device): DeviceId, weather: Weather) {
        let device = &mut self.lock().devices[device];
        device.weather = weather;
        device.up.set_weather(weather);
        device.down.set_weather(weather);
    }

    pub fn weather(&self, DeviceId(device): DeviceId) -> Weather {
        self.lock().devices[device].weather
    }

    /// Makes directions of a device's path dark or light again.
    pub fn set_dark(&self, DeviceId(device): DeviceId, dark: Dark) {
        self.lock().devices[device].dark = dark;
    }

    /// What became of the datagrams so far.
    pub fn fates(&self) -> Fates {
        self.lock().fates
    }

    /// What was sent first, in order; among those of one instant, by address.
    pub fn trace(&self) -> Vec<Sent> {
        let mut trace = self.lock().trace.clone();
        trace.sort_unstable();
        trace
    }
}

impl Inner {
    fn now(&self) -> Time {
        Time::from_ms(u64::try_from(self.start.elapsed().as_millis()).unwrap())
    }

    fn send(&mut self, end: End, to: SocketAddr, bytes: &[u8]) {
        let from = match end {
            End::Server(_) => SERVER,
            End::Device(device, _) => self.devices[device].address,
        };
        let at = self.start.elapsed().as_micros();
        if self.trace.len() < TRACED {
            self.trace.push(Sent { at, from, to, length: bytes.len() });
        }
        self.fates.sent += 1;
        self.fates.bytes += bytes.len() as u64;
        let packet = Packet { number: self.fates.sent, from, bytes: bytes.into() };
        let (now, fates) = (self.now(), &mut self.fates);
        let mut count = |arrivals| match arrivals {
            0 => fates.lost += 1,
            1 => {}
            _ => fates.doubled += 1,
        };
        match end {
            End::Server(number) if number == self.server => {
                let Some(&device) = self.routes.get(&to) else { return };
                let Device { rng, down, dark, waker, .. } = &mut self.devices[device];
                if !dark.down {
                    count(down.datagram(rng, now, packet));
                    waker.take().into_iter().for_each(Waker::wake);
                }
            }
            End::Device(device, _) if to == SERVER => {
                let Device { rng, up, dark, .. } = &mut self.devices[device];
                if !dark.up {
                    count(up.datagram(rng, now, packet));
                    self.server_waker.take().into_iter().for_each(Waker::wake);
                }
            }
            End::Server(_) | End::Device(..) => {}
        }
    }

    /// Takes a datagram that has arrived.
    fn arrived(&mut self, end: End) -> Option<Packet> {
        let now = self.now();
        match end {
            End::Server(_) if self.is_live(end) => {
                let next = |it: &Device| it.up.next();
                let first = self
                    .devices
                    .iter_mut()
                    .filter(|it| next(it).is_some())
                    .min_by_key(|it| next(it));
                let device = first?;
                let packet = device.up.arrive(now)?;
                self.fates.overtaken += overtaken(&mut device.newest[0], &packet);
                Some(packet)
            }
            End::Device(device, _) if self.is_live(end) => {
                let device = &mut self.devices[device];
                let packet = device.down.arrive(now)?;
                self.fates.overtaken += overtaken(&mut device.newest[1], &packet);
                Some(packet)
            }
            End::Server(_) | End::Device(..) => None,
        }
    }

    /// When the next datagram arrives.
    fn next(&self, end: End) -> Option<Instant> {
        let next = match end {
            End::Server(_) if self.is_live(end) => {
                self.devices.iter().filter_map(|device| device.up.next()).min()
            }
            End::Device(device, _) if self.is_live(end) => self.devices[device].down.next(),
            End::Server(_) | End::Device(..) => None,
        };
        next.map(|time| self.start + Duration::from_micros(time.us_since(Time::from_ms(0))))
    }

    fn wait(&mut self, end: End, waker: Waker) {
        match end {
            _ if !self.is_live(end) => {}
            End::Server(_) => self.server_waker = Some(waker),
            End::Device(device, _) => self.devices[device].waker = Some(waker),
        }
    }

    /// Whether a socket is the newest at its address.
    fn is_live(&self, end: End) -> bool {
        match end {
            End::Server(number) => number == self.server,
            End::Device(device, number) => number == self.devices[device].socket,
        }
    }
}

/// 1 if a later one has arrived before.
fn overtaken(newest: &mut u64, packet: &Packet) -> u64 {
    let is_late = packet.number < *newest;
    *newest = packet.number.max(*newest);
    u64::from(is_late)
}

/// Whose socket it is.
#[derive(Clone, Copy, Debug)]
enum End {
    Server(u32),
    Device(usize, u32),
}

/// A socket of the network.
#[derive(Debug)]
struct Socket {
    network: Network,
    end: End,
    /// Goes off when the next datagram arrives.
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl Socket {
    fn new(network: Network, end: End) -> Self {
        Self { network, end, timer: Mutex::default() }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.network.lock().send(self.end, transmit.destination, transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        about: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut timer = self.timer.lock().unwrap();
        loop {
            let mut inner = self.network.lock();
            let mut count = 0;
            for (buffer, about) in buffers.iter_mut().zip(about.iter_mut()) {
                let Some(Packet { from, bytes, .. }) = inner.arrived(self.end) else { break };
                let len = bytes.len();
                buffer[..len].copy_from_slice(&bytes);
                *about = RecvMeta { addr: from, len, stride: len, ecn: None, dst_ip: None };
                count += 1;
            }
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            inner.wait(self.end, context.waker().clone());
            let Some(due) = inner.next(self.end) else { return Poll::Pending };
            drop(inner);
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            timer.as_mut().reset(due);
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(match self.end {
            End::Server(_) => SERVER,
            End::Device(..) => ([192, 168, 0, 2], 50_000).into(),
        })
    }
}

/// There is always room for another datagram.
#[derive(Debug)]
struct Writable;

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
