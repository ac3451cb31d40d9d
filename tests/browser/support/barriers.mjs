/** Accessibility barriers of a page, as far as a program can find them. */
import { readFileSync } from 'node:fs';
import { fromWeb } from './browser.mjs';

const AXE = readFileSync(fromWeb.resolve('axe-core/axe.min.js'), 'utf8');

/** All serious barriers, in words. */
export async function barriers(page) {
  // Injected from outside, so that the page's policy stays as it is.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' ')}`);
  });
}
