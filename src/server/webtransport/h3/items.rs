//! A streaming parser of HTTP/3's type-length-value items: frames on a stream, and capsules in the
//! data of frames (RFC 9114, section 7.1; RFC 9297, section 3.2).

use wtransport_proto::bytes::BytesReader as _;
use wtransport_proto::error::ErrorCode;

/// Maximum payload of a frame that is buffered whole, in bytes. Browsers' requests need less than
/// a tenth of it.
pub(super) const MAX_PAYLOAD: u64 = 4_096;
/// The frame type `MAX_PUSH_ID` (RFC 9114, section 7.2.7).
pub(super) const MAX_PUSH_ID: u64 = 0x0D;
/// The type that opens a stream of a session; the session's id stands where a frame has its
/// length.
pub(super) const WEBTRANSPORT: u64 = 0x41;

/// Maximum length of a header: two integers of eight bytes.
const HEADER: usize = 16;

/// How to handle the payload that follows a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// Buffer the payload until it is complete.
    Keep,
    /// Discard the payload.
    Skip,
    /// Expect no payload: the second integer is not a length.
    Bare,
}

/// A type-length-value item.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The type.
    pub(super) kind: u64,
    /// The length, or the integer in its place.
    pub(super) value: u64,
    /// The payload, if it was kept.
    pub(super) payload: Vec<u8>,
}

/// A parser of consecutive items, which holds the part of the next one that has arrived.
#[derive(Debug, Default)]
pub(super) struct Items {
    header: [u8; HEADER],
    header_len: usize,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    item: Item,
    keeps: bool,
    left: u64,
}

/// Decodes the two integers of a header, once both are complete.
fn decode_header(mut bytes: &[u8]) -> Option<(u64, u64)> {
    let kind = bytes.get_varint()?;
    Some((kind.into_inner(), bytes.get_varint()?.into_inner()))
}

/// Decodes the integer at the start of `bytes`; returns it with its encoded length.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut rest = bytes;
    let value = rest.get_varint()?.into_inner();
    Some((value, bytes.len() - rest.len()))
}

impl Items {
    /// Whether the last item is complete and the next has not begun.
    pub(super) const fn is_between(&self) -> bool {
        self.header_len == 0 && self.current.is_none()
    }

    /// Consumes `bytes` up to the end of the next item and returns the item, or `None` once all
    /// bytes are consumed. `handling` decides by type and length, as soon as these are known.
    ///
    /// # Errors
    /// The error that `handling` returns.
    pub(super) fn take(
        &mut self,
        bytes: &mut &[u8],
        handling: impl Fn(u64, u64) -> Result<Handling, ErrorCode>,
    ) -> Result<Option<Item>, ErrorCode> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => match self.take_header(bytes) {
                Some((kind, value)) => Current::new(kind, value, handling(kind, value)?),
                None => return Ok(None),
            },
        };
        current.take(bytes);
        if current.left == 0 {
            return Ok(Some(current.item));
        }
        self.current = Some(current);
        Ok(None)
    }

    fn take_header(&mut self, bytes: &mut &[u8]) -> Option<(u64, u64)> {
        while let Some((&byte, rest)) = bytes.split_first() {
            *self.header.get_mut(self.header_len)? = byte;
            self.header_len += 1;
            *bytes = rest;
            let read = decode_header(&self.header[..self.header_len]);
            if read.is_some() {
                self.header_len = 0;
                return read;
            }
        }
        None
    }
}

impl Current {
    fn new(kind: u64, value: u64, handling: Handling) -> Self {
        let left = if handling == Handling::Bare { 0 } else { value };
        let item = Item { kind, value, payload: Vec::new() };
        Self { item, keeps: handling == Handling::Keep, left }
    }

    fn take(&mut self, bytes: &mut &[u8]) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let (taken, rest) = bytes.split_at(left.min(bytes.len()));
        if self.keeps {
            self.item.payload.extend_from_slice(taken);
        }
        self.left -= taken.len() as u64;
        *bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(kind: u64, payload: &[u8]) -> Item {
        Item { kind, value: payload.len() as u64, payload: payload.to_vec() }
    }

    fn keep_even(kind: u64, _: u64) -> Result<Handling, ErrorCode> {
        match kind {
            0x41 => Ok(Handling::Bare),
            kind if kind % 2 == 0 => Ok(Handling::Keep),
            _ => Ok(Handling::Skip),
        }
    }

    /// Parses `bytes` in pieces of this length.
    fn items(bytes: &[u8], piece: usize) -> Vec<Item> {
        let mut items = Items::default();
        let mut all = Vec::new();
        for mut bytes in bytes.chunks(piece) {
            while let Some(item) = items.take(&mut bytes, keep_even).unwrap() {
                all.push(item);
            }
            assert!(bytes.is_empty());
        }
        all
    }

    #[test]
    fn piece_size_does_not_matter() {
        let bytes = [2, 3, 7, 8, 9, 1, 2, 5, 5, 0x40, 0x41, 4, 4, 0, 0x40, 0x10, 0x40, 1, 6];
        let skipped = Item { kind: 1, value: 2, payload: Vec::new() };
        let bare = Item { kind: 0x41, value: 4, payload: Vec::new() };
        let expected = [item(2, &[7, 8, 9]), skipped, bare, item(4, &[]), item(0x10, &[6])];
        for piece in 1..=bytes.len() {
            assert_eq!(items(&bytes, piece), expected, "{piece}");
        }
    }

    #[test]
    fn rejects_an_item_as_soon_as_its_header_is_read() {
        let reject =
            |_, length| if length > 9 { Err(ErrorCode::Frame) } else { Ok(Handling::Keep) };
        // A length of 2^62 - 1.
        let mut bytes = [&[0], [0xFF; 8].as_slice()].concat();
        bytes.push(1);
        let taken = Items::default().take(&mut bytes.as_slice(), reject);
        assert_eq!(taken, Err(ErrorCode::Frame));
    }

    #[test]
    fn skipped_payloads_use_no_memory() {
        let mut items = Items::default();
        let mut header: &[u8] = &[1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(items.take(&mut header, keep_even), Ok(None));
        for _ in 0..1_000 {
            assert_eq!(items.take(&mut [0; 1_024].as_slice(), keep_even), Ok(None));
        }
        assert_eq!(items.current.unwrap().item.payload.capacity(), 0);
    }

    proptest! {
        #[test]
        fn piece_size_does_not_matter_for_any_bytes(bytes in prop::collection::vec(0_u8..0x42, 0..200), piece in 1_usize..50) {
            prop_assert_eq!(items(&bytes, piece), items(&bytes, 200));
        }
    }
}
