import { describe, expect, it } from 'vitest';
import { BitWriter } from '../testing/encode-frame.ts';
import { BitReader, DecodeError } from './bits.ts';

describe('BitReader', () => {
  it('reads the least significant bit first', () => {
    const r = new BitReader(Uint8Array.of(0b1010_0101, 0b0000_0011));
    expect(r.read(4)).toBe(0b0101);
    expect(r.read(6)).toBe(0b11_1010);
    expect(r.read(0)).toBe(0);
    expect(r.bitsLeft).toBe(6);
  });

  it('reads every width at every offset', () => {
    for (let offset = 0; offset < 8; offset++) {
      for (let width = 1; width <= 32; width++) {
        const value = Math.floor((2 ** width - 1) * 0.77);
        const bytes = new BitWriter().write(0, offset).write(value, width).write(1, 3).done();
        const r = new BitReader(bytes);
        r.read(offset);
        expect(r.read(width), `width ${width} at ${offset}`).toBe(value);
        expect(r.read(3)).toBe(1);
      }
    }
  });

  it('reads unary, gamma and rice codes', () => {
    const values = [1, 2, 3, 4, 7, 8, 1000, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32];
    const w = new BitWriter();
    for (const n of values) w.gamma(n);
    for (const k of [0, 1, 5, 20]) w.rice(77, k);
    const r = new BitReader(w.done());
    for (const n of values) expect(r.gamma()).toBe(n);
    for (const k of [0, 1, 5, 20]) expect(r.rice(k)).toBe(77);
  });

  it('rejects codes that are too short or too long', () => {
    expect(() => new BitReader(Uint8Array.of(1)).read(9)).toThrow(DecodeError);
    expect(() => new BitReader(new Uint8Array(600).fill(0xff)).unary()).toThrow(DecodeError);
    expect(() => new BitReader(new BitWriter().unary(33).write(0, 33).done()).gamma()).toThrow();
    expect(() => new BitReader(new BitWriter().unary(32).write(1, 32).done()).gamma()).toThrow();
  });
});
