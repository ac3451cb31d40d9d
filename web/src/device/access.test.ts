import { expect, it } from 'vitest';
import { takeAccess } from './access';

function tab(hash: string) {
  const kept = new Map<string, string>();
  const shown: unknown[] = [];
  return {
    shown,
    location: { hash, pathname: '/r/stage', search: '?transport=ws' },
    history: {
      state: 'as it was',
      replaceState: (...what: unknown[]) => void shown.push(what),
    },
    storage: {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
    },
  };
}

it('moves a token from the address to the storage of its room', () => {
  const it = tab('#access=a.b-_.c');
  expect(takeAccess(it, 'stage')).toBe('a.b-_.c');
  expect(it.shown).toEqual([['as it was', '', '/r/stage?transport=ws']]);
  it.location.hash = '';
  expect(takeAccess(it, 'stage')).toBe('a.b-_.c');
  expect(takeAccess(it, 'lobby')).toBeNull();
  expect(it.shown).toHaveLength(1);
});

it('prefers a new token, and treats an empty one as none', () => {
  const it = tab('#access=old');
  takeAccess(it, 'stage');
  it.location.hash = '#other=1&access=new';
  expect(takeAccess(it, 'stage')).toBe('new');
  it.location.hash = '#access=';
  expect(takeAccess(it, 'stage')).toBeNull();
  expect(takeAccess(tab('#elsewhere'), 'stage')).toBeNull();
});
