/** Reads a bit stream, least significant bit first (docs/PROTOCOL.md, section 5). */

const MAX_UNARY = 4096;

/** Bytes that are not what they should be: a frame or a message is dropped whole. */
export class DecodeError extends Error {}

export class BitReader {
  private pos = 0;
  private readonly end: number;
  private readonly words: DataView;

  constructor(bytes: Uint8Array) {
    this.end = bytes.length * 8;
    // Zeros behind the end let a whole word be loaded at any byte, which is what makes this fast.
    const padded = new Uint8Array(bytes.length + 4);
    padded.set(bytes);
    this.words = new DataView(padded.buffer);
  }

  get bitsLeft(): number {
    return this.end - this.pos;
  }

  /** An unsigned integer of `n` bits, 0 to 32. */
  read(n: number): number {
    const { pos } = this;
    if (n > 25) {
      // A word that starts within a byte holds no more than 25 bits for sure.
      const low = this.read(16);
      return low + this.read(n - 16) * 0x10000;
    }
    if (pos + n > this.end) throw new DecodeError('the frame ends too early');
    this.pos = pos + n;
    return (this.words.getUint32(pos >> 3, true) >>> (pos & 7)) & ((1 << n) - 1);
  }

  bit(): boolean {
    return this.read(1) === 1;
  }

  unary(): number {
    let q = 0;
    while (this.pos < this.end) {
      // The ones at the bottom of the word, as many as are left of it after the shift.
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

  /** An integer from 1 to 2^32; it may not fit 32 bits. */
  gamma(): number {
    const m = this.unary();
    if (m > 32) throw new DecodeError('a gamma code is too long');
    const n = 2 ** m + this.read(m);
    if (n > 2 ** 32) throw new DecodeError('a gamma code is too large');
    return n;
  }

  rice(k: number): number {
    const q = this.unary();
    return q * 2 ** k + this.read(k);
  }
}
