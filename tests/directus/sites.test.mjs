// A closed network in one house: Ostiary makes its own certificates and stands before Directus, which
// downloads the root, trusts it, and signs people in over it. Browser and Directus check every
// certificate; nothing is told to look away.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openBrowser, openVisit } from '../browser/browser.mjs';
import { freePort, Ostiary, pairs, run } from '../browser/ostiary.mjs';
import { consent, enrol, heading, signIn } from '../browser/steps.mjs';
import { Directus } from './directus.mjs';

const role = '7f9c3f9e-3c0e-4d8a-9d52-6a0f3b2f1c09';
const ada = { username: 'ada.okafor', password: 'a lamp in the harbour', email: 'ada@sites.example.com' };
const scopes = ['openid', 'profile', 'email', 'groups', 'offline_access'];
const MB = 1024 * 1024;

describe('Directus behind Ostiary, on certificates of the house', () => {
  let home;
  let ostiary;
  let directus;
  let browser;
  let visit;
  let atRest;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'sites-'));
    directus = await Directus.prepare(await freePort());
    ostiary = await Ostiary.start(pairs[1], { OSTIARY_HTTPS__MODE: 'internal' },
      `[[sites]]\nhost = "cms.localhost"\nupstream = "${directus.base}"\n`);
    directus.site = ostiary.accounts.replace('accounts', 'cms');
    const root = join(home, 'root.crt');
    await writeFile(root, await download(ostiary));
    await trust(root, home);
    await ostiary.addPerson({ ...ada, given: 'Ada', family: 'Okafor' });
    const client = JSON.parse(await ostiary.cli(['client', 'add', 'directus', '--name', 'My Directus',
      '--redirect-uri', `${directus.site}/auth/login/ostiary/callback`, '--policy', 'two_factor',
      ...scopes.flatMap((scope) => ['--scope', scope]), '--json']));
    await directus.start({
      NODE_EXTRA_CA_CERTS: root,
      SESSION_COOKIE_SECURE: 'true',
      REFRESH_TOKEN_COOKIE_SECURE: 'true',
      WEBSOCKETS_ENABLED: 'true',
      TUS_ENABLED: 'true',
      AUTH_PROVIDERS: 'ostiary',
      AUTH_OSTIARY_DRIVER: 'openid',
      AUTH_OSTIARY_CLIENT_ID: client.client_id,
      AUTH_OSTIARY_CLIENT_SECRET: client.client_secret,
      AUTH_OSTIARY_COOKIE_SECURE: 'true',
      AUTH_OSTIARY_ISSUER_URL: ostiary.accounts,
      AUTH_OSTIARY_SCOPE: scopes.join(' '),
      AUTH_OSTIARY_ALLOW_PUBLIC_REGISTRATION: 'true',
      AUTH_OSTIARY_REQUIRE_VERIFIED_EMAIL: 'true',
      AUTH_OSTIARY_DEFAULT_ROLE_ID: role,
    }, { Keeper: `${role}:admin` });
    browser = await openBrowser(home);
    visit = await openVisit(browser, [ostiary.accounts]);
  });

  after(async () => {
    await browser?.close();
    await directus?.stop();
    await ostiary?.stop();
    await rm(home, { recursive: true, force: true });
  });

  test('who does not trust the root gets nothing from either', async () => {
    for (const address of [ostiary.accounts, directus.site]) {
      await assert.rejects(fetch(address), (error) => error.cause?.code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', address);
    }
    const other = await mkdtemp(join(tmpdir(), 'stranger-'));
    const stranger = await openBrowser(other);
    try {
      await assert.rejects((await stranger.newPage()).goto(directus.site), /ERR_CERT_AUTHORITY_INVALID/);
    } finally {
      await stranger.close();
      await rm(other, { recursive: true, force: true });
    }
  });

  test('a person signs in with two factors, and is back in Directus', async () => {
    const { page } = visit;
    await directus.pressProvider(page, 'ostiary');
    assert.equal(new URL(page.url()).origin, ostiary.accounts);
    await signIn(page, ada);
    ada.authenticator = await enrol(page);
    assert.match(await heading(page), /My Directus/);
    await consent(page, 'allow');
    await directus.back(page);
    const me = await ask(page, '/users/me?fields=email,role.name,provider,last_access');
    assert.equal(me.status, 200, JSON.stringify(me.body));
    assert.deepEqual([me.body.data.email, me.body.data.provider, me.body.data.role.name], [ada.email, 'ostiary', 'Keeper']);
    // The app itself has loaded over the proxy, not only its data.
    await page.locator('#main-content, main').first().waitFor();
    const over = await page.evaluate(() => performance.getEntriesByType('resource').map((entry) => entry.nextHopProtocol));
    assert.ok(over.length > 10 && over.filter((protocol) => protocol === 'h2').length > 10, `over HTTP/2: ${over}`);
    const cookies = await visit.context.cookies(directus.site);
    assert.ok(cookies.length > 0 && cookies.every((cookie) => cookie.secure && cookie.domain === 'cms.localhost'));
    // Where a request comes from, as Directus was told.
    const { body } = await ask(page, '/activity?sort=-timestamp&limit=1&filter[action][_eq]=login&fields=ip,origin');
    assert.deepEqual(body.data, [{ ip: '127.0.0.1', origin: null }]);
    atRest = await resident(ostiary);
  });

  test('a file goes up and comes back, and memory stays flat', async () => {
    const { page } = visit;
    for (let round = 0; round < 3; round += 1) {
      const [sent, got] = await page.evaluate(upAndDown, 32 * MB);
      assert.equal(got, sent);
    }
    const now = await resident(ostiary);
    console.log(`resident: ${(atRest / MB).toFixed(1)} MB before, ${(now / MB).toFixed(1)} MB after 3 times 32 MB each way`);
    assert.ok(now - atRest < 16 * MB, `grown by ${now - atRest} bytes`);
  });

  test('a part of a file, what is known already, a question with a body, and much at once', async () => {
    const { page } = visit;
    const seen = await page.evaluate(async () => {
      const { data: [{ id }] } = await (await fetch('/files?limit=1&fields=id')).json();
      const part = await fetch(`/assets/${id}`, { headers: { range: 'bytes=10-19' } });
      const whole = await fetch(`/assets/${id}`, { method: 'HEAD' });
      const script = performance.getEntriesByType('resource').find(({ name }) => /\/assets\/.*\.js$/.test(name)).name;
      const etag = (await fetch(script, { cache: 'no-store' })).headers.get('etag');
      // Without a word of one's own the browser adds "no-cache", and gets all of it.
      const again = await fetch(script, { headers: { 'if-none-match': etag, 'cache-control': 'max-age=0' } });
      const found = await fetch('/users', {
        method: 'SEARCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: { fields: ['first_name'], filter: { first_name: { _eq: 'Ada' } } } }),
      });
      const many = await Promise.all(Array.from({ length: 60 }, async (_, number) => {
        const answer = await fetch(`/server/ping?${number}`, { cache: 'no-store' });
        return `${answer.status} ${await answer.text()}`;
      }));
      return {
        part: [part.status, part.headers.get('content-range'), (await part.arrayBuffer()).byteLength],
        whole: [whole.status, whole.headers.get('content-length')],
        again: again.status,
        found: await found.json(),
        many: [...new Set(many)],
      };
    });
    assert.deepEqual(seen, {
      part: [206, `bytes 10-19/${32 * MB}`, 10],
      whole: [200, String(32 * MB)],
      again: 304,
      found: { data: [{ first_name: 'Ada' }] },
      many: ['200 pong'],
    });
  });

  test('an upload goes on where it broke off', async () => {
    const { page } = visit;
    // Resumable uploads (tus.io) as the app of Directus makes them: methods, headers and a redirect of their own.
    const seen = await page.evaluate(async (length) => {
      const version = { 'tus-resumable': '1.0.0' };
      const metadata = Object.entries({ filename_download: 'tide.bin', type: 'application/octet-stream', title: 'Tide' })
        .map(([name, value]) => `${name} ${btoa(value)}`).join();
      const made = await fetch('/files/tus', {
        method: 'POST', headers: { ...version, 'upload-length': String(2 * length), 'upload-metadata': metadata },
      });
      const place = made.headers.get('location');
      const send = (offset) => fetch(place, {
        method: 'PATCH', body: new Uint8Array(length),
        headers: { ...version, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
      });
      const first = await send(0);
      const state = await fetch(place, { method: 'HEAD', headers: version });
      const last = await send(length);
      const { data } = await (await fetch('/files?filter[title][_eq]=Tide&fields=filesize')).json();
      return {
        made: made.status, origin: new URL(place, location).origin === location.origin, first: first.status,
        offset: state.headers.get('upload-offset'), last: last.status, size: data.map(({ filesize }) => Number(filesize)),
      };
    }, MB);
    assert.deepEqual(seen, {
      made: 201, origin: true, first: 204, offset: String(MB), last: 204, size: [2 * MB],
    });
  });

  test('a change is seen at once, over a WebSocket', async () => {
    const { page } = visit;
    const made = await ask(page, '/collections', {
      collection: 'notes', schema: {}, meta: {},
      fields: [
        { field: 'id', type: 'integer', schema: { is_primary_key: true, has_auto_increment: true }, meta: {} },
        { field: 'text', type: 'string', schema: {}, meta: {} },
      ],
    });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    const heard = await page.evaluate(async () => {
      const socket = new WebSocket(`wss://${location.host}/websocket`);
      const heard = [];
      const waiting = [];
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === 'ping') socket.send(JSON.stringify({ type: 'pong' }));
        else if (waiting.length > 0) waiting.shift()(message);
        else heard.push(message);
      };
      const next = () => (heard.length > 0 ? heard.shift() : new Promise((done) => { waiting.push(done); }));
      await new Promise((done, fail) => { socket.onopen = done; socket.onerror = () => fail(new Error('no WebSocket')); });
      socket.send(JSON.stringify({ type: 'subscribe', collection: 'notes', query: { fields: ['text'] } }));
      const all = [];
      while (all.at(-1)?.event !== 'init') all.push(await next());
      await fetch('/items/notes', {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text: 'the tide is in' }),
      });
      all.push(await next());
      socket.close();
      return all;
    });
    assert.deepEqual(heard.at(-1).event, 'create', JSON.stringify(heard));
    assert.deepEqual(heard.at(-1).data, [{ text: 'the tide is in' }]);
    await page.goto(`${directus.site}/admin/content/notes`);
    await page.getByText('the tide is in').first().waitFor();
  });

  test('signing out ends the session, and the page asks again', async () => {
    const { page } = visit;
    await page.goto(`${directus.site}/admin/logout`);
    await page.locator('a.sso-link').first().waitFor();
    assert.equal((await ask(page, '/users/me')).status, 401);
    assert.deepEqual(visit.troubles, []);
  });
});

/** The root as the start names it: fetched over plain HTTP, compared by its fingerprint. */
async function download({ output }) {
  const [, address] = /^ *root +(http:\S+\/root\.crt)$/m.exec(output);
  const [, fingerprint] = /^ *SHA-256 +([0-9A-F:]{95})$/m.exec(output);
  const text = await new Promise((done, fail) => {
    get(address, async (answer) => {
      let whole = '';
      for await (const piece of answer.setEncoding('utf8')) whole += piece;
      done(whole);
    }).on('error', fail);
  });
  assert.equal(new X509Certificate(text).fingerprint256, fingerprint);
  return text;
}

/** Has programs with this home folder trust a root, as browsers on Linux do. */
async function trust(root, home) {
  const store = join(home, '.pki', 'nssdb');
  await mkdir(store, { recursive: true });
  for (const args of [['-N', '--empty-password'], ['-A', '-t', 'C,,', '-n', 'Ostiary', '-i', root]]) {
    const { code, stderr } = await run('certutil', ['-d', `sql:${store}`, ...args]);
    assert.equal(code, 0, `certutil ${args[0]}: ${stderr}`);
  }
}

/** Bytes of a server that are in memory. */
async function resident({ child }) {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]) * 1024;
}

/** Asks Directus as its own app does, from a page of its own. */
const ask = (page, path, data) => page.evaluate(async ([path, data]) => {
  const answer = await fetch(path, data && {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(data),
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : undefined };
}, [path, data]);

/** In the page: sends a file of random bytes and fetches it. Gives what both come down to. */
async function upAndDown(length) {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  const digest = async (data) => new Uint8Array(await crypto.subtle.digest('SHA-256', data)).join();
  const form = new FormData();
  form.append('file', new Blob([bytes], { type: 'application/octet-stream' }), 'harbour.bin');
  const sent = await fetch('/files', { method: 'POST', body: form });
  if (!sent.ok) throw new Error(`the file was refused: ${sent.status} ${await sent.text()}`);
  const { data } = await sent.json();
  const got = await fetch(`/assets/${data.id}?download`, { cache: 'no-store' });
  if (!got.ok) throw new Error(`the file does not come: ${got.status}`);
  return [await digest(bytes), await digest(await got.arrayBuffer())];
}
