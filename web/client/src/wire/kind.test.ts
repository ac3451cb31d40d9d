import { describe, expect, it } from 'vitest';
import { random } from '../testing/random.ts';
import {
  type Layout,
  packState,
  pointOf,
  positionOf,
  type StateField,
  stateBits,
  unpackState,
  viewportOf,
} from './kind.ts';

const layout = (...values: StateField['values'][]): Layout => ({
  fields: values.map((it, i) => ({ name: `f${i}`, values: it })),
});
const unsigned = (bits: number) => ({ type: 'Unsigned', bits }) as const;
const range = (min: number, step: number, count: number) =>
  ({ type: 'Range', min, step, count }) as const;
const flag = { type: 'Flag' } as const;

describe('state', () => {
  it('is packed from the lowest bit up', () => {
    const it = layout(flag, unsigned(4), range(-10, 0.5, 41));
    expect(stateBits(it)).toBe(11);
    const bits = packState(it, [1, 9, -8.5]);
    expect(bits).toEqual({ stateLow: 1 | (9 << 1) | (3 << 5), stateHigh: 0 });
    expect(unpackState(it, bits)).toEqual([1, 9, -8.5]);
  });

  it('has the nearest values that there are', () => {
    const it = layout(flag, unsigned(3), range(0, 10, 4), unsigned(32));
    const near = (...values: number[]) => unpackState(it, packState(it, values));
    expect(near(-2, 99, 99, 2 ** 40)).toEqual([1, 7, 30, 2 ** 32 - 1]);
    expect(near(0, -1, 14.9, 0.5)).toEqual([0, 0, 10, 1]);
    expect(near(Number.NaN, Number.NaN, Number.NaN, Number.NaN)).toEqual([0, 0, 0, 0]);
    expect(near()).toEqual([0, 0, 0, 0]);
    expect(unpackState(layout(range(0, 1, 5)), { stateLow: 7, stateHigh: 0 })).toEqual([4]);
  });

  it('keeps every bit, wherever fields begin', () => {
    const next = random(11);
    for (let round = 0; round < 500; round++) {
      const widths: number[] = [];
      for (let left = 64; left > 0 && widths.length < 16; left -= widths.at(-1)!) {
        widths.push(Math.min(left, 1 + Math.floor(next() * 32)));
      }
      const values = widths.map((bits) => Math.floor(next() * 2 ** bits));
      const it = layout(...widths.map(unsigned));
      const { stateLow, stateHigh } = packState(it, values);
      expect(unpackState(it, { stateLow, stateHigh })).toEqual(values);
      let whole = 0n;
      let at = 0n;
      for (const [i, value] of values.entries()) {
        whole |= BigInt(value) << at;
        at += BigInt(widths[i]!);
      }
      expect((BigInt(stateHigh) << 32n) | BigInt(stateLow)).toBe(whole);
    }
  });
});

describe('a plane', () => {
  it('is looked at by its edges and the width of a pixel', () => {
    const plane = { unit: 'px', step: 0.5 };
    const bounds = { left: -10, bottom: 0, right: 10, top: 5 };
    const edges = { south: -1, west: -138, north: 69, east: 142 };
    // A pixel of two steps is 14 units: 3.6e9 / (512 · 14) is 2 to the 18.94.
    expect(viewportOf(plane, bounds, 1)).toEqual({ ...edges, zoom: 189 });
    expect(viewportOf(plane, bounds, 1e9)?.zoom).toBe(0);
    expect(viewportOf(plane, bounds, 0)?.zoom).toBe(255);
    expect(viewportOf(plane, bounds, Number.NaN)?.zoom).toBe(0);
    expect(viewportOf(plane, { ...bounds, top: Number.NaN }, 1)).toBeUndefined();
  });

  it('has exact points, and an edge', () => {
    for (const step of [0.01, 0.5, 1, 3]) {
      const plane = { unit: 'px', step };
      for (const [i, j] of [
        [0, 0],
        [1, -1],
        [1234, 77],
        [-900_000, 600_000],
      ] as const) {
        const position = positionOf(plane, { x: i * step, y: j * step })!;
        expect(position).toEqual({ lat: 7 * j - 1, lng: 7 * i + 2 });
        const { x, y } = pointOf(plane, position);
        expect(x).toBeCloseTo(i * step, 9);
        expect(y).toBeCloseTo(j * step, 9);
        expect(positionOf(plane, { x, y })).toEqual(position);
      }
    }
    const plane = { unit: 'm', step: 1 };
    expect(pointOf(plane, positionOf(plane, { x: 1e300, y: -1e300 })!)).toEqual({
      x: 257_142_856,
      y: -128_571_427,
    });
    expect(positionOf(plane, { x: Number.NaN, y: 0 })).toBeUndefined();
    expect(positionOf(plane, { x: 0, y: Number.POSITIVE_INFINITY })).toBeUndefined();
  });
});
