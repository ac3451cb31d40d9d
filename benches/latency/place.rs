//! Where servers and clients run: at the two ends of an emulated path, or on loopback.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command};

use gpys::path::{Counters, EmulatedPath, PathSettings};
use tokio::runtime::Runtime;

/// Two ends and what connects them.
pub enum Place {
    /// An emulated path: clients at the near end, servers at the far end.
    Path(EmulatedPath),
    /// Loopback.
    Loopback,
}

impl Place {
    /// An emulated path without impairments.
    pub fn path(seed: u64) -> Result<Self, gpys::path::PathError> {
        EmulatedPath::open(PathSettings::default(), PathSettings::default(), seed).map(Self::Path)
    }

    /// The address for servers to listen on.
    pub fn server_address(&self) -> IpAddr {
        match self {
            Self::Path(path) => path.far().address(),
            Self::Loopback => Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// A runtime whose sockets are at the clients' end.
    pub fn client_runtime(&self, workers: usize) -> io::Result<Runtime> {
        match self {
            Self::Path(path) => path.near().run(move || runtime(workers)),
            Self::Loopback => runtime(workers),
        }
    }

    /// A runtime whose sockets are at the servers' end.
    pub fn server_runtime(&self, workers: usize) -> io::Result<Runtime> {
        match self {
            Self::Path(path) => path.far().run(move || runtime(workers)),
            Self::Loopback => runtime(workers),
        }
    }

    /// Starts a server.
    pub fn spawn_server(&self, mut command: Command) -> io::Result<Child> {
        match self {
            Self::Path(path) => path.far().spawn(command),
            Self::Loopback => command.spawn(),
        }
    }

    /// Starts a client.
    pub fn spawn_client(&self, mut command: Command) -> io::Result<Child> {
        match self {
            Self::Path(path) => path.near().spawn(command),
            Self::Loopback => command.spawn(),
        }
    }

    /// Runs a function at the servers' end.
    pub fn at_server<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> T {
        match self {
            Self::Path(path) => path.far().run(f),
            Self::Loopback => f(),
        }
    }

    /// Changes the path in both directions. No effect on loopback.
    pub fn set(&self, settings: PathSettings) {
        self.set_ways(settings, settings);
    }

    /// Changes the path from clients and the path to them. No effect on loopback.
    pub fn set_ways(&self, up: PathSettings, down: PathSettings) {
        if let Self::Path(path) = self {
            path.set(up, down);
        }
    }

    /// Changes the clients' address for UDP. No effect on loopback, which has only one.
    pub fn rebind(&self) {
        if let Self::Path(path) = self {
            path.rebind();
        }
    }

    /// Draws the packets' fates from this seed on. No effect on loopback.
    pub fn reseed(&self, seed: u64) {
        if let Self::Path(path) = self {
            path.reseed(seed);
        }
    }

    /// The path's counters: from clients, and to clients.
    pub fn counters(&self) -> Option<[Counters; 2]> {
        match self {
            Self::Path(path) => Some(path.counters()),
            Self::Loopback => None,
        }
    }
}

fn runtime(workers: usize) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()
}
