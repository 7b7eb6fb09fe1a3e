// What every page must hold to, whatever it shows.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { load } from './browser.mjs';

const axe = await readFile(load.resolve('axe-core/axe.min.js'), 'utf8');

/** Nothing sticks out sideways at 320 px, the narrowest screen (WCAG 2.2, 1.4.10 Reflow). */
export async function noSidewaysScroll(page, name) {
  await page.setViewportSize({ width: 320, height: 640 });
  const [wide, room] = await page.evaluate(() => [
    document.documentElement.scrollWidth, document.documentElement.clientWidth,
  ]);
  assert.ok(wide <= room, `${name} is ${wide} px wide on a screen of ${room} px`);
}

/** axe-core finds nothing against WCAG 2.2 AA. */
export async function accessible(page, name) {
  // Evaluated by the debugger, so the page's policy need not allow it; nothing is loaded.
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    rules: { 'target-size': { enabled: true } },
    preload: false,
  }));
  assert.ok(passes.length > 5, `${name}: axe looked at the page`);
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n    ${
    nodes.map((node) => `${node.target.join(' ')} ${node.failureSummary.replace(/\s+/g, ' ')}`).join('\n    ')}`);
  assert.deepEqual(found, [], name);
}
