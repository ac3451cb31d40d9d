/** What the server tells everybody who wants to connect (docs/PROTOCOL.md, section 10). */
import type { Config } from './link';

/** Rejects with words for a person. */
export async function fetchConfig(): Promise<Config> {
  const response = await fetch('/config.json', { cache: 'no-store' }).catch(() => undefined);
  if (!response) throw new Error('the server cannot be reached');
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return (await response.json()) as Config;
}
