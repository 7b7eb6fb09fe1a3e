// Chromium for the tests, watched: whatever a page complains about fails the test that saw it.
//
//   OSTIARY_TEST_NODE_MODULES   where playwright-core and axe-core are (set by tests/run)
//   CHROMIUM                    the browser (/usr/bin/chromium)
import { createRequire } from 'node:module';
import { join } from 'node:path';
import './../services/resolve-localhost.cjs';

const modules = process.env.OSTIARY_TEST_NODE_MODULES;
if (!modules) throw new Error('OSTIARY_TEST_NODE_MODULES is not set: run this by "bash tests/run browser"');
/** Loads a package from the tests' cache, which lies outside the project. */
export const load = createRequire(join(modules, 'from-here.js'));
const { chromium } = load('playwright-core');

/**
 * Starts Chromium with a fresh profile and nothing that calls home. In a folder `home` it looks for
 * authorities that its user trusts, in `.pki/nssdb`.
 */
export function openBrowser(home) {
  return chromium.launch({
    env: home ? { ...process.env, HOME: home } : process.env,
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/**
 * A person's own browser: no cookies but their own. `options` are Playwright's for a context.
 * `troubles` collects what went wrong on any page of `origins` (console errors, script errors, broken
 * policies, missing resources, a page without a strict policy).
 */
export async function openVisit(browser, origins, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  context.setDefaultTimeout(15_000);
  const troubles = [];
  const ours = (url) => origins.some((origin) => url.startsWith(`${origin}/`));
  context.on('console', (message) => {
    // What a page itself answers is judged by the tests; "response" below looks at its parts.
    if (message.type() !== 'error' || message.text().startsWith('Failed to load resource')) return;
    if (ours(message.page()?.url() ?? '')) troubles.push(`console: ${message.text()} (${message.page().url()})`);
  });
  context.on('weberror', (error) => {
    if (ours(error.page()?.url() ?? '')) troubles.push(`script: ${error.error()}`);
  });
  context.on('response', (response) => {
    const url = response.url();
    if (!ours(url)) return;
    const isPage = response.request().resourceType() === 'document';
    if (!isPage && response.status() >= 400) troubles.push(`resource: ${response.status()} ${url}`);
    const headers = response.headers();
    if (isPage && /^text\/html/.test(headers['content-type'] ?? '')) {
      const policy = headers['content-security-policy'] ?? '';
      if (!/default-src 'none'/.test(policy) || /unsafe/.test(policy)) {
        troubles.push(`policy: "${policy}" on ${url}`);
      }
    }
  });
  const page = await context.newPage();
  return { context, page, troubles, close: () => context.close() };
}
