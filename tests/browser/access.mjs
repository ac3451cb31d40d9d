/** Rooms that need an access token: what a page shows with a link, a wrong one, or none. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { barriers } from './support/barriers.mjs';
import { Keys, Server } from './support/server.mjs';
import { beside, countAbsences, seen, Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

const HERE = { lat: 46.3604, lng: 14.0889 };
const held = { alpha: 0, beta: 0, gamma: 0 };
const WATCH_ONLY = 'Your invitation lets you watch, not share.';

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

const open = (name, path, options) => Tab.open(world.browser, server, { name, path, ...options });
/** A path with an invitation, as in a link. */
const link = (room, ...flags) => `/r/${room}#access=${keys.token(room, ...flags)}`;

test('one link lets the user share, another only watch, also after a reload', async () => {
  const path = link('stage');
  const sharer = await open('Sharer', path, { at: HERE, held, transport: 'wt' });
  await sharer.online(1);
  const address = await sharer.page.evaluate(() => location.href);
  assert.ok(!address.includes('access') && !address.includes('#'), address);
  const { id } = await sharer.share();

  const watching = link('stage', '--rights', 'view');
  const at = beside(HERE, 0, 30);
  const watcher = await open('Watcher', watching, { at, transport: 'ws' });
  for (const reload of [false, true]) {
    if (reload) await watcher.page.reload();
    await watcher.until('the sharer', (it) => it.connected && seen(it, id) !== undefined);
    for (const id of ['#share', '#precision', '#duration']) {
      assert.equal(await watcher.page.isVisible(id), false);
    }
    assert.equal(await watcher.page.textContent('#hint'), WATCH_ONLY);
    assert.deepEqual(await barriers(watcher.page), []);
  }
  const shown = await watcher.until('the counts', (it) => it.counts !== '');
  assert.match(shown.counts, /^1 sharing, 1 watching/);
  // A reload resumes sharing, and with the same rights others do not see it leave.
  const gone = watcher.page.evaluate(countAbsences, id);
  await sharer.page.reload();
  await sharer.until('itself live again', (it) => it.connected && it.live.startsWith('Live'));
  await watcher.page.evaluate(() => window.gpysWatched.end());
  assert.equal(await gone, 0);
  await sharer.close();
  await watcher.close();
});

test('a sharing user who opens a watch-only link stops sharing', async () => {
  const tab = await open('Demoted', link('demoted'), { at: HERE, held });
  await tab.online(1);
  await tab.share();
  const path = link('demoted', '--rights', 'view');
  await tab.page.evaluate((hash) => {
    location.hash = hash;
  }, path.slice(path.indexOf('#')));
  const shown = await tab.until('only watching', (it) => it.connected && !it.self.sharing);
  assert.equal(shown.notice, '');
  assert.equal(await tab.page.textContent('#hint'), WATCH_ONLY);
  await tab.close();
});

test('the page reports an expired invitation, and accepts a new link in the same tab', async () => {
  for (const transport of ['wt', 'ws']) {
    const tab = await open('Late', link('late', '--for', '0s'), { transport });
    const words = 'Your invitation has expired. Open a new link to come back.';
    const told = await tab.until('why', (it) => it.notice === words);
    assert.equal(told.status, words);
    assert.equal(told.connected, false);
    const path = link('late');
    await tab.page.evaluate((hash) => {
      location.hash = hash;
    }, path.slice(path.indexOf('#')));
    await tab.online(1);
    assert.equal(await tab.page.evaluate(() => location.hash), '');
    await tab.close();
  }
});

test('the page reports a missing invitation, or one for another room', async () => {
  const cases = [
    ['/r/stage', 'You need an invitation link for this room.'],
    [
      link('stage').replace('/stage', '/other'),
      'This room does not let you in (the invitation is for another room).',
    ],
    [
      '/r/stage#access=made.up.nonsense',
      'This room does not let you in (the invitation is not a JSON Web Token).',
    ],
  ];
  for (const [path, words] of cases) {
    const tab = await open('Stranger', path);
    const told = await tab.until(words, (it) => it.notice === words);
    assert.equal(told.status, words);
    assert.equal(await tab.page.isVisible('#share'), false);
    await tab.close();
  }
});
