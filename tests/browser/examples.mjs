/** The examples of the SDK run: what a person copies from works. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { fromWeb, launch } from './support/browser.mjs';
import { Server } from './support/server.mjs';

const WEB = fileURLToPath(new URL('../../web', import.meta.url));
const { build } = await import(pathToFileURL(fromWeb.resolve('vite')));
const PATIENCE = { timeout: 30_000 };

let browser;
before(async () => {
  execFileSync('npm', ['run', '--silent', 'build:sdk'], { cwd: WEB });
  browser = await launch();
});
after(() => browser?.close());

/** Builds an example, and runs `use` with a server that serves it. */
async function serving(example, use) {
  const folder = mkdtempSync(join(tmpdir(), 'gpys-example-'));
  await build({
    configFile: join(WEB, 'examples.config.ts'),
    logLevel: 'error',
    root: join(WEB, 'examples', example),
    build: { outDir: folder, emptyOutDir: true },
  });
  const server = await Server.start('--web-dir', folder);
  try {
    await use(server);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

async function open(server, room, name) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => assert.fail(error));
  await page.goto(`${server.url}/r/${room}?name=${name}`);
  return page;
}

/** Waits until a page shows an element with this text, whose place has changed since `from`. */
const moved = (page, selector, text, from) =>
  page
    .waitForFunction(
      ([what, who, before]) => {
        const all = [...document.querySelectorAll(what)];
        const { transform } = all.find((it) => it.textContent.includes(who))?.style ?? {};
        return transform?.startsWith('translate') && transform !== before && transform;
      },
      [selector, text, from],
      PATIENCE,
    )
    .then((it) => it.jsonValue());

/** Repeats `act` until `seen` is there: what a page does before it has joined shows nobody. */
async function until(seen, page, act) {
  let isSeen = false;
  const done = seen.finally(() => (isSeen = true));
  for (let round = 0; !isSeen; round++) {
    await act(round);
    await Promise.race([done, page.waitForTimeout(200)]);
  }
  return seen;
}

test('cursors and a bot meet on a board', () =>
  serving('cursors', async (server) => {
    const bot = spawn('node', ['examples/bot.mjs', server.url], { cwd: WEB, stdio: 'pipe' });
    try {
      let words = '';
      for (const stream of [bot.stdout, bot.stderr]) stream.on('data', (data) => (words += data));
      const ada = await open(server, 'cursors', 'Ada');
      const bob = await open(server, 'cursors', 'Bob');
      const first = await moved(ada, '.cursor', 'Bot', '');
      await moved(ada, '.cursor', 'Bot', first);
      const place = await until(moved(ada, '.cursor', 'Bob', ''), bob, (round) =>
        bob.mouse.move(120 + (round % 2), 80),
      );
      assert.match(place, /^translate\(\d/);
      await bob.mouse.move(400, 300);
      await ada.waitForFunction(
        () => /translate\(400px, 300px\)/.test(document.body.innerHTML),
        null,
        PATIENCE,
      );
      assert.match(words, /Bob is here/);
      bot.kill('SIGTERM');
      const [code] = await once(bot, 'exit');
      assert.equal(code, 0, words);
      await ada.waitForFunction(() => !document.body.textContent.includes('Bot'), null, PATIENCE);
      for (const page of [ada, bob]) await page.close();
    } finally {
      bot.kill('SIGKILL');
    }
  }));

test('people place themselves on a map', () =>
  serving('map', async (server) => {
    const ada = await open(server, 'map', 'Ada');
    const bob = await open(server, 'map', 'Bob');
    await bob.waitForSelector('canvas', PATIENCE);
    await ada.waitForFunction(() => document.querySelector('canvas'), null, PATIENCE);
    const seen = ada.waitForSelector('.person:has-text("Bob")', PATIENCE);
    await until(seen, bob, () => bob.mouse.click(300, 300));
    const first = await moved(ada, '.person', 'Bob', '');
    await bob.mouse.click(500, 200);
    await moved(ada, '.person', 'Bob', first);
    for (const page of [ada, bob]) await page.close();
  }));
