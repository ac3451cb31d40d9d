/** What the server tells everybody who wants to connect (docs/PROTOCOL.md, section 10). */
import type { Config } from './link';
import type { Address } from './why';

/** Most letters of a server's or proxy's words that are shown. */
const WORDS = 200;

/** Rejects with words for a person. */
export async function fetchConfig(address: Address): Promise<Config> {
  const asked = `${address.protocol}//${address.host}/config.json?origin=${encodeURIComponent(address.origin)}`;
  const response = await fetch(asked, { cache: 'no-store' }).catch(() => undefined);
  if (!response) throw new Error('the server cannot be reached');
  if (!response.ok) throw new Error(await refusalOf(response));
  const config = (await response.json().catch(() => undefined)) as Config | undefined;
  if (config?.protocol === undefined) {
    throw new Error('something else than GPyS answers for /config.json');
  }
  return { ...config, websocket: socketAt(address), skew: skewOf(response, Date.now()) };
}

/**
 * The page came from where its socket is, by a scheme and a host that no proxy can get wrong.
 */
export function socketAt({ protocol, host }: Address): string {
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`;
}

async function refusalOf(response: Response): Promise<string> {
  const is = response.headers.get('content-type')?.startsWith('text/plain');
  const words = is ? (await response.text().catch(() => '')).trim().slice(0, WORDS) : '';
  return `the server answered ${response.status}${words && `: ${words}`}`;
}

/** By how much this device's clock is ahead of the server's, in ms. */
function skewOf({ headers }: Response, now: number): number {
  const date = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(date) ? 0 : now - date;
}
