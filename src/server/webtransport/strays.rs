//! UDP datagrams that belong to no connection, counted by kind as they come in. Those for a
//! connection pass with one look at their first bytes.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, HashedConnectionIdGenerator, InvalidCid};

use crate::metrics::{Metrics, Stray};

/// Set in the first byte of the packets that begin a connection (RFC 9000, section 17.2). The
/// fixed bit beside it says nothing, as QUIC's extension of RFC 9287 lets clients clear it.
const LONG_HEADER: u8 = 0x80;
/// Where a long header's type is (section 17.2); of version 1, an Initial packet's is zero.
const LONG_TYPE: u8 = 0x30;
/// The shortest datagram that can be told from noise (section 10.3).
const SHORTEST: usize = 21;
/// The shortest datagram that may carry an Initial packet (section 14.1).
const SHORTEST_INITIAL: usize = 1_200;
/// The one version that is spoken (section 15).
pub(crate) const VERSION: u32 = 1;

/// What a datagram is, if it says of itself that it is for no connection yet, or for none at all.
pub(crate) fn kind(datagram: &[u8]) -> Option<Stray> {
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

/// The names that connections are found by. A packet for one that the server never gave out is
/// counted, and not answered.
pub(crate) struct Names {
    given: HashedConnectionIdGenerator,
    metrics: Arc<Metrics>,
}

impl Names {
    /// Names of a key of their own.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { given: HashedConnectionIdGenerator::new(), metrics }
    }
}

impl ConnectionIdGenerator for Names {
    fn generate_cid(&mut self) -> ConnectionId {
        self.given.generate_cid()
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        self.given.validate(id).inspect_err(|_| self.metrics.strayed(Stray::Nobody))
    }

    fn cid_len(&self) -> usize {
        self.given.cid_len()
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        self.given.cid_lifetime()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(first: u8, version: u32, length: usize) -> Option<Stray> {
        let mut datagram = vec![first];
        datagram.extend(version.to_be_bytes());
        datagram.resize(length, 7);
        kind(&datagram)
    }

    #[test]
    fn only_what_belongs_to_no_connection_has_a_kind() {
        assert_eq!(kind(&[]), Some(Stray::Short));
        assert_eq!(kind(&[0x40; 20]), Some(Stray::Short));
        assert_eq!(kind(&[0x40; 21]), None, "it may be for a connection");
        assert_eq!(kind(&[0x00; 1_200]), None, "the fixed bit may be clear");
        assert_eq!(long(0xC0, 1, 1_200), Some(Stray::Initial));
        assert_eq!(long(0x8F, 1, 1_200), Some(Stray::Initial));
        assert_eq!(long(0xC0, 1, 1_199), Some(Stray::SmallInitial));
        assert_eq!(long(0xE0, 1, 1_200), None, "a handshake goes on");
        assert_eq!(long(0xC0, 2, 1_200), Some(Stray::Version));
        assert_eq!(long(0xE0, 0xFF00_001D, 1_200), Some(Stray::Version));
    }

    #[test]
    fn a_name_that_was_not_given_out_is_counted() {
        let metrics = Metrics::new();
        let mut names = Names::new(Arc::clone(&metrics));
        let given = names.generate_cid();
        assert!(names.validate(&given).is_ok());
        assert!(names.validate(&ConnectionId::new(&[1; 8])).is_err());
        let text = metrics.text().unwrap();
        let line = "gpys_stray_datagrams_total{kind=\"nobody\"} 1";
        assert!(text.lines().any(|it| it == line), "{text}");
    }
}
