import { describe, expect, it } from 'vitest';
import { Glide } from './glide.ts';
import type { Figure } from './view.ts';
import { toDegrees, UNIT, wrapDegrees } from './wire/geo.ts';
import { encodeMotion, NO_MOTION } from './wire/motion.ts';
import { attitude, encodeOrientation, fromEuler, NO_ORIENTATION } from './wire/orientation.ts';

function figure(lat: number, lng: number, sampled: number, orientation = NO_ORIENTATION): Figure {
  const at = { lat: Math.round(lat / UNIT), lng: Math.round(lng / UNIT) };
  return {
    id: 1,
    ...at,
    orientation,
    motion: NO_MOTION,
    stateLow: 0,
    stateHigh: 0,
    accuracy: 0,
    hidden: false,
    step: 7,
    time: sampled,
    sampled,
    sampledBy: sampled,
  };
}

/** A figure whose first sample was taken at the local time 0. */
const born = (first: Figure): Glide => new Glide(first, 0);
const shown = (glide: Glide, now: number) => {
  const [lng, lat] = glide.point(now);
  const at = toDegrees({ lat, lng });
  return { ...at, lng: wrapDegrees(at.lng) };
};

describe('Glide', () => {
  it('shows most of a move in half the time between two samples, from what is drawn', () => {
    const glide = born(figure(45, 14, 0));
    glide.update(figure(45, 14.001, 1000), 1000, 1000);
    // One display frame of the way: the picture of this moment shows it already.
    expect(shown(glide, 1000).lng).toBeGreaterThan(14);
    expect(shown(glide, 1000).lng).toBeLessThan(14.00001);
    expect(shown(glide, 1500).lng).toBeGreaterThan(14.0006);
    expect(glide.moving(1500)).toBe(true);
    const [before, here] = [shown(glide, 1590).lng, shown(glide, 1600).lng];
    glide.update(figure(45, 14.0, 1600), 1600, 1600);
    // It turns back without a jerk.
    expect(Math.abs(shown(glide, 1600).lng - here)).toBeLessThan(4 * (here - before));
    expect(shown(glide, 3000).lng).toBeCloseTo(14, 6);
    expect(shown(glide, 4000).lng).toBeCloseTo(14, 9);
    expect(glide.moving(4000)).toBe(false);
  });

  it('shows fast samples one picture late at most', () => {
    const at = (i: number) => 14 + i * 1e-5;
    const glide = born(figure(45, at(0), 0));
    for (let i = 1; i < 20; i++) {
      const now = (i * 1000) / 60;
      glide.update(figure(45, at(i), now), now, now);
      if (i > 3) expect(shown(glide, now).lng).toBeGreaterThan(at(i - 0.5));
    }
  });

  it('never goes beyond a walker who stops by more than a little', () => {
    const glide = born(figure(45, 14, 0));
    for (let i = 1; i <= 10; i++)
      glide.update(figure(45, 14 + i * 1e-5, i * 1000), i * 1000, i * 1000);
    for (let now = 10_000; now < 13_000; now += 16) {
      expect(shown(glide, now).lng).toBeLessThan(14 + 10.05e-5);
    }
  });

  it('moves only a little of the way in each frame', () => {
    const glide = born(figure(45, 14, 0));
    let last = shown(glide, 0).lng;
    for (let now = 0; now < 3000; now += 10) {
      if (now % 100 === 0) glide.update(figure(45, 14 + now * 1e-7, now), now, now);
      const { lng } = shown(glide, now);
      expect(Math.abs(lng - last)).toBeLessThan(3e-6);
      last = lng;
    }
  });

  it('carries somebody on between samples, but for 3 s at most', () => {
    const motion = encodeMotion(20, 90);
    const metres = (lng: number) => (lng - 14) * 111_319.49 * Math.cos((45 * Math.PI) / 180);
    const moving = (meters: number, sampled: number) => ({
      ...figure(45, 14 + meters / metres(15), sampled),
      motion,
    });
    const glide = born(moving(0, 0));
    for (let at = 0; at < 5000; at += 1000) {
      const isAt = (now: number) => metres(shown(glide, now).lng);
      // A sample is 300 ms old when it comes, and the next one says what was expected.
      if (at > 0) glide.update(moving(at / 50, at), at + 300, at);
      for (let now = at + 300; now < at + 1300; now += 10) {
        expect(Math.abs(isAt(now) - now / 50)).toBeLessThan(2);
        expect(glide.moving(now)).toBe(true);
      }
    }
    // From the last sample at 80 m, 3 s are 60 m at most, and a code is off by 2.5 %.
    for (const now of [7000, 9000, 60_000]) {
      expect(Math.abs(metres(shown(glide, now).lng) - 140)).toBeLessThan(2);
    }
    expect(glide.moving(12_000)).toBe(false);
    // Somebody who had stopped glides back, without a jump.
    glide.update({ ...figure(45, 14, 12_000), motion: NO_MOTION }, 12_000, 12_000);
    expect(Math.abs(metres(shown(glide, 12_000).lng) - 140)).toBeLessThan(4);
    expect(Math.abs(metres(shown(glide, 15_000).lng))).toBeLessThan(0.1);
  });

  it('crosses the antimeridian the short way', () => {
    const glide = born(figure(0, 179.9999, 0));
    glide.update(figure(0, -179.9999, 1000), 1000, 1000);
    expect(Math.abs(shown(glide, 1500).lng)).toBeGreaterThan(179.99);
    expect(shown(glide, 9000).lng).toBeCloseTo(-179.9999, 6);
  });

  it('does not fly across a country', () => {
    const glide = born(figure(45, 14, 0));
    glide.update(figure(46, 15, 1000), 1000, 1000);
    expect(shown(glide, 1000).lat).toBeCloseTo(46, 6);
  });

  it('shows a turn in the next picture, and lets slow samples glide', () => {
    const at = (gamma: number) => encodeOrientation(fromEuler(0, 0, gamma));
    const lean = (glide: Glide, now: number) => attitude(glide.orientation(now)!).leanLeftRight;
    const glide = born(figure(45, 14, 0, at(0)));
    glide.update(figure(45, 14, 5000, at(40)), 5000, 5000);
    expect(lean(glide, 5000)).toBeCloseTo(40, 0);
    glide.update(figure(45, 14, 5016, at(30)), 5016, 5016);
    expect(lean(glide, 5016)).toBeCloseTo(30, 0);
    expect(glide.moving(5016)).toBe(false);
    glide.update(figure(45, 14, 5116, at(0)), 5116, 5116);
    expect(lean(glide, 5116)).toBeGreaterThan(10);
    expect(lean(glide, 5116)).toBeLessThan(20);
    expect(lean(glide, 5133)).toBeLessThan(7);
    expect(lean(glide, 5216)).toBeCloseTo(0, 0);
  });

  it('follows the sensor’s presence as it changes', () => {
    const at = (gamma: number) => encodeOrientation(fromEuler(0, 0, gamma));
    const glide = born(figure(45, 14, 0, at(0)));
    glide.update(figure(45, 14, 400), 400, 400);
    expect(glide.orientation(400)).toBeUndefined();
    glide.update(figure(45, 14, 600, at(10)), 600, 600);
    expect(attitude(glide.orientation(600)!).leanLeftRight).toBeCloseTo(10, 0);
  });

  it('carries somebody on along the axes of a plane', () => {
    const glide = new Glide({ ...figure(0, 0, 0), motion: encodeMotion(100, 90) }, 0, true);
    const [x, y] = glide.point(1000);
    // 100 steps of 7 units a second, and a code is off by 2.5 %.
    expect(Math.abs(x - 700)).toBeLessThan(18);
    expect(y).toBeCloseTo(0, 6);
  });
});
