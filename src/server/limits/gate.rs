//! Limits on connections: in total, per network, and how fast new ones may come.
//!
//! Both transports and the page's own requests pass the same gate before they cost anything, so
//! using both gains a client nothing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::metrics::Limit;
use gpys_proto::bucket::Bucket;
use gpys_proto::time::Time;

/// How many seconds' worth of handshakes a network may make at once: a crowd that scans the same
/// code is one network.
const BURST_S: u64 = 5;
/// Number of networks to track before evicting idle ones.
const REMEMBERED: usize = 4_096;

/// What counts as one network: an IPv4 address, or the /64 of an IPv6 subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Network {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(prefix(address)),
        }
    }
}

const fn prefix(address: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
}

/// The gate's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Maximum number of connections.
    pub(crate) connections: u32,
    /// Maximum number of connections from one network.
    pub(crate) per_network: u32,
    /// Handshakes per second from one network, with a burst of five times as many.
    pub(crate) handshakes: u32,
    /// Maximum number of connections with an unfinished handshake.
    pub(crate) half_open: u32,
    /// Whether loopback counts as a network. A local proxy or load test carries many clients.
    pub(crate) local: bool,
}

#[derive(Debug)]
struct Tally {
    connections: u32,
    handshakes: Bucket,
}

#[derive(Debug, Default)]
struct Counts {
    total: u32,
    half_open: u32,
    networks: HashMap<Network, Tally>,
    /// Number of networks at which to look for idle ones.
    sweep_at: usize,
}

impl Counts {
    /// Evicts the networks without connections whose burst is full again and, if that leaves too
    /// many, all without connections: a limit per address does not stop an attacker with that many.
    fn sweep(&mut self, now: Time) {
        if self.networks.len() < self.sweep_at.max(REMEMBERED) {
            return;
        }
        self.networks.retain(|_, it| it.connections > 0 || !it.handshakes.is_full(now));
        if self.networks.len() >= 16 * REMEMBERED {
            self.networks.retain(|_, it| it.connections > 0);
        }
        self.sweep_at = 2 * self.networks.len();
    }
}

/// Counts connections and admits them within its bounds.
#[derive(Debug)]
pub(crate) struct Gate {
    bounds: Bounds,
    counts: Mutex<Counts>,
}

impl Gate {
    /// A gate with these bounds.
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, counts: Mutex::default() })
    }

    /// Whether so many handshakes are in progress that clients must first prove their addresses.
    pub(crate) fn is_pressed(&self) -> bool {
        lock(&self.counts).half_open >= self.bounds.half_open.div_ceil(64)
    }

    /// Number of connections that a network has, and how many it may have.
    pub(crate) fn share(&self, network: Network) -> (usize, usize) {
        let counts = lock(&self.counts);
        let connections = counts.networks.get(&network).map_or(0, |it| it.connections);
        (connections as usize, self.bounds.per_network as usize)
    }

    /// Number of admitted connections.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.counts).total as usize
    }

    /// Admits a connection until its permit is dropped. Its handshake counts as unfinished.
    ///
    /// # Errors
    /// The limit that it would exceed.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, now: Time) -> Result<Permit, Limit> {
        let counted = self.bounds.local || !address.to_canonical().is_loopback();
        let network = counted.then(|| Network::of(address));
        self.admit_from(network, now)
    }

    /// Admits a connection of a proxy that carries many clients; each of them has its own permit.
    ///
    /// # Errors
    /// The limit that it would exceed.
    pub(crate) fn admit_proxy(self: &Arc<Self>, now: Time) -> Result<Permit, Limit> {
        self.admit_from(None, now)
    }

    /// Admits a client whose request came over a proxy's connection. Until its permit is dropped it
    /// counts as a connection of its network, and as a handshake unless the previous request was
    /// also from its network.
    ///
    /// # Errors
    /// The limit that it would exceed.
    pub(crate) fn admit_behind(
        self: &Arc<Self>,
        proxy: &Arc<Permit>,
        address: IpAddr,
        now: Time,
    ) -> Result<Permit, Limit> {
        let counted = self.bounds.local || !address.to_canonical().is_loopback();
        let network = counted.then(|| Network::of(address));
        let is_new = lock(&proxy.speaks_for).replace(network) != Some(network);
        if let Some(network) = network {
            self.count(&mut lock(&self.counts), network, is_new, now)?;
        }
        Ok(Permit {
            gate: Arc::clone(self),
            network,
            half_open: AtomicBool::new(false),
            speaks_for: Mutex::default(),
            proxy: Some(Arc::clone(proxy)),
            came: Arc::clone(&proxy.came),
        })
    }

    fn admit_from(self: &Arc<Self>, network: Option<Network>, now: Time) -> Result<Permit, Limit> {
        let mut counts = lock(&self.counts);
        if counts.total >= self.bounds.connections {
            return Err(Limit::Connections);
        }
        if counts.half_open >= self.bounds.half_open {
            return Err(Limit::HalfOpen);
        }
        if let Some(network) = network {
            self.count(&mut counts, network, true, now)?;
        }
        counts.total += 1;
        counts.half_open += 1;
        Ok(Permit {
            gate: Arc::clone(self),
            network,
            half_open: AtomicBool::new(true),
            speaks_for: Mutex::default(),
            proxy: None,
            came: Arc::default(),
        })
    }

    /// Counts a connection of a network, and a handshake if it is new.
    fn count(
        &self,
        counts: &mut Counts,
        network: Network,
        is_new: bool,
        now: Time,
    ) -> Result<(), Limit> {
        counts.sweep(now);
        let rate = u64::from(self.bounds.handshakes);
        let handshakes = Bucket::new(rate, BURST_S * rate, now);
        let fresh = Tally { connections: 0, handshakes };
        let presence = counts.networks.entry(network).or_insert(fresh);
        if presence.connections >= self.bounds.per_network {
            return Err(Limit::PerNetwork);
        }
        if is_new && !presence.handshakes.take(now) {
            return Err(Limit::Handshakes);
        }
        presence.connections += 1;
        Ok(())
    }
}

/// Permission to be connected.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    network: Option<Network>,
    half_open: AtomicBool,
    /// The network of the last request over this connection, if it is a proxy's.
    speaks_for: Mutex<Option<Option<Network>>>,
    /// The connection that carries this one and is counted on its own.
    proxy: Option<Arc<Self>>,
    came: Arc<AtomicU64>,
}

impl Permit {
    /// The network that the connection counts against, if any.
    pub(crate) const fn network(&self) -> Option<Network> {
        self.network
    }

    /// Number of bytes received over the connection, if it is TCP.
    pub(crate) const fn came(&self) -> &Arc<AtomicU64> {
        &self.came
    }

    /// Marks the handshake as finished.
    pub(crate) fn settle(&self) {
        if self.half_open.swap(false, Ordering::Relaxed) {
            lock(&self.gate.counts).half_open -= 1;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.settle();
        let mut counts = lock(&self.gate.counts);
        if self.proxy.is_none() {
            counts.total -= 1;
        }
        if let Some(network) = self.network
            && let Some(presence) = counts.networks.get_mut(&network)
        {
            presence.connections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Bounds = Bounds {
        connections: u32::MAX,
        per_network: u32::MAX,
        handshakes: 1_000_000,
        half_open: u32::MAX,
        local: false,
    };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_network_cannot_take_every_connection() {
        let gate = Gate::new(Bounds { connections: 4, per_network: 2, ..OPEN });
        let admit = |address| gate.admit(ip(address), Time::from_ms(0));
        let first = admit("2001:db8::1").unwrap();
        let _second = admit("2001:db8::ffff:2").unwrap();
        assert_eq!(admit("2001:db8::3").unwrap_err(), Limit::PerNetwork, "the same /64");
        let _other = admit("2001:db8:0:1::3").unwrap();
        let _mapped = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.9").unwrap_err(), Limit::Connections);
        drop(first);
        assert!(admit("192.0.2.1").is_ok());
    }

    #[test]
    fn handshakes_per_network_are_rate_limited() {
        let gate = Gate::new(Bounds { handshakes: 2, ..OPEN });
        let admitted = |address, now| {
            (0..100).filter(|_| gate.admit(ip(address), Time::from_ms(now)).is_ok()).count()
        };
        assert_eq!(admitted("192.0.2.1", 0), 10);
        assert_eq!(admitted("192.0.2.1", 999), 1, "half a second per handshake");
        assert_eq!(admitted("192.0.2.2", 999), 10, "another network");
        assert_eq!(gate.admit(ip("192.0.2.1"), Time::from_ms(999)).unwrap_err(), Limit::Handshakes);
        assert_eq!(admitted("192.0.2.1", 60_000), 10);
    }

    #[test]
    fn unfinished_handshakes_are_limited() {
        let gate = Gate::new(Bounds { half_open: 128, ..OPEN });
        let admit = || gate.admit(ip("192.0.2.1"), Time::from_ms(0));
        let first = admit().unwrap();
        assert!(!gate.is_pressed());
        let mut permits = vec![admit().unwrap()];
        assert!(gate.is_pressed());
        permits.extend((2..128).map(|_| admit().unwrap()));
        assert_eq!(admit().unwrap_err(), Limit::HalfOpen);
        first.settle();
        first.settle();
        let last = admit().unwrap();
        assert_eq!(admit().unwrap_err(), Limit::HalfOpen, "settling twice counts once");
        drop(first);
        drop(last);
        assert!(admit().is_ok());
    }

    #[test]
    fn dropped_permits_free_what_they_took() {
        let gate = Gate::new(OPEN);
        let admit = |_| gate.admit(ip("192.0.2.1"), Time::from_ms(0)).unwrap();
        let permits: Vec<_> = (0..50).map(admit).collect();
        permits[7].settle();
        drop(permits);
        let counts = lock(&gate.counts);
        assert_eq!((counts.total, counts.half_open), (0, 0));
        assert!(counts.networks.values().all(|presence| presence.connections == 0));
    }

    #[test]
    fn clients_of_a_proxy_count_separately() {
        let gate = Gate::new(Bounds { per_network: 2, handshakes: 2, connections: 2, ..OPEN });
        let proxy = Arc::new(gate.admit_proxy(Time::from_ms(0)).unwrap());
        let behind = |address| gate.admit_behind(&proxy, ip(address), Time::from_ms(0));
        let held: Vec<_> = (0..2).map(|_| behind("192.0.2.1").unwrap()).collect();
        assert_eq!(behind("192.0.2.1").unwrap_err(), Limit::PerNetwork);
        let _other = behind("192.0.2.2").unwrap();
        let direct = gate.admit(ip("192.0.2.1"), Time::from_ms(0));
        assert_eq!(direct.unwrap_err(), Limit::PerNetwork, "by either way");
        drop(held);
        for _ in 0..100 {
            drop(behind("192.0.2.3").unwrap());
        }
        let (mut alone, mut turns) = (0, 0);
        while behind("192.0.2.4").is_ok() && behind("192.0.2.5").is_ok() {
            turns += 1;
        }
        assert_eq!(turns, 10, "taking turns costs a handshake per request");
        while alone < 100 && behind("192.0.2.6").is_ok() {
            alone += 1;
        }
        assert_eq!(alone, 100, "consecutive requests of one client are one connection");
        drop(proxy);
        assert_eq!(lock(&gate.counts).total, 1, "its client keeps it open");
    }

    #[test]
    fn idle_networks_are_evicted() {
        let gate = Gate::new(OPEN);
        let stays = gate.admit(ip("2001:db8::1"), Time::from_ms(0)).unwrap();
        for network in 0..20 * REMEMBERED as u128 {
            let address = Ipv6Addr::from((0x2001_0db9 << 96) | (network << 64));
            drop(gate.admit(address.into(), Time::from_ms(0)).unwrap());
        }
        assert!(lock(&gate.counts).networks.len() < 16 * REMEMBERED, "at any time");
        drop(gate.admit(ip("192.0.2.1"), Time::from_ms(60_000)).unwrap());
        let most = 20 * REMEMBERED as u128;
        for network in most..most + 16 * REMEMBERED as u128 {
            let address = Ipv6Addr::from((0x2001_0db9 << 96) | (network << 64));
            let now = Time::from_ms(60_000 + network as u64);
            drop(gate.admit(address.into(), now).unwrap());
        }
        assert!(lock(&gate.counts).networks.len() < 4 * REMEMBERED, "once they are idle");
        drop(stays);
    }

    #[test]
    fn loopback_counts_as_a_network_only_if_configured() {
        for (local, most) in [(false, 10), (true, 1)] {
            let gate = Gate::new(Bounds { per_network: 1, local, ..OPEN });
            let address = ip("::ffff:127.0.0.1");
            let permits: Vec<_> =
                (0..10).filter_map(|_| gate.admit(address, Time::from_ms(0)).ok()).collect();
            assert_eq!(permits.len(), most);
        }
    }
}
