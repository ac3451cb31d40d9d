/** Sensors that lie, fall silent or are taken away: the page shows only what is known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pair } from './support/drawn.mjs';
import { beside, listed, seen, Tab } from './support/tab.mjs';
import { world } from './support/world.mjs';

const HERE = { lat: 46.36425, lng: 14.0938 };
const near = (value, wanted, by) =>
  value !== null && value !== undefined && Math.abs(((value - wanted + 540) % 360) - 180) <= by;

async function two(path, options = {}) {
  const open = (name, at, more) => Tab.open(world.browser, world.server, { path, name, at, ...more });
  const ada = await open('Ada', HERE, options);
  const ben = await open('Ben', beside(HERE, 0, 40));
  await ben.share();
  await ada.share();
  return { ada, ben, id: (await ada.shown()).id };
}

/** In the page: dispatches what a phone's browser would. */
const tell = (tab, kind, angles) =>
  tab.page.evaluate(
    ([type, it]) => {
      const event = new DeviceOrientationEvent(type, it);
      for (const key of ['webkitCompassHeading', 'webkitCompassAccuracy']) {
        if (key in it) Object.defineProperty(event, key, { value: it[key] });
      }
      window.dispatchEvent(event);
    },
    [kind, angles],
  );

test('a phone without a compass shows no heading', async () => {
  const { ada, ben, id } = await two('/r/no-compass', { held: { alpha: 200, north: false } });
  await ben.until('a pin', (it) => listed(it, id)?.text.endsWith('· heading unknown'));
  assert.equal(seen(await ben.shown(), id).heading, null);
  await ada.page.waitForFunction(() =>
    document.getElementById('hint').textContent.includes('does not know where north is'),
  );
  await ada.close();
  await ben.close();
});

test('an uncalibrated compass is ignored, and its last reading kept', async () => {
  const { ada, ben, id } = await two('/r/compass');
  const relative = (alpha, heading, accuracy = 10) => {
    const compass = { webkitCompassHeading: heading, webkitCompassAccuracy: accuracy };
    return tell(ada, 'deviceorientation', { alpha, beta: 10, gamma: 0, ...compass });
  };
  await relative(100, 90);
  await ben.until('it face east', (it) => near(seen(it, id)?.heading, 90, 1));
  // It turns 30 degrees to the left, which the compass does not notice.
  await relative(130, -1, -1);
  await ben.until('it turned', (it) => near(seen(it, id)?.heading, 60, 1));
  await tell(ada, 'deviceorientation', { alpha: null, beta: null, gamma: null });
  await ben.until('a pin', (it) => seen(it, id)?.kind === 'pin');
  await ada.close();
  await ben.close();
});

test('in landscape the axes are the screen’s, also after a later rotation', async () => {
  // Its top to the west, like a phone held across by a user who looks north.
  const { ada, ben, id } = await two('/r/landscape', { held: { alpha: 90, beta: 0, gamma: -30 } });
  await ben.until('it face west', (it) => near(seen(it, id)?.heading, 270, 2));
  const cdp = await ada.context.newCDPSession(ada.page);
  await cdp.send('Emulation.setDeviceMetricsOverride', {
    width: 844,
    height: 390,
    deviceScaleFactor: 1,
    mobile: true,
    screenOrientation: { type: 'landscapePrimary', angle: 90 },
  });
  await ben.until('it face north and lean back', (it) => {
    const figure = seen(it, id);
    return near(figure?.heading, 0, 2) && Math.abs(figure.lean_front_back_deg - 30) < 2;
  });
  await ada.close();
  await ben.close();
});

test('the page reports a revoked permission, and recovers when it is granted again', async () => {
  const { ada, ben } = await two('/r/revoked');
  await ada.context.clearPermissions();
  const told = await ada.until('that it ended', (it) => it.live.startsWith('Last position'));
  assert.match(told.notice, /^Location was turned off\. Others see your last position/);
  await ada.context.grantPermissions(['geolocation']);
  await ada.until('itself live', (it) => it.live === 'Live, ±5 m' && it.notice === '');
  await ada.close();
  await ben.close();
});

test('a device that stops reporting is shown with the age of its last position', async () => {
  const once = (context) =>
    context.addInitScript(() => {
      const coords = { latitude: 46.36425, longitude: 14.0938, accuracy: 5 };
      navigator.geolocation.watchPosition = (fix, fail) => {
        if (!window.toldOnce) setTimeout(() => fix({ coords, timestamp: Date.now() }));
        window.toldOnce = true;
        return setInterval(() => fail({ code: 3, PERMISSION_DENIED: 1, message: 'Timeout' }), 3000);
      };
    });
  const { ada, ben, id } = await two('/r/silent', { prepare: once });
  const own = await ada.until('its age', (it) => /^Last position \d0 s ago/.test(it.live));
  assert.match(own.notice, /has stopped reporting its position/);
  await ben.until('it to others', (it) => /· \d0 s ago$/.test(listed(it, id)?.text));
  await ada.close();
  await ben.close();
});

test('an invalid position is never shown', async () => {
  const odd = (context) =>
    context.addInitScript(() => {
      const places = [
        [null, null],
        [Number.NaN, 14],
        [46, undefined],
        [91, 14],
        [46, 1e9],
      ];
      navigator.geolocation.watchPosition = (fix) => {
        for (const [latitude, longitude] of places) {
          fix({ coords: { latitude, longitude, accuracy: 5 }, timestamp: Date.now() });
        }
        window.tellGood = () => {
          const coords = { latitude: 46.36425, longitude: 14.0938, accuracy: null };
          fix({ coords, timestamp: Date.now() + 3_600_000 });
        };
        return 1;
      };
    });
  const tab = await Tab.open(world.browser, world.server, { path: '/r/odd', at: HERE, prepare: odd });
  await tab.online(1);
  await tab.page.click('#share');
  const none = await tab.until('no place', (it) => it.notice.startsWith('This device cannot find'));
  assert.equal(none.self.lat, undefined);
  await tab.page.evaluate(() => window.tellGood());
  await tab.until('a place without a made-up accuracy', (it) => it.live === 'Live');
  await tab.close();
});

for (const transport of ['wt', 'ws']) {
  test(`each turn of a device is drawn by another page, over ${transport}`, async () => {
    const path = `/r/drawn-${transport}`;
    const pair = await Pair.open(world.browser, world.server, { path, transport });
    for (let turn = 0; turn < 4; turn++) {
      const { sent, arrived, frame, moved, drawn } = await pair.turn();
      const order = [0, sent, arrived, frame, moved, drawn];
      assert.deepEqual(order, [...order].sort((a, b) => a - b));
    }
    await pair.close();
  });
}
