/**
 * Drives `/bench` in headless Chromium and prints its result, one line of JSON, on stdout:
 *
 *     node tests/browser/bench.mjs --url https://10.77.0.2:4433/bench --seconds 10 --rate 60
 *
 * It needs no network but the path to the server, whose certificate need not be trusted. Errors,
 * including a run in which both transports failed, go to stderr with exit code 1.
 */
import { parseArgs } from 'node:util';
import { launch } from './support/browser.mjs';

const WINDOWS = {
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 800 },
};
/** The page's choices; it takes its default for anything else. */
const CHOICES = {
  rate: ['10', '30', '60'],
  transports: ['both', 'wt', 'ws'],
  window: Object.keys(WINDOWS),
};
const MOST_SECONDS = 600;
/** Time limit for loading the page and joining, over a bad network. */
const PATIENCE_MS = 60_000;

async function measure({ url, seconds, rate, transports, chromium, window }) {
  const address = new URL(url);
  const settings = { seconds, rate, transports, auto: '1' };
  for (const [name, value] of Object.entries(settings)) address.searchParams.set(name, value);
  if (chromium) process.env.CHROMIUM = chromium;
  const browser = await launch();
  try {
    const viewport = WINDOWS[window];
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport });
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(String(error)));
    page.on('console', (message) => message.type() === 'error' && console.error(message.text()));
    const answer = await page.goto(address.href, { timeout: PATIENCE_MS });
    if (!answer.ok()) throw new Error(`${address.href} answers ${answer.status()}`);
    const patience = setTimeout(() => browser.close(), Number(seconds) * 1000 + PATIENCE_MS);
    const result = await page.evaluate(() => window.gpysBench);
    clearTimeout(patience);
    if (!result) throw new Error(`${address.href} is no benchmark, or was asked for what it has not`);
    return result;
  } finally {
    await browser.close();
  }
}

function options() {
  const text = (usual) => ({ type: 'string', default: usual });
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      seconds: text('10'),
      rate: text('60'),
      transports: text('both'),
      chromium: { type: 'string' },
      window: text('desktop'),
    },
  });
  if (!values.url) throw new Error('--url is missing: the address of the page, which ends in /bench');
  for (const [name, choices] of Object.entries(CHOICES)) {
    if (choices.includes(values[name])) continue;
    throw new Error(`--${name} is one of ${choices.join(', ')}, not ${values[name]}`);
  }
  if (!/^[1-9]\d*$/.test(values.seconds) || values.seconds > MOST_SECONDS) {
    throw new Error(`--seconds is a whole number from 1 to ${MOST_SECONDS}, not ${values.seconds}`);
  }
  return values;
}

try {
  const result = await measure(options());
  console.log(JSON.stringify(result));
  if (Object.values(result.transports).every((it) => it.age_ms === null)) process.exitCode = 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
