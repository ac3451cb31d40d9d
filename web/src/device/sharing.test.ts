import { beforeEach, expect, it } from 'vitest';
import { SharingTerms } from './sharing';

const MINUTE = 60_000;
const NOW = 1_700_000_000_000;
let kept: Map<string, string>;
let storage: Storage;

beforeEach(() => {
  kept = new Map();
  storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  } as Storage;
});

it('is exact and has no end by default', () => {
  const terms = new SharingTerms(storage);
  terms.begin(NOW);
  expect(terms.wire(NOW + 1e12)).toEqual({ approximate: false, seconds: 0 });
  expect(terms.isOver(NOW + 1e12)).toBe(false);
});

it('remembers valid choices and ignores invalid ones', () => {
  new SharingTerms(storage).choose({ approximate: true, minutes: 15 }, NOW);
  expect(new SharingTerms(storage).wish).toEqual({ approximate: true, minutes: 15 });
  for (const wrong of [
    '{',
    '[]',
    '7',
    '{"approximate":1,"minutes":15}',
    '{"approximate":true,"minutes":7}',
  ]) {
    kept.set('gpys.sharing', wrong);
    expect(new SharingTerms(storage).wish, wrong).toEqual({ approximate: false, minutes: 0 });
  }
});

it('counts from the start, and reports the remaining time', () => {
  const terms = new SharingTerms(storage);
  terms.choose({ approximate: true, minutes: 15 }, NOW);
  expect(terms.wire(NOW)).toEqual({ approximate: true, seconds: 0 });
  terms.begin(NOW);
  expect(terms.wire(NOW)).toEqual({ approximate: true, seconds: 900 });
  expect(terms.wire(NOW + 5 * MINUTE + 1)).toEqual({ approximate: true, seconds: 600 });
  expect([15 * MINUTE - 1, 15 * MINUTE].map((at) => terms.isOver(NOW + at))).toEqual([false, true]);
  terms.end();
  expect(terms.isOver(NOW + 15 * MINUTE)).toBe(false);
});

it('restarts for a new duration, not for a new precision', () => {
  const terms = new SharingTerms(storage);
  terms.choose({ approximate: true, minutes: 15 }, NOW);
  terms.begin(NOW);
  terms.choose({ approximate: false, minutes: 15 }, NOW + 5 * MINUTE);
  expect(terms.wire(NOW + 5 * MINUTE)).toEqual({ approximate: false, seconds: 600 });
  terms.choose({ approximate: false, minutes: 60 }, NOW + 5 * MINUTE);
  expect(terms.left(NOW + 6 * MINUTE)).toBe(59 * MINUTE);
  terms.choose({ approximate: false, minutes: 0 }, NOW + 7 * MINUTE);
  expect(terms.left(NOW + 7 * MINUTE)).toBeUndefined();
});

it('never lasts longer than chosen, whatever the clock does', () => {
  const terms = new SharingTerms(storage);
  terms.choose({ approximate: false, minutes: 15 }, NOW);
  terms.begin(NOW);
  expect(terms.wire(NOW - 1000 * MINUTE).seconds).toBe(900);
});
