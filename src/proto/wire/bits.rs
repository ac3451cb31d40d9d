//! Bit streams (docs/PROTOCOL.md, section 5).

/// Longest run of ones in a unary number; longer ones are an error.
const MAX_UNARY: u32 = 4096;

/// A growing stream of bits, least significant bit first.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    words: Vec<u64>,
    len: usize,
}

impl BitWriter {
    /// Returns the number of bits written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no bit was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.len = 0;
    }

    /// Returns the bytes of memory held.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.words.capacity() * 8
    }

    /// Writes the low `bits` bits of `value`, at most 64; the others must be zero.
    #[inline]
    pub fn push(&mut self, value: u64, bits: u32) {
        debug_assert!(bits == 64 || value >> bits == 0);
        if bits == 0 {
            return;
        }
        let at = (self.len % 64) as u32;
        match self.words.last_mut() {
            Some(last) if at > 0 => {
                *last |= value << at;
                if at + bits > 64 {
                    self.words.push(value >> (64 - at));
                }
            }
            _ => self.words.push(value),
        }
        self.len += bits as usize;
    }

    /// Writes `ones` ones and a zero.
    pub fn unary(&mut self, mut ones: u32) {
        while ones > 32 {
            self.push(u64::from(u32::MAX), 32);
            ones -= 32;
        }
        self.push((1 << ones) - 1, ones + 1);
    }

    /// Writes `n`, at least 1 and at most 2^32, in Elias' gamma code.
    pub fn gamma(&mut self, n: u64) {
        let bits = n.ilog2();
        self.unary(bits);
        self.push(n & ((1 << bits) - 1), bits);
    }

    /// Writes `value` in Rice's code with `k` low bits.
    #[inline]
    pub fn rice(&mut self, value: u32, k: u32) {
        self.unary(value >> k);
        self.push(u64::from(value) & ((1 << k) - 1), k);
    }

    /// Fills up to a word's end, so that [`BitWriter::append`] can copy from here.
    pub const fn align(&mut self) {
        self.len = self.len.next_multiple_of(64);
    }

    /// Copies `bits` bits of `source`, from the start of its word `word`.
    #[inline]
    pub fn append(&mut self, source: &Self, word: usize, bits: usize) {
        let whole = bits / 64;
        let words = source.words.get(word..).unwrap_or_default();
        // Each word's low part fills the last word up, its high part begins the next.
        let at = (self.len % 64) as u32;
        let full = words.get(..whole).unwrap_or_default();
        match self.words.last_mut() {
            Some(last) if at > 0 => {
                let mut carry = *last;
                self.words.pop();
                self.words.extend(full.iter().map(|&value| {
                    let word = carry | value << at;
                    carry = value >> (64 - at);
                    word
                }));
                self.words.push(carry);
            }
            _ => self.words.extend_from_slice(full),
        }
        self.len += 64 * full.len();
        let rest = (bits % 64) as u32;
        if let Some(&value) = words.get(whole)
            && rest > 0
        {
            self.push(value & ((1 << rest) - 1), rest);
        }
    }

    /// Appends the stream's bytes to `out`, the last one filled with zeros.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        let (start, end) = (out.len(), out.len() + self.len.div_ceil(8));
        out.resize(start + 8 * self.words.len(), 0);
        let (bytes, _) = out.split_at_mut(start).1.as_chunks_mut();
        for (bytes, word) in bytes.iter_mut().zip(&self.words) {
            *bytes = word.to_le_bytes();
        }
        out.truncate(end);
    }
}

/// Reads a stream of bits.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads the next `bits` bits, at most 32; `None` if there are fewer.
    #[inline]
    pub fn read(&mut self, bits: u32) -> Option<u32> {
        let end = self.at + bits as usize;
        if end > self.bytes.len() * 8 {
            return None;
        }
        let mut word = [0; 8];
        let from = self.bytes.get(self.at / 8..)?;
        for (to, &byte) in word.iter_mut().zip(from) {
            *to = byte;
        }
        let value = u64::from_le_bytes(word) >> (self.at % 8);
        self.at = end;
        Some((value & ((1_u64 << bits) - 1)) as u32)
    }

    /// Reads the next bit.
    pub fn flag(&mut self) -> Option<bool> {
        self.read(1).map(|bit| bit == 1)
    }

    /// Reads the next unary number; `None` if it does not end or is too large.
    pub fn unary(&mut self) -> Option<u32> {
        for ones in 0..=MAX_UNARY {
            if !self.flag()? {
                return Some(ones);
            }
        }
        None
    }

    /// Reads the next number, from 1 to 2^32, in Elias' gamma code.
    pub fn gamma(&mut self) -> Option<u64> {
        let bits = self.unary().filter(|&bits| bits <= 32)?;
        Some(1 << bits | u64::from(self.read(bits)?)).filter(|&n| n <= 1 << 32)
    }

    /// Reads the next number in Rice's code with `k` low bits, at most 32; `None` if it overflows.
    pub fn rice(&mut self, k: u32) -> Option<u32> {
        let high = u64::from(self.unary()?) << k;
        u32::try_from(high | u64::from(self.read(k)?)).ok()
    }

    /// Whether nothing is left but the zero bits that fill the last byte.
    #[must_use]
    pub fn is_at_end(mut self) -> bool {
        let left = self.bytes.len() * 8 - self.at;
        left < 8 && self.read(left as u32) == Some(0)
    }
}
