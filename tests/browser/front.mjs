/**
 * Behind nginx, and by addresses of all kinds: how a page gets in, and what it says if it cannot.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './support/browser.mjs';
import { nginx } from './support/nginx.mjs';
import { Server } from './support/server.mjs';
import { Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

const context = { ignoreHTTPSErrors: true };
const pardon = /WebTransport|WebSocket|Failed to|Failed to establish a connection to https:/;

let browser;
before(async () => {
  browser = await launch({ names: ['map.example', 'my_map'] });
});
after(() => browser?.close());

/** Opens a page at this address, and retries if WebTransport loses the race on a busy computer. */
async function byWebTransport(url, path) {
  for (let tries = 0; tries < 10; tries++) {
    const tab = await Tab.open(browser, { url }, { path, context, pardon });
    const shown = await tab.until('a connection', (it) => it.connected);
    if (shown.transport === 'webtransport') return tab;
    const slow = await tab.until('why', (it) => it.status.includes('· WebTransport '));
    assert.match(slow.status, /took longer to open/, 'it is refused for no other reason');
    await tab.close();
  }
  throw new Error('WebTransport has lost ten races');
}

test('behind nginx a page has both transports without any setting', async (t) => {
  const proxy = await nginx(world.server);
  if (!proxy) return t.skip('nginx is not installed');
  const tab = await byWebTransport(proxy.url, '/r/Proxied/');
  assert.equal(new URL(tab.page.url()).pathname, '/r/proxied');
  await tab.close();
  const only = await Tab.open(browser, proxy, { path: '/r/proxied', context, transport: 'ws', pardon });
  assert.equal((await only.online(1)).transport, 'websocket');
  await only.close();
  await proxy.stop();
});

test('the page names a proxy that does not forward the Host', async (t) => {
  const forget = (site) => site.replace(/^.*proxy_set_header Host .*\n/m, '');
  const proxy = await nginx(world.server, forget);
  if (!proxy) return t.skip('nginx is not installed');
  const tab = await Tab.open(browser, proxy, { path: '/r/no-host', context, pardon });
  const words = /forwards the Host gpys instead of map\.example:\d+/;
  await tab.until('why', (it) => words.test(it.status));
  await tab.close();
  await proxy.stop();
});

test('a page under a path says that this is not supported', async (t) => {
  const below = (site) =>
    site.replace('location / {', 'location /map/ {').replace('//gpys;', '//gpys/;');
  const proxy = await nginx(world.server, below);
  if (!proxy) return t.skip('nginx is not installed');
  const page = await (await browser.newContext(context)).newPage();
  await page.goto(`${proxy.url}/map/`);
  assert.ok(await page.getByText('it cannot be served under a path').isVisible());
  await page.context().close();
  await proxy.stop();
});

test('an IPv6 address and a host with an underscore have both transports', async () => {
  const six = await Server.at('[::1]');
  const tab = await byWebTransport(six.url, '/r/six');
  await tab.close();
  await six.stop();
  const under = await byWebTransport(`https://my_map:${world.server.https}`, '/r/under');
  await under.close();
  const plain = { url: `http://my_map:${world.server.http}` };
  const ws = await Tab.open(browser, plain, { path: '/r/under', pardon });
  const shown = await ws.until('why', (it) => it.status.includes('needs a page opened over'));
  assert.equal(shown.transport, 'websocket');
  await ws.close();
});

test('an unknown address offers a way to a room', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${world.server.url}/r/no%20room`);
  assert.ok(await page.getByRole('heading', { name: 'No such room' }).isVisible());
  await page.getByLabel('Name of a room').fill('My Room!');
  await page.getByRole('button').click();
  await page.waitForURL(`${world.server.url}/r/my-room`);
  await page.context().close();
});
