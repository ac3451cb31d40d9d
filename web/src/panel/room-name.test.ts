import { expect, it } from 'vitest';
import { readableName } from './room-name';

it('is a name that rooms may have, of two words and a number', () => {
  expect(readableName(() => [0, 0, 0])).toBe('amber-badger-1000');
  expect(readableName(() => [31, 31, 8999])).toBe('warm-willow-9999');
  const names = Array.from({ length: 200 }, () => readableName());
  for (const name of names) expect(name).toMatch(/^[a-z]+-[a-z]+-[1-9][0-9]{3}$/);
  expect(new Set(names).size).toBeGreaterThan(190);
});
