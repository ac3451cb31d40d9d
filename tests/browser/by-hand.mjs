/**
 * Without a location the page says what to do, and the user can be placed by hand, by pointer and
 * keyboard.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barriers } from './support/barriers.mjs';
import { seen, Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

/** A location request that is never answered, like an unseen prompt. */
const ignored = (context) =>
  context.addInitScript(() => {
    navigator.geolocation.watchPosition = () => 1;
  });

async function two(path, options = {}) {
  const open = (name, more) =>
    Tab.open(world.browser, world.server, { path, name, camera: [25, 10, 1.4], ...more });
  const ada = await open('Ada', options);
  const ben = await open('Ben');
  await ben.online(2);
  await ada.page.click('#share');
  return { ada, ben, id: (await ada.online(2)).id };
}

const focused = (tab) => tab.page.evaluate(() => document.activeElement?.id ?? '');

test('a refused location says what to do; a place set by hand can be undone', async () => {
  const { ada, ben, id } = await two('/r/by-hand');
  const asking = await ada.until('what to do', (it) => it.notice.startsWith('Location is blocked.'));
  assert.match(asking.notice, /allow location, then try again\. Or place yourself by hand\.$/);
  assert.equal(asking.live, 'Not on the map yet');
  const map = await ada.page.locator('#map').boundingBox();
  const tap = (x, y) => ada.page.mouse.click(map.x + x * map.width, map.y + y * map.height);
  await tap(0.3, 0.4);
  assert.equal((await ada.shown()).self.lat, undefined, 'a tap alone shows nobody');

  await ada.page.click('#by-hand');
  await ada.page.locator('#cross').waitFor();
  assert.deepEqual(await barriers(ada.page), []);
  await ada.page.click('#place-cancel');
  assert.equal((await ada.shown()).self.lat, undefined);
  await ada.page.click('#by-hand');
  await ada.page.click('#place-here');
  const placed = await ada.until('itself', (it) => it.live === 'Live, placed by hand');
  const seenAt = await ben.until('a pin there', (it) => seen(it, id)?.kind === 'pin');
  assert.ok(Math.abs(seen(seenAt, id).lat - placed.self.lat) < 0.5);
  // Aiming from afar is imprecise, as the next key chunk says.
  await ben.until('how sure it is', (it) => seen(it, id)?.accuracy_m > 10_000);
  assert.match(placed.notice, /Zoom in and press Move/);

  await tap(0.7, 0.3);
  await tap(0.7, 0.3);
  const still = await ada.shown();
  assert.deepEqual([still.self.lat, still.self.lng], [placed.self.lat, placed.self.lng]);
  await ada.page.click('#notice-action');
  await ada.until('no place', (it) => it.live === 'Not on the map yet' && it.self.lat === undefined);
  await ben.until('no pin', (it) => !seen(it, id));
  await ada.close();
  await ben.close();
});

test('the keyboard alone can place, move and lean', async () => {
  const { ada, ben, id } = await two('/r/by-keyboard');
  const { page } = ada;
  await ada.until('what to do', (it) => it.notice !== '');
  await page.focus('#by-hand');
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  const placed = await ada.until('itself', (it) => it.live === 'Live, placed by hand');
  assert.ok(placed.self.lng > 15, `the map was moved: ${placed.self.lng}`);
  assert.equal(await focused(ada), 'by-hand');
  // Off the map the arrow keys control the orientation, for lack of a sensor.
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowLeft');
  await ben.until('it lean left', (it) => {
    const figure = seen(it, id);
    return figure?.kind === 'figure' && Math.abs(figure.lean_left_right_deg + 30) < 1;
  });
  // On the map they move the map, and lean no figure.
  const at = (await ada.shown()).self.screen.x;
  await page.focus('.maplibregl-canvas');
  await page.keyboard.press('ArrowLeft');
  const moved = await ada.until('the map moved', (it) => it.self.screen.x > at + 50);
  assert.ok(Math.abs(moved.self.lean_left_right_deg + 30) < 1);
  await ada.close();
  await ben.close();
});

test('the page mentions an unanswered prompt', async () => {
  const { ada, ben } = await two('/r/ignored', { prepare: ignored });
  await ada.until('the wait', (it) => it.live === 'Looking for your position');
  const told = await ada.until('what to do', (it) => it.notice.startsWith('Your browser is asking'));
  assert.match(told.notice, /Or place yourself by hand\.$/);
  assert.ok(await ada.page.isVisible('#by-hand'));
  await ada.close();
  await ben.close();
});

test('a location allowed late needs no press', async () => {
  const { ada, ben, id } = await two('/r/allowed');
  await ada.until('the refusal', (it) => it.notice.startsWith('Location is blocked.'));
  await ada.context.setGeolocation({ latitude: 46.3642, longitude: 14.0938, accuracy: 5 });
  await ada.context.grantPermissions(['geolocation']);
  await ada.until('itself live', (it) => it.live === 'Live, ±5 m' && it.notice === '');
  await ben.until('it', (it) => seen(it, id));
  await ada.close();
  await ben.close();
});

test('the page says so when the device is only roughly located', async () => {
  const context = {
    permissions: ['geolocation'],
    geolocation: { latitude: 46.3642, longitude: 14.0938, accuracy: 35_000 },
  };
  const { ada, ben } = await two('/r/rough', { context });
  const told = await ada.until('how rough', (it) => it.live === 'Live, ±35 km');
  assert.match(told.notice, /within 35 km.*by hand/);
  await ada.page.click('#by-hand');
  await ada.page.click('#place-here');
  await ada.until('itself', (it) => it.live === 'Live, placed by hand');
  // The device keeps reporting, and moves nothing.
  await ada.context.setGeolocation({ latitude: 46.4, longitude: 14.1, accuracy: 5 });
  await ada.page.click('#notice-action');
  await ada.until('the device’s own place', (it) => it.live === 'Live, ±5 m');
  await ada.close();
  await ben.close();
});
