/** The real browser. */
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';

// Loads packages from the page's node_modules.
export const fromWeb = createRequire(new URL('../../../web/package.json', import.meta.url));
const { chromium } = fromWeb('playwright-core');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const ARGS = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

function inPath() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  for (const path of NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory.
    }
  }
  throw new Error(`none of ${NAMES.join(', ')} is in PATH: install one, or name it in CHROMIUM`);
}

/** Launches a browser with its own profile and one context. */
export function launchWith(profile, options) {
  const executablePath = process.env.CHROMIUM || inPath();
  return chromium.launchPersistentContext(profile, { executablePath, args: ARGS, ...options });
}

/**
 * Launches a browser. Packets and connections to port `from` of this computer go to port `to`;
 * `names` resolve to this computer.
 */
export function launch({ from, to, names = [] } = {}) {
  const rules = names.map((name) => `MAP ${name} 127.0.0.1`);
  if (from) rules.push(`MAP 127.0.0.1:${from} 127.0.0.1:${to}`);
  return chromium.launch({
    executablePath: process.env.CHROMIUM || inPath(),
    args: rules.length > 0 ? [...ARGS, `--host-resolver-rules=${rules.join(', ')}`] : ARGS,
  });
}
