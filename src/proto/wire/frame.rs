//! Frames (docs/PROTOCOL.md, section 7): the bytes, both ways.

mod parts;
mod read;
mod write;

pub use self::parts::{
    Chunk, ChunkKind, Coding, Entry, Frame, FrameError, Ids, MAX_PAGE_BITS, Page, age_code, age_ms,
};
pub use self::write::{link_bits, write_chunk, write_end, write_header, write_link};
