//! Strays: UDP datagrams that belong to no connection, counted by kind as they arrive. Datagrams
//! of a connection cost one check of their first bytes.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, HashedConnectionIdGenerator, InvalidCid};

use crate::metrics::{Metrics, Stray};

/// Set in the first byte of packets that open a connection (RFC 9000, section 17.2). The fixed
/// bit next to it proves nothing, because RFC 9287 lets clients clear it.
const LONG_HEADER: u8 = 0x80;
/// Mask of a long header's type (section 17.2); zero for an Initial packet of version 1.
const LONG_TYPE: u8 = 0x30;
/// Length of the shortest datagram that can belong to a connection (section 10.3), in bytes.
const SHORTEST: usize = 21;
/// Length of the shortest datagram that may carry an Initial packet (section 14.1), in bytes.
const SHORTEST_INITIAL: usize = 1_200;
/// The only QUIC version supported (section 15).
pub(crate) const VERSION: u32 = 1;

/// Classifies a datagram whose header alone shows that no connection owns it; `None` for others.
pub(crate) fn stray_kind(datagram: &[u8]) -> Option<Stray> {
    if datagram.len() < SHORTEST {
        return Some(Stray::Short);
    }
    let (&first, rest) = datagram.split_first()?;
    if first & LONG_HEADER == 0 {
        return None;
    }
    if !rest.starts_with(&VERSION.to_be_bytes()) {
        return Some(Stray::Version);
    }
    let is_small = datagram.len() < SHORTEST_INITIAL;
    (first & LONG_TYPE == 0).then_some(if is_small { Stray::SmallInitial } else { Stray::Initial })
}

/// Generator of connection ids. A packet for an id that this server never issued is counted and
/// not answered.
pub(crate) struct ConnectionIds {
    hashed: HashedConnectionIdGenerator,
    metrics: Arc<Metrics>,
}

impl ConnectionIds {
    /// A generator with a fresh random key.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { hashed: HashedConnectionIdGenerator::new(), metrics }
    }
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        self.hashed.generate_cid()
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        self.hashed.validate(id).inspect_err(|_| self.metrics.strayed(Stray::Nobody))
    }

    fn cid_len(&self) -> usize {
        self.hashed.cid_len()
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        self.hashed.cid_lifetime()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(first: u8, version: u32, length: usize) -> Option<Stray> {
        let mut datagram = vec![first];
        datagram.extend(version.to_be_bytes());
        datagram.resize(length, 7);
        stray_kind(&datagram)
    }

    #[test]
    fn only_datagrams_without_a_connection_are_strays() {
        assert_eq!(stray_kind(&[]), Some(Stray::Short));
        assert_eq!(stray_kind(&[0x40; 20]), Some(Stray::Short));
        assert_eq!(stray_kind(&[0x40; 21]), None, "could belong to a connection");
        assert_eq!(stray_kind(&[0x00; 1_200]), None, "clients may clear the fixed bit");
        assert_eq!(long(0xC0, 1, 1_200), Some(Stray::Initial));
        assert_eq!(long(0x8F, 1, 1_200), Some(Stray::Initial));
        assert_eq!(long(0xC0, 1, 1_199), Some(Stray::SmallInitial));
        assert_eq!(long(0xE0, 1, 1_200), None, "belongs to a handshake in progress");
        assert_eq!(long(0xC0, 2, 1_200), Some(Stray::Version));
        assert_eq!(long(0xE0, 0xFF00_001D, 1_200), Some(Stray::Version));
    }

    #[test]
    fn counts_a_connection_id_that_was_never_issued() {
        let metrics = Metrics::new();
        let mut ids = ConnectionIds::new(Arc::clone(&metrics));
        let issued = ids.generate_cid();
        assert!(ids.validate(&issued).is_ok());
        assert!(ids.validate(&ConnectionId::new(&[1; 8])).is_err());
        let text = metrics.text().unwrap();
        let line = "gpys_stray_datagrams_total{kind=\"nobody\"} 1";
        assert!(text.lines().any(|it| it == line), "{text}");
    }
}
