import { expect, it } from 'vitest';
import { gridStep, unwrapRing } from './basemap';

it('continues an outline past the antimeridian', () => {
  const ring = [
    [170, 60],
    [-170, 60],
    [-170, 70],
    [170, 70],
    [170, 60],
  ];
  expect(unwrapRing(ring).map(([lng]) => lng)).toEqual([170, 190, 190, 170, 170]);
});

it('closes an outline around a pole at the pole', () => {
  const ring = [-180, -90, 0, 90, 180].map((lng) => [lng, -70]);
  expect(unwrapRing(ring)).toEqual([...ring, [180, -90], [-180, -90], [-180, -70]]);
});

it('spaces its grid at round distances, neither crowded nor sparse', () => {
  for (let zoom = 0; zoom <= 22; zoom += 0.1) {
    const step = gridStep(zoom);
    const pixels = (step * 512 * 2 ** zoom) / 360;
    expect(pixels).toBeGreaterThanOrEqual(89.9);
    expect(pixels).toBeLessThan(230);
    if (step > 10) expect(step).toBeOneOf([20, 45, 90]);
    else expect(Number.parseFloat(step.toExponential(6).split('e')[0]!)).toBeOneOf([1, 2, 5]);
    // The lines continue evenly where the world wraps.
    expect(Math.abs(360 / step - Math.round(360 / step))).toBeLessThan(1e-9 / step);
  }
});
