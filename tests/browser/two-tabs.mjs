/** Two peers, one by WebTransport and one by WebSocket: each sees everything of the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coloured, looksLike } from './support/pixels.mjs';
import { beside, listed, metresBetween, seen, Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

const HERE = { lat: 46.36425, lng: 14.0938 };
/** Minimum number of pixels in a figure's colour; a pin has fewer. */
const MANY = 60;
const upright = { alpha: 0, beta: 0, gamma: 0 };
const near = (value, wanted, by) => value !== null && Math.abs(value - wanted) <= by;

test('two tabs, one per transport, see everything of each other', async () => {
  const { browser, server } = world;
  const open = (name, transport, at) =>
    Tab.open(browser, server, { path: '/r/two-tabs', name, transport, at, held: upright });
  const ada = { tab: await open('Ada', 'wt', HERE), at: HERE };
  const ben = { tab: await open('Ben', 'ws', beside(HERE, 0, 40)), at: beside(HERE, 0, 40) };

  for (const { tab } of [ada, ben]) {
    await tab.online(2);
    const other = await tab.until('both watching', (it) => it.counts.startsWith('0 sharing, 2 w'));
    assert.equal(other.rows.length, 1);
    assert.match(other.rows[0].text, /^(Ada|Ben): watching$/);
    assert.deepEqual(other.figures, [], 'who only watches has no pin');
  }
  assert.equal((await ada.tab.shown()).transport, 'webtransport');
  assert.equal((await ben.tab.shown()).transport, 'websocket');
  assert.match((await ada.tab.shown()).status, /^WebTransport/);
  assert.match((await ben.tab.shown()).status, /^WebSocket/);

  for (const { tab } of [ada, ben]) await tab.share();
  for (const it of [ada, ben]) it.id = (await it.tab.shown()).id;

  const ways = [
    [ada, ben],
    [ben, ada],
  ];
  for (const [who, other] of ways) await arrives(who, other);
  for (const [who, other] of ways) {
    await moves(who, other);
    await leansAndTurns(who, other);
    await losesItsSensor(who, other);
    await hides(who, other);
    await stops(who, other);
  }
  await leaves(ada, ben);
  await ben.tab.close();
});

test('a peer that goes to another room is soon gone', async () => {
  const { browser, server } = world;
  const open = (transport) => Tab.open(browser, server, { path: '/r/leaving', transport });
  const stays = await open('wt');
  for (const transport of ['wt', 'ws']) {
    const goes = await open(transport);
    await goes.online(2);
    await stays.online(2);
    await goes.page.goto(`${server.url}/r/elsewhere`);
    // Well before silence alone would show it.
    await stays.online(1, 10_000);
    await goes.close();
  }
  await stays.close();
});

async function arrives(who, { tab }) {
  const shown = await tab.until('a figure at the right place', (it) => {
    const figure = seen(it, who.id);
    return figure?.kind === 'figure' && metresBetween(figure, who.at) < 0.2;
  });
  const figure = seen(shown, who.id);
  assert.equal(figure.name, who.tab.name);
  assert.ok(near((figure.heading + 180) % 360, 180, 1), `it faces ${figure.heading}`);
  const yellow = () => coloured(tab, figure, 'yellow');
  await looksLike('a yellow figure', yellow, (n) => n > MANY);
  await tab.until('40 m in the list', (it) =>
    /: 40 m [EW] · facing N$/.test(listed(it, who.id)?.text),
  );
}

/** Checks that people glide: in one direction, and never far in a short time. */
async function moves(who, { tab }) {
  who.at = beside(who.at, 20, 0);
  const samples = tab.page.evaluate(watchMove, { id: who.id, to: who.at.lat });
  await who.tab.move(who.at);
  const way = await samples;
  const [first, last] = [way[0], way.at(-1)];
  const whole = last.lat - first.lat;
  assert.ok(metresBetween(last, who.at) < 0.2, 'it arrives');
  const between = way.filter(({ lat }) => lat > first.lat && lat < last.lat);
  assert.ok(between.length >= 2, `it is seen on its way, ${between.length} times`);
  for (let i = 1; i < way.length; i++) {
    const step = way[i].lat - way[i - 1].lat;
    const ms = way[i].now - way[i - 1].now;
    assert.ok(step > -1e-8, 'it does not go back');
    // The whole way takes about a second; a jump would cover it between two samples.
    assert.ok(step / whole < ms / 300 + 0.05, `it goes ${step / whole} of its way in ${ms} ms`);
  }
}

/** In the page: records where a person is drawn, every few milliseconds, until they arrive. */
function watchMove({ id, to }) {
  return new Promise((done, fail) => {
    const way = [];
    const timer = setInterval(() => {
      const now = performance.now();
      const figure = window.gpys.state().figures.find((it) => it.id === id);
      if (!figure) return;
      way.push({ now, lat: figure.lat, lng: figure.lng });
      const late = now - way[0].now > 10_000;
      if (Math.abs(figure.lat - to) > 1e-6 && !late) return;
      clearInterval(timer);
      if (late) fail(new Error(`it did not arrive: ${JSON.stringify(figure)}`));
      else done(way);
    }, 5);
  });
}

async function leansAndTurns(who, { tab }) {
  await who.tab.hold({ ...upright, gamma: -30 });
  await tab.until('it lean left', (it) => {
    const figure = seen(it, who.id);
    return near(figure?.lean_left_right_deg, -30, 1) && near(figure.lean_front_back_deg, 0, 1);
  });
  await tab.until('that in words', (it) => listed(it, who.id)?.text.endsWith('leaning left'));
  await who.tab.hold({ alpha: 270, beta: 25, gamma: 0 });
  await tab.until('it turn east and lean back', (it) => {
    const figure = seen(it, who.id);
    return near(figure?.heading, 90, 1) && near(figure.lean_front_back_deg, 25, 1);
  });
  const words = 'facing E · leaning back';
  await tab.until('that in words', (it) => listed(it, who.id)?.text.endsWith(words));
}

async function losesItsSensor(who, { tab }) {
  await who.tab.letGo();
  const shown = await tab.until('a pin', (it) => seen(it, who.id)?.kind === 'pin');
  assert.equal(seen(shown, who.id).heading, null);
  const red = () => coloured(tab, seen(shown, who.id), 'red');
  await looksLike('a red pin', red, (n) => n > MANY / 2);
  await tab.until('that in words', (it) => listed(it, who.id)?.text.endsWith('heading unknown'));
  await who.tab.hold(upright);
  await tab.until('a figure again', (it) => seen(it, who.id)?.kind === 'figure');
}

async function hides(who, { tab }) {
  const figure = seen(await tab.shown(), who.id);
  const yellow = () => coloured(tab, figure, 'yellow');
  const before = await looksLike('a figure in full colour', yellow, (n) => n > MANY);
  await who.tab.behind(true);
  const shown = await tab.until('it hidden', (it) => seen(it, who.id)?.hidden);
  assert.equal(shown.title, 'GPyS (2 online)');
  await looksLike(`less yellow than ${before}`, yellow, (n) => n < before / 2);
  await tab.until('that in words', (it) => listed(it, who.id)?.kind === 'hidden');
  await tab.until('it counted', (it) => it.counts.endsWith('1 hidden'));
  await who.tab.behind(false);
  await tab.until('it back', (it) => seen(it, who.id)?.hidden === false);
}

async function stops(who, { tab }) {
  await who.tab.page.click('#stop');
  const shown = await tab.until('no pin', (it) => !seen(it, who.id));
  assert.equal(shown.title, 'GPyS (2 online)', 'still counted');
  await tab.until('it watching', (it) => listed(it, who.id)?.text === `${who.tab.name}: watching`);
  await who.tab.share();
  await tab.until('it again', (it) => seen(it, who.id));
}

async function leaves(who, { tab }) {
  await who.tab.close();
  // It might have been a reload, so 5 s pass. On a computer too busy for the closing tab to close
  // its link, silence shows it after 15 s.
  const shown = await tab.online(1, 25_000);
  assert.equal(seen(shown, who.id), undefined);
  await tab.until('an empty list', (it) => it.rows.length === 0);
}
