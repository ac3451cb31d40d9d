/** `node tests/browser/run.mjs`: every test of the page, in a real browser. See README.md. */
import { prepare } from './support/world.mjs';

prepare();
await import('./two-tabs.mjs');
await import('./sharing.mjs');
await import('./names.mjs');
await import('./by-hand.mjs');
await import('./reload.mjs');
await import('./sensors.mjs');
await import('./transports.mjs');
await import('./basemap.mjs');
await import('./camera.mjs');
await import('./maps.mjs');
await import('./looks.mjs');
await import('./access.mjs');
await import('./together.mjs');
await import('./sdk.mjs');
await import('./examples.mjs');
await import('./front.mjs');
await import('./measured.mjs');
const { nothingElse } = await import('./page.mjs');
nothingElse();
