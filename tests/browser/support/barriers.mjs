/** What on a page somebody would stumble over, as far as a program can tell. */
import { readFileSync } from 'node:fs';
import { fromWeb } from './browser.mjs';

const AXE = readFileSync(fromWeb.resolve('axe-core/axe.min.js'), 'utf8');

/** Everything serious, in words. */
export async function barriers(page) {
  // From outside of the page, so that its policy stays as it is.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' ')}`);
  });
}
