/** The server's configuration for clients (docs/PROTOCOL.md, section 10). */

import type { Address } from './fault.ts';
import type { Config } from './link.ts';

/** Maximum length of a server's or proxy's message that is shown. */
const WORDS = 200;

/** Fetches the server's configuration. Rejects with a message for the user. */
export async function fetchConfig(address: Address): Promise<Config> {
  const asked = `${address.protocol}//${address.host}/config.json?origin=${encodeURIComponent(address.origin)}`;
  const response = await fetch(asked, { cache: 'no-store' }).catch(() => undefined);
  if (!response) {
    // A browser does not tell these two apart.
    const elsewhere = !address.origin.endsWith(`//${address.host}`);
    const why = elsewhere ? `, or does not allow pages of ${address.origin} (--allow-origin)` : '';
    throw new Error(`the server cannot be reached${why}`);
  }
  if (!response.ok) throw new Error(await refusalOf(response));
  const config = (await response.json().catch(() => undefined)) as Config | undefined;
  if (config?.protocol === undefined) {
    throw new Error('something other than GPyS answers at /config.json');
  }
  return { ...config, websocket: socketAt(address), skew: skewOf(response, Date.now()) };
}

/** Where the WebSocket is: at the page's own scheme and host, which no proxy can get wrong. */
export function socketAt({ protocol, host }: Address): string {
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`;
}

async function refusalOf(response: Response): Promise<string> {
  const is = response.headers.get('content-type')?.startsWith('text/plain');
  const words = is ? (await response.text().catch(() => '')).trim().slice(0, WORDS) : '';
  return `the server answered ${response.status}${words && `: ${words}`}`;
}

/** How far this device's clock is ahead of the server's, in ms. */
function skewOf({ headers }: Response, now: number): number {
  const date = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(date) ? 0 : now - date;
}
