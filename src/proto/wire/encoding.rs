//! bincode, which no other module knows: another encoding would change this file alone.

use bincode::config::{Configuration, Limit};
use serde::{Deserialize, Serialize};

use crate::wire::codes::DecodeError;
use crate::wire::limits::{DATAGRAM_LANE, MAX_SERVER_MESSAGE};

type Bincode = Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    Limit<MAX_SERVER_MESSAGE>,
>;
const BINCODE: Bincode = bincode::config::standard().with_limit::<MAX_SERVER_MESSAGE>();

pub(crate) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Serialising these types into memory cannot fail: no map of unknown length, no custom error.
    bincode::serde::encode_to_vec(message, bincode::config::standard()).unwrap_or_default()
}

pub(crate) fn decode<T: for<'a> Deserialize<'a>>(
    bytes: &[u8],
    max: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong(max));
    }
    // A message's number in a longer form than its one byte would be of the other lane.
    if bytes.first().is_some_and(|&first| first >= DATAGRAM_LANE) {
        return Err(DecodeError::Malformed);
    }
    decode_part(bytes)
}

/// Decodes a part of a datagram, up to its end.
pub(crate) fn decode_part<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (part, used) =
        bincode::serde::decode_from_slice(bytes, BINCODE).map_err(|_| DecodeError::Malformed)?;
    match bytes.len() - used {
        0 => Ok(part),
        left => Err(DecodeError::Trailing(left)),
    }
}

/// The version of a hello, if these bytes may be one.
pub(crate) fn hello_version(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(&[0])?;
    bincode::serde::decode_from_slice(rest, BINCODE).ok().map(|(version, _)| version)
}
