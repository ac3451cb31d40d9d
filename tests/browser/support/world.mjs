/** One server and one browser for all tests; each test has a room of its own. */
import { after, before } from 'node:test';
import { launch } from './browser.mjs';
import { Relay } from './relay.mjs';
import { Server } from './server.mjs';

export const VENUE = { lat: 46.3639, lng: 14.0952, label: 'Boat house' };

export const world = { browser: undefined, server: undefined };

/** Call it once, before the tests are defined. */
export function prepare() {
  before(async () => {
    const venue = `${VENUE.lat},${VENUE.lng},${VENUE.label}`;
    // The page's benchmark sends sixty poses a second if allowed.
    world.server = await Server.start('--venue', venue, '--pose-hz', '60');
    world.browser = await launch();
  });
  after(async () => {
    await world.browser?.close();
    await world.server?.stop();
  });
}

/** A browser whose UDP goes through a relay that can be blocked; TCP goes straight. */
export async function behindRelay(server) {
  const relay = await Relay.start();
  relay.lead(server.udp);
  const browser = await launch({ from: server.udp, to: relay.port });
  return { relay, browser };
}
