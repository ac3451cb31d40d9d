import { UNIT } from '@gpys/client/parts';
import { expect, it } from 'vitest';
import { BLUR_M, blur } from './blur';
import { way } from './geo';

it('finds the cell centres given in the protocol', () => {
  const table = [
    [457_500_000, 143_600_000, 457_515_000, 143_545_203],
    [0, 0, 45_000, 0],
    [900_000_000, 0, 899_955_000, 0],
    [-900_000_000, -1_800_000_000, -899_955_000, -1_200_000_000],
    [-165_000_000, 1_799_999_999, -165_015_000, 1_799_953_043],
  ] as const;
  for (const [lat, lng, toLat, toLng] of table) {
    const middle = blur({ lat: lat * UNIT, lng: lng * UNIT });
    expect([middle.lat, middle.lng].map((it) => Math.round(it / UNIT))).toEqual([toLat, toLng]);
  }
});

it('never moves a position further than it promises', () => {
  for (let lat = -89.9; lat < 90; lat += 1.37) {
    for (let lng = -179.9; lng < 180; lng += 7.31) {
      expect(way({ lat, lng }, blur({ lat, lng })).metres).toBeLessThanOrEqual(BLUR_M);
    }
  }
});
