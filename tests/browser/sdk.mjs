/** A page built with the SDK loses its network, and comes back as if nothing had happened. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { fromWeb, launch } from './support/browser.mjs';
import { Server } from './support/server.mjs';
import { behindRelay } from './support/world.mjs';

const { build } = await import(pathToFileURL(fromWeb.resolve('vite')));
const folder = mkdtempSync(join(tmpdir(), 'gpys-sdk-'));
const source = (path) => fileURLToPath(new URL(`../../web/${path}`, import.meta.url));
const PATIENCE = { timeout: 30_000 };

let server;
let relayed;
let straight;
before(async () => {
  await build({
    configFile: false,
    logLevel: 'error',
    root: fileURLToPath(new URL('support/sdk', import.meta.url)),
    resolve: {
      alias: {
        '@gpys/client': source('client/src/index.ts'),
        '@gpys/debug/panel': source('debug/src/panel.ts'),
        '@gpys/debug': source('debug/src/index.ts'),
      },
    },
    worker: { format: 'es' },
    build: { outDir: folder, emptyOutDir: true, target: 'es2022', modulePreload: false },
  });
  server = await Server.start('--web-dir', folder);
  relayed = await behindRelay(server);
  straight = await launch();
});
after(async () => {
  await relayed?.browser.close();
  await relayed?.relay.close();
  await straight?.close();
  await server?.stop();
  rmSync(folder, { recursive: true });
});

/** A page that has joined. It goes to the server's plain port, which browsers trust on loopback. */
async function open(browser, name) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => assert.fail(error));
  await page.goto(`${server.url}/r/sdk?name=${name}`);
  await page.waitForFunction(() => window.room?.status.value.phase === 'live', null, PATIENCE);
  return page;
}

/** A page that has joined over WebTransport; on a busy computer WebSocket may win the race. */
async function byWebTransport(browser, name) {
  for (let tries = 0; tries < 10; tries++) {
    const page = await open(browser, name);
    if (await page.evaluate(() => window.room.status.value.transport === 'webtransport'))
      return page;
    await page.evaluate(() => window.room.leave());
    await page.close();
  }
  throw new Error('WebTransport has lost ten races');
}

const at = (page, name) =>
  page.evaluate((it) => {
    const person = [...window.room.people.values()].find((one) => one.name === it);
    return person?.at();
  }, name);

/** Waits until a page shows a person there. */
const shows = (page, name, x) =>
  page.waitForFunction(
    ([who, where]) =>
      [...window.room.people.values()].find((one) => one.name === who)?.at()?.x === where,
    [name, x],
    PATIENCE,
  );

test('a page of the SDK goes on over the other transport, and nobody leaves or enters', async () => {
  const ada = await byWebTransport(relayed.browser, 'Ada');
  const bob = await open(straight, 'Bob');
  await bob.evaluate(() => window.room.me.move({ x: 10, y: 0 }));
  await ada.evaluate(() => window.room.me.move({ x: 20, y: 0 }));
  await shows(ada, 'Bob', 10);
  await shows(bob, 'Ada', 20);
  const id = await ada.evaluate(() => window.room.me.id);
  for (const page of [ada, bob]) await page.evaluate(() => void window.happened.splice(0));
  assert.ok(relayed.relay.passed > 0, 'the session goes through the relay');

  relayed.relay.block();
  await bob.evaluate(() => window.room.me.move({ x: 11, y: 0 }));
  await ada.waitForFunction(
    () => window.room.status.value.transport === 'websocket',
    null,
    PATIENCE,
  );
  await shows(ada, 'Bob', 11);
  await ada.evaluate(() => window.room.me.move({ x: 21, y: 0 }));
  await shows(bob, 'Ada', 21);

  const statuses = await ada.evaluate(() => window.statuses);
  assert.ok(statuses.indexOf('websocket') > statuses.indexOf('webtransport'), `${statuses}`);
  assert.equal(await ada.evaluate(() => window.room.me.id), id, 'the same peer');
  for (const page of [ada, bob]) {
    const happened = await page.evaluate(() => window.happened);
    assert.deepEqual(
      happened.filter((it) => !it.startsWith('change')),
      [],
    );
    assert.equal(await page.evaluate(() => window.room.people.size), 1);
  }
  assert.equal((await at(bob, 'Ada')).y, 0);
});

test('a page of the SDK that is reloaded comes back as who it was', async () => {
  const cyd = await open(straight, 'Cyd');
  const dan = await open(straight, 'Dan');
  await dan.evaluate(() => void window.happened.splice(0));
  const id = await cyd.evaluate(() => window.room.me.id);
  await cyd.reload();
  await cyd.waitForFunction(() => window.room?.status.value.phase === 'live', null, PATIENCE);
  assert.equal(await cyd.evaluate(() => window.room.me.id), id);
  const happened = await dan.evaluate(() => window.happened);
  assert.deepEqual(
    happened.filter((it) => / Cyd /.test(it) && !it.startsWith('change')),
    [],
  );
});

test('a worker joins as a page does', async () => {
  const page = await open(straight, 'Eve');
  const { transport, error } = await page.evaluate(() => window.inWorker());
  assert.match(transport ?? error, /^(webtransport|websocket)$/);
  await page.close();
});

test('a page of another origin joins if the operator allows it', async () => {
  const types = { '.html': 'text/html', '.js': 'text/javascript' };
  const app = createServer(({ url }, answer) => {
    const { pathname } = new URL(url, 'http://app');
    const file = pathname === '/' ? '/index.html' : pathname;
    answer.setHeader('content-type', types[extname(file)] ?? 'text/plain');
    const found = existsSync(join(folder, file));
    answer.statusCode = found ? 200 : 404;
    answer.end(found ? readFileSync(join(folder, file)) : '');
  }).listen(0, '127.0.0.1');
  await once(app, 'listening');
  const origin = `http://127.0.0.1:${app.address().port}`;
  const open = await Server.start('--allow-origin', origin);
  const page = await straight.newPage();
  await page.goto(`${origin}/?name=Fay&server=${open.url}`);
  await page.waitForFunction(() => window.room?.status.value.phase === 'live', null, PATIENCE);
  // Over either transport: it can read the hashes of the server's certificates.
  await page.evaluate(() => window.room.leave());
  await page.goto(`${origin}/?name=Fay&server=${open.url}&transport=webtransport`);
  await page.waitForFunction(() => window.room?.status.value.phase === 'live', null, PATIENCE);
  assert.equal(await page.evaluate(() => window.room.status.value.transport), 'webtransport');
  await page.close();
  await open.stop();
  app.close();
});

test('the debug panel makes the network bad, and shows it', async () => {
  const page = await open(straight, 'Gil');
  const shown = () =>
    page.evaluate(() => document.querySelector('gpys-debug').shadowRoot.textContent);
  assert.match(await shown(), /live · (webtransport|websocket)[\s\S]*delay 0 ms each way/);
  await page.locator('gpys-debug input[name=delay]').fill('200');
  const isSlow = () => window.room.status.value.roundTrip >= 400;
  await page.waitForFunction(isSlow, null, PATIENCE);
  await page.waitForFunction(
    () =>
      /round trip [4-9]\d\d ms/.test(document.querySelector('gpys-debug').shadowRoot.textContent),
    null,
    PATIENCE,
  );
  assert.match(await shown(), /delay 200 ms each way[\s\S]*loss 0 % each way/);
  await page.close();
});
