/**
 * The invitation that opened the page: an access token after `#access=` in the address, a part that
 * browsers send to no server.
 */

import type { Keep } from '@gpys/client/parts';

/** The parts of the browser's window that this needs. */
export interface Place {
  location: Pick<Location, 'hash' | 'pathname' | 'search'>;
  history: Pick<History, 'replaceState' | 'state'>;
  storage: Pick<Keep, 'getItem' | 'setItem'>;
}

/**
 * The room's access token: a new one from the address, which it is removed from, or the one that
 * opened this tab earlier.
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
