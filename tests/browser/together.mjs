/** Inviting others, and what hosts may do. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { barriers } from './support/barriers.mjs';
import { Keys, Server } from './support/server.mjs';
import { beside, seen, Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

const HERE = { lat: 46.3604, lng: 14.0889 };
const held = { alpha: 0, beta: 0, gamma: 0 };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };

let keys;
let server;
before(async () => {
  keys = new Keys();
  server = await Server.start('--access-keys', keys.file);
});
after(async () => {
  await server?.stop();
  keys?.remove();
});

const enter = (name, room, right) =>
  Tab.open(world.browser, server, {
    name,
    path: `/r/${room}#access=${keys.token(room, '--rights', right)}`,
  });

test('the room is handed on as a code, copied and sent, by keyboard alone', async () => {
  const context = { ...PHONE, permissions: ['clipboard-read', 'clipboard-write'] };
  const tab = await Tab.open(world.browser, world.server, { path: '/r/garden', context });
  await tab.online(1);
  const { page } = tab;
  await page.focus('#invite-open');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#invite-code svg');
  const address = new URL('/r/garden', world.server.url).href;
  assert.equal(await page.inputValue('#invite-link'), address);
  assert.equal(await page.isVisible('#invite-note'), false, 'anybody may come');
  assert.deepEqual(await barriers(page), []);
  const box = await page.locator('#invite-code').boundingBox();
  assert.ok(box.width >= 250, 'large enough to be read from another hand');
  await page.click('#invite-copy');
  await page.waitForFunction(() => document.getElementById('invite-done').textContent !== '');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), address);
  assert.match(await page.getAttribute('#invite-new', 'href'), /^\/r\/[a-z]+-[a-z]+-\d{4}$/);
  // What is typed into the dialog moves neither the figure nor the map; Escape gives the focus back.
  await page.keyboard.press('Escape');
  assert.equal(await page.isVisible('#invite'), false);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'invite-open');
  await page.click('#invite-open');
  await page.click('#invite-new');
  await page.waitForURL(/\/r\/[a-z]+-[a-z]+-\d{4}$/);
  await tab.online(1);
  await tab.close();
});

test('an invitation never hands on the token, and says so', async () => {
  const tab = await enter('Guest', 'stage', 'share');
  await tab.online(1);
  await tab.page.click('#invite-open');
  assert.equal(await tab.page.inputValue('#invite-link'), new URL('/r/stage', server.url).href);
  assert.equal(await tab.page.isVisible('#invite-note'), true);
  await tab.close();
});

test('a host tells everybody something and ends the room; a guest is not offered it', async () => {
  const guest = await enter('Guest', 'talk', 'share');
  const host = await enter('Host', 'talk', 'host');
  await host.online(2);
  await host.page.waitForSelector('#host-open:not([hidden])');
  assert.equal(await guest.page.isVisible('#host-open'), false);
  await host.page.click('#host-open');
  assert.deepEqual(await barriers(host.page), []);
  await host.page.fill('#host-text', 'Meet at the fountain at nine');
  await host.page.keyboard.press('Enter');
  const told = (words) =>
    guest.page.waitForFunction(
      (it) => document.getElementById('announcement-text').textContent === it,
      words,
    );
  await told('Meet at the fountain at nine');
  assert.equal(await host.page.textContent('#host-done'), 'Everybody sees it.');
  await host.page.click('#host-clear');
  await told('');
  // The first press only asks.
  await host.page.fill('#host-text', 'Good night');
  await host.page.click('#host-end');
  assert.equal(await host.page.textContent('#host-end'), 'Send everybody out');
  assert.equal((await guest.shown()).connected, true);
  await host.page.click('#host-end');
  const out = await guest.until('why it is out', (it) => !it.connected && it.notice !== '');
  assert.match(out.notice, /Good night/);
  await guest.close();
  await host.close();
});

test('the big screen counts, names who comes, keeps everybody in sight, and shares nothing', async () => {
  const context = { viewport: { width: 1280, height: 720 } };
  const path = '/r/square/screen';
  const wall = await Tab.open(world.browser, world.server, { path, context, at: HERE });
  await wall.online(1);
  const { page } = wall;
  for (const id of ['header', '#dock', '#tools', '#people', 'footer']) {
    assert.equal(await page.isVisible(id), false, id);
  }
  await page.waitForSelector('#screen-code svg');
  const code = await page.locator('#screen-code').boundingBox();
  assert.ok(code.width > 200 && code.y + code.height < 720, JSON.stringify(code));
  const map = await page.locator('#map').boundingBox();
  assert.deepEqual([map.width, map.height], [1280, 720], 'the map fills the wall');
  assert.equal(await page.textContent('#screen-address'), `${new URL(world.server.url).host}/r/square`);
  const near = { path: '/r/square', at: HERE, name: 'Ada', held };
  const ada = await Tab.open(world.browser, world.server, near);
  const { id } = await ada.share();
  await wall.until('her', (it) => seen(it, id) !== undefined);
  const says = (selector, words) =>
    page.waitForFunction(([it, text]) => document.querySelector(it).textContent === text, [
      selector,
      words,
    ]);
  await says('#screen-arrivals', 'Ada');
  await says('#screen-count', '1');
  // Somebody comes a kilometre away: the camera makes room for both, on its own.
  const at = beside(HERE, 1000, 1000);
  const bo = await Tab.open(world.browser, world.server, { ...near, at, name: 'Bo' });
  const far = await bo.share();
  await wall.until('both', (it) => seen(it, id) && seen(it, far.id));
  assert.deepEqual(await barriers(page), []);
  await ada.close();
  await bo.close();
  await wall.close();
});
