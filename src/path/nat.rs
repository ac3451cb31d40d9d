//! An address translation at the near end of a path, which can forget its ports.
//!
//! Until the first rebinding it translates nothing. After that, UDP from the near end reaches the
//! far end from other ports, and packets to the old ones are dropped. Ports inside ICMP errors stay
//! as they are.

use std::collections::HashMap;

use crate::packet::{Port, set_udp_port, udp_port};

/// The lowest port to hand out; clients rarely use ports below.
const FIRST: u16 = 20_000;

/// An address translation of UDP ports.
#[derive(Debug, Default)]
pub(super) struct Nat {
    /// The next port to hand out; `None` before the first rebinding.
    next: Option<u16>,
    /// The port outside, by the port inside.
    outside: HashMap<u16, u16>,
    /// The port inside, by the port outside.
    inside: HashMap<u16, u16>,
}

impl Nat {
    /// Forgets every port: later packets get new ones.
    pub(super) fn rebind(&mut self) {
        self.next.get_or_insert(FIRST);
        self.outside.clear();
        self.inside.clear();
    }

    /// Translates a packet from the near end.
    pub(super) fn outward(&mut self, packet: &mut [u8]) {
        let Some(next) = self.next else { return };
        let Some(port) = udp_port(packet, Port::Source) else { return };
        let outside = self.outside.get(&port).copied().unwrap_or_else(|| {
            // A port is never its own translation.
            let outside = if next == port { following(next) } else { next };
            self.next = Some(following(outside));
            if let Some(old) = self.inside.insert(outside, port) {
                self.outside.remove(&old);
            }
            self.outside.insert(port, outside);
            outside
        });
        set_udp_port(packet, Port::Source, outside);
    }

    /// Translates a packet to the near end; false if its port is unknown.
    #[must_use]
    pub(super) fn inward(&self, packet: &mut [u8]) -> bool {
        if self.next.is_none() {
            return true;
        }
        let Some(port) = udp_port(packet, Port::Destination) else { return true };
        let Some(&inside) = self.inside.get(&port) else { return false };
        set_udp_port(packet, Port::Destination, inside);
        true
    }
}

/// The port to hand out after this one; old ones recur after about 45 000.
const fn following(port: u16) -> u16 {
    if port == u16::MAX { FIRST } else { port + 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An IPv4 packet with a UDP datagram, its checksums right.
    fn datagram(from: u16, to: u16, payload: &[u8], options: usize) -> Vec<u8> {
        let (header_len, udp_len) = (20 + options, 8 + payload.len());
        let mut packet = vec![0; header_len];
        packet[0] = 0x40 | (header_len / 4) as u8;
        packet[2..4].copy_from_slice(&((header_len + udp_len) as u16).to_be_bytes());
        (packet[8], packet[9]) = (64, 17);
        packet[12..16].copy_from_slice(&[10, 77, 0, 1]);
        packet[16..20].copy_from_slice(&[10, 77, 0, 2]);
        for field in [from, to, udp_len as u16, 0] {
            packet.extend(field.to_be_bytes());
        }
        packet.extend(payload);
        let checksum = match checksum(&packet, header_len) {
            0 => 0xFFFF,
            checksum => checksum,
        };
        packet[header_len + 6..header_len + 8].copy_from_slice(&checksum.to_be_bytes());
        packet
    }

    /// The checksum over a datagram and its pseudo header: 0 if the one inside is right.
    fn checksum(packet: &[u8], header_len: usize) -> u16 {
        let udp = &packet[header_len..];
        let mut words = packet[12..20].to_vec();
        words.extend([0, 17]);
        words.extend((udp.len() as u16).to_be_bytes());
        words.extend(udp);
        if words.len() % 2 == 1 {
            words.push(0);
        }
        let sum: u64 =
            words.chunks(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let sum = (sum & 0xFFFF) + (sum >> 16);
        !(((sum & 0xFFFF) + (sum >> 16)) as u16)
    }

    fn ports(packet: &[u8]) -> (u16, u16) {
        let mut packet = packet.to_vec();
        let port = |packet: &mut [u8], which| udp_port(packet, which).unwrap();
        (port(&mut packet, Port::Source), port(&mut packet, Port::Destination))
    }

    #[test]
    fn translates_nothing_before_the_first_rebinding() {
        let mut nat = Nat::default();
        let mut packet = datagram(5_000, 4_433, b"pose", 0);
        let before = packet.clone();
        nat.outward(&mut packet);
        assert!(nat.inward(&mut packet));
        assert_eq!(packet, before);
    }

    #[test]
    fn a_rebinding_changes_the_port_and_kills_the_old_one() {
        let mut nat = Nat::default();
        let mut seen = vec![5_000];
        for _ in 0..3 {
            nat.rebind();
            let mut lost = datagram(4_433, seen[seen.len() - 1], b"", 0);
            assert!(!nat.inward(&mut lost), "{seen:?}");
            for _ in 0..2 {
                let mut out = datagram(5_000, 4_433, b"pose", 0);
                nat.outward(&mut out);
                let (from, to) = ports(&out);
                assert_eq!(to, 4_433);
                assert_eq!(checksum(&out, 20), 0);
                if seen.last() != Some(&from) {
                    assert!(!seen.contains(&from), "{seen:?} {from}");
                    seen.push(from);
                }
                let mut back = datagram(4_433, from, b"frame", 0);
                assert!(nat.inward(&mut back));
                assert_eq!(ports(&back), (4_433, 5_000));
                assert_eq!(checksum(&back, 20), 0);
            }
        }
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn two_sockets_get_two_ports_and_neither_its_own() {
        let mut nat = Nat::default();
        nat.rebind();
        let outside: Vec<_> = [FIRST, FIRST + 1, 5_000]
            .map(|port| {
                let mut out = datagram(port, 4_433, b"", 0);
                nat.outward(&mut out);
                assert_ne!(ports(&out).0, port);
                ports(&out).0
            })
            .into();
        for (port, outside) in [FIRST, FIRST + 1, 5_000].into_iter().zip(outside) {
            let mut back = datagram(4_433, outside, b"", 0);
            assert!(nat.inward(&mut back));
            assert_eq!(ports(&back).1, port);
        }
    }

    #[test]
    fn leaves_packets_without_ports_alone() {
        let mut nat = Nat::default();
        nat.rebind();
        let mut fragment = datagram(5_000, 4_433, b"the middle of something", 0);
        fragment[7] = 9;
        let mut tcp = datagram(5_000, 4_433, b"not really", 0);
        tcp[9] = 6;
        let mut short = datagram(5_000, 4_433, b"", 0);
        short.truncate(24);
        for packet in [fragment, tcp, short, vec![0x45; 3], vec![]] {
            let mut translated = packet.clone();
            nat.outward(&mut translated);
            assert!(nat.inward(&mut translated));
            assert_eq!(translated, packet);
        }
    }

    #[test]
    fn adds_no_checksum_where_there_was_none() {
        let mut nat = Nat::default();
        nat.rebind();
        let mut packet = datagram(5_000, 4_433, b"pose", 0);
        packet[26..28].fill(0);
        nat.outward(&mut packet);
        assert_eq!(packet[26..28], [0, 0]);
        assert_ne!(ports(&packet).0, 5_000);
    }

    proptest! {
        #[test]
        fn updates_checksums(
            (from, to, port) in any::<(u16, u16, u16)>(),
            payload in proptest::collection::vec(any::<u8>(), 0..64),
            options in 0_usize..11,
        ) {
            let header_len = 20 + options * 4;
            let mut packet = datagram(from, to, &payload, options * 4);
            prop_assert_eq!(checksum(&packet, header_len), 0);
            set_udp_port(&mut packet, Port::Source, port);
            prop_assert_eq!(ports(&packet), (port, to));
            prop_assert_eq!(checksum(&packet, header_len), 0);
            set_udp_port(&mut packet, Port::Source, from);
            prop_assert_eq!(packet, datagram(from, to, &payload, options * 4));
        }

        #[test]
        fn no_bytes_make_it_panic(mut packet in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut nat = Nat::default();
            nat.rebind();
            nat.outward(&mut packet);
            let _ = nat.inward(&mut packet);
        }
    }
}
