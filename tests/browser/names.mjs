/** Names, stored or typed, and values that the server refuses. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { beside, seen, Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

const HERE = { lat: 46.36425, lng: 14.0938 };
const vectors = JSON.parse(readFileSync(new URL('../vectors/texts.json', import.meta.url)));
const cases = [
  '23 ideographs are cut to 21',
  'Hindi is cut between syllables',
  'three families are cut to two',
  'a tab between words is a space',
  'bidirectional override',
  'nothing is seen: Hangul filler',
  'right-to-left names stay',
].map((name) => vectors.find((vector) => vector.name === name));

const open = (path, options) => Tab.open(world.browser, world.server, { path, ...options });

test('an unfit stored name does not prevent joining', async () => {
  const watcher = await open('/r/names', { name: 'Watcher' });
  const one = await open('/r/names', {});
  await one.online(2);
  for (const { name, text, cleaned } of cases) {
    await one.page.evaluate((it) => localStorage.setItem('gpys.name', it), text);
    await one.page.reload();
    // A peer without a name is listed by the start of its uuid.
    const shown = (text) =>
      cleaned ? text.startsWith(`${cleaned}: `) : /^[0-9a-f]{8}: /.test(text);
    await watcher.until(`${name} by name`, ({ rows }) => rows.some((row) => shown(row.text)));
    assert.equal(await one.page.inputValue('#name'), cleaned, name);
  }
  await one.close();
  await watcher.close();
});

test('a typed name is shown to its owner as to others', async () => {
  const watcher = await open('/r/typed', { name: 'Watcher' });
  const one = await open('/r/typed', {});
  await one.online(2);
  await one.page.fill('#name', `  Ada \u202e\u200b  ${'田'.repeat(40)}`);
  await one.page.press('#name', 'Tab');
  const cleaned = `Ada ${'田'.repeat(20)}`;
  assert.equal(await one.page.inputValue('#name'), cleaned);
  await watcher.until('the new name', (it) =>
    it.rows.some((row) => row.text.startsWith(`${cleaned}: `)),
  );
  await one.page.reload();
  await one.online(2);
  assert.equal(await one.page.inputValue('#name'), cleaned);
  await one.close();
  await watcher.close();
});

test('the page reports a refused value, and keeps the link and the place', async () => {
  const watcher = await open('/r/refused', { name: 'Watcher', at: HERE });
  await watcher.share();
  const one = await open('/r/refused', {
    name: 'Odd',
    transport: 'ws',
    at: beside(HERE, 0, 20),
    prepare: (context) => context.addInitScript(corruptPoses),
  });
  await one.share();
  const { id } = await one.online(2);
  await watcher.until('it', (it) => seen(it, id));
  await one.page.evaluate(() => {
    window.corrupt = true;
  });
  await one.move(beside(HERE, 0, 30));
  const told = await one.until('what was refused', (it) => it.notice.includes('your position'));
  assert.match(told.notice, /^The server could not use your position/);
  assert.ok(told.connected && told.id === id);
  assert.ok(seen(await watcher.shown(), id), 'the place before stays');
  await one.page.evaluate(() => {
    window.corrupt = false;
  });
  await one.move(beside(HERE, 0, 60));
  await watcher.until('it at a new place', (it) => {
    const figure = seen(it, id);
    return figure && Math.abs(figure.lng - beside(HERE, 0, 60).lng) < 5e-5;
  });
  await one.until('no notice any more', (it) => it.notice === '');
  await one.close();
  await watcher.close();
});

/** In the page: gives poses an invalid accuracy while `corrupt` is set. */
function corruptPoses() {
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    const bytes = new Uint8Array(data.buffer ?? data).slice();
    if (window.corrupt && bytes[0] === 0x50) bytes[17] = 64;
    return send.call(this, bytes);
  };
}
