// The main job, end to end: a person signs in to a real Directus with two factors, gets the role of
// their group, and is out everywhere the moment they are disabled.
//
// One Directus on PostgreSQL knows two Ostiary servers as two providers each, by OpenID Connect and by
// LDAP, one on each pair of database and cache. Run by `bash tests/run directus`, which sets what is needed.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBrowser, openVisit } from '../browser/browser.mjs';
import { Ostiary, pairs, run } from '../browser/ostiary.mjs';
import { consent, enrol, heading, signIn, signInFully, words } from '../browser/steps.mjs';
import { Directus } from './directus.mjs';
import { appPassword, ldapPeople, ldapSettings, ldapTests } from './ldap.mjs';

const roles = {
  Editor: '7f9c3f9e-3c0e-4d8a-9d52-6a0f3b2f1c01',
  Reviewer: '7f9c3f9e-3c0e-4d8a-9d52-6a0f3b2f1c02',
  Guest: '7f9c3f9e-3c0e-4d8a-9d52-6a0f3b2f1c03',
};
const groupRoles = { editors: roles.Editor, reviewers: roles.Reviewer };
const scopes = ['openid', 'profile', 'email', 'groups', 'offline_access'];
const callback = 'http://127.0.0.1:9/callback';

const provider = (pair) => (pair.embedded ? 'embedded' : 'ostiary');
const ldapProvider = (pair) => `${provider(pair)}ldap`;
// Directus knows people by the name of their entry and their e-mail address, whatever the provider, and
// wants a top-level domain that really exists.
const ldapPerson = (pair) => ({
  username: `bea.${provider(pair)}`, password: 'a rope for the ladder', email: `bea@${provider(pair)}.example.com`,
});
const doors = new Map();
let browser;
let directus;

/** What Directus has to be told about one Ostiary. */
async function providerSettings(name, ostiary) {
  const client = JSON.parse(await ostiary.cli(['client', 'add', 'directus', '--name', 'My Directus',
    '--redirect-uri', `${directus.base}/auth/login/${name}/callback`, '--policy', 'two_factor',
    ...scopes.flatMap((scope) => ['--scope', scope]), '--json']));
  const values = {
    DRIVER: 'openid',
    CLIENT_ID: client.client_id,
    CLIENT_SECRET: client.client_secret,
    ISSUER_URL: ostiary.accounts,
    SCOPE: scopes.join(' '),
    ALLOW_PUBLIC_REGISTRATION: 'true',
    REQUIRE_VERIFIED_EMAIL: 'true',
    DEFAULT_ROLE_ID: roles.Guest,
    ROLE_MAPPING: `json:${JSON.stringify(groupRoles)}`,
  };
  return Object.fromEntries(Object.entries(values)
    .map(([key, value]) => [`AUTH_${name.toUpperCase()}_${key}`, value]));
}

before(async () => {
  browser = await openBrowser();
  const port = await new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address();
      probe.close(() => done(free));
    });
  });
  directus = await Directus.prepare(port);
  const settings = { AUTH_PROVIDERS: pairs.flatMap((pair) => [provider(pair), ldapProvider(pair)]).join(',') };
  for (const pair of pairs) {
    const ostiary = await Ostiary.start(pair);
    doors.set(pair, ostiary);
    Object.assign(settings, await providerSettings(provider(pair), ostiary));
    // Directus looks at the account that it binds with as it starts.
    await ldapPeople(ostiary, ldapPerson(pair));
    Object.assign(settings, ldapSettings(ldapProvider(pair), ostiary, roles.Guest));
  }
  await directus.start(settings, roles);
});

after(async () => {
  await browser?.close();
  await directus?.stop();
  for (const ostiary of doors.values()) await ostiary.stop();
});

for (const pair of pairs) {
  describe(`Directus, with Ostiary on ${pair.name}`, () => {
    const name = provider(pair);
    const ada = { username: 'ada.okafor', password: 'a lamp in the harbour', email: `ada@${name}.example.com` };
    let ostiary;
    let first;
    let second;

    before(async () => {
      ostiary = doors.get(pair);
      for (const group of ['editors', 'reviewers']) await ostiary.cli(['group', 'add', group]);
      await ostiary.addPerson({ ...ada, given: 'Ada', family: 'Okafor', groups: ['editors'] });
      await ostiary.cli(['client', 'add', 'probe', '--name', 'Probe', '--public', '--redirect-uri', callback,
        '--policy', 'one_factor', ...scopes.flatMap((scope) => ['--scope', scope]), '--remember', 'never']);
    });

    after(async () => {
      await first?.close();
      await second?.close();
    });

    test('the first sign-in asks for password, authenticator and consent, and makes the user', async () => {
      first = await openVisit(browser, [ostiary.accounts]);
      const { page } = first;
      await directus.pressProvider(page, name);
      await page.waitForURL(/\/sign-in\?/);
      assert.match(await words(page), /My Directus/, 'the page says who asks');
      await signIn(page, ada);
      assert.match(page.url(), /\/sign-in\/authenticator/);
      ada.authenticator = await enrol(page);
      assert.match(page.url(), /\/consent/);
      assert.match(await heading(page), /My Directus/);
      await consent(page, 'allow');
      const id = await directus.arrive(page);

      const user = await directus.user(ada.email);
      assert.equal(user.id, id);
      assert.equal(user.first_name, 'Ada');
      assert.equal(user.last_name, 'Okafor');
      assert.equal(user.provider, name);
      assert.equal(user.status, 'active');
      assert.match(user.external_identifier, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'the subject is a UUID');
      assert.equal(user.role.name, 'Editor', 'the group became the role');
      assert.deepEqual(first.troubles, []);
    });

    test('the second sign-in needs no form at all', async () => {
      const { page, context } = first;
      // A new Directus session; the one with Ostiary stays.
      await context.clearCookies({ domain: '127.0.0.1' });
      const forms = [];
      page.on('request', (request) => {
        if (request.method() === 'POST' && request.url().startsWith(ostiary.accounts)) forms.push(request.url());
      });
      const shown = [];
      page.on('framenavigated', (frame) => { shown.push(new URL(frame.url()).pathname); });
      await directus.pressProvider(page, name);
      const id = await directus.arrive(page);
      assert.equal(id, (await directus.user(ada.email)).id);
      assert.deepEqual(forms, []);
      assert.deepEqual(shown.filter((path) => /sign-in|consent/.test(path)), []);
      assert.deepEqual(first.troubles, []);
    });

    test('a change of groups is the new role at the next sign-in', async () => {
      await ostiary.cli(['group', 'remove-member', 'editors', ada.username]);
      await ostiary.cli(['group', 'add-member', 'reviewers', ada.username]);
      second = await openVisit(browser, [ostiary.accounts]);
      await directus.pressProvider(second.page, name);
      await second.page.waitForURL(/\/sign-in\?/);
      await signInFully(second.page, ada);
      // The answer to the consent page was remembered for the person, not for the browser.
      await directus.arrive(second.page);
      assert.equal((await directus.user(ada.email)).role.name, 'Reviewer');

      await ostiary.cli(['group', 'remove-member', 'reviewers', ada.username]);
      await first.context.clearCookies({ domain: '127.0.0.1' });
      await directus.pressProvider(first.page, name);
      await directus.arrive(first.page);
      assert.equal((await directus.user(ada.email)).role.name, 'Guest', 'no group, so the default role');
      assert.deepEqual([...first.troubles, ...second.troubles], []);
    });

    test('two browsers that share one refresh token survive renewing at the same moment', async () => {
      for (let round = 0; round < 5; round += 1) {
        const answers = await Promise.all([directus.refresh(first.page), directus.refresh(second.page)]);
        assert.deepEqual(answers.map((answer) => answer.status), [200, 200], JSON.stringify(answers));
      }
      for (const { page } of [first, second]) {
        assert.equal((await directus.call(page, 'GET', '/users/me?fields=id')).status, 200);
      }
    });

    ldapTests(ldapProvider(pair), ldapPerson(pair), () => ({ directus, ostiary }));

    test('disabling the person ends everything at once', async () => {
      const { page } = first;
      // With an authenticator a password alone opens nothing over LDAP.
      const secret = await appPassword(page, ostiary, 'Directus');
      const whoami = () => run('ldapwhoami',
        ['-x', '-H', ostiary.ldap, '-D', ostiary.dn(ada.username), '-w', secret]);
      const own = await run('ldapwhoami',
        ['-x', '-H', ostiary.ldap, '-D', ostiary.dn(ada.username), '-w', ada.password]);
      assert.equal(own.code, 49, own.stderr);
      const bound = await whoami();
      assert.equal(bound.code, 0, bound.stderr);

      const tokens = await exchange(ostiary, await authorize(page, ostiary));
      assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
      const unused = await authorize(page, ostiary);
      await page.goto(`${ostiary.accounts}/account`);
      assert.equal(new URL(page.url()).pathname, '/account');
      assert.equal((await directus.refresh(page)).status, 200);

      await ostiary.cli(['user', 'disable', ada.username]);

      // Whatever asks for a token or shows a password is held against the database, at once.
      assert.equal((await directus.refresh(page)).status, 403, 'no Directus session is renewed');
      const code = await exchange(ostiary, unused);
      assert.deepEqual([code.status, code.body.error], [400, 'invalid_grant'], 'no token for a code');
      const refresh = await token(ostiary, { grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token });
      assert.deepEqual([refresh.status, refresh.body.error], [400, 'invalid_grant'], 'no token for a token');
      assert.equal((await whoami()).code, 49, 'no bind: invalidCredentials');
      const search = await run('ldapsearch', ['-x', '-H', ostiary.ldap, '-D', ostiary.dn(ada.username),
        '-w', secret, '-b', ostiary.baseDn]);
      assert.equal(search.code, 49);
      // Pages are answered from memory, which follows other processes, as the command line is one:
      // PostgreSQL tells it, SQLite is looked at four times a second.
      await within(1000, async () => {
        await page.goto(`${ostiary.accounts}/account`);
        return new URL(page.url()).pathname === '/sign-in';
      }, 'no page');
      const userinfo = await fetch(`${ostiary.accounts}/api/oidc/userinfo`,
        { headers: { authorization: `Bearer ${tokens.body.access_token}` } });
      assert.equal(userinfo.status, 401, 'no claims for a token');

      await directus.pressProvider(page, name);
      await page.waitForURL(/\/sign-in\?/);
      await signIn(page, ada);
      assert.match(page.url(), /\/sign-in(\?|$)/, 'the password opens nothing any more');
    });
  });
}

/** Asks again until it is so; fails when it is not so after that many milliseconds. */
async function within(limit, isSo, what) {
  const end = Date.now() + limit;
  while (!await isSo()) {
    assert.ok(Date.now() < end, what);
    await sleep(50);
  }
}

/** Asks for a code as the public client "probe", with the session of a page. */
async function authorize(page, ostiary) {
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: 'probe',
    redirect_uri: callback,
    scope: scopes.join(' '),
    state: randomBytes(16).toString('hex'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  await page.route(`${callback}*`, (route) => route.fulfill({ body: 'here' }));
  await page.goto(`${ostiary.accounts}/api/oidc/authorization?${query}`);
  assert.match(page.url(), /\/consent/);
  await consent(page, 'allow');
  await page.waitForURL((to) => to.href.startsWith(callback));
  const back = new URL(page.url()).searchParams;
  assert.equal(back.get('state'), query.get('state'));
  assert.equal(back.get('iss'), ostiary.accounts);
  return { code: back.get('code'), verifier };
}

const exchange = (ostiary, { code, verifier }) => token(ostiary,
  { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: verifier });

async function token(ostiary, fields) {
  const answer = await fetch(`${ostiary.accounts}/api/oidc/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'probe', ...fields }),
  });
  return { status: answer.status, body: await answer.json() };
}
