//! The parts of IPv4 (RFC 791) and UDP (RFC 768) that a path needs.

/// The protocol number of UDP.
const UDP: u8 = 17;
/// The shortest header of an IPv4 packet, in bytes.
const HEADER_LEN: usize = 20;
/// Offset of the checksum in a UDP header.
const UDP_CHECKSUM_AT: usize = 6;
/// Length of both ports, at the start of a UDP or TCP header, in bytes.
const PORTS_LEN: usize = 4;
/// Length of a UDP header, in bytes.
const UDP_HEADER_LEN: usize = 8;

/// One of the two ports of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// The sender's.
    Source,
    /// The receiver's.
    Destination,
}

impl Port {
    /// Its offset in a UDP header.
    const fn at(self) -> usize {
        match self {
            Self::Source => 0,
            Self::Destination => 2,
        }
    }
}

/// Whether these are the bytes of an IPv4 packet.
pub(super) fn is_ipv4(packet: &[u8]) -> bool {
    packet.len() >= HEADER_LEN && packet[0] >> 4 == 4
}

/// Whether these are the bytes of an IPv4 packet with UDP (or a fragment of it) inside.
pub(super) fn is_udp(packet: &[u8]) -> bool {
    is_ipv4(packet) && packet[9] == UDP
}

/// A hash of the flow of a packet: its addresses, its protocol and, but for fragments, its ports.
pub(super) fn flow(packet: &[u8]) -> u32 {
    let is_fragment = packet.len() >= HEADER_LEN && u16_at(packet, 6) & 0x3FFF != 0;
    let start = usize::from(packet.first().copied().unwrap_or_default() & 0x0F) * 4;
    let ports = packet.get(start..start + PORTS_LEN).filter(|_| !is_fragment);
    let parts = [packet.get(9..10), packet.get(12..20), ports];
    let bytes = parts.into_iter().flatten().flatten();
    // FNV-1a: any even spread does.
    bytes.fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The UDP header of a packet. A fragment that is not the first has none.
fn udp_header(packet: &mut [u8]) -> Option<&mut [u8]> {
    let is_later_fragment = is_udp(packet) && u16_at(packet, 6) & 0x1FFF != 0;
    if !is_udp(packet) || is_later_fragment {
        return None;
    }
    let start = usize::from(packet[0] & 0x0F) * 4;
    packet.get_mut(start..start + UDP_HEADER_LEN)
}

/// Reads a port of a UDP packet.
pub(super) fn udp_port(packet: &mut [u8], which: Port) -> Option<u16> {
    udp_header(packet).map(|header| u16_at(header, which.at()))
}

/// Changes a port of a UDP packet and updates its checksum (RFC 1624, equation 3).
pub(super) fn set_udp_port(packet: &mut [u8], which: Port, port: u16) {
    let Some(header) = udp_header(packet) else { return };
    let old = u16_at(header, which.at());
    put_u16(header, which.at(), port);
    let checksum = u16_at(header, UDP_CHECKSUM_AT);
    // Zero means no checksum.
    if checksum == 0 {
        return;
    }
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(port);
    let folded = (sum & 0xFFFF) + (sum >> 16);
    let updated = !(((folded & 0xFFFF) + (folded >> 16)) as u16);
    put_u16(header, UDP_CHECKSUM_AT, if updated == 0 { 0xFFFF } else { updated });
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}
