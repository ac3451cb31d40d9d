/**
 * Measures how long until a page hears of a peer, in headless Chromium with a new page each time:
 *
 *     node tests/browser/fallback.mjs --url https://10.77.0.2:4433/r/fallback --times 3
 *
 * A peer must be walking in that room. Prints one line of JSON: for each time, the transport
 * that won and `first_frame_ms`, from the page's dial (by WebTransport) to the first
 * frame that shows a peer. Errors go to stderr, with exit code 1.
 */
import { parseArgs } from 'node:util';
import { launch } from './support/browser.mjs';

const PATIENCE_MS = 30_000;

/**
 * Runs in the page before anything else: records when it dials, and when the first frame arrives.
 */
function watch() {
  let dialled;
  const Original = globalThis.WebTransport;
  globalThis.WebTransport = class extends Original {
    constructor(...given) {
      dialled ??= performance.now();
      super(...given);
    }
  };
  const timer = setInterval(() => {
    const state = globalThis.gpys?.state();
    if (!state || state.figures.length + state.clusters.length === 0) return;
    clearInterval(timer);
    globalThis.firstFrame = {
      transport: state.transport,
      first_frame_ms: performance.now() - dialled,
    };
  }, 2);
}

async function measure({ url, times }) {
  const browser = await launch();
  try {
    const results = [];
    for (let time = 0; time < Number(times); time++) {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await context.newPage();
      await page.addInitScript(watch);
      await page.goto(url, { timeout: PATIENCE_MS });
      const options = { timeout: PATIENCE_MS };
      await page.waitForFunction(() => globalThis.firstFrame, undefined, options);
      results.push(await page.evaluate(() => globalThis.firstFrame));
      await context.close();
    }
    return results;
  } finally {
    await browser.close();
  }
}

try {
  const { values } = parseArgs({
    options: { url: { type: 'string' }, times: { type: 'string', default: '3' } },
  });
  if (!values.url) throw new Error('--url is missing: the address of a room');
  console.log(JSON.stringify(await measure(values)));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
