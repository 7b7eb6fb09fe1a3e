// What a person does on Ostiary's pages, one function a page.
import assert from 'node:assert/strict';
import { Authenticator } from './ostiary.mjs';

/** Clicks what leads to another page and waits until that page is there. */
export async function follow(page, what) {
  const target = typeof what === 'string' ? page.locator(what) : what;
  await Promise.all([page.waitForEvent('domcontentloaded'), target.click()]);
}

/** Fills fields by their `name`; one that the page does not have is an error. */
export async function fill(page, fields) {
  for (const [name, value] of Object.entries(fields)) {
    await page.locator(`main [name="${name}"]`).fill(value);
  }
}

/** The one heading of a page. */
export const heading = (page) => page.locator('h1').innerText();

/** Everything a page says, without what somebody typed into it. */
export const words = async (page) => (await page.locator('main').innerText()).replace(/\s+/g, ' ').trim();

/** Types name and password. */
export async function signIn(page, { username, password }) {
  await fill(page, { username, password });
  await follow(page, 'main form button.button-main');
}

/** Reads the secret as text, as somebody without a camera does, and confirms with a code. */
export async function enrol(page) {
  assert.match(page.url(), /\/sign-in\/authenticator/);
  const secret = (await page.locator('#secret').innerText()).replace(/\s/g, '');
  assert.match(secret, /^[A-Z2-7]{32,}$/, 'the secret is base32 of at least 160 bits');
  const authenticator = new Authenticator(secret);
  await fill(page, { code: await authenticator.code() });
  await follow(page, 'main form button.button-main');
  return authenticator;
}

/** Types the code of the second step. */
export async function enterCode(page, authenticator) {
  assert.match(page.url(), /\/sign-in\/code/);
  await fill(page, { code: await authenticator.code() });
  await follow(page, 'main form button.button-main');
}

/** Answers the consent page: `allow` or `deny`. */
export async function consent(page, answer) {
  await follow(page, `main form button[name="answer"][value="${answer}"]`);
}

/** The whole way in for somebody who has an authenticator; without one it is set up on the way. */
export async function signInFully(page, person) {
  await signIn(page, person);
  if (/\/sign-in\/authenticator/.test(page.url())) person.authenticator = await enrol(page);
  else if (/\/sign-in\/code/.test(page.url())) await enterCode(page, person.authenticator);
}
