import { describe, expect, it } from 'vitest';
import { carry, decodeMotion, encodeMotion, NO_MOTION } from './motion.ts';

describe('motion', () => {
  it('is near what it stands for', () => {
    for (const speed of [0.1, 0.5, 1.4, 30, 250, 7800, 20_000]) {
      for (const course of [0, 0.7, 89, 180, 359, 359.9, 725, -90]) {
        const motion = decodeMotion(encodeMotion(speed, course));
        expect(Math.abs(motion.speed / speed - 1)).toBeLessThanOrEqual(0.025);
        const off = (((motion.course - course) % 360) + 360) % 360;
        expect(Math.min(off, 360 - off)).toBeLessThanOrEqual(0.71);
      }
    }
    expect(decodeMotion(encodeMotion(0.04, 90))).toEqual({ speed: 0, course: 90 });
    expect(encodeMotion(0.05, 0)).toBe(1);
    expect(encodeMotion(1e9, 0)).toBe(255);
  });

  it('is none unless both are known', () => {
    for (const [speed, course] of [
      [-1, 0],
      [Number.NaN, 0],
      [1, Number.POSITIVE_INFINITY],
      [null, 0],
      [1, undefined],
    ] as const) {
      expect(encodeMotion(speed, course)).toBe(NO_MOTION);
    }
  });

  it('carries a position on', () => {
    const north = carry({ lat: 60, lng: 10 }, { speed: 20, course: 0 }, 1500);
    expect((north.lat - 60) * 111_319.49).toBeCloseTo(30, 3);
    expect(north.lng).toBe(10);
    const west = carry({ lat: 60, lng: -179.9999 }, { speed: 20, course: 270 }, 1000);
    expect(west.lng).toBeCloseTo(180 - (20 / 111_319.49) * 2 + 0.0001, 9);
    expect(west.lat).toBeCloseTo(60, 9);
  });
});
