import { expect, it } from 'vitest';
import { keepIn } from './storage';
import { mayResume, type Surroundings } from './twin';

/** Locks as in browsers: one holder per name; others wait or learn that it is taken. */
class Locks {
  private readonly held = new Map<string, Promise<unknown>>();

  request = (async (
    name: string,
    { ifAvailable }: { ifAvailable: boolean },
    use: (lock: object | null) => Promise<void>,
  ): Promise<void> => {
    if (ifAvailable && this.held.has(name)) return use(null);
    while (this.held.has(name)) await this.held.get(name);
    const done = use({});
    this.held.set(name, done);
    await done;
    this.held.delete(name);
  }) as unknown as LockManager['request'];
}

function tab(locks: Locks | undefined, copied: [string, string][] = [], arrival = 'navigate') {
  const kept = new Map(copied);
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  } as Storage;
  const leaving: (() => void)[] = [];
  const surroundings: Surroundings = {
    keep: keepIn(() => storage),
    locks,
    arrival,
    discarded: false,
    onLeave: (left) => leaving.push(left),
    onReturn: () => undefined,
  };
  return {
    may: () => mayResume(surroundings),
    leave: () => {
      for (const left of leaving) left();
    },
    copy: () => [...kept],
  };
}

it('lets a returning tab resume, but not its duplicate', async () => {
  const locks = new Locks();
  const first = tab(locks);
  expect(await first.may()).toBe(false);
  const twin = tab(locks, first.copy(), 'back_forward');
  expect(await twin.may()).toBe(false);
  first.leave();
  twin.leave();
  const again = tab(locks, first.copy(), 'reload');
  expect(await again.may()).toBe(true);
  // The twin has its own name by then.
  expect(await tab(locks, twin.copy(), 'reload').may()).toBe(true);
});

it('waits for the previous page to go, and after a reload assumes that it does', async () => {
  const locks = new Locks();
  const first = tab(locks);
  await first.may();
  const back = tab(locks, first.copy(), 'back_forward').may();
  setTimeout(first.leave, 50);
  expect(await back).toBe(true);
  // As far as can be told yet, the page has not been left.
  expect(await tab(locks, first.copy(), 'reload').may()).toBe(true);
});

it('trusts only reloads in browsers without locks', async () => {
  expect(await tab(undefined, [], 'reload').may()).toBe(true);
  expect(await tab(undefined, [], 'back_forward').may()).toBe(false);
  expect(await tab(undefined, [], 'navigate').may()).toBe(false);
});
