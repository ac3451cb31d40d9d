import { CELL, MAX_LAT, MAX_LNG } from '@gpys/client/parts';
import { expect, it } from 'vitest';
import { NUMBERS, numberOf, spotOf, VIEWPORT } from './walk';

/** Rounds a position as a cell of this level does (docs/PROTOCOL.md, section 7). */
function rounded({ lat, lng }: { lat: number; lng: number }, level: number) {
  const { step, half } = CELL[level]!;
  const along = (at: number, least: number): number =>
    Math.floor((at - least) / step) * step + half + least;
  return { lat: along(lat, -MAX_LAT), lng: along(lng, -MAX_LNG) };
}

it('every number survives the rounding of every level up to 8', () => {
  for (let level = 0; level <= 8; level++) {
    for (let number = 0; number < NUMBERS; number++) {
      if (numberOf(rounded(spotOf(number), level), NUMBERS - 1) !== number) {
        expect.fail(`number ${number} is lost at level ${level}`);
      }
    }
  }
});

it('positions are whole units within the view, and one step apart', () => {
  for (let number = 0; number < NUMBERS; number++) {
    const spot = spotOf(number);
    const next = spotOf(number + 1);
    expect(Number.isInteger(spot.lat) && Number.isInteger(spot.lng)).toBe(true);
    expect(spot.lat > VIEWPORT.south && spot.lat < VIEWPORT.north).toBe(true);
    expect(spot.lng > VIEWPORT.west && spot.lng < VIEWPORT.east).toBe(true);
    const apart = Math.abs(next.lat - spot.lat) + Math.abs(next.lng - spot.lng);
    // After its end the walk starts again.
    if (number < NUMBERS - 1) expect(apart).toBe(448);
  }
});

it('a position stands for the newest sample that it can', () => {
  for (const latest of [0, 5, NUMBERS - 1, NUMBERS, 3 * NUMBERS + 7]) {
    for (const age of [0, 1, 4, NUMBERS - 1]) {
      const number = latest - age;
      if (number >= 0) expect(numberOf(spotOf(number), latest)).toBe(number);
    }
  }
  expect(numberOf(spotOf(9), 8)).toBeUndefined();
});

it('a position elsewhere has no number', () => {
  const { lat, lng } = spotOf(0);
  expect(numberOf({ lat: lat - 448, lng }, 100)).toBeUndefined();
  expect(numberOf({ lat, lng: VIEWPORT.east + 1 }, 100)).toBeUndefined();
});
