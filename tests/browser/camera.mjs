/**
 * Whom the map shows: where it opens, a picked person, the user; and that it rests when nothing
 * moves.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { around, count, looksLike, pixels } from './support/pixels.mjs';
import { beside, metresBetween, seen, Tab } from './support/tab.mjs';
import { VENUE, world } from './support/world.mjs';

const held = { alpha: 0, beta: 0, gamma: 0 };
const WORLD = [25, 10, 1.4];
const SIZES = {
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  'a small phone': { viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true },
  'a phone on its side': { viewport: { width: 844, height: 390 }, hasTouch: true, isMobile: true },
  'an enlarged page': { viewport: { width: 720, height: 450 } },
  desktop: { viewport: { width: 1440, height: 900 } },
};

const open = (path, options) => Tab.open(world.browser, world.server, { path, ...options });
const sharing = async (path, name, at) => {
  const tab = await open(path, { name, at, held });
  return { tab, id: (await tab.share()).id };
};

/** Whether nothing covers a place on the map. */
const isFree = (tab, { x, y }) =>
  tab.page.evaluate(
    ([left, top]) => {
      const map = document.getElementById('map').getBoundingClientRect();
      return document.elementFromPoint(map.left + left, map.top + top)?.matches('#map canvas') ?? false;
    },
    [x, y],
  );

test('the page opens close to people, not at the venue', async () => {
  const far = beside(VENUE, 8000, 3000);
  const ada = await sharing('/r/opens', 'Ada', far);
  const ben = await sharing('/r/opens', 'Ben', beside(far, 60, 40));
  const tab = await open('/r/opens', { context: SIZES.phone });
  const shown = await tab.until('both, closely', (it) =>
    [ada, ben].every(({ id }, i) => {
      const figure = seen(it, id);
      return figure && metresBetween(figure, i === 0 ? far : beside(far, 60, 40)) < 1;
    }),
  );
  for (const { id } of [ada, ben]) assert.ok(await isFree(tab, seen(shown, id).screen));
  const map = await tab.page.locator('#map').boundingBox();
  for (const { id } of [ada, ben]) {
    const yellow = async () => {
      const figure = seen(await tab.shown(), id);
      return count(await pixels(tab), 'yellow', around(map, figure.screen));
    };
    await looksLike('a figure', yellow, (n) => n > 100);
  }
  for (const it of [tab, ada.tab, ben.tab]) await it.close();
});

test('a person picked from afar is brought into sight, kept there, and marked', async () => {
  const at = beside(VENUE, -120, 330);
  const ada = await sharing('/r/picked', 'Ada', at);
  const tab = await open('/r/picked', { camera: WORLD });
  await tab.until('her in the list', (it) => it.rows.some((row) => row.id === ada.id));
  const button = tab.page.locator(`#list li[data-id="${ada.id}"] button`);
  await button.evaluate((it) => it.click());
  const fits = (place) => (it) => {
    const figure = seen(it, ada.id);
    return figure && metresBetween(figure, place) < 1 && Math.abs(figure.screen.x - 317) < 30;
  };
  const shown = await tab.until('her, closely', fits(at));
  assert.ok(await isFree(tab, seen(shown, ada.id).screen));
  assert.equal(await button.getAttribute('aria-current'), 'true');
  await ada.tab.move(beside(at, 200, 260));
  await tab.until('her, followed', fits(beside(at, 200, 260)));
  await tab.close();
  await ada.tab.close();
});

for (const [size, context] of Object.entries(SIZES)) {
  test(`the user is found and followed, and never under the dock: ${size}`, async () => {
    const tab = await open(`/r/self-${context.viewport.width}`, { at: VENUE, held, context });
    const own = (await tab.share()).self.screen;
    const clear = async ({ x, y }) => (await isFree(tab, { x, y })) && (await isFree(tab, { x, y: y - 40 }));
    await looksLike('oneself in sight', async () => clear((await tab.shown()).self.screen), Boolean);
    assert.ok(Number.isFinite(own.x));
    // 190 metres on: out of sight, unless brought back.
    await tab.move(beside(VENUE, 0, 190));
    await tab.until('itself there', (it) => metresBetween(it.self, beside(VENUE, 0, 190)) < 1);
    await looksLike('oneself in sight again', async () => clear((await tab.shown()).self.screen), Boolean);
    await tab.page.click('#locate');
    assert.equal(await tab.page.getAttribute('#locate', 'aria-pressed'), 'true');
    assert.equal(await tab.page.locator('#room').evaluate((it) => it.scrollWidth <= it.clientWidth), true);
    await tab.close();
  });
}

test('a still room draws nothing', async () => {
  const prepare = (context) =>
    context.addInitScript(() => {
      window.gpysDrawn = { map: 0, labels: 0 };
      const clear = WebGL2RenderingContext.prototype.clear;
      WebGL2RenderingContext.prototype.clear = function (mask) {
        window.gpysDrawn.map++;
        return clear.call(this, mask);
      };
      const clearRect = CanvasRenderingContext2D.prototype.clearRect;
      CanvasRenderingContext2D.prototype.clearRect = function (...box) {
        if (this.canvas.id === 'labels') window.gpysDrawn.labels++;
        return clearRect.apply(this, box);
      };
      // Counts the protocol's frames that arrive over WebSocket: 0x47 leads them.
      window.gpysFrames = 0;
      const add = (socket) =>
        socket.addEventListener('message', ({ data }) => {
          if (data instanceof ArrayBuffer && new Uint8Array(data)[0] === 0x47) window.gpysFrames++;
        });
      const Real = window.WebSocket;
      window.WebSocket = class extends Real {
        constructor(...options) {
          super(...options);
          add(this);
        }
      };
    });
  const ada = await sharing('/r/still', 'Ada', beside(VENUE, 0, 20));
  const tab = await open('/r/still', { at: VENUE, held, transport: 'ws', prepare });
  await tab.share();
  await tab.until('her', (it) => seen(it, ada.id));
  const drawn = () => tab.page.evaluate(() => ({ ...window.gpysDrawn, frames: window.gpysFrames }));
  // Everything on its way has arrived once several frames in a row drew nothing.
  const rests = async () => {
    const before = await drawn();
    await tab.page.waitForFunction((n) => window.gpysFrames >= n, before.frames + 4);
    const after = await drawn();
    return [after.map - before.map, after.labels - before.labels].join();
  };
  await looksLike('rest', rests, (it) => it === '0,0');
  assert.equal(await rests(), '0,0');
  await tab.close();
  await ada.tab.close();
});
