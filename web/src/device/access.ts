/**
 * The invitation that the page was opened with: an access token behind `#access=` of the address,
 * which browsers send to nobody.
 */

import type { Keep } from '@gpys/client';

/** What of the browser's window this needs. */
export interface Place {
  location: Pick<Location, 'hash' | 'pathname' | 'search'>;
  history: Pick<History, 'replaceState' | 'state'>;
  storage: Pick<Keep, 'getItem' | 'setItem'>;
}

/**
 * The room's access token: a new one from the address, where it is then not seen any more, or the
 * one that this tab was opened with earlier.
 */
export function takeAccess({ location, history, storage }: Place, room: string): string | null {
  const kept = `gpys.access/${room}`;
  const brought = new URLSearchParams(location.hash.slice(1)).get('access');
  if (brought !== null) {
    storage.setItem(kept, brought);
    history.replaceState(history.state, '', location.pathname + location.search);
  }
  return storage.getItem(kept) || null;
}
