//! How many connections there may be: in all, and from one network.
//!
//! Both transports and the page's own requests pass the same gate, before anything is spent on
//! them, so that nobody gets twice as much by using two.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: what these locks guard is whole after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who counts as one: an IPv4 address, or the /64 that one IPv6 subscriber has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Network {
    /// The network of an address. This computer itself has none: a proxy or a load test here
    /// speaks for many.
    fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            address if address.is_loopback() => None,
            IpAddr::V4(address) => Some(Self::V4(address)),
            IpAddr::V6(address) => Some(Self::V6(prefix(address))),
        }
    }
}

const fn prefix(address: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = address.segments();
    [a, b, c, d]
}

#[derive(Debug, Default)]
struct Counts {
    total: u32,
    networks: HashMap<Network, u32>,
}

/// Counts connections and admits them up to its limits.
#[derive(Debug)]
pub(crate) struct Gate {
    most: u32,
    most_per_network: u32,
    counts: Mutex<Counts>,
}

impl Gate {
    /// A gate for at most `most` connections, `most_per_network` of them from one network.
    pub(crate) fn new(most: u32, most_per_network: u32) -> Arc<Self> {
        Arc::new(Self { most, most_per_network, counts: Mutex::default() })
    }

    /// Admits a connection, until its permit is dropped; `None` if there are too many.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let network = Network::of(address);
        let mut counts = lock(&self.counts);
        if counts.total >= self.most {
            return None;
        }
        if let Some(network) = network {
            let count = counts.networks.entry(network).or_default();
            if *count >= self.most_per_network {
                return None;
            }
            *count += 1;
        }
        counts.total += 1;
        Some(Permit { gate: Arc::clone(self), network })
    }
}

/// The right to be connected.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    network: Option<Network>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = lock(&self.gate.counts);
        counts.total -= 1;
        if let Some(network) = self.network
            && let Some(count) = counts.networks.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                counts.networks.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_network_cannot_take_every_place() {
        let gate = Gate::new(4, 2);
        let first = gate.admit(ip("2001:db8::1")).unwrap();
        let _second = gate.admit(ip("2001:db8::ffff:2")).unwrap();
        assert!(gate.admit(ip("2001:db8::3")).is_none(), "the same /64");
        let _other = gate.admit(ip("2001:db8:0:1::3")).unwrap();
        let _mapped = gate.admit(ip("::ffff:192.0.2.1")).unwrap();
        assert!(gate.admit(ip("192.0.2.9")).is_none(), "the gate is full");
        drop(first);
        assert!(gate.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn permits_give_back_what_they_took() {
        let gate = Gate::new(100, 100);
        let permits: Vec<_> = (0..50).map(|_| gate.admit(ip("192.0.2.1")).unwrap()).collect();
        drop(permits);
        let counts = lock(&gate.counts);
        assert_eq!(counts.total, 0);
        assert!(counts.networks.is_empty());
    }

    #[test]
    fn this_computer_is_not_one_network() {
        let gate = Gate::new(10, 1);
        let permits: Vec<_> = (0..10).filter_map(|_| gate.admit(ip("::ffff:127.0.0.1"))).collect();
        assert_eq!(permits.len(), 10);
    }
}
