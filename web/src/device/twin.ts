/** Tells a tab that comes back from one that was duplicated: both find the same things kept. */
import type { Keep } from '@gpys/client';

const TAB = 'gpys.tab';
/** The page before this one in the tab may still be on its way out, for about a second. */
const TRIES = 10;
const TRY_MS = 100;

export interface Surroundings {
  keep: Keep;
  /** Only in secure contexts. */
  locks: Pick<LockManager, 'request'> | undefined;
  /** How the page was reached, as `PerformanceNavigationTiming` has it. */
  arrival: string | undefined;
  discarded: boolean;
  /** Calls back when the page is left, and when it is shown again. */
  onLeave(left: () => void): void;
  onReturn(back: () => void): void;
}

/**
 * Whether this tab may go on as what is kept in it. A tab holds a lock by its name while its page is
 * open, so whoever finds the name taken is a twin, and takes a new one.
 */
export async function mayResume(it: Surroundings): Promise<boolean> {
  const { keep, locks } = it;
  // Nobody is duplicated by a reload.
  const isReload = it.arrival === 'reload' || it.discarded;
  if (!locks) return isReload;
  const name = keep.getItem(TAB);
  if (name && isReload) {
    void hold(it, locks, name, false);
    return true;
  }
  for (let i = 0; name && i < TRIES; i++) {
    if (await hold(it, locks, name, true)) return true;
    await new Promise((done) => setTimeout(done, TRY_MS));
  }
  const fresh = [...crypto.getRandomValues(new Uint8Array(12))].join('-');
  keep.setItem(TAB, fresh);
  void hold(it, locks, fresh, false);
  return false;
}

/** Holds the lock until the page is left, and says whether it could; `now`: without waiting for it. */
async function hold(
  it: Surroundings,
  locks: Pick<LockManager, 'request'>,
  name: string,
  now: boolean,
): Promise<boolean> {
  const take = (): Promise<boolean> =>
    new Promise((done) => {
      const taken = async (lock: Lock | null): Promise<void> => {
        done(lock !== null);
        if (lock) await new Promise<void>((release) => it.onLeave(release));
      };
      locks.request(`${TAB}/${name}`, { ifAvailable: now }, taken).catch(() => done(false));
    });
  const held = await take();
  if (held) it.onReturn(() => void take());
  return held;
}

export function surroundings(keep: Keep): Surroundings {
  const entry = performance.getEntriesByType('navigation')[0] as
    | PerformanceNavigationTiming
    | undefined;
  return {
    keep,
    locks: navigator.locks,
    arrival: entry?.type,
    discarded: (document as { wasDiscarded?: boolean }).wasDiscarded === true,
    onLeave: (left) => window.addEventListener('pagehide', () => left(), { once: true }),
    onReturn: (back) => window.addEventListener('pageshow', ({ persisted }) => persisted && back()),
  };
}
