import {
  attitude,
  encodeOrientation,
  type Figure,
  fromEuler,
  NO_ORIENTATION,
  UNIT,
} from '@gpys/client';
import { describe, expect, it } from 'vitest';
import { fromMercator } from './geo';
import { Glide } from './glide';

function figure(lat: number, lng: number, sampled: number, orientation = NO_ORIENTATION): Figure {
  const at = { lat: Math.round(lat / UNIT), lng: Math.round(lng / UNIT) };
  return {
    id: 1,
    ...at,
    orientation,
    accuracy: 0,
    hidden: false,
    step: 7,
    time: sampled,
    sampled,
    sampledBy: sampled,
  };
}

const shown = (glide: Glide, now: number) => fromMercator(...glide.point(now));

describe('Glide', () => {
  it('takes about the time between two samples, from what is drawn', () => {
    const glide = new Glide(figure(45, 14, 0));
    glide.update(figure(45, 14.001, 1000), 1000);
    expect(shown(glide, 1000).lng).toBeCloseTo(14, 9);
    expect(shown(glide, 1500).lng).toBeCloseTo(14.0005, 9);
    expect(glide.moving(1500)).toBe(true);
    const here = shown(glide, 1600).lng;
    glide.update(figure(45, 14.0, 1600), 1600);
    expect(shown(glide, 1600).lng).toBeCloseTo(here, 9);
    expect(shown(glide, 3000).lng).toBeCloseTo(14, 9);
    expect(glide.moving(3000)).toBe(false);
  });

  it('moves only a little of the way in each frame', () => {
    const glide = new Glide(figure(45, 14, 0));
    let last = shown(glide, 0).lng;
    for (let now = 0; now < 3000; now += 10) {
      if (now % 100 === 0) glide.update(figure(45, 14 + now * 1e-7, now), now);
      const { lng } = shown(glide, now);
      expect(Math.abs(lng - last)).toBeLessThan(3e-6);
      last = lng;
    }
  });

  it('crosses the antimeridian the short way', () => {
    const glide = new Glide(figure(0, 179.9999, 0));
    glide.update(figure(0, -179.9999, 1000), 1000);
    expect(Math.abs(shown(glide, 1500).lng)).toBeGreaterThan(179.99);
    expect(shown(glide, 9000).lng).toBeCloseTo(-179.9999, 6);
  });

  it('does not fly across a country', () => {
    const glide = new Glide(figure(45, 14, 0));
    glide.update(figure(46, 15, 1000), 1000);
    expect(shown(glide, 1000).lat).toBeCloseTo(46, 6);
  });

  it('turns, and follows the sensor’s presence as it changes', () => {
    const at = (gamma: number) => encodeOrientation(fromEuler(0, 0, gamma));
    const glide = new Glide(figure(45, 14, 0, at(0)));
    glide.update(figure(45, 14, 200, at(40)), 200);
    const middle = attitude(glide.orientation(315)!).leanLeftRight;
    expect(middle).toBeGreaterThan(15);
    expect(middle).toBeLessThan(25);
    glide.update(figure(45, 14, 400), 400);
    expect(glide.orientation(400)).toBeUndefined();
    glide.update(figure(45, 14, 600, at(10)), 600);
    expect(attitude(glide.orientation(600)!).leanLeftRight).toBeCloseTo(10, 0);
  });
});
