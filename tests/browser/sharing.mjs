/** Approximate and timed sharing: what others see of it, and how it ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barriers } from './support/barriers.mjs';
import { beside, listed, metresBetween, seen, Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

const HERE = { lat: 46.36425, lng: 14.0938 };
/** The middle of the venue's cell (docs/PROTOCOL.md, section 4). */
const MIDDLE = { lat: 46.3635, lng: 14.0898533 };

async function two(path, transport) {
  const open = (name, by, at) => Tab.open(world.browser, world.server, { path, name, transport: by, at });
  const ada = await open('Ada', transport, HERE);
  const ben = await open('Ben', 'ws', beside(HERE, 0, 40));
  await ben.share();
  // A kilometre does not fit in a close view.
  for (let i = 0; i < 3; i++) await ben.page.click('.maplibregl-ctrl-zoom-out');
  await ada.online(2);
  return { ada, ben, id: (await ada.shown()).id };
}

const at = (place, by) => (it, id) => {
  const figure = seen(it, id);
  return figure !== undefined && metresBetween(figure, place) < by;
};
const exactly = at(HERE, 0.3);
const about = at(MIDDLE, 1);

test('an approximate sharer is seen in the cell, not at the place', async () => {
  for (const transport of ['wt', 'ws']) {
    const { ada, ben, id } = await two(`/r/about-${transport}`, transport);
    // By keyboard, which must not lean the figure meanwhile.
    await ada.page.focus('#precision');
    await ada.page.keyboard.press('ArrowDown');
    assert.equal(await ada.page.inputValue('#precision'), 'approximate');
    const exact = ben.page.evaluate(watchFor, { id, place: HERE });
    await ada.share();
    assert.equal((await ada.shown()).live, 'Live, approximate');
    const shown = await ben.until('it about there', (it) => about(it, id));
    assert.ok(metresBetween(seen(shown, id), HERE) > 100);
    await ben.until('how sure it is', (it) => Math.round(seen(it, id).accuracy_m) === 986);
    await ben.until('that in words', (it) => listed(it, id)?.text.includes('within 986 m'));
    await ben.page.evaluate(() => window.gpysWatched.end());
    assert.equal(await exact, 0, 'it was never seen where it is');

    await ada.page.selectOption('#precision', 'exact');
    await ben.until('it there', (it) => exactly(it, id));
    await ada.page.selectOption('#precision', 'approximate');
    await ben.until('it about there again', (it) => about(it, id));
    await ada.page.click('#stop');
    await ben.until('no pin', (it) => !seen(it, id));
    await ada.close();
    await ben.close();
  }
});

/** In the page: counts how often a person is drawn at a place, until `gpysWatched.end()`. */
function watchFor({ id, place }) {
  return new Promise((done) => {
    let n = 0;
    const timer = setInterval(() => {
      const figure = window.gpys.state().figures.find((it) => it.id === id);
      if (figure && Math.abs(figure.lat - place.lat) < 1e-4 && Math.abs(figure.lng - place.lng) < 1e-4) n++;
    }, 5);
    window.gpysWatched = {
      end: () => {
        clearInterval(timer);
        done(n);
      },
    };
  });
}

test('a timed share stops by itself, and the page says so', async () => {
  const { ada, ben, id } = await two('/r/timed', 'wt');
  await ada.page.selectOption('#duration', '15');
  await ada.share();
  assert.match((await ada.shown()).live, /^Live, ±5 m\s· 15 min left$/);
  await ben.until('it', (it) => exactly(it, id));
  await later(ada, 14);
  await ada.until('the last minute', (it) => it.live.endsWith('· less than 1 min left'));
  assert.ok(seen(await ben.shown(), id));
  await later(ada, 1);
  await ada.until('the end', (it) => !it.self.sharing && it.notice.includes('is over'));
  await ben.until('no pin', (it) => !seen(it, id));
  await ben.until('it watching', (it) => listed(it, id)?.text === 'Ada: watching');
  assert.deepEqual(await barriers(ada.page), []);
  // The notice offers to share again for as long.
  await ada.page.click('#notice-action');
  await ada.until('itself live', (it) => it.live.endsWith('15 min left') && it.notice === '');
  await ben.until('it again', (it) => exactly(it, id));
  // Until the user stops: no end is shown any more.
  await ada.page.selectOption('#duration', '0');
  await ada.until('no end', (it) => it.live === 'Live, ±5 m');
  await ada.page.reload();
  await ada.online(2);
  assert.equal(await ada.page.inputValue('#duration'), '0');
  assert.equal(await ada.page.inputValue('#precision'), 'exact');
  await ada.close();
  await ben.close();
});

/** Moves the page's wall clock forward, as after a device's sleep. */
function later(tab, minutes) {
  return tab.page.evaluate((by) => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + by * 60_000;
  }, minutes);
}

test('a page follows when the server ends its sharing', async () => {
  const { ada, ben, id } = await two('/r/ended', 'ws');
  // The server gets eight seconds where the page means fifteen minutes.
  await ada.page.evaluate(() => {
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (bytes) {
      const isSharing = bytes[0] === 5 && bytes.length > 2 && bytes[2] > 0;
      return send.call(this, isSharing ? Uint8Array.of(5, bytes[1], 8) : bytes);
    };
  });
  await ada.page.selectOption('#duration', '15');
  await ada.page.click('#share');
  await ben.until('it', (it) => seen(it, id));
  await ben.until('no pin', (it) => !seen(it, id));
  await ada.until('the end', (it) => !it.self.sharing && it.notice.includes('server has ended'));
  await ada.close();
  await ben.close();
});
