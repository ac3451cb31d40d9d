/** The part of bincode 2's standard configuration that docs/PROTOCOL.md, section 3, uses. */
import { DecodeError } from './bits.ts';

/** Writes a message. */
export class Writer {
  readonly #bytes: number[] = [];

  /** Writes a byte. */
  u8(n: number): this {
    this.#bytes.push(n & 0xff);
    return this;
  }

  /** Writes an unsigned integer of up to 32 bits. */
  varint(n: number): this {
    if (n < 251) return this.u8(n);
    if (n <= 0xffff) return this.u8(0xfb).#little(n, 2);
    return this.u8(0xfc).#little(n, 4);
  }

  /** Writes a signed integer of 32 bits. */
  i32(n: number): this {
    return this.varint(((n << 1) ^ (n >> 31)) >>> 0);
  }

  /** Writes an unsigned integer of 32 bits in 4 bytes. */
  u32(n: number): this {
    return this.#little(n, 4);
  }

  /** Writes a floating-point number of 64 bits. */
  f64(n: number): this {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, n, true);
    return this.raw(new Uint8Array(view.buffer));
  }

  /** Writes bytes as they are. */
  raw(bytes: Uint8Array): this {
    this.#bytes.push(...bytes);
    return this;
  }

  /** Writes text as UTF-8, after its length. */
  string(s: string): this {
    const utf8 = new TextEncoder().encode(s);
    return this.varint(utf8.length).raw(utf8);
  }

  /** Writes a value that may be absent. */
  option<T>(value: T | null, write: (value: T) => void): this {
    this.u8(value === null ? 0 : 1);
    if (value !== null) write(value);
    return this;
  }

  /** The message's bytes. */
  done(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes);
  }

  #little(n: number, bytes: number): this {
    for (let i = 0; i < bytes; i++) this.u8(n >>> (8 * i));
    return this;
  }
}

/** Reads a message; every method throws a {@link DecodeError} on invalid bytes. */
export class Reader {
  #at = 0;

  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Reads a byte. */
  u8(): number {
    if (this.#at >= this.#bytes.length) throw new DecodeError('the message ends too early');
    return this.#bytes[this.#at++]!;
  }

  /** Reads a boolean. */
  bool(): boolean {
    const b = this.u8();
    if (b > 1) throw new DecodeError(`${b} is not a boolean`);
    return b === 1;
  }

  /** Accepts a longer form than a number needs, but none wider than its type. */
  varint(widest = 0xfc): number {
    const first = this.u8();
    if (first < 251) return first;
    if (first > widest) throw new DecodeError('a number wider than its type');
    let n = 0;
    for (let i = 0; i < (first === 0xfb ? 2 : 4); i++) n += this.u8() * 2 ** (8 * i);
    return n;
  }

  /** Reads an unsigned integer of 32 bits in 4 bytes. */
  u32(): number {
    return this.#view(4).getUint32(0, true);
  }

  /** Reads a floating-point number of 64 bits. */
  f64(): number {
    return this.#view(8).getFloat64(0, true);
  }

  /** Reads an unsigned integer of 16 bits. */
  u16(): number {
    return this.varint(0xfb);
  }

  /** Reads `n` bytes. */
  raw(n: number): Uint8Array {
    if (this.#at + n > this.#bytes.length) throw new DecodeError('the message ends too early');
    this.#at += n;
    return this.#bytes.slice(this.#at - n, this.#at);
  }

  /** Reads a UUID. */
  uuid(): string {
    const hex = Array.from(this.raw(16), (b) => b.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  /** Reads text. */
  string(): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.raw(this.varint()));
  }

  /** Reads a value that may be absent. */
  option<T>(read: () => T): T | null {
    return this.bool() ? read() : null;
  }

  /** Reads a list. */
  list<T>(read: () => T): T[] {
    const n = this.varint();
    const items: T[] = [];
    // Not `new Array(n)`: the sender may lie about the count, but each item must be there to be
    // read.
    for (let i = 0; i < n; i++) items.push(read());
    return items;
  }

  /** An enum's variant number, at most `last`. */
  variant(last: number): number {
    const n = this.varint();
    if (n > last) throw new DecodeError(`there is no variant ${n}`);
    return n;
  }

  #view(n: number): DataView {
    const { buffer, byteOffset } = this.raw(n);
    return new DataView(buffer, byteOffset, n);
  }

  /** Checks that no bytes are left. */
  finish(): void {
    if (this.#at !== this.#bytes.length) throw new DecodeError('bytes follow the message');
  }
}
