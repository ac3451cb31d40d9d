/**
 * Measures sensor to drawn between two pages in headless Chromium, and prints one line of JSON:
 *
 *     node tests/browser/drawn.mjs --turns 100 --transport wt -- --pose-hz 60
 *
 * What follows `--` are settings of the server. All figures are ms since the orientation event:
 *
 * - `sent`: the pose goes out; `arrived`: a frame of the server comes in
 * - `frame`: the display's next frame begins; `moved`: it is drawn, and shows a part of the turn
 * - `drawn`: a frame is drawn that shows nine tenths of the turn
 *
 * `drawing` is how long drawing takes, and `browser` what the browser needs without GPyS: from the
 * same event to the end of a frame in which another page has filled a canvas. Errors go to stderr,
 * with exit code 1. Run it on an idle computer: where a processor draws for a graphics card, it
 * competes with everything else.
 */
import { parseArgs } from 'node:util';
import { launch } from './support/browser.mjs';
import { floor, Pair } from './support/drawn.mjs';
import { Server } from './support/server.mjs';

function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] * 10) / 10;
  return { p50: at(0.5), p90: at(0.9), max: at(1) };
}

async function measure({ turns, transport }, flags) {
  const server = await Server.start(...flags);
  const browser = await launch();
  try {
    const pair = await Pair.open(browser, server, { path: '/r/drawn', transport });
    const all = [];
    for (let turn = 0; turn < Number(turns); turn++) all.push(await pair.turn());
    await pair.close();
    const figures = Object.keys(all[0]).map((name) => [name, spread(all.map((it) => it[name]))]);
    const browserAlone = spread(await floor(browser, server, Number(turns)));
    return { transport, turns: all.length, ...Object.fromEntries(figures), browser: browserAlone };
  } finally {
    await browser.close();
    await server.stop();
  }
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      turns: { type: 'string', default: '100' },
      transport: { type: 'string', default: 'wt' },
    },
  });
  console.log(JSON.stringify(await measure(values, positionals)));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
