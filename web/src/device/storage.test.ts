import { expect, it } from 'vitest';
import { keepIn } from './storage';

function fake(setItem?: (key: string, value: string) => void): Storage {
  const kept = new Map<string, string>([['name', 'Ada']]);
  return {
    get length() {
      return kept.size;
    },
    key: () => null,
    clear: () => kept.clear(),
    getItem: (key) => kept.get(key) ?? null,
    removeItem: (key) => void kept.delete(key),
    setItem: setItem ?? ((key, value) => void kept.set(key, value)),
  };
}

it('stores what the browser stores', () => {
  const storage = fake();
  const keep = keepIn(() => storage);
  expect(keep.getItem('name')).toBe('Ada');
  keep.setItem('name', 'Ben');
  expect(storage.getItem('name')).toBe('Ben');
  keep.removeItem('name');
  expect(keep.getItem('name')).toBeNull();
  expect(storage.getItem('name')).toBeNull();
});

it('remembers while the page lives if site data is blocked', () => {
  const keep = keepIn(() => {
    throw new DOMException('Access is denied for this document.', 'SecurityError');
  });
  expect(keep.getItem('name')).toBeNull();
  keep.setItem('name', 'Ada');
  expect(keep.getItem('name')).toBe('Ada');
  keep.removeItem('name');
  expect(keep.getItem('name')).toBeNull();
});

it('prefers what it could not write to the old value', () => {
  const storage = fake(() => {
    throw new DOMException('It is full.', 'QuotaExceededError');
  });
  const keep = keepIn(() => storage);
  keep.setItem('name', 'Ben');
  expect(keep.getItem('name')).toBe('Ben');
  // A reload finds nothing rather than the old name.
  expect(keepIn(() => storage).getItem('name')).toBeNull();
});

it('copes with storage that is missing or silently forgets', () => {
  const missing = keepIn(() => null as unknown as Storage);
  const forgetful = keepIn(() => fake(() => undefined));
  for (const keep of [missing, forgetful]) {
    keep.setItem('token', '1');
    expect(keep.getItem('token')).toBe('1');
    keep.removeItem('token');
    expect(keep.getItem('token')).toBeNull();
  }
});
