/** Words, rooms, refusals, and a server that is away for a while. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barriers } from './support/barriers.mjs';
import { count, looksLike, pixels } from './support/pixels.mjs';
import { Server } from './support/server.mjs';
import { asked, beside, complaints, Tab } from './support/tab.mjs';
import { VENUE, world } from './support/world.mjs';

const held = { alpha: 0, beta: 0, gamma: 0 };
const HERE = ['127.0.0.1', 'localhost', '[::1]', 'my_map', 'map.example'];

test('controls are inert while the map loads', async () => {
  let go;
  const loaded = new Promise((done) => (go = done));
  const prepare = (context) =>
    context.route('**/assets/app-*.js', async (route) => {
      await loaded;
      await route.continue();
    });
  const tab = await Tab.open(world.browser, world.server, { path: '/r/early', at: beside(VENUE, 0, 0), prepare });
  const { page } = tab;
  assert.equal(await page.evaluate(() => window.gpys), undefined);
  await assert.rejects(page.click('#share', { timeout: 500 }), /intercepts pointer events|Timeout/);
  await page.keyboard.press('Tab');
  const focused = await page.evaluate(() => document.activeElement.id);
  assert.ok(!['share', 'name', 'people-toggle'].includes(focused), focused);
  const pressed = page.click('#share');
  go();
  await pressed;
  await tab.until('itself live', (it) => it.live.startsWith('Live'));
  await tab.close();
});

test('the page reports a map that does not load', async () => {
  const prepare = (context) => context.route('**/assets/app-*.js', (route) => route.abort());
  const tab = await Tab.open(world.browser, world.server, { path: '/r/lost', prepare, pardon: /Failed to|could not be loaded/ });
  await tab.page.locator('#status', { hasText: 'Reload the page' }).waitFor();
  await tab.close();
});

test('without WebGL people are dots, and list, counts and sharing work', async () => {
  const noGraphics = (context) =>
    context.addInitScript(() => {
      const getContext = HTMLCanvasElement.prototype.getContext;
      HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        return kind.startsWith('webgl') ? null : getContext.call(this, kind, ...more);
      };
    });
  const at = beside(VENUE, 0, 30);
  const open = (name, options) => Tab.open(world.browser, world.server, { path: '/r/flat', name, ...options });
  const flat = await open('Flat', { at, held, prepare: noGraphics });
  const other = await open('Other', { at: beside(at, 20, 0), held });
  await other.share();
  await flat.share();
  await flat.until('the other', (it) => it.title === 'GPyS (2 online)' && it.figures.length === 1);
  await flat.until('it in the list', (it) => it.rows[0]?.text.includes('20 m N'));
  const shown = await flat.until('why', (it) => it.trouble.includes('no WebGL 2'));
  const { x, y } = shown.figures[0].screen;
  const map = await flat.page.locator('#map').boundingBox();
  const box = { x: map.x + x - 10, y: map.y + y - 10, width: 20, height: 20 };
  await looksLike('a yellow dot', async () => count(await pixels(flat), 'yellow', box), (n) => n > 40);
  assert.deepEqual(await barriers(flat.page), []);
  await flat.close();
  await other.close();
});

test('without JavaScript the page has an explanation', async () => {
  const context = await world.browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(world.server.url);
  await page.getByRole('heading', { name: 'This page needs JavaScript' }).waitFor();
  assert.equal(await page.isVisible('#status'), false);
  assert.equal(await page.isVisible('#share'), false);
  await context.close();
});

test('a page from localhost can use WebTransport, too', async () => {
  const path = `http://localhost:${world.server.http}/r/local`;
  const tab = await Tab.open(world.browser, world.server, { path, transport: 'wt' });
  const shown = await tab.online(1);
  assert.equal(shown.transport, 'webtransport');
  await tab.close();
});

test('a server restart: the page explains, fades people, and reconnects', async () => {
  const server = await Server.start();
  const pardon = /Failed to load resource|WebSocket connection to|Failed to establish a connection/;
  try {
    const at = { lat: 46.36, lng: 14.09 };
    const open = (transport, place) =>
      Tab.open(world.browser, server, { at: place, held, transport, pardon, name: transport });
    const tabs = [await open('wt', at), await open('ws', beside(at, 0, 30))];
    for (const tab of tabs) await tab.share();
    for (const tab of tabs) await tab.until('the other', (it) => it.figures.length === 1);

    const told = tabs.map((tab) =>
      tab.until('why', (it) => /^The server is restarting\. Retrying in \d+ s$/.test(it.status)),
    );
    await server.stop();
    for (const shown of await Promise.all(told)) assert.equal(shown.connected, false);
    for (const tab of tabs) {
      const shown = await tab.until('people fade', (it) => it.figures[0]?.gone);
      assert.equal(shown.live, 'Not connected');
      assert.equal(shown.title, 'GPyS (not connected)', 'no number that may be wrong');
      assert.notEqual(shown.notice, '', 'it is said where it cannot be overlooked');
    }
    await tabs[0].until('that it is gone', (it) => it.status.includes('cannot be reached'));

    await server.again();
    for (const tab of tabs) {
      const back = await tab.online(2);
      assert.match(back.live, /^Live/);
    }
    for (const tab of tabs) await tab.until('the other', (it) => it.figures[0]?.gone === false);
    for (const tab of tabs) await tab.close();
  } finally {
    await server.stop();
  }
});

test('a room is separate from the lobby, also over HTTPS', async () => {
  const { browser, server } = world;
  const lobby = await Tab.open(browser, server);
  const context = { ignoreHTTPSErrors: true };
  const inRoom = (transport) =>
    Tab.open(browser, server, { path: '/r/side-room', secure: true, transport, context });
  const room = [await inRoom('wt'), await inRoom('ws')];
  for (const tab of room) await tab.online(2);
  const shown = await lobby.online(1);
  assert.equal(shown.rows.length, 0);
  assert.equal(await lobby.page.textContent('#room'), 'lobby');
  assert.equal(await room[0].page.textContent('#room'), 'side-room');
  for (const tab of [lobby, ...room]) await tab.close();
});

test('an invalid room name is explained', async () => {
  const page = await world.browser.newPage();
  const answer = await page.goto(`${world.server.url}/r/No_Room`);
  assert.equal(answer.status(), 404);
  assert.match(await page.textContent('body'), /room.*a-z/is);
  await page.close();
});

test('the venue is a purple pin', async () => {
  const tab = await Tab.open(world.browser, world.server, {
    path: '/r/venue',
    at: beside(VENUE, 0, 60),
    held,
  });
  await tab.share();
  const purple = async () => count(await pixels(tab), 'purple');
  await looksLike('a purple pin', purple, (n) => n > 40);
  await tab.close();
});

/** Runs last, because it checks all tabs of all tests. */
export function nothingElse() {
  test('no tab contacted a third party, and no console reported an error', () => {
    const hosts = new Set([...asked].map((url) => new URL(url)).filter((url) => url.host));
    const elsewhere = [...hosts].filter((url) => !HERE.includes(url.hostname));
    assert.ok(hosts.size > 0);
    assert.deepEqual(elsewhere, []);
    assert.deepEqual(complaints, []);
  });
}
