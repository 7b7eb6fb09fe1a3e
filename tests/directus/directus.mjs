// A real Directus for a test: starts it by run-directus.sh, signs people in by its login page, and
// asks it as its administrator what it knows.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newDatabase, run } from '../browser/ostiary.mjs';

const script = join(dirname(fileURLToPath(import.meta.url)), 'run-directus.sh');
const json = { 'content-type': 'application/json' };

export class Directus {
  /**
   * Prepares one on `port`; nothing runs yet, but `base` is known, as redirect addresses need it. Set
   * `site` before the start when browsers come by another address.
   */
  static async prepare(port) {
    const made = new Directus();
    made.base = `http://127.0.0.1:${port}`;
    made.site = made.base;
    made.folder = await mkdtemp(join(tmpdir(), 'directus-'));
    made.database = await newDatabase('directus');
    made.env = {
      ...process.env,
      DIRECTUS_PORT: String(port),
      DIRECTUS_RUN: join(made.folder, 'run'),
      DIRECTUS_DB_URL: made.database.url,
      ADMIN_EMAIL: 'admin@example.com',
      ADMIN_PASSWORD: 'directus-admin',
    };
    return made;
  }

  /** Starts it with `settings` (AUTH_…) and makes the roles `{ name: uuid }`. */
  async start(settings, roles) {
    Object.assign(this.env, { PUBLIC_URL: this.site }, settings);
    await this.#script('start');
    await this.#script('roles', ...Object.entries(roles).map(([name, id]) => `${name}=${id}`));
  }

  async #script(...args) {
    const { code, stdout, stderr } = await run('bash', [script, ...args], { env: this.env });
    if (code !== 0) throw new Error(`run-directus.sh ${args[0]} ended with ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Ends it and removes what it left. */
  async stop() {
    await this.#script('stop');
    await this.database.remove();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** What Directus stored about the user of an e-mail address; undefined when there is none. */
  async user(email) {
    const login = await fetch(`${this.base}/auth/login`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ email: this.env.ADMIN_EMAIL, password: this.env.ADMIN_PASSWORD }),
    });
    const { data: { access_token: token } } = await login.json();
    const fields = 'id,email,first_name,last_name,provider,external_identifier,status,role.name';
    const answer = await fetch(`${this.base}/users?fields=${fields}&filter[email][_eq]=${encodeURIComponent(email)}`,
      { headers: { authorization: `Bearer ${token}` } });
    return (await answer.json()).data[0];
  }

  /** Signs in by name and password with a provider that takes them. */
  signIn(provider, identifier, password) {
    return this.#post(`/auth/login/${provider}`, { identifier, password, mode: 'json' });
  }

  /** Renews a session that was begun so. */
  renew(refreshToken) { return this.#post('/auth/refresh', { refresh_token: refreshToken, mode: 'json' }); }

  async #post(path, data) {
    const answer = await fetch(this.base + path, { method: 'POST', headers: json, body: JSON.stringify(data) });
    const text = await answer.text();
    return { status: answer.status, body: text ? JSON.parse(text) : undefined };
  }

  /** Opens the login page and presses "Log in with …" of a provider. */
  async pressProvider(page, provider) {
    // The button carries no address, only a label: Directus tells the order of the list.
    const offered = (await (await fetch(`${this.base}/auth`)).json()).data
      .filter((entry) => !['local', 'ldap'].includes(entry.driver));
    const place = offered.findIndex((entry) => entry.name === provider);
    if (place < 0) throw new Error(`Directus offers no provider "${provider}"`);
    await page.goto(`${this.site}/admin/login`, { waitUntil: 'load' });
    const button = page.locator('a.sso-link').nth(place);
    await button.waitFor({ timeout: 60_000 });
    await button.click();
  }

  /** Waits until the browser is back. */
  async back(page) {
    await page.waitForURL((to) => to.origin === this.site && to.pathname.startsWith('/admin/')
      && (to.pathname !== '/admin/login' || to.searchParams.has('reason')), { timeout: 60_000 });
    const reason = new URL(page.url()).searchParams.get('reason');
    if (reason) throw new Error(`Directus refused the sign-in: ${reason}\n${await this.#script('logs', '20')}`);
  }

  /** Waits until the browser is back, signed in, and gives the id of the user of its session. */
  async arrive(page) {
    await this.back(page);
    const { status, body } = await this.call(page, 'GET', '/users/me?fields=id');
    if (status !== 200) throw new Error(`Directus answered ${status} to its own session`);
    return body.data.id;
  }

  /** Calls Directus with the cookies of a page's browser. */
  async call(page, method, path, data) {
    const answer = await page.context().request.fetch(this.site + path, { method, data });
    const text = await answer.text();
    return { status: answer.status(), body: text ? JSON.parse(text) : undefined };
  }

  /** Renews the Directus session of a page, which makes Directus use its refresh token with us. */
  refresh(page) { return this.call(page, 'POST', '/auth/refresh', { mode: 'session' }); }
}
