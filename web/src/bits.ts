/** Reads a bit stream, least significant bit first (docs/PROTOCOL.md, section 5). */

const MAX_UNARY = 4096;

/** Bytes that are not what they should be: a frame or a message is dropped whole. */
export class DecodeError extends Error {}

export class BitReader {
  private pos = 0;
  private readonly end: number;

  constructor(private readonly bytes: Uint8Array) {
    this.end = bytes.length * 8;
  }

  get bitsLeft(): number {
    return this.end - this.pos;
  }

  /** An unsigned integer of `n` bits, 0 to 32. */
  read(n: number): number {
    const last = this.pos + n;
    if (last > this.end) throw new DecodeError('the frame ends too early');
    let at = this.pos >> 3;
    let got = 8 - (this.pos & 7);
    let value = this.bytes[at]! >> (this.pos & 7);
    this.pos = last;
    if (n <= got) return value & ((1 << n) - 1);
    while (got + 8 <= n && got < 24) {
      value |= this.bytes[++at]! << got;
      got += 8;
    }
    // The top byte is added, not shifted in: a shift past bit 31 would lose it or its sign.
    if (got < n) value = (value >>> 0) + (this.bytes[++at]! & ((1 << (n - got)) - 1)) * 2 ** got;
    return value >>> 0;
  }

  bit(): boolean {
    return this.read(1) === 1;
  }

  unary(): number {
    let q = 0;
    while (this.read(1) === 1) {
      if (++q > MAX_UNARY) throw new DecodeError('a run of ones is too long');
    }
    return q;
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
    return this.unary() * 2 ** k + this.read(k);
  }
}
