import { describe, expect, expectTypeOf, it } from 'vitest';
import { flag, plane, q, state, u, u8 } from './declare.ts';

const Look = state({ x: q(0, 4096, 0.5), tool: u8, on: flag });

describe('a declared state', () => {
  it('gives its values a type', () => {
    expectTypeOf(Look.unpack).returns.toEqualTypeOf<{ x: number; tool: number; on: boolean }>();
  });

  it('comes back as it went, to the nearest step', () => {
    expect(Look.unpack(Look.pack({ x: 10.6, tool: 7, on: true }))).toEqual({
      x: 10.5,
      tool: 7,
      on: true,
    });
    expect(Look.unpack(Look.pack({ x: 1e9, tool: -1, on: false }))).toEqual({
      x: 4096,
      tool: 0,
      on: false,
    });
  });

  it('says its layout as the wire does', () => {
    expect(Look.layout.fields).toEqual([
      { name: 'x', values: { type: 'Range', min: 0, step: 0.5, count: 8193 } },
      { name: 'tool', values: { type: 'Unsigned', bits: 8 } },
      { name: 'on', values: { type: 'Flag' } },
    ]);
  });

  it('has at most 64 bits', () => {
    expect(() => state({ a: u(32), b: u(32) })).not.toThrow();
    expect(() => state({ a: u(32), b: u(32), c: flag })).toThrow('a state of 65 bits; 64 are');
    expect(() => state({ a: q(0, 1, 0) })).toThrow(RangeError);
  });
});

it('a plane has pixels by default', () => {
  expect(plane()).toEqual({ type: 'Plane', unit: 'px', step: 1 });
  expect(plane({ unit: 'm', step: 0.01 })).toMatchObject({ unit: 'm', step: 0.01 });
});
