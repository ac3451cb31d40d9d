/** What the browser keeps for this page. It may keep nothing, be full, or refuse to be asked. */

import type { Keep } from '@gpys/client';

/**
 * A storage that never throws. Where site data is blocked even the name `localStorage` throws, and
 * a full one throws when it is written to; what could not be written lasts as long as the page.
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
        // What was there before must not come back in its place.
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

/** For every page of this server, also tomorrow. */
export const device = keepIn(() => localStorage);
/** For this tab, across its reloads; a duplicated tab begins with a copy. */
export const tab = keepIn(() => sessionStorage);
