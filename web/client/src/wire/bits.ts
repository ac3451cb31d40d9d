/** Reads a bit stream, least significant bit first (docs/PROTOCOL.md, section 5). */

const MAX_UNARY = 4096;

/** Invalid bytes: the frame or message is dropped whole. */
export class DecodeError extends Error {}

/** Reads a bit stream; every method throws a {@link DecodeError} where the bits end. */
export class BitReader {
  private pos = 0;
  private readonly end: number;
  private readonly words: DataView;

  constructor(bytes: Uint8Array) {
    this.end = bytes.length * 8;
    // Zeros after the end allow loading a whole word at any byte, which makes this fast.
    const padded = new Uint8Array(bytes.length + 4);
    padded.set(bytes);
    this.words = new DataView(padded.buffer);
  }

  /** Number of bits left. */
  get bitsLeft(): number {
    return this.end - this.pos;
  }

  /** An unsigned integer of `n` bits, 0 to 32. */
  read(n: number): number {
    const { pos } = this;
    if (n > 25) {
      // A word that starts within a byte is sure to hold only 25 bits.
      const low = this.read(16);
      return low + this.read(n - 16) * 0x10000;
    }
    if (pos + n > this.end) throw new DecodeError('the frame ends too early');
    this.pos = pos + n;
    return (this.words.getUint32(pos >> 3, true) >>> (pos & 7)) & ((1 << n) - 1);
  }

  /** One bit. */
  bit(): boolean {
    return this.read(1) === 1;
  }

  /** A unary code: the number of ones before a zero. */
  unary(): number {
    let q = 0;
    while (this.pos < this.end) {
      // The ones at the bottom of the word, of those left after the shift.
      const zeros = ~(this.words.getUint32(this.pos >> 3, true) >>> (this.pos & 7));
      const ones = zeros === 0 ? 24 : Math.min(31 - Math.clz32(zeros & -zeros), 24);
      q += ones;
      if (q > MAX_UNARY) throw new DecodeError('a run of ones is too long');
      this.pos += ones;
      if (ones < 24) {
        this.read(1);
        return q;
      }
    }
    throw new DecodeError('the frame ends too early');
  }

  /** A gamma code: an integer from 1 to 2^32, which may not fit 32 bits. */
  gamma(): number {
    const m = this.unary();
    if (m > 32) throw new DecodeError('a gamma code is too long');
    const n = 2 ** m + this.read(m);
    if (n > 2 ** 32) throw new DecodeError('a gamma code is too large');
    return n;
  }

  /** A Rice code with parameter `k`. */
  rice(k: number): number {
    const q = this.unary();
    return q * 2 ** k + this.read(k);
  }
}
