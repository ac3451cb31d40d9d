/** Broken maps: people are drawn anyway, and one sentence says what is missing. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { around, count, looksLike, pixels } from './support/pixels.mjs';
import { Server } from './support/server.mjs';
import { beside, Tab } from './support/tab.mjs';
import { VENUE, world } from './support/world.mjs';

const held = { alpha: 0, beta: 0, gamma: 0 };
/** Nothing listens at this host; the tests answer in its place. */
const HOST = 'localhost:59321';
const STYLE = `http://${HOST}/style.json`;
const ON_BUILT_IN = /people are shown on the built-in map\.$/;
const json = (body) => ({ json: body, headers: { 'access-control-allow-origin': '*' } });

let styled;
before(async () => {
  const venue = `${VENUE.lat},${VENUE.lng},${VENUE.label}`;
  styled = await Server.start('--venue', venue, '--map-style', STYLE);
});
after(() => styled?.stop());

/** Opens a page whose map is what the routes make of it. */
function look(server, name, routes) {
  const path = `/r/${name}`;
  // MapLibre may draw once between two styles, with neither's projection, and report it.
  const pardon = /Failed to|ERR_|The map reports|Fetch API|policy/i;
  const prepare = async (context) => {
    for (const [url, answer] of Object.entries(routes)) await context.route(url, answer);
  };
  const at = beside(VENUE, 10, 30);
  return Tab.open(world.browser, server, { path, at, held, prepare, pardon });
}

/** Checks that the user is drawn where the page says, also while the map moves there. */
async function isDrawnStill(tab) {
  const map = await tab.page.locator('#map').boundingBox();
  const yellow = async () => {
    const { self } = await tab.shown();
    return count(await pixels(tab), 'yellow', around(map, self.screen));
  };
  await looksLike('the own figure', yellow, (n) => n > 60);
}

/** Checks that the user and the venue are drawn. */
async function isDrawn(tab) {
  await tab.share();
  await isDrawnStill(tab);
  await looksLike('the venue', async () => count(await pixels(tab), 'purple'), (n) => n > 40);
}

const words = (tab, fits) =>
  tab.until('what is missing', (it) => fits.test(it.trouble)).then((it) => it.trouble);

const STREETS = {
  version: 8,
  sources: {
    streets: { type: 'vector', tiles: [`http://${HOST}/{z}/{x}/{y}.pbf`], maxzoom: 14 },
  },
  layers: [
    { id: 'ground', type: 'background', paint: { 'background-color': '#dfe8d5' } },
    { id: 'roads', type: 'line', source: 'streets', 'source-layer': 'roads' },
  ],
};
const TILES = `http://${HOST}/*/*/*.pbf`;
const never = () => undefined;

const broken = {
  'not found': [{ [STYLE]: (route) => route.fulfill({ status: 404 }) }, /HTTP 404 from localhost:59321/],
  refused: [{ [STYLE]: (route) => route.abort('connectionrefused') }, /localhost:59321 cannot be reached/],
  'a page': [{ [STYLE]: (route) => route.fulfill({ contentType: 'text/html', body: '<h1>Hello</h1>' }) }, /not JSON/],
  'no style': [{ [STYLE]: (route) => route.fulfill(json({ error: 'no key' })) }, /not a map style/],
  silent: [{ [STYLE]: never }, /no answer from localhost:59321/],
  'an invalid layer': [
    { [STYLE]: (route) => route.fulfill(json({ ...STREETS, layers: [{ id: 'x', type: 'nonsense' }] })) },
    /style is not valid/,
  ],
  'an unknown source': [
    { [STYLE]: (route) => route.fulfill(json({ ...STREETS, sources: { streets: { type: 'nonsense' } } })) },
    /not valid: streets is a source of unknown type/,
  ],
  'tiles that are not found': [
    {
      [STYLE]: (route) => route.fulfill(json(STREETS)),
      [TILES]: (route) => route.fulfill({ status: 404, headers: { 'access-control-allow-origin': '*' } }),
    },
    /HTTP 404 from localhost:59321/,
  ],
  'tiles that fail': [
    {
      [STYLE]: (route) => route.fulfill(json(STREETS)),
      [TILES]: (route) => route.fulfill({ status: 503, headers: { 'access-control-allow-origin': '*' } }),
    },
    /HTTP 503 from localhost:59321/,
  ],
  'tiles that never come': [
    { [STYLE]: (route) => route.fulfill(json(STREETS)), [TILES]: never },
    /no answer from localhost:59321/,
  ],
  'tiles that the policy blocks': [
    {
      [STYLE]: (route) =>
        route.fulfill(
          json({ ...STREETS, sources: { streets: { type: 'vector', tiles: ['http://127.0.0.1:59322/{z}/{x}/{y}.pbf'] } } }),
        ),
    },
    /cannot be reached, or this server does not allow it/,
  ],
};

for (const [name, [routes, sentence]] of Object.entries(broken)) {
  test(`a broken style: ${name}`, async () => {
    const tab = await look(styled, 'broken', routes);
    await isDrawn(tab);
    const told = await words(tab, ON_BUILT_IN);
    assert.match(told, /^The street map could not be loaded \(/);
    assert.match(told, sentence);
    await isDrawnStill(tab);
    await tab.close();
  });
}

test('a style that works again after a reload is shown', async () => {
  let isDown = true;
  const empty = { contentType: 'application/x-protobuf', body: Buffer.alloc(0) };
  const tab = await look(styled, 'back', {
    [STYLE]: (route) => (isDown ? route.fulfill({ status: 502 }) : route.fulfill(json(STREETS))),
    [TILES]: (route) =>
      route.fulfill({ ...empty, headers: { 'access-control-allow-origin': '*' } }),
  });
  await words(tab, /HTTP 502/);
  isDown = false;
  await tab.page.reload();
  const isGround = ([r, g, b]) => r === 0xdf && g === 0xe8 && b === 0xd5;
  const corner = async () => {
    const { width, channels, data } = await pixels(tab);
    const at = (130 * width + 30) * channels;
    return [...data.subarray(at, at + 3)];
  };
  await looksLike('the style', corner, isGround);
  await isDrawn(tab);
  assert.equal((await tab.shown()).trouble, '');
  await tab.close();
});

/** The first bytes of a file of such tiles (PMTiles version 3), with a directory of one. */
function pmtiles({ version = 3, type = 1, east = 180 } = {}) {
  const directory = [1, 0, 1, 10, 1];
  const bytes = Buffer.alloc(127 + directory.length);
  bytes.write('PMTiles');
  bytes.writeUInt8(version, 7);
  bytes.writeBigUInt64LE(127n, 8);
  bytes.writeBigUInt64LE(BigInt(directory.length), 16);
  bytes.writeUInt8(1, 97);
  bytes.writeUInt8(1, 98);
  bytes.writeUInt8(type, 99);
  [-180, -85, east, 85].forEach((edge, i) => bytes.writeInt32LE(edge * 1e7, 102 + 4 * i));
  Buffer.from(directory).copy(bytes, 127);
  return bytes;
}

const files = {
  'not found': [{ status: 404 }, /HTTP 404/],
  empty: [{ body: '' }, /not a PMTiles file/],
  'a page': [{ contentType: 'text/html', body: '<!doctype html><h1>Sign in</h1>' }, /not a PMTiles file/],
  'a pointer to a file': [{ body: 'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n' }, /not a PMTiles file/],
  'of an unknown kind': [{ body: pmtiles({ type: 0 }) }, /neither vector nor raster tiles/],
  'an older version': [{ body: pmtiles({ version: 2 }) }, /version 3/],
  'of no area': [{ body: pmtiles({ east: -180 }) }, /covers no area/],
  'cut off': [{ body: pmtiles() }, /could not be loaded/],
};

for (const [name, [answer, sentence]] of Object.entries(files)) {
  test(`a broken street file: ${name}`, async () => {
    const tab = await look(world.server, 'streets', {
      '**/config.json*': async (route) => {
        const config = await (await route.fetch()).json();
        await route.fulfill({ json: { ...config, map: { style: null, pmtiles: '/streets.pmtiles' } } });
      },
      '**/streets.pmtiles': (route) => {
        const length = String(Buffer.byteLength(answer.body ?? ''));
        return route.fulfill({ ...answer, headers: { 'content-length': length } });
      },
    });
    await isDrawn(tab);
    assert.match(await words(tab, ON_BUILT_IN), sentence);
    await isDrawnStill(tab);
    await tab.close();
  });
}

test('people are drawn without the built-in map’s countries', async () => {
  const tab = await look(world.server, 'bare', {
    '**/countries-50m*.json': (route) => route.fulfill({ status: 500 }),
  });
  await isDrawn(tab);
  assert.match(await words(tab, /./), /^The map could not be loaded \(HTTP 500 .*people are shown without it\.$/);
  await tab.close();
});

test('a lost graphics context comes back with all people', async () => {
  const tab = await look(world.server, 'context', {});
  await isDrawn(tab);
  await tab.page.evaluate(() => {
    const gl = document.querySelector('#map canvas').getContext('webgl2');
    window.gpysContext = gl.getExtension('WEBGL_lose_context');
    window.gpysContext.loseContext();
  });
  await words(tab, /stopped drawing the map/);
  await tab.page.evaluate(() => window.gpysContext.restoreContext());
  await tab.until('nothing missing', (it) => it.trouble === '');
  await isDrawnStill(tab);
  await tab.close();
});
