/** The browser's storage, which may be blocked, full, or forgetful. */

import type { Keep } from '@gpys/client/parts';

/**
 * A storage that never throws. If site data is blocked, even the name `localStorage` throws, and a
 * full one throws on writing; what could not be written lasts as long as the page.
 */
export function keepIn(find: () => Storage): Keep {
  const unwritten = new Map<string, string>();
  const attempt = <T>(use: (storage: Storage) => T): T | undefined => {
    try {
      return use(find());
    } catch {
      return undefined;
    }
  };
  return {
    getItem: (key) => unwritten.get(key) ?? attempt((it) => it.getItem(key)) ?? null,
    setItem(key, value) {
      unwritten.set(key, value);
      const written = attempt((it) => {
        // The old value must not come back in its place.
        it.removeItem(key);
        it.setItem(key, value);
        return it.getItem(key) === value;
      });
      if (written) unwritten.delete(key);
    },
    removeItem(key) {
      unwritten.delete(key);
      attempt((it) => it.removeItem(key));
    },
  };
}

/** For every page of this server, permanently. */
export const device = keepIn(() => localStorage);
/** For this tab, across reloads; a duplicated tab starts with a copy. */
export const tab = keepIn(() => sessionStorage);
