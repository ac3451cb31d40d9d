//! Bytes of HTTP/3, as they come: into frames, and the data of frames into capsules. Both are a
//! type, a length and as many bytes (RFC 9114, section 7.1; RFC 9297, section 3.2).

use wtransport_proto::bytes::BytesReader as _;
use wtransport_proto::error::ErrorCode;

/// Longest payload of a frame that is kept until it is whole, in bytes. Browsers' requests have
/// less than a tenth of it.
pub(super) const MAX_PAYLOAD: u64 = 4_096;
pub(super) const MAX_PUSH_ID: u64 = 0x0D;
/// The beginning of a session's stream, which looks like a frame with the session's number as
/// length.
pub(super) const WEBTRANSPORT: u64 = 0x41;

/// Longest head: two integers of eight bytes.
const HEAD: usize = 16;

/// What is to be done with what follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// So many bytes are kept until all have come.
    Keep,
    /// So many bytes are passed over.
    Skip,
    /// Nothing belongs to it: the second integer is no length.
    Bare,
}

/// Something with a type and a length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The type.
    pub(super) kind: u64,
    /// The length, or what stands in its place.
    pub(super) value: u64,
    /// The bytes, if they were kept.
    pub(super) payload: Vec<u8>,
}

/// What of the next item has come.
#[derive(Debug, Default)]
pub(super) struct Items {
    head: [u8; HEAD],
    head_len: usize,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    item: Item,
    keeps: bool,
    left: u64,
}

/// The two integers of a head, once both are there.
fn head(mut bytes: &[u8]) -> Option<(u64, u64)> {
    let kind = bytes.get_varint()?;
    Some((kind.into_inner(), bytes.get_varint()?.into_inner()))
}

/// The integer at the beginning of `bytes`, and how long it is.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut rest = bytes;
    let value = rest.get_varint()?.into_inner();
    Some((value, bytes.len() - rest.len()))
}

impl Items {
    /// Whether the last item is whole and the next one has not begun.
    pub(super) const fn is_between(&self) -> bool {
        self.head_len == 0 && self.current.is_none()
    }

    /// Takes bytes away up to the end of an item, and gives the item; `None` if all bytes are
    /// taken. `rest` decides about each item by its type and length, as soon as these are known.
    ///
    /// # Errors
    /// What `rest` says.
    pub(super) fn take(
        &mut self,
        bytes: &mut &[u8],
        rest: impl Fn(u64, u64) -> Result<Rest, ErrorCode>,
    ) -> Result<Option<Item>, ErrorCode> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => match self.take_head(bytes) {
                Some((kind, value)) => Current::new(kind, value, rest(kind, value)?),
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

    fn take_head(&mut self, bytes: &mut &[u8]) -> Option<(u64, u64)> {
        while let Some((&byte, rest)) = bytes.split_first() {
            *self.head.get_mut(self.head_len)? = byte;
            self.head_len += 1;
            *bytes = rest;
            let read = head(&self.head[..self.head_len]);
            if read.is_some() {
                self.head_len = 0;
                return read;
            }
        }
        None
    }
}

impl Current {
    fn new(kind: u64, value: u64, rest: Rest) -> Self {
        let left = if rest == Rest::Bare { 0 } else { value };
        let item = Item { kind, value, payload: Vec::new() };
        Self { item, keeps: rest == Rest::Keep, left }
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

    fn keep_even(kind: u64, _: u64) -> Result<Rest, ErrorCode> {
        match kind {
            0x41 => Ok(Rest::Bare),
            kind if kind % 2 == 0 => Ok(Rest::Keep),
            _ => Ok(Rest::Skip),
        }
    }

    /// Hands over bytes in pieces of this length.
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
    fn pieces_make_no_difference() {
        let bytes = [2, 3, 7, 8, 9, 1, 2, 5, 5, 0x40, 0x41, 4, 4, 0, 0x40, 0x10, 0x40, 1, 6];
        let skipped = Item { kind: 1, value: 2, payload: Vec::new() };
        let bare = Item { kind: 0x41, value: 4, payload: Vec::new() };
        let expected = [item(2, &[7, 8, 9]), skipped, bare, item(4, &[]), item(0x10, &[6])];
        for piece in 1..=bytes.len() {
            assert_eq!(items(&bytes, piece), expected, "{piece}");
        }
    }

    #[test]
    fn what_is_refused_is_refused_by_its_head() {
        let refuse = |_, length| if length > 9 { Err(ErrorCode::Frame) } else { Ok(Rest::Keep) };
        // A length of 2^62 - 1.
        let mut bytes = [&[0], [0xFF; 8].as_slice()].concat();
        bytes.push(1);
        let taken = Items::default().take(&mut bytes.as_slice(), refuse);
        assert_eq!(taken, Err(ErrorCode::Frame));
    }

    #[test]
    fn what_is_passed_over_is_not_kept() {
        let mut items = Items::default();
        let mut head: &[u8] = &[1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(items.take(&mut head, keep_even), Ok(None));
        for _ in 0..1_000 {
            assert_eq!(items.take(&mut [0; 1_024].as_slice(), keep_even), Ok(None));
        }
        assert_eq!(items.current.unwrap().item.payload.capacity(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces(bytes in prop::collection::vec(0_u8..0x42, 0..200), piece in 1_usize..50) {
            prop_assert_eq!(items(&bytes, piece), items(&bytes, 200));
        }
    }
}
