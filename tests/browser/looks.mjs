/** What it looks like: nothing blank, everybody in their colour, and no barrier for anybody. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromWeb } from './support/browser.mjs';
import { around, count, pixels } from './support/pixels.mjs';
import { Swarm } from './support/server.mjs';
import { beside, Tab } from './support/tab.mjs';
import { VENUE, world } from './support/world.mjs';

const SHOTS = fileURLToPath(new URL('shots/', import.meta.url));
const AXE = readFileSync(fromWeb.resolve('axe-core/axe.min.js'), 'utf8');
const SCHEMES = ['light', 'dark'];
const PEOPLE = 30;
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const desktop = { viewport: { width: 1400, height: 900 } };
const held = { alpha: 320, beta: 20, gamma: -12 };
const at = beside(VENUE, -25, 15);

let swarm;
before(async () => {
  await mkdir(SHOTS, { recursive: true });
  // They stand still for long, so that a picture of the page is no younger than what it tells.
  const still = ['--rate', '0.1', '--radius', '110'];
  swarm = new Swarm(world.server, 'walk', '--people', String(PEOPLE), ...still);
});
after(() => swarm?.stop());

for (const [size, context] of Object.entries({ phone, desktop })) {
  test(`30 people on a ${size}, light and dark`, async () => {
    const path = '/r/walk';
    const tab = await Tab.open(world.browser, world.server, { path, at, held, context });
    await tab.share();
    await tab.online(PEOPLE + 1);
    for (const colorScheme of SCHEMES) {
      await tab.page.emulateMedia({ colorScheme });
      await everybodyIsDrawn(tab, `${size}-${colorScheme}`);
    }
    await tab.close();
  });
}

async function everybodyIsDrawn(tab, name) {
  const map = await tab.page.locator('#map').boundingBox();
  const dock = await tab.page.locator('#dock').boundingBox();
  const bottom = Math.min(map.height, dock.y - map.y) - 40;
  // Where nothing else lies over the map.
  const isFree = ({ x, y }) => x > 40 && x < map.width - 60 && y > 40 && y < bottom;
  const free = ({ figures }) => figures.filter(({ screen }) => isFree(screen));
  const shown = await tab.until('people on the map', (it) => free(it).length >= PEOPLE / 3);
  const image = await pixels(tab);
  await writeFile(`${SHOTS}${name}.png`, image.png);
  const [r, g, b] = background(map, image);
  assert.equal(r + g + b < 384, name.endsWith('dark'), `the map is ${r}, ${g}, ${b}`);
  let yellow = 0;
  for (const { screen } of free(shown)) {
    if (count(image, 'yellow', around(map, screen)) > 25) yellow++;
  }
  const words = `${yellow} of ${free(shown).length} are drawn where the page says that they are`;
  assert.ok(yellow >= 0.9 * free(shown).length, words);
  assert.ok(count(image, 'purple') > 40, 'the venue is there');
}

/** The colour that most of the map has. */
function background(map, { width, height, channels, data }) {
  const votes = new Map();
  for (let i = 0; i < 1000; i++) {
    const x = Math.min(width - 1, Math.floor(map.x + (map.width * ((i * 7) % 1000)) / 1000));
    const y = Math.min(height - 1, Math.floor(map.y + (map.height * i) / 1000));
    const colour = [...data.subarray((y * width + x) * channels).subarray(0, 3)].join();
    votes.set(colour, (votes.get(colour) ?? 0) + 1);
  }
  const [most] = [...votes].sort((a, b) => b[1] - a[1])[0];
  return most.split(',').map(Number);
}

test('no barriers, on a phone and a desktop, light and dark', async () => {
  for (const [size, context] of Object.entries({ phone, desktop })) {
    const path = `/r/barriers-${size}`;
    const other = await Tab.open(world.browser, world.server, { path, name: 'Other', at: beside(at, 0, 30), held });
    await other.share();
    const tab = await Tab.open(world.browser, world.server, { path, at, context });
    await tab.online(2);
    for (const colorScheme of SCHEMES) {
      await tab.page.emulateMedia({ colorScheme });
      await hasNoBarrier(tab);
      await tab.share();
      const toggle = tab.page.locator('#people-toggle');
      if ((await toggle.getAttribute('aria-expanded')) === 'false') await toggle.click();
      await tab.until('somebody in the list', (it) => it.rows[0]?.kind === 'figure');
      await hasNoBarrier(tab);
      await writeFile(`${SHOTS}${size}-${colorScheme}-list.png`, await tab.page.screenshot());
      if (size === 'phone') await tab.page.click('#people-close');
      await tab.page.click('#stop');
    }
    await tab.close();
    await other.close();
  }
});

async function hasNoBarrier(tab) {
  // From outside of the page, so that its policy stays as it is.
  await tab.page.evaluate(AXE);
  const barriers = await tab.page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' ')}`);
  });
  assert.deepEqual(barriers, []);
}
