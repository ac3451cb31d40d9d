/** Tells a tab that comes back from one that was duplicated: both find the same things kept. */
import type { Keep } from './storage';

const TAB = 'gpys.tab';
/** The page before this one in the tab may still be on its way out. */
const PATIENCE_MS = 1000;

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
    void hold(it, locks, name, undefined);
    return true;
  }
  if (name && (await hold(it, locks, name, PATIENCE_MS))) return true;
  const fresh = [...crypto.getRandomValues(new Uint8Array(12))].join('-');
  keep.setItem(TAB, fresh);
  await hold(it, locks, fresh, PATIENCE_MS);
  return false;
}

async function hold(
  it: Surroundings,
  locks: Pick<LockManager, 'request'>,
  name: string,
  patience: number | undefined,
): Promise<boolean> {
  const take = (): Promise<boolean> =>
    new Promise((done) => {
      const end = new AbortController();
      const timer = patience === undefined ? undefined : setTimeout(() => end.abort(), patience);
      const taken = (): Promise<void> => {
        clearTimeout(timer);
        done(true);
        return new Promise((release) => it.onLeave(release));
      };
      locks.request(`${TAB}/${name}`, { signal: end.signal }, taken).catch(() => done(false));
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
