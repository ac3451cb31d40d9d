import { expect, it } from 'vitest';
import { attitude, type Quaternion } from './orientation';
import { Orientations } from './sensors';

const angles = (alpha: number | null, more = {}) => ({
  alpha,
  beta: 0,
  gamma: 0,
  absolute: false,
  ...more,
});

function watch() {
  const headings: (number | undefined)[] = [];
  const take = new Orientations((q: Quaternion | undefined) =>
    headings.push(q && Math.round(attitude(q).heading)),
  );
  return { headings, take };
}

it('prefers the events that know north, while they deliver', () => {
  const { headings, take } = watch();
  take.take(angles(350), false);
  take.take(angles(270), true);
  take.take(angles(340), false);
  take.take(angles(null), true);
  take.take(angles(330), false);
  expect(headings).toEqual([10, 90, 30]);
});

it('takes the compass where alpha starts anywhere', () => {
  const { headings, take } = watch();
  take.take(angles(12, { webkitCompassHeading: 45 }), false);
  take.take(angles(12, { webkitCompassHeading: -1 }), false);
  expect(headings).toEqual([45, 348]);
});

it('knows a browser without a sensor by its null angles, at any time', () => {
  const { headings, take } = watch();
  take.take(angles(null), false);
  take.take(angles(350), false);
  take.take(angles(null), false);
  expect(headings).toEqual([undefined, 10, undefined]);
});
