import { expect, it, vi } from 'vitest';
import { Store } from './store.ts';

it('tells its value at once, and each new one until the end', () => {
  const store = new Store(1);
  const follow = vi.fn();
  const [off, again] = [store.subscribe(follow), store.subscribe(follow)];
  store.set(2);
  off();
  store.set(3);
  again();
  store.set(4);
  expect(follow.mock.calls.flat()).toEqual([1, 1, 2, 2, 3]);
  expect(store.value).toBe(4);
});
