import { takeAccess } from './access';
import { App } from './app';
import { fetchConfig } from './config';
import { exposeDebug } from './debug';
import type { Config, Transport } from './link';

const FORCE: Record<string, Transport> = { wt: 'webtransport', ws: 'websocket' };

const room = /^\/r\/([^/]+)\/?$/.exec(location.pathname)?.[1] ?? 'lobby';
const force = FORCE[new URLSearchParams(location.search).get('transport') ?? ''];
// Without a config the map starts all the same, and says that it is not connected.
const config = await fetchConfig().catch(() => undefined);
let fresh = config;
/** The first connection takes what has just been fetched; certificates may change until the next. */
async function loadConfig(): Promise<Config> {
  const now = fresh ?? (await fetchConfig());
  fresh = undefined;
  return now;
}
const access = (): string | null =>
  takeAccess({ location, history, storage: sessionStorage }, room);
const app = new App({ room, force, config, loadConfig, access });
exposeDebug(() => app.state());
