//! The path itself: a thread that moves packets between two devices when the model says so.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::prctl::set_timerslack;
use tun_rs::SyncDevice;

use crate::isolation::{PathError, start};
use crate::model::{Counters, Direction};
use crate::namespace::Namespace;
use crate::nat::Nat;
use crate::packet;
use crate::settings::PathSettings;
use crate::tun::MTU;

/// The addresses of the ends, near and far.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 77, 0, 2)];
/// Number of packets to read in a row before writing those that are due.
const READ_AT_ONCE: usize = 32;

/// An emulated path between two network namespaces.
///
/// It carries IPv4 alone: what the kernel sends over IPv6 of its own accord (router solicitations)
/// would change which packet meets which fate. Dropping it ends its threads, and its devices and
/// namespaces with them.
#[derive(Debug)]
pub struct EmulatedPath {
    near: Namespace,
    far: Namespace,
    shared: Arc<Control>,
    carrier: Option<JoinHandle<()>>,
}

/// State shared by the carrier and the owner of the path.
#[derive(Debug)]
struct Control {
    state: Mutex<State>,
    /// Wakes the carrier to make it stop.
    wake: EventFd,
}

#[derive(Debug)]
struct State {
    /// From the near end to the far end.
    there: Direction,
    /// From the far end to the near end.
    back: Direction,
    /// At the near end, between its device and the path.
    nat: Nat,
    stop: bool,
}

impl EmulatedPath {
    /// Opens a path with the settings `there` from the near end to the far end, and `back` for the
    /// other way. With the same seed, the n-th packet of a direction meets the same fate.
    ///
    /// # Errors
    /// If the machine does not allow it; call [`crate::isolate`] first.
    pub fn open(there: PathSettings, back: PathSettings, seed: u64) -> Result<Self, PathError> {
        let (near, near_device) = Namespace::open("near", ADDRESSES[0])?;
        let (far, far_device) = Namespace::open("far", ADDRESSES[1])?;
        let [of_there, of_back] = seeds(seed);
        let state = State {
            there: Direction::new(there, of_there),
            back: Direction::new(back, of_back),
            nat: Nat::default(),
            stop: false,
        };
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_flags(flags).map_err(io::Error::from)?;
        let shared = Arc::new(Control { state: Mutex::new(state), wake });
        let theirs = Arc::clone(&shared);
        let carrier = start("path", move || theirs.carry(&near_device, &far_device))?;
        Ok(Self { near, far, shared, carrier: Some(carrier) })
    }

    /// The near end, where clients are.
    #[must_use]
    pub const fn near(&self) -> &Namespace {
        &self.near
    }

    /// The far end, where servers are.
    #[must_use]
    pub const fn far(&self) -> &Namespace {
        &self.far
    }

    /// Changes the settings for packets that arrive from now on.
    pub fn set(&self, there: PathSettings, back: PathSettings) {
        let mut state = self.shared.lock();
        state.there.set(there);
        state.back.set(back);
    }

    /// Starts the draws again from this seed: packets that enter from now on meet the fates of the
    /// first packets of a path opened with it.
    pub fn reseed(&self, seed: u64) {
        let [of_there, of_back] = seeds(seed);
        let mut state = self.shared.lock();
        state.there.reseed(of_there);
        state.back.reseed(of_back);
    }

    /// Makes the address translation in front of the near end forget its ports, like a router that
    /// restarts: UDP from the near end reaches the far end from new ports, and packets to the old
    /// ones are dropped. Before the first call there is no translation; after it, unsolicited UDP
    /// does not reach the near end.
    pub fn rebind(&self) {
        self.shared.lock().nat.rebind();
    }

    /// Counters of both directions so far: near to far, and far to near.
    #[must_use]
    pub fn counters(&self) -> [Counters; 2] {
        let state = self.shared.lock();
        [*state.there.counters(), *state.back.counters()]
    }
}

impl Drop for EmulatedPath {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        // A full counter wakes the carrier as well.
        let _ = self.shared.wake.write(1);
        if let Some(carrier) = self.carrier.take() {
            // A carrier that panicked has ended as well.
            let _ = carrier.join();
        }
    }
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves packets until told to stop.
    fn carry(&self, near: &SyncDevice, far: &SyncDevice) {
        // The kernel's timers are exact, but by default it lets a thread oversleep by 50 us.
        if let Err(error) = set_timerslack(1) {
            tracing::warn!(%error, "the path's delays may be some 50 us too long");
        }
        let opened = Instant::now();
        loop {
            let timeout = {
                let mut state = self.lock();
                if state.stop {
                    return;
                }
                state.turn(near, far, opened)
            };
            let fds = [near.as_fd(), far.as_fd(), self.wake.as_fd()];
            let mut fds = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            // Whatever woke it, it checks everything again.
            let _ = ppoll(&mut fds, timeout.map(Into::into), None);
        }
    }
}

impl State {
    /// Reads from the devices, writes what is due, and returns how long until more is due.
    fn turn(&mut self, near: &SyncDevice, far: &SyncDevice, opened: Instant) -> Option<Duration> {
        let Self { there, back, nat, .. } = self;
        receive(near, |mut packet| {
            nat.outward(&mut packet);
            there.handle_packet(packet, opened.elapsed());
        });
        receive(far, |packet| back.handle_packet(packet, opened.elapsed()));
        while let Some(packet) = there.poll_packet(opened.elapsed()) {
            send(far, &packet);
        }
        while let Some(mut packet) = back.poll_packet(opened.elapsed()) {
            if nat.inward(&mut packet) {
                send(near, &packet);
            } else {
                back.count_unknown_port();
            }
        }
        let next = [there.poll_timeout(), back.poll_timeout()].into_iter().flatten().min();
        next.map(|next| next.saturating_sub(opened.elapsed()))
    }
}

/// The seeds of the two directions of a path.
fn seeds(seed: u64) -> [u64; 2] {
    let mut seeds = fastrand::Rng::with_seed(seed);
    [seeds.u64(..), seeds.u64(..)]
}

/// Reads the packets waiting at a device.
fn receive(device: &SyncDevice, mut handle: impl FnMut(Vec<u8>)) {
    let mut buffer = [0; MTU as usize];
    for _ in 0..READ_AT_ONCE {
        match device.recv(&mut buffer) {
            Ok(len) if packet::is_ipv4(&buffer[..len]) => handle(buffer[..len].to_vec()),
            Ok(_) => {}
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    tracing::warn!(%error, "the path cannot read from its device");
                }
                return;
            }
        }
    }
}

/// Writes a packet to a device.
fn send(device: &SyncDevice, packet: &[u8]) {
    if let Err(error) = device.send(packet) {
        tracing::warn!(%error, "the path cannot write to its device");
    }
}
