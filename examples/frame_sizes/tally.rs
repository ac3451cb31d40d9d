//! Counts the frames' bits by purpose.

use gpys::proto::geo::cell_bits;
use gpys::proto::wire::bits::BitWriter;
use gpys::proto::wire::frame::{self, ChunkKind, Frame};

/// Bits of all counted frames, by purpose.
#[derive(Default)]
pub struct Tally {
    pub frames: u64,
    pub bytes: u64,
    pub header: u64,
    pub chunks: u64,
    pub chunk_headers: u64,
    pub ids: u64,
    pub positions: u64,
    pub orientations: u64,
    pub ages: u64,
    pub key_fields: u64,
    pub delta_bits: u64,
    pub delta_entries: u64,
    pub key_bits: u64,
    pub key_entries: u64,
    /// Samples that were new to the viewer.
    pub updates: u64,
    pub worst_cm: f64,
    pub worst_degree: f64,
}

impl Tally {
    /// Counts the bits of a frame by encoding its parts again.
    pub fn count(&mut self, bytes: &[u8], frame: &Frame) {
        self.frames += 1;
        self.bytes += bytes.len() as u64;
        let mut in_chunks = 0;
        for (chunk, entries) in frame.chunks() {
            let mut out = BitWriter::default();
            frame::write_chunk(
                &mut out,
                chunk.cell,
                chunk.kind,
                chunk.page,
                frame.coding,
                entries,
                &[],
            );
            let (n, all) = (entries.len() as u64, out.len() as u64);
            // The cell distances take about a bit a chunk; they count as headers.
            in_chunks += all;
            let position = 2 * u64::from(cell_bits(chunk.cell.level)) * n;
            let key = if chunk.kind == ChunkKind::Delta { 0 } else { 7 * n };
            let mut bare = BitWriter::default();
            frame::write_chunk(
                &mut bare,
                chunk.cell,
                chunk.kind,
                chunk.page,
                frame.coding,
                &[],
                &[],
            );
            // The chunk's count, and that all have an orientation and none has motion.
            let count_bits = 2 * u64::from((n + 1).ilog2()) + 2 * u64::from(n > 0);
            let head = bare.len() as u64 + count_bits;
            self.chunks += 1;
            self.chunk_headers += head;
            self.positions += position;
            self.orientations += 27 * n;
            self.ages += 5 * n;
            self.key_fields += key;
            self.ids += all - head - position - 27 * n - 5 * n - key;
            if chunk.kind == ChunkKind::Delta {
                (self.delta_bits, self.delta_entries) =
                    (self.delta_bits + all, self.delta_entries + n);
            } else {
                (self.key_bits, self.key_entries) = (self.key_bits + all, self.key_entries + n);
            }
        }
        self.header += bytes.len() as u64 * 8 - in_chunks;
    }

    pub fn print(&self, people: usize) {
        let per = |bits: u64| bits as f64 / self.updates as f64;
        println!(
            "\nroom of {people}: {} updates in {} frames of {:.0} bytes and {:.1} chunks",
            self.updates,
            self.frames,
            self.bytes as f64 / self.frames as f64,
            self.chunks as f64 / self.frames as f64,
        );
        println!(
            "  {:.2} bytes an update, {:.2} bytes an entry; a delta entry {:.2}, a key entry {:.2} (headers of frames \
             not included); {:.3} entries an update",
            per(8 * self.bytes) / 8.0,
            self.bytes as f64 / (self.delta_entries + self.key_entries) as f64,
            self.delta_bits as f64 / 8.0 / self.delta_entries as f64,
            self.key_bits as f64 / 8.0 / self.key_entries as f64,
            (self.delta_entries + self.key_entries) as f64 / self.updates as f64,
        );
        println!(
            "  bits an update: ids {:.2}, position {:.2}, orientation {:.2}, age {:.2}, accuracy \
             and hidden {:.2}, chunk headers {:.2}, frame headers and links {:.2}",
            per(self.ids),
            per(self.positions),
            per(self.orientations),
            per(self.ages),
            per(self.key_fields),
            per(self.chunk_headers),
            per(self.header),
        );
    }
}
