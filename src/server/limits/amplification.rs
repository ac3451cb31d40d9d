//! Limits amplification: an address not yet proven to be its client's is sent at most three times
//! what came from it (RFC 9000, section 8), to the byte, across all connections that use it.
//!
//! The QUIC library enforces this per path and lets the last packet exceed the limit, so an
//! attacker who forges a new source for each packet of 31 bytes has 1,200 sent to each. Hence these
//! accounts per address, beneath it, at the socket.
//!
//! A handshake proves an address. After a change of address, the library does not report when the
//! new one has answered its challenge, but it shows: until then, it sends no more than is allowed
//! ([`Proof::follow`]).

use std::collections::HashMap;
use std::mem::{replace, take};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use quinn_proto::ConnectionStats;
use wtransport::quinn::udp::{EcnCodepoint, Transmit};

use crate::lock::lock;
use crate::metrics::{Limit, Metrics};
use crate::quic::connection::Connection;

/// How many bytes an unproven address may be sent for each one received (RFC 9000, section 8.1).
const FACTOR: u64 = 3;
/// Maximum length of a packet sent, in bytes (RFC 9000, section 14): the library may exceed its own
/// limit by one packet.
pub(crate) const PACKET: u16 = 1_200;
/// What an address may still be sent when no connection vouches for it any more: close frames.
const GOODBYE: u64 = FACTOR * PACKET as u64;
/// Number of unproven addresses to track before evicting those idle since as many new ones
/// appeared. Eviction is safe: without an account there is no credit.
const ACCOUNTS: usize = 8_192;
/// Maximum number of datagrams waiting for credit, one per address. Others are lost.
const HELD: usize = 512;

/// A datagram kept until it may be sent.
#[derive(Debug)]
pub(crate) struct Held {
    destination: SocketAddr,
    ecn: Option<EcnCodepoint>,
    contents: Box<[u8]>,
    segment_size: Option<usize>,
    src_ip: Option<IpAddr>,
}

impl Held {
    fn new(transmit: &Transmit<'_>) -> Self {
        let &Transmit { destination, ecn, contents, segment_size, src_ip } = transmit;
        Self { destination, ecn, contents: contents.into(), segment_size, src_ip }
    }

    /// The datagram, ready to send.
    pub(crate) fn transmit(&self) -> Transmit<'_> {
        let &Self { destination, ecn, ref contents, segment_size, src_ip } = self;
        Transmit { destination, ecn, contents, segment_size, src_ip }
    }

    fn len(&self) -> u64 {
        self.contents.len() as u64
    }
}

#[derive(Debug, Default)]
struct Accounts {
    /// Number of connections that vouch for each address.
    proven: HashMap<SocketAddr, u32>,
    /// How many bytes each other address may be sent. Accounts in use move to the first map; when
    /// that is full, the second is dropped.
    credits: [HashMap<SocketAddr, u64>; 2],
    /// The newest datagram for each address without enough credit.
    held: HashMap<SocketAddr, Held>,
}

impl Accounts {
    fn credit(&mut self, address: SocketAddr) -> &mut u64 {
        let [recent, old] = &mut self.credits;
        if !recent.contains_key(&address) && recent.len() >= ACCOUNTS {
            *old = take(recent);
            self.held.retain(|address, _| old.contains_key(address));
        }
        recent.entry(address).or_insert_with(|| old.remove(&address).unwrap_or_default())
    }

    /// Deducts `bytes` from an address's credit, if it has that much.
    fn spend(&mut self, address: SocketAddr, bytes: u64) -> bool {
        let [recent, old] = &mut self.credits;
        let credit = recent.get_mut(&address).or_else(|| old.get_mut(&address));
        let left = credit.and_then(|credit| Some((credit.checked_sub(bytes)?, credit)));
        left.is_some_and(|(left, credit)| {
            *credit = left;
            true
        })
    }
}

/// The accounts of a socket's remote addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    accounts: Mutex<Accounts>,
    metrics: Arc<Metrics>,
}

impl Addresses {
    /// An empty set of accounts.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { accounts: Mutex::default(), metrics })
    }

    /// Number of addresses that a connection vouches for.
    pub(crate) fn proven(&self) -> usize {
        lock(&self.accounts).proven.len()
    }

    /// Credits an address with bytes received from it. Returns a datagram that may now be sent.
    pub(crate) fn received(&self, address: SocketAddr, bytes: usize) -> Option<Held> {
        let mut accounts = lock(&self.accounts);
        if accounts.proven.contains_key(&address) {
            return None;
        }
        let credit = accounts.credit(address);
        *credit = credit.saturating_add(FACTOR * bytes as u64);
        let waiting = accounts.held.get(&address).map(Held::len)?;
        if accounts.spend(address, waiting) { accounts.held.remove(&address) } else { None }
    }

    /// Whether this may be sent now, in which case it counts as sent. Otherwise, the newest such
    /// datagram is kept until enough has come from the address.
    pub(crate) fn admits(&self, transmit: &Transmit<'_>) -> bool {
        let (address, bytes) = (transmit.destination, transmit.contents.len() as u64);
        let mut accounts = lock(&self.accounts);
        if accounts.proven.contains_key(&address) || accounts.spend(address, bytes) {
            return true;
        }
        if accounts.held.len() < HELD || accounts.held.contains_key(&address) {
            accounts.held.insert(address, Held::new(transmit));
        }
        drop(accounts);
        self.metrics.hit(Limit::Unproven);
        false
    }

    /// Refunds a datagram that was admitted but not sent.
    pub(crate) fn refund(&self, transmit: &Transmit<'_>) {
        let mut accounts = lock(&self.accounts);
        if !accounts.proven.contains_key(&transmit.destination) {
            *accounts.credit(transmit.destination) += transmit.contents.len() as u64;
        }
    }

    fn vouch(&self, address: SocketAddr) {
        let mut accounts = lock(&self.accounts);
        *accounts.proven.entry(address).or_default() += 1;
        accounts.held.remove(&address);
    }

    fn forget(&self, address: SocketAddr) {
        let mut accounts = lock(&self.accounts);
        let vouchers = accounts.proven.get_mut(&address);
        let left = vouchers.map_or(0, |vouchers| {
            *vouchers -= 1;
            *vouchers
        });
        if left == 0 {
            accounts.proven.remove(&address);
            *accounts.credit(address) = GOODBYE;
        }
    }
}

/// Counters of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Bytes.
    sent: u64,
    /// Bytes.
    received: u64,
    /// Path challenges sent.
    challenges: u64,
    /// Path responses received; they may be forged.
    answers: u64,
}

impl From<ConnectionStats> for Counts {
    fn from(stats: ConnectionStats) -> Self {
        Self {
            sent: stats.udp_tx.bytes,
            received: stats.udp_rx.bytes,
            challenges: stats.frame_tx.path_challenge,
            answers: stats.frame_rx.path_response,
        }
    }
}

/// A connection's move from a proven address to one not proven yet.
#[derive(Debug)]
struct Move {
    to: SocketAddr,
    /// The counters when it began, except that `received` is from the call before.
    since: Counts,
}

#[derive(Debug)]
struct PathProof {
    proven: SocketAddr,
    moving: Option<Move>,
    /// Bytes received by the last call.
    received: u64,
}

impl PathProof {
    /// Updates the path from where the connection sends now and what it has counted. Returns the
    /// address that this proves, if any.
    ///
    /// The library sends a new address a challenge and, until it is answered, at most three times
    /// what came from there plus one packet. Anything else, a challenge to the former address or a
    /// response to one, is one packet each. So if it sends more than that without having begun
    /// another challenge, the address has answered.
    fn update(&mut self, address: SocketAddr, now: Counts) -> Option<SocketAddr> {
        let before = replace(&mut self.received, now.received);
        if address == self.proven {
            self.moving = None;
            return None;
        }
        if let Some(Move { to, since }) = &self.moving
            && *to == address
            && since.challenges == now.challenges
        {
            let packets = 1 + now.answers - since.answers;
            let most = FACTOR * (now.received - since.received) + packets * u64::from(PACKET);
            if now.sent - since.sent <= most {
                return None;
            }
            self.moving = None;
            self.proven = address;
            return Some(address);
        }
        self.moving = Some(Move { to: address, since: Counts { received: before, ..now } });
        None
    }
}

/// Proof that a connection's address is its client's. While it lives, the address may be sent
/// anything.
#[derive(Debug)]
pub(crate) struct Proof {
    addresses: Arc<Addresses>,
    path: Mutex<PathProof>,
}

impl Proof {
    /// A proof for the address from which a connection was opened, once its handshake is done. The
    /// connection may send to another address by then, which has proved nothing.
    pub(crate) fn new(addresses: Arc<Addresses>, proven: SocketAddr) -> Self {
        addresses.vouch(proven);
        Self { addresses, path: Mutex::new(PathProof { proven, moving: None, received: 0 }) }
    }

    /// Follows the connection to another address once that is proven. Call this before anything
    /// that makes the connection send much.
    pub(crate) fn follow(&self, quic: &Connection) {
        let mut path = lock(&self.path);
        // In this order, so that bytes arriving from a new address in between count after the move.
        let now = quic.stats().into();
        let (left, proven) = (path.proven, path.update(quic.remote_address(), now));
        drop(path);
        if let Some(proven) = proven {
            self.addresses.vouch(proven);
            self.addresses.forget(left);
        }
    }
}

impl Drop for Proof {
    fn drop(&mut self) {
        self.addresses.forget(lock(&self.path).proven);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counts(sent: u64, received: u64, challenges: u64) -> Counts {
        Counts { sent, received, challenges, answers: 0 }
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn addresses() -> Arc<Addresses> {
        Addresses::new(Metrics::new())
    }

    fn datagram(destination: SocketAddr, contents: &[u8]) -> Transmit<'_> {
        Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None }
    }

    /// Whether `bytes` may be sent there.
    fn may_send(addresses: &Addresses, port: u16, bytes: usize) -> bool {
        addresses.admits(&datagram(address(port), &vec![0; bytes]))
    }

    #[test]
    fn an_unproven_address_is_sent_three_times_what_came_from_it() {
        let addresses = addresses();
        assert!(!may_send(&addresses, 1, 1), "nothing came from there");
        assert!(addresses.received(address(1), 31).is_some(), "the refused byte");
        assert!(may_send(&addresses, 1, 92));
        assert!(!may_send(&addresses, 1, 1));
        assert!(!may_send(&addresses, 2, 1), "another address's credit");
        assert_eq!(addresses.metrics.hits(Limit::Unproven), 3);
    }

    #[test]
    fn refunded_datagrams_do_not_count() {
        let addresses = addresses();
        addresses.received(address(1), 400);
        for _ in 0..3 {
            assert!(may_send(&addresses, 1, 1_200));
            addresses.refund(&datagram(address(1), &[0; 1_200]));
        }
        assert!(may_send(&addresses, 1, 1_200));
        assert!(!may_send(&addresses, 1, 1));
    }

    #[test]
    fn the_newest_datagram_waits_for_credit() {
        let addresses = addresses();
        for byte in [7, 8] {
            assert!(!addresses.admits(&datagram(address(1), &[byte; 1_200])));
        }
        assert!(addresses.received(address(1), 399).is_none());
        let waited = addresses.received(address(1), 1).unwrap();
        assert_eq!(waited.transmit().contents, [8; 1_200]);
        assert!(addresses.received(address(1), 0).is_none(), "it is sent once");
        assert!(!may_send(&addresses, 1, 1), "it counts");
    }

    #[test]
    fn a_proven_address_is_sent_anything_until_its_last_proof_is_dropped() {
        let addresses = addresses();
        let first = Proof::new(Arc::clone(&addresses), address(1));
        let second = Proof::new(Arc::clone(&addresses), address(1));
        drop(first);
        assert!((0..100).all(|_| may_send(&addresses, 1, 1_200)));
        drop(second);
        assert!((0..3).all(|_| may_send(&addresses, 1, 1_200)), "close frames");
        assert!(!may_send(&addresses, 1, 1_200));
        assert!(lock(&addresses.accounts).proven.is_empty());
    }

    #[test]
    fn accounts_are_bounded_and_eviction_grants_no_credit() {
        let addresses = addresses();
        let nth = |n: u32| SocketAddr::from((std::net::Ipv4Addr::from(n), 1));
        for n in 0..5 * ACCOUNTS as u32 {
            addresses.received(nth(n), 31);
            addresses.admits(&datagram(nth(n), &[0; 1_200]));
            if n % 1_000 == 0 {
                addresses.received(nth(0), 1);
            }
        }
        let accounts = lock(&addresses.accounts);
        let [recent, old] = &accounts.credits;
        assert!(recent.len() <= ACCOUNTS && old.len() <= ACCOUNTS);
        assert!(recent.contains_key(&nth(0)) || old.contains_key(&nth(0)), "it is in use");
        assert!(!recent.contains_key(&nth(1)) && !old.contains_key(&nth(1)));
        assert!(accounts.held.len() <= HELD);
        let is_known = |it| recent.contains_key(it) || old.contains_key(it);
        assert!(accounts.held.keys().all(is_known));
        drop(accounts);
        assert!(!addresses.admits(&datagram(nth(1), &[0; 94])));
    }

    #[test]
    fn sending_what_only_an_answer_allows_proves_an_address() {
        let mut path = PathProof { proven: address(1), moving: None, received: 0 };
        assert_eq!(path.update(address(1), counts(9_000, 5_000, 0)), None);
        // 100 bytes came from the new address before the first look.
        assert_eq!(path.update(address(2), counts(11_400, 5_100, 2)), None);
        assert_eq!(
            path.update(address(2), counts(11_400 + 1_500, 5_100, 2)),
            None,
            "plus one packet"
        );
        assert_eq!(path.update(address(2), counts(11_400 + 1_501, 5_100, 2)), Some(address(2)));
        assert_eq!(path.update(address(2), counts(90_000, 5_100, 2)), None, "already proven");
    }

    #[test]
    fn a_new_challenge_starts_over() {
        let mut path = PathProof { proven: address(1), moving: None, received: 0 };
        path.update(address(2), counts(0, 0, 2));
        // Moved away and back between two looks, and was sent a lot in between.
        assert_eq!(path.update(address(2), counts(50_000, 10, 4)), None);
        assert_eq!(path.update(address(2), counts(51_230, 10, 4)), None);
        assert_eq!(path.update(address(1), counts(90_000, 10, 4)), None);
        assert_eq!(path.update(address(2), counts(99_000, 10, 4)), None, "it was elsewhere");
    }

    #[test]
    fn forged_answers_allow_a_packet_each_and_prove_nothing() {
        let mut path = PathProof { proven: address(1), moving: None, received: 0 };
        path.update(address(2), counts(0, 0, 2));
        for answers in 1..100 {
            let now = Counts { answers, ..counts(1_200 * (answers + 1), 0, 2) };
            assert_eq!(path.update(address(2), now), None);
        }
    }
}
