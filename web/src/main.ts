import { type Config, EarlyLink, fetchConfig, type Transport, wordsFor } from '@gpys/client/parts';
import { takeAccess } from './device/access';
import { OPENERS } from './device/policy';
import { tab } from './device/storage';
import { mayResume, surroundings } from './device/twin';
import { exposeDebug } from './panel/debug';
import { byId, setText } from './panel/dom';

const FORCE: Record<string, Transport> = { wt: 'webtransport', ws: 'websocket' };

// The map is the larger half of the page, so the link opens while it loads.
const loading = import('./app');
const returning = mayResume(surroundings(tab));
const [, room = 'lobby', screen] = /^\/r\/([^/]+?)(\/screen)?\/?$/.exec(location.pathname) ?? [];
const isScreen = screen !== undefined;
document.documentElement.toggleAttribute('data-screen', isScreen);
const opening = {
  openers: OPENERS,
  transport: FORCE[new URLSearchParams(location.search).get('transport') ?? ''],
  storage: tab,
  words: wordsFor(location),
};
// Without a config the map starts anyway, and says that it is not connected.
const config = await fetchConfig(location).catch(() => undefined);
const early = config && new EarlyLink(opening, config);
let fresh = config;
/**
 * The first connection uses the config just fetched; later ones fetch it again, since certificates
 * may change.
 */
async function loadConfig(): Promise<Config> {
  const now = fresh ?? (await fetchConfig(location));
  fresh = undefined;
  return now;
}
const access = (): string | null => takeAccess({ location, history, storage: tab }, room);
/** Shows why there is no map, in place of the connection's state. */
function fail(words: string, cause: unknown): never {
  early?.close();
  setText(byId('status'), words);
  byId('lamp').dataset.tone = 'bad';
  throw new Error(words, { cause });
}

const { App } = await loading.catch((error) =>
  fail('The map could not be loaded. Reload the page to try again.', error),
);
// A screen that nobody touches shares nothing.
const resume = (await returning) && !isScreen;
const app = new App({
  room,
  opening,
  early,
  config,
  loadConfig,
  access,
  resume,
  isScreen,
});
exposeDebug(() => app.state());
