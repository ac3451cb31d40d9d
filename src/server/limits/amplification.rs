//! How much may be sent to whom: to an address that has not proved to be its sender's at most
//! three times what came from it (RFC 9000, section 8), to the byte, whatever it is sent and
//! however many connections use it.
//!
//! The QUIC library keeps this per path and lets the last packet exceed it, so that somebody who
//! forges a new source for each packet of 31 bytes has 1,200 sent to each. Hence this account of
//! addresses beneath it, at the socket.
//!
//! A handshake proves an address. After a change of address the library does not tell when the
//! new one has answered its challenge, but it shows: to an address that has not, it sends no more
//! than it may ([`Proof::look`]).

use std::collections::HashMap;
use std::mem::{replace, take};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use wtransport::quinn::udp::{EcnCodepoint, Transmit};
use wtransport::quinn::{Connection, ConnectionStats};

use crate::lock::lock;
use crate::metrics::{Limit, Metrics};

/// How much more than came from it an address may be sent (RFC 9000, section 8.1).
const FACTOR: u64 = 3;
/// The largest packet that is sent, in bytes (RFC 9000, section 14): one may exceed what the
/// library allows itself.
pub(crate) const PACKET: u16 = 1_200;
/// What an address may still be sent once nobody vouches for it any more: the words of goodbye.
const GOODBYE: u64 = FACTOR * PACKET as u64;
/// Accounts of addresses that have not proved anything, before those are forgotten that nothing
/// came from since as many others opened one. Forgetting is safe: without an account there is no
/// credit.
const ACCOUNTS: usize = 8_192;
/// Datagrams that wait for credit, one an address. Others are lost.
const HELD: usize = 512;

/// A datagram that is kept.
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

    /// The datagram, to be sent.
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
    /// How many connections vouch for an address.
    proven: HashMap<SocketAddr, u32>,
    /// How many bytes the others may be sent. What is used moves to the first of the two; when
    /// that is full, the second is forgotten.
    credits: [HashMap<SocketAddr, u64>; 2],
    /// The newest datagram for an address that has no credit for it.
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

    /// Takes as much from an address's credit, if it is as much.
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
    /// Accounts of nobody.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { accounts: Mutex::default(), metrics })
    }

    /// So many bytes came from there. Gives what waited for them, to be sent now.
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

    /// Whether this may be sent now; then it counts as sent. Otherwise the newest such datagram
    /// is kept until enough has come from there.
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

    /// What was admitted was not sent after all.
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

/// What a connection has counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Bytes.
    sent: u64,
    /// Bytes.
    received: u64,
    /// Challenges that it sent.
    challenges: u64,
    /// Answers to challenges that came; they may be forged.
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

/// A connection's way from an address that is its client's to one that is not proven yet.
#[derive(Debug)]
struct Move {
    to: SocketAddr,
    /// The counts when it began, but what had come when the connection was looked at before.
    since: Counts,
}

#[derive(Debug)]
struct Path {
    proven: SocketAddr,
    moving: Option<Move>,
    /// Bytes that had come when the connection was last looked at.
    received: u64,
}

impl Path {
    /// Looks at where a connection sends to now, and what it has counted; tells the address that
    /// this proves.
    ///
    /// The library sends to a new address a challenge, and until that is answered at most three
    /// times what came from there and one packet more. Whatever else it sends, to challenge the
    /// former address or to answer a challenge, is one packet each. So if it sends more than
    /// that, and has not begun another challenge meanwhile, the address has answered.
    fn look(&mut self, address: SocketAddr, now: Counts) -> Option<SocketAddr> {
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

/// That a connection's address is its client's. While this lives, it may be sent anything.
#[derive(Debug)]
pub(crate) struct Proof {
    addresses: Arc<Addresses>,
    path: Mutex<Path>,
}

impl Proof {
    /// The address that a connection was asked for from, once its handshake is done. Where the
    /// connection sends to by then may be another one, which has proved nothing.
    pub(crate) fn new(addresses: Arc<Addresses>, proven: SocketAddr) -> Self {
        addresses.vouch(proven);
        Self { addresses, path: Mutex::new(Path { proven, moving: None, received: 0 }) }
    }

    /// Follows the connection to another address, once that is proven. This is to be called
    /// before whatever makes the connection send much.
    pub(crate) fn look(&self, quic: &Connection) {
        let mut path = lock(&self.path);
        // In this order: what comes from a new address in between counts as come after the move.
        let now = quic.stats().into();
        let (left, proven) = (path.proven, path.look(quic.remote_address(), now));
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

    /// Whether so many bytes may be sent there.
    fn may_send(addresses: &Addresses, port: u16, bytes: usize) -> bool {
        addresses.admits(&datagram(address(port), &vec![0; bytes]))
    }

    #[test]
    fn an_unproven_address_is_sent_three_times_what_came() {
        let addresses = addresses();
        assert!(!may_send(&addresses, 1, 1), "nothing came from there");
        assert!(addresses.received(address(1), 31).is_some(), "that byte");
        assert!(may_send(&addresses, 1, 92));
        assert!(!may_send(&addresses, 1, 1));
        assert!(!may_send(&addresses, 2, 1), "somebody else's credit");
        assert_eq!(addresses.metrics.hits(Limit::Unproven), 3);
    }

    #[test]
    fn what_was_not_sent_after_all_does_not_count() {
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
    fn the_newest_datagram_waits_until_enough_came() {
        let addresses = addresses();
        for byte in [7, 8] {
            assert!(!addresses.admits(&datagram(address(1), &[byte; 1_200])));
        }
        assert!(addresses.received(address(1), 399).is_none());
        let waited = addresses.received(address(1), 1).unwrap();
        assert_eq!(waited.transmit().contents, [8; 1_200]);
        assert!(addresses.received(address(1), 0).is_none(), "it leaves once");
        assert!(!may_send(&addresses, 1, 1), "it counts");
    }

    #[test]
    fn who_is_vouched_for_is_sent_anything_until_the_last_voucher_went() {
        let addresses = addresses();
        let first = Proof::new(Arc::clone(&addresses), address(1));
        let second = Proof::new(Arc::clone(&addresses), address(1));
        drop(first);
        assert!((0..100).all(|_| may_send(&addresses, 1, 1_200)));
        drop(second);
        assert!((0..3).all(|_| may_send(&addresses, 1, 1_200)), "words of goodbye");
        assert!(!may_send(&addresses, 1, 1_200));
        assert!(lock(&addresses.accounts).proven.is_empty());
    }

    #[test]
    fn accounts_are_bounded_and_forgetting_gives_nobody_credit() {
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
    fn an_address_is_proven_by_being_sent_what_only_an_answer_allows() {
        let mut path = Path { proven: address(1), moving: None, received: 0 };
        assert_eq!(path.look(address(1), counts(9_000, 5_000, 0)), None);
        // 100 bytes came from the new address before anybody looked.
        assert_eq!(path.look(address(2), counts(11_400, 5_100, 2)), None);
        assert_eq!(
            path.look(address(2), counts(11_400 + 1_500, 5_100, 2)),
            None,
            "one packet more"
        );
        assert_eq!(path.look(address(2), counts(11_400 + 1_501, 5_100, 2)), Some(address(2)));
        assert_eq!(path.look(address(2), counts(90_000, 5_100, 2)), None, "it is known");
    }

    #[test]
    fn a_new_challenge_begins_anew() {
        let mut path = Path { proven: address(1), moving: None, received: 0 };
        path.look(address(2), counts(0, 0, 2));
        // Away and back between two looks, and sent a lot meanwhile.
        assert_eq!(path.look(address(2), counts(50_000, 10, 4)), None);
        assert_eq!(path.look(address(2), counts(51_230, 10, 4)), None);
        assert_eq!(path.look(address(1), counts(90_000, 10, 4)), None);
        assert_eq!(path.look(address(2), counts(99_000, 10, 4)), None, "where it was meanwhile");
    }

    #[test]
    fn forged_answers_allow_a_packet_each_and_prove_nothing() {
        let mut path = Path { proven: address(1), moving: None, received: 0 };
        path.look(address(2), counts(0, 0, 2));
        for answers in 1..100 {
            let now = Counts { answers, ..counts(1_200 * (answers + 1), 0, 2) };
            assert_eq!(path.look(address(2), now), None);
        }
    }
}
