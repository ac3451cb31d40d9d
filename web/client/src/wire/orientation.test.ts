import { describe, expect, it } from 'vitest';
import { random } from '../testing/random.ts';
import {
  angleBetween,
  attitude,
  decodeOrientation,
  encodeOrientation,
  fromEuler,
  ORIENTATION_CODES,
  type Quaternion,
  slerp,
} from './orientation.ts';

function anyQuaternion(next: () => number): Quaternion {
  const q = [next(), next(), next(), next()].map((n) => n - 0.5);
  const length = Math.hypot(...q);
  return q.map((c) => c / length) as unknown as Quaternion;
}

describe('orientation codes', () => {
  it('are at most 0.485 degree off, and keep their code', () => {
    const next = random(1);
    let worst = 0;
    const odd: number[] = [];
    for (let i = 0; i < 50_000; i++) {
      const q = anyQuaternion(next);
      const code = encodeOrientation(q);
      const back = decodeOrientation(code);
      worst = Math.max(worst, angleBetween(q, back));
      if (code >= ORIENTATION_CODES || encodeOrientation(back) !== code) odd.push(code);
    }
    expect(odd).toEqual([]);
    expect(worst).toBeLessThanOrEqual(0.485);
  });

  it('ignore the sign', () => {
    const q = fromEuler(130, 20, -35);
    const negated = q.map((c) => -c) as unknown as Quaternion;
    expect(encodeOrientation(negated)).toBe(encodeOrientation(q));
  });

  it('take the lowest index on a tie', () => {
    expect(Math.floor(encodeOrientation([0.5, 0.5, 0.5, 0.5]) / 322 ** 3)).toBe(0);
    expect(Math.floor(encodeOrientation([0, -0.6, 0.6, 0.2]) / 322 ** 3)).toBe(1);
  });
});

describe('attitude', () => {
  it.each([
    [0, 0, 0, 0, 0, 0],
    [270, 0, 0, 90, 0, 0],
    [0, 0, -40, 0, -40, 0],
    [0, 0, 40, 0, 40, 0],
    [90, 30, 0, 270, 0, 30],
    [180, -25, 0, 180, 0, -25],
  ])('alpha %d, beta %d, gamma %d', (alpha, beta, gamma, heading, side, front) => {
    const held = attitude(fromEuler(alpha, beta, gamma));
    expect(held.heading).toBeCloseTo(heading, 6);
    expect(held.leanLeftRight).toBeCloseTo(side, 6);
    expect(held.leanFrontBack).toBeCloseTo(front, 6);
  });

  it('faces where the back of an upright device points', () => {
    expect(attitude(fromEuler(270, 90, 0)).heading).toBeCloseTo(90, 6);
  });
});

describe('slerp', () => {
  it('takes the shorter way round', () => {
    const a = fromEuler(350, 0, 0);
    const b = fromEuler(10, 0, 0);
    expect(angleBetween(slerp(a, b, 0.5), fromEuler(0, 0, 0))).toBeCloseTo(0, 3);
    expect(angleBetween(slerp(a, b, 0), a)).toBeCloseTo(0, 3);
    expect(angleBetween(slerp(a, b, 1), b)).toBeCloseTo(0, 3);
  });
});
