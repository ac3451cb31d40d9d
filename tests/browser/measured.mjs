/** The page's own benchmark: both transports at once, run by a person or a program. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { barriers } from './support/barriers.mjs';
import { Server } from './support/server.mjs';
import { Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

const TRANSPORTS = ['webtransport', 'websocket'];
const sizes = {
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  desktop: { viewport: { width: 1280, height: 800 } },
};

/** A server that reads fewer samples a second than the page asks for. */
let server;
before(async () => {
  server = await Server.start('--pose-hz', '30');
});
after(() => server?.stop());

const open = (path, context) => Tab.open(world.browser, server, { path, context, name: path });
/** A figure in the table, as a number. */
const figure = async (tab, key) => {
  const words = await tab.page.textContent(`[data-figure="${key}"]`);
  return Number(words.replace(/[ %,]/g, ''));
};
const says = (tab, pattern) =>
  tab.page.locator('#summary').filter({ hasText: pattern }).waitFor();

for (const [size, context] of Object.entries(sizes)) {
  test(`both transports have figures, without barriers, on a ${size}`, async () => {
    const tab = await open('/bench?rate=60&seconds=4&auto=1', context);
    const result = await tab.page.evaluate(() => window.gpysBench);
    assert.deepEqual(JSON.parse(await tab.page.textContent('#result')), result);
    assert.ok(Math.abs(result.measured_seconds - 4) < 0.5, `${result.measured_seconds} s`);
    assert.ok(result.samples_taken > 60, `${result.samples_taken} samples`);
    assert.deepEqual([result.asked_rate_hz, result.rate_hz], [60, 30]);
    assert.equal(await tab.page.inputValue('#rate'), '30');
    await says(tab, 'sends 30 instead of 60');
    const verdict = await tab.page.textContent('#verdict');
    assert.match(verdict, /^(WebTransport|WebSocket) .+ sooner|^Both transports are alike/);
    for (const transport of TRANSPORTS) {
      assert.ok((await figure(tab, `${transport}.age_ms.count`)) > 30);
      const p50 = await figure(tab, `${transport}.age_ms.p50`);
      assert.ok(p50 > 0 && p50 < 1000, `${p50} ms by ${transport}`);
      const picture = await figure(tab, `${transport}.sampled_age_ms.p50`);
      assert.ok(picture > p50 && picture < 1000, `${picture} ms by ${transport}`);
      const { from_other: other, join_ms: join, ...own } = result.transports[transport];
      assert.equal(own.state, 'live');
      assert.ok(own.sampled_age_ms.count > 1000 && other.sampled_age_ms.count > 1000);
      assert.ok(other.age_ms.p50 < 1000);
      assert.ok(join.open > 0 && join.welcome > join.open && join.first_frame > join.open);
      assert.ok(own.bytes_per_second > 300 && own.bytes_per_second < 5000);
    }
    for (const colorScheme of ['light', 'dark']) {
      await tab.page.emulateMedia({ colorScheme });
      assert.deepEqual(await barriers(tab.page), []);
    }
    const wide = await tab.page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(wide, context.viewport.width, 'nothing sticks out');
    await tab.close();
  });
}

test('one transport by keyboard over HTTPS; background time does not count', async () => {
  const context = { ignoreHTTPSErrors: true };
  const path = '/bench?transports=wt&seconds=600';
  const tab = await Tab.open(world.browser, world.server, { path, context, secure: true });
  const { page } = tab;
  await page.focus('#start');
  await page.keyboard.press('Enter');
  await says(tab, 'Measuring.');
  await tab.behind(true);
  await says(tab, 'This page is hidden');
  await tab.behind(false);
  await says(tab, 'Measuring.');
  const arrived = '[data-figure="webtransport.age_ms.p50"]:not(:text-is("–"))';
  await page.locator(arrived).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Stop');
  await page.keyboard.press('Enter');
  await says(tab, 'Measured for');
  const result = await page.evaluate(() => window.gpysBench);
  assert.deepEqual(Object.keys(result.transports), ['webtransport']);
  assert.ok(result.hidden_seconds > 0);
  assert.equal(result.transports.webtransport.from_other, null);
  assert.equal(await page.textContent('[data-figure="websocket.age_ms.p50"]'), '–');
  await tab.close();
});
