/** Networks that fail: the page goes on by another link, and others do not notice. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './support/browser.mjs';
import { Line } from './support/relay.mjs';
import { beside, listed, metresBetween, seen, Tab } from './support/tab.mjs';
import { behindRelay, world } from './support/world.mjs';

const HERE = { lat: 46.3604, lng: 14.0889 };
const held = { alpha: 0, beta: 0, gamma: 0 };
/** The browser reports connections that fail. */
const pardon = /Failed to establish a connection to https:|WebTransport/;

let browser;
let relay;
before(async () => {
  ({ relay, browser } = await behindRelay(world.server));
});
after(async () => {
  await browser?.close();
  await relay?.close();
});

test('a dying WebTransport session moves to WebSocket, and others see no leave', async () => {
  const open = (name, at, transport) =>
    Tab.open(browser, world.server, { path: '/r/moved', name, at, held, transport, pardon });
  const mover = await byWebTransport(() => open('Mover', HERE));
  const watcher = await open('Watcher', beside(HERE, 0, 30), 'ws');
  await mover.share();
  await watcher.share();
  const before = await mover.until('a round trip', (it) => it.status.includes('round trip'));
  assert.equal(before.transport, 'webtransport');
  assert.ok(relay.passed > 0, 'the session goes through the relay');
  const is = (it) => seen(it, before.id)?.kind === 'figure';
  await watcher.until('the mover', is);
  await mover.until('the watcher', (it) => it.figures.length === 1);
  await watcher.page.evaluate(keepLog, before.id);

  relay.block();
  const stalled = await mover.until('the silence', (it) => it.status.includes('no answer for'));
  assert.match(stalled.status, /^WebTransport: no answer for \d+ s$/);
  assert.ok(stalled.figures.every((figure) => figure.gone), 'people fade');
  const moved = await mover.until('WebSocket', (it) => it.transport === 'websocket', 30_000);
  const why = / · WebTransport got no answer from 127\.0\.0\.1:\d+: UDP is blocked on the way/;
  await mover.until('why', (it) => it.status.startsWith('WebSocket') && why.test(it.status));
  assert.deepEqual([moved.id, moved.uuid], [before.id, before.uuid], 'the same peer');
  await mover.until('people again', (it) => it.figures[0]?.gone === false);

  const further = beside(HERE, 15, 0);
  await mover.move(further);
  await watcher.until('the mover move on', (it) => {
    const figure = seen(it, before.id);
    return figure && metresBetween(figure, further) < 0.2;
  });
  const log = await watcher.page.evaluate(() => window.log);
  const same = { online: 2, title: 'GPyS (2 online)', id: before.id, uuid: before.uuid, rows: 2 };
  assert.deepEqual(log, [{ ...same, kind: 'figure', hidden: false }], 'one and the same all along');
  assert.equal(listed(await watcher.shown(), before.id).kind, 'figure');
  await mover.close();
  await watcher.close();
});

test('a page whose UDP gets no answer ends on WebSocket and says why', async () => {
  relay.block();
  const tab = await Tab.open(browser, world.server, { path: '/r/no-answer', pardon });
  const shown = await tab.online(1);
  assert.equal(shown.transport, 'websocket');
  assert.match(shown.status, /^WebSocket/);
  await tab.until('why', (it) => it.status.includes('UDP is blocked on the way'));
  await tab.close();
});

test('a page whose UDP is refused ends on WebSocket and says why', async () => {
  await relay.close();
  const tab = await Tab.open(browser, world.server, { path: '/r/refused', pardon });
  const shown = await tab.online(1);
  assert.equal(shown.transport, 'websocket');
  const why = /^WebSocket.* · WebTransport was refused at 127\.0\.0\.1:\d+: the UDP port is closed/;
  await tab.until('why', (it) => why.test(it.status));
  await tab.close();
});

test('a silent WebSocket is replaced before anybody notices', async () => {
  const { server } = world;
  const line = await Line.start(server.http);
  const behindLine = await launch({ from: server.http, to: line.port });
  const open = (from, name, at) =>
    Tab.open(from, server, { path: '/r/silent', name, at, held, transport: 'ws' });
  const mover = await open(behindLine, 'Mover', HERE);
  const watcher = await open(world.browser, 'Watcher', beside(HERE, 0, 30));
  await mover.share();
  await watcher.share();
  const { id, uuid } = await mover.until('the watcher', (it) => it.figures.length === 1);
  await watcher.until('the mover', (it) => seen(it, id)?.kind === 'figure');
  await watcher.page.evaluate(keepLog, id);
  await mover.page.evaluate(countLosses);

  line.block();
  await mover.until('four seconds of silence', (it) => /no answer for [4-7] s/.test(it.status));
  line.open();
  const back = await mover.until('people again', (it) => it.figures[0]?.gone === false);
  assert.deepEqual([back.id, back.uuid, back.transport], [id, uuid, 'websocket'], 'the same peer');
  assert.equal(await mover.page.evaluate(() => window.losses), 0, 'it did not wait for a timeout');

  const further = beside(HERE, 15, 0);
  await mover.move(further);
  await watcher.until('the mover move on', (it) => metresBetween(seen(it, id) ?? HERE, further) < 0.2);
  const log = await watcher.page.evaluate(() => window.log);
  const same = { online: 2, title: 'GPyS (2 online)', id, uuid, rows: 2 };
  assert.deepEqual(log, [{ ...same, kind: 'figure', hidden: false }], 'one and the same all along');
  await mover.close();
  await watcher.close();
  await behindLine.close();
  await line.close();
});

/**
 * A tab that was free to choose and chose WebTransport; on a busy computer WebSocket may win the
 * race.
 */
async function byWebTransport(open) {
  for (let tries = 0; tries < 10; tries++) {
    const tab = await open();
    const { transport } = await tab.until('a connection', (it) => it.connected);
    if (transport === 'webtransport') return tab;
    await tab.close();
  }
  throw new Error('WebTransport has lost ten races');
}

/** In the page: logs everything it shows of one person, each time it changes. */
function keepLog(id) {
  window.log = [];
  const look = () => {
    const { online, figures } = window.gpys.state();
    const { uuid, kind, hidden } = figures.find((it) => it.id === id) ?? {};
    const title = document.getElementById('title').textContent;
    const rows = document.querySelectorAll('#list li').length;
    const now = { online, title, id, uuid, rows, kind, hidden };
    const last = window.log.at(-1);
    if (JSON.stringify(now) !== JSON.stringify(last)) window.log.push(now);
  };
  look();
  setInterval(look, 20);
  const changes = { subtree: true, childList: true, characterData: true };
  new MutationObserver(look).observe(document.getElementById('title'), changes);
  new MutationObserver(look).observe(document.getElementById('list'), changes);
}

/** In the page: counts how often it has no link. */
function countLosses() {
  window.losses = 0;
  setInterval(() => {
    if (!window.gpys.state().connected) window.losses++;
  }, 5);
}
