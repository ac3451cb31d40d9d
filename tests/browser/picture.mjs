/** `node tests/browser/picture.mjs`: retakes the README's picture, docs/page.png. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { launch } from './support/browser.mjs';
import { Server, Swarm } from './support/server.mjs';
import { beside, seen, Tab } from './support/tab.mjs';

const PICTURE = fileURLToPath(new URL('../../docs/page.png', import.meta.url));
const STAGE = { lat: 46.3639, lng: 14.0952 };
const PEOPLE = 28;
const SIZE = { width: 1280, height: 760 };

const server = await Server.start('--venue', `${STAGE.lat},${STAGE.lng},Main stage`);
const browser = await launch();
const still = ['--rate', '0.1', '--radius', '120', '--seed', process.argv[2] ?? '1'];
const swarm = new Swarm(server, 'lobby', '--people', String(PEOPLE), ...still);
try {
  const person = async (name, north, east, held) => {
    const tab = await Tab.open(browser, server, { name, at: beside(STAGE, north, east), held });
    return { tab, id: (await tab.share()).id };
  };
  const pin = await person('Mira', 62, 18);
  const away = await person('Jan', -48, 70, { alpha: 30, beta: 8, gamma: 6 });
  await away.tab.behind(true);
  const tab = await Tab.open(browser, server, {
    at: beside(STAGE, -30, 14),
    held: { alpha: 325, beta: 12, gamma: -22 },
    context: { viewport: SIZE, colorScheme: 'light' },
  });
  await tab.share();
  await tab.online(PEOPLE + 3);
  await tab.until('a full map', (it) => {
    return it.figures.length >= PEOPLE && seen(it, pin.id) && seen(it, away.id)?.hidden;
  });
  await tab.until('a full list', (it) => it.rows.length === PEOPLE + 2);
  // A busy computer would look slow in the picture.
  const quick = /round trip (\d\.\d|\d\d) ms( · positions \d{1,2} ms old)?$/;
  await tab.until('a quick line', (it) => quick.test(it.status), 60_000);
  await writeFile(PICTURE, await tab.page.screenshot());
} finally {
  await browser.close();
  await swarm.stop();
  await server.stop();
}
