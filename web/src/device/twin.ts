/** Distinguishes a returning tab from a duplicated one: both find the same stored data. */
import type { Keep } from '@gpys/client/parts';

const TAB = 'gpys.tab';
/** How often to try again: the tab's previous page may take about a second to go. */
const TRIES = 10;
const TRY_MS = 100;

export interface Surroundings {
  keep: Keep;
  /** Only in secure contexts. */
  locks: Pick<LockManager, 'request'> | undefined;
  /** How the page was reached, a type of `PerformanceNavigationTiming`. */
  arrival: string | undefined;
  discarded: boolean;
  /** Call back when the page is left and when it is shown again. */
  onLeave(left: () => void): void;
  onReturn(back: () => void): void;
}

/**
 * Whether this tab may resume from what is stored in it. A tab holds a lock by its name while its
 * page is open, so a tab that finds the name taken is a twin, and takes a new name.
 */
export async function mayResume(it: Surroundings): Promise<boolean> {
  const { keep, locks } = it;
  // A reload duplicates nothing.
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

/** Holds the lock until the page is left, and returns whether it could; `now`: without waiting. */
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
