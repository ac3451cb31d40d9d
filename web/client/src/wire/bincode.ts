/** bincode 2's standard configuration, as much of it as docs/PROTOCOL.md, section 3, uses. */
import { DecodeError } from './bits';

export class Writer {
  private readonly bytes: number[] = [];

  u8(n: number): this {
    this.bytes.push(n & 0xff);
    return this;
  }

  varint(n: number): this {
    if (n < 251) return this.u8(n);
    if (n <= 0xffff) return this.u8(0xfb).little(n, 2);
    return this.u8(0xfc).little(n, 4);
  }

  i32(n: number): this {
    return this.varint(((n << 1) ^ (n >> 31)) >>> 0);
  }

  raw(bytes: Uint8Array): this {
    this.bytes.push(...bytes);
    return this;
  }

  string(s: string): this {
    const utf8 = new TextEncoder().encode(s);
    return this.varint(utf8.length).raw(utf8);
  }

  done(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.bytes);
  }

  private little(n: number, bytes: number): this {
    for (let i = 0; i < bytes; i++) this.u8(n >>> (8 * i));
    return this;
  }
}

export class Reader {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  u8(): number {
    if (this.at >= this.bytes.length) throw new DecodeError('the message ends too early');
    return this.bytes[this.at++]!;
  }

  bool(): boolean {
    const b = this.u8();
    if (b > 1) throw new DecodeError(`${b} is no truth value`);
    return b === 1;
  }

  /** A longer form than a number needs is taken, but none that is wider than its type. */
  varint(widest = 0xfc): number {
    const first = this.u8();
    if (first < 251) return first;
    if (first > widest) throw new DecodeError('a number wider than its type');
    let n = 0;
    for (let i = 0; i < (first === 0xfb ? 2 : 4); i++) n += this.u8() * 2 ** (8 * i);
    return n;
  }

  u16(): number {
    return this.varint(0xfb);
  }

  raw(n: number): Uint8Array {
    if (this.at + n > this.bytes.length) throw new DecodeError('the message ends too early');
    this.at += n;
    return this.bytes.slice(this.at - n, this.at);
  }

  uuid(): string {
    const hex = Array.from(this.raw(16), (b) => b.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  string(): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.raw(this.varint()));
  }

  option<T>(read: () => T): T | null {
    return this.bool() ? read() : null;
  }

  list<T>(read: () => T): T[] {
    const n = this.varint();
    const items: T[] = [];
    // Not `new Array(n)`: the count is the sender's word, and each item has to be there to be read.
    for (let i = 0; i < n; i++) items.push(read());
    return items;
  }

  /** The number of an enum's variant, at most `last`. */
  variant(last: number): number {
    const n = this.varint();
    if (n > last) throw new DecodeError(`there is no variant ${n}`);
    return n;
  }

  finish(): void {
    if (this.at !== this.bytes.length) throw new DecodeError('bytes follow the message');
  }
}
