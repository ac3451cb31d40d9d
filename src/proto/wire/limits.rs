//! Sizes and first bytes for both lanes, and the rule for room names.

/// The protocol's version.
pub const VERSION: u16 = 2;
/// Longest message of the reliable lane from a client, in bytes.
pub const MAX_CLIENT_MESSAGE: usize = 4096;
/// Longest message of the reliable lane from the server, in bytes.
pub const MAX_SERVER_MESSAGE: usize = u16::MAX as usize;
/// The lowest first byte of the datagram lane.
pub const DATAGRAM_LANE: u8 = 0x40;
/// First byte of a frame.
pub const FRAME_TAG: u8 = 0x47;
/// Longest name of a room, in bytes.
pub const MAX_ROOM: usize = 64;
/// Longest profile, in bytes.
pub const MAX_PROFILE: usize = 512;
/// Longest body of a message to others, in bytes.
pub const MAX_SAY: usize = 512;
/// Longest topic of a message to others, in bytes.
pub const MAX_TOPIC: usize = 32;
/// Longest access token, in bytes.
pub const MAX_ACCESS: usize = 768;

/// Whether `name` is a room name: 1 to [`MAX_ROOM`] of a-z, 0-9 and `-`.
#[must_use]
pub fn is_room_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_ROOM).contains(&name.len()) && name.bytes().all(allowed)
}
