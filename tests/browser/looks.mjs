/** Looks and accessibility: nothing blank, all people in their colour, no barriers. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { barriers } from './support/barriers.mjs';
import { around, count, looksLike, pixels } from './support/pixels.mjs';
import { Swarm } from './support/server.mjs';
import { beside, Tab } from './support/tab.mjs';
import { VENUE, world } from './support/world.mjs';

const SHOTS = fileURLToPath(new URL('shots/', import.meta.url));
const SCHEMES = ['light', 'dark'];
const PEOPLE = 30;
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const desktop = { viewport: { width: 1400, height: 900 } };
const held = { alpha: 320, beta: 20, gamma: -12 };
const at = beside(VENUE, -25, 15);

let swarm;
before(async () => {
  await mkdir(SHOTS, { recursive: true });
  // They stand still for long, so that a screenshot is no newer than the page's state.
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
  const image = await nobodyIsMissing(tab, map, '#dock', name, PEOPLE / 3);
  assert.ok(count(image, 'purple') > 40, 'the venue is there');
  const colour = async () => background(map, await pixels(tab));
  const isDark = name.endsWith('dark');
  await looksLike(name, colour, ([r, g, b]) => r + g + b < 384 === isDark);
  const toggle = tab.page.locator('#people-toggle');
  if ((await toggle.getAttribute('aria-expanded')) === 'true') return;
  await toggle.click();
  await tab.until('the list', (it) => it.rows.length >= PEOPLE);
  await nobodyIsMissing(tab, map, '#people', `${name}-list`, 3);
  await tab.page.click('#people-close');
}

/**
 * Takes a screenshot, and checks that people above the covers of the map's lower part are drawn.
 */
async function nobodyIsMissing(tab, map, cover, name, least) {
  const { y: top } = await tab.page.locator(cover).boundingBox();
  const bottom = Math.min(map.height, top - map.y) - 40;
  const isFree = ({ x, y }) => x > 40 && x < map.width - 60 && y > 40 && y < bottom;
  const free = ({ figures }) => figures.filter(({ screen }) => isFree(screen));
  await tab.until('people on the map', (it) => free(it).length >= least);
  let image;
  const missing = async () => {
    image = await pixels(tab);
    const { figures } = await tab.shown();
    const places = figures.filter(({ screen }) => isFree(screen)).map(({ screen }) => screen);
    return places.filter((place) => count(image, 'yellow', around(map, place)) <= 25).length;
  };
  await looksLike(`${name}: everybody`, missing, (n) => n === 0);
  await writeFile(`${SHOTS}${name}.png`, image.png);
  return image;
}

/** The most common colour of the map. */
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

test('accessibility on a phone and a desktop, light and dark', async () => {
  for (const [size, context] of Object.entries({ phone, desktop })) {
    const path = `/r/barriers-${size}`;
    const other = await Tab.open(world.browser, world.server, { path, name: 'Other', at: beside(at, 0, 30), held });
    await other.share();
    const tab = await Tab.open(world.browser, world.server, { path, at, context });
    await tab.online(2);
    for (const colorScheme of SCHEMES) {
      await tab.page.emulateMedia({ colorScheme });
      assert.deepEqual(await barriers(tab.page), []);
      await tab.share();
      const toggle = tab.page.locator('#people-toggle');
      if ((await toggle.getAttribute('aria-expanded')) === 'false') await toggle.click();
      await tab.until('somebody in the list', (it) => it.rows[0]?.kind === 'figure');
      assert.deepEqual(await barriers(tab.page), []);
      if (size === 'phone') await tab.page.click('#people-close');
      await tab.page.click('#stop');
    }
    await tab.close();
    await other.close();
  }
});
