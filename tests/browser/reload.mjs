/** Sharing across reloads, navigating back and duplicated tabs, and without storage. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { launchWith } from './support/browser.mjs';
import { beside, countAbsences, seen, Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

const HERE = { lat: 46.36425, lng: 14.0938 };
const held = { alpha: 300, beta: 20, gamma: 10 };

async function two(path, transport, options) {
  const open = (name, by, at, more) =>
    Tab.open(world.browser, world.server, { path, name, transport: by, at, ...more });
  const ada = await open('Ada', transport, HERE, { held, ...options });
  const ben = await open('Ben', 'ws', beside(HERE, 0, 40));
  await ben.share();
  await ada.online(2);
  return { ada, ben, id: (await ada.shown()).id };
}

const watchFor = (tab, id) => {
  const absences = tab.page.evaluate(countAbsences, id);
  return async () => {
    await tab.page.evaluate(() => window.gpysWatched.end());
    return absences;
  };
};
const isLive = (it) => it.connected && it.live.startsWith('Live') && it.self.kind === 'figure';

test('sharing survives a reload and navigating back, and others see no leave', async () => {
  for (const transport of ['wt', 'ws']) {
    const { ada, ben, id } = await two(`/r/reload-${transport}`, transport);
    await ada.page.selectOption('#duration', '15');
    await ada.share();
    await ben.until('it', (it) => seen(it, id)?.kind === 'figure');
    const end = watchFor(ben, id);
    await ada.page.reload();
    const back = await ada.until('itself live again', isLive);
    assert.equal(back.id, id);
    assert.match(back.live, /· 15 min left$/);
    assert.equal(await ada.page.inputValue('#name'), 'Ada');
    await ada.page.goto(`${world.server.url}/healthz`);
    await ada.page.goBack();
    assert.equal((await ada.until('itself live again', isLive)).id, id);
    assert.equal(await end(), 0, 'it was there all the time');
    assert.ok((await ben.shown()).rows.some((row) => row.id === id));

    await ada.page.click('#stop');
    await ben.until('no pin', (it) => !seen(it, id));
    await ada.page.reload();
    const stopped = await ada.online(2);
    assert.equal(stopped.self.sharing, false, 'who stopped does not begin again');
    await ada.close();
    await ben.close();
  }
});

test('a timed share that ended stays ended after a reload', async () => {
  const { ada, ben, id } = await two('/r/over', 'wt');
  await ada.page.selectOption('#duration', '15');
  await ada.share();
  await ada.page.goto(`${world.server.url}/healthz`);
  await ada.page.evaluate(() => {
    const live = JSON.parse(sessionStorage.getItem('gpys.live'));
    sessionStorage.setItem('gpys.live', JSON.stringify({ ...live, ends: Date.now() - 1 }));
  });
  await ada.page.goBack();
  const over = await ada.until('the end', (it) => it.connected && it.notice.includes('is over'));
  assert.equal(over.self.sharing, false);
  await ben.until('no pin', (it) => !seen(it, id));
  await ada.close();
  await ben.close();
});

test('a duplicated tab is another peer, and shares nothing by itself', async () => {
  const { ada, ben, id } = await two('/r/twins', 'wt');
  await ada.share();
  const kept = await ada.page.evaluate(() => ({ ...sessionStorage }));
  const twin = await ada.context.newPage();
  // Like browsers: the new tab starts with a copy, and arrives as if by navigating back.
  await twin.addInitScript((copy) => {
    if (sessionStorage.getItem('copied')) return;
    for (const [key, value] of Object.entries({ ...copy, copied: '1' })) sessionStorage.setItem(key, value);
  }, kept);
  await twin.goto(ada.page.url());
  await ben.online(3);
  const other = await twin.evaluate(() => window.gpys.state());
  assert.notEqual(other.id, id);
  assert.equal(other.self.sharing, false);
  const first = await ada.shown();
  assert.deepEqual([first.id, first.connected], [id, true]);
  await ada.close();
  await ben.close();
});

test('the page works with blocked site data, and with full storage', async () => {
  const profile = mkdtempSync(join(tmpdir(), 'gpys-profile-'));
  mkdirSync(join(profile, 'Default'));
  const blocked = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(join(profile, 'Default', 'Preferences'), JSON.stringify(blocked));
  const context = await launchWith(profile, {
    permissions: ['geolocation'],
    geolocation: { latitude: HERE.lat, longitude: HERE.lng, accuracy: 5 },
  });
  try {
    const page = await context.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(`${world.server.url}/r/blocked`);
    assert.equal(
      await page.evaluate(() => {
        try {
          return localStorage.length;
        } catch {
          return 'blocked';
        }
      }),
      'blocked',
    );
    await page.fill('#name', 'Cy');
    await page.click('#share');
    await page.waitForFunction(() => document.getElementById('live-words').textContent === 'Live, ±5 m');
    await page.waitForFunction(() => document.title === 'GPyS (1 online)');
    assert.deepEqual(errors, []);
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
  const full = (it) =>
    it.addInitScript(() => {
      Storage.prototype.setItem = () => {
        throw new DOMException('It is full.', 'QuotaExceededError');
      };
    });
  const { ada, ben, id } = await two('/r/full', 'ws', { prepare: full, name: '' });
  await ada.page.fill('#name', 'Di');
  await ada.share();
  await ben.until('it by its name', (it) => it.connected && seen(it, id)?.name === 'Di');
  await ada.close();
  await ben.close();
});

test('a name can be seen and changed while sharing', async () => {
  const { ada, ben, id } = await two('/r/names', 'wt');
  await ada.share();
  assert.equal(await ada.page.inputValue('#name'), 'Ada');
  await ada.page.fill('#name', 'Ada Lovelace');
  await ada.page.keyboard.press('Enter');
  await ben.until('the new name', (it) => seen(it, id)?.name === 'Ada Lovelace');
  const shown = await ada.until('itself live', isLive);
  assert.equal(shown.id, id);
  await ada.close();
  await ben.close();
});
