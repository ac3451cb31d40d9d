import { describe, expect, it } from 'vitest';
import { plane } from './declare.ts';
import { viewportFor } from './room.ts';

const WORLD = { south: -90, west: -180, north: 90, east: 180 };

describe('what is in sight', () => {
  it('is told in units, with the zoom of a view that is so wide', () => {
    const bounds = { south: 45, west: 14, north: 46, east: 15, width: 512 };
    const viewport = {
      south: 450_000_000,
      west: 140_000_000,
      north: 460_000_000,
      east: 150_000_000,
    };
    // A degree fills 512 pixels where the whole circle has 360 times as many: 8.5 doublings.
    expect(viewportFor(undefined, bounds)).toEqual({ ...viewport, zoom: 85 });
  });

  it('may cross the antimeridian, and may be the whole circle', () => {
    const across = viewportFor(undefined, { south: 0, west: 179, north: 1, east: -179 });
    expect(across).toMatchObject({ west: 1_790_000_000, east: -1_790_000_000 });
    expect(viewportFor(undefined, { ...WORLD, west: 170, east: 190 })).toMatchObject({
      west: 1_700_000_000,
      east: -1_700_000_000,
    });
    for (const whole of [WORLD, { ...WORLD, west: -400, east: 400 }]) {
      const edges = { west: -1_800_000_000, east: 1_800_000_000 };
      expect(viewportFor(undefined, whole)).toMatchObject(edges);
    }
  });

  it('is the middle of a plane by default', () => {
    const { south, west, north, east } = viewportFor(plane());
    expect([south, west]).toEqual([7 * -8192 - 1, 7 * -8192 + 2]);
    expect([north, east]).toEqual([7 * 8192 - 1, 7 * 8192 + 2]);
    const fine = viewportFor(plane({ unit: 'm', step: 0.01 }));
    expect(fine).toMatchObject({ south, west, north, east });
  });

  it('has finite edges, and the lower one first', () => {
    for (const bad of [
      { ...WORLD, north: Number.NaN },
      { ...WORLD, south: 10, north: 0 },
      { left: 0, bottom: 0, right: Number.POSITIVE_INFINITY, top: 1 },
    ]) {
      expect(() => viewportFor('left' in bad ? plane() : undefined, bad)).toThrow(RangeError);
    }
  });
});
