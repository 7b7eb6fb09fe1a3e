// Takes pictures of all pages at 390 and 1280 px, light and dark, filled with an invented organisation,
// and holds each page to what every page must hold to (checks.mjs).
//
//   bash tests/run screens    all pictures, and the two of the README into docs/pictures/
//   bash tests/run browser    runs this among the tests, and leaves the README's pictures alone
//
//   OSTIARY_TEST_SCREENS      folder for the pictures (target/screens)
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { openBrowser, openVisit } from './browser.mjs';
import { accessible, noSidewaysScroll } from './checks.mjs';
import { Ostiary, pairs, run } from './ostiary.mjs';
import { groups, keeper, orgName, people, shown } from './population.mjs';
import { consent, enrol, enterCode, fill, follow, signIn } from './steps.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const folder = resolve(process.env.OSTIARY_TEST_SCREENS || join(root, 'target/screens'));
const forReadme = process.argv.includes('--readme');
const readmeFolder = join(root, 'docs/pictures');
const inReadme = ['sign-in', 'people'];
const application = { id: 'my-directus', name: 'My Directus', callback: 'https://content.example.tld/auth/login/acme/callback' };
const password = 'a lamp in the harbour';

let browser;
let ostiary;
let visitor; // Ada, who signs in to My Directus
let admin; // Björk, who keeps the directory
let house; // another server, over HTTPS
let housekeeper; // who keeps that one

/** Takes the four pictures of a page, then judges it in all four states and at 320 px. */
async function capture({ page }, name) {
  for (const width of [390, 1280]) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 800 });
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      if (forReadme && inReadme.includes(name) && width === 1280 && colorScheme === 'light') {
        await page.screenshot({ path: join(readmeFolder, `${name}.png`) });
      }
      // A window as high as the page: what sticks to the window's edge stays at the page's edge.
      await page.setViewportSize({ width, height: await page.evaluate('document.documentElement.scrollHeight') });
      await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`) });
      await accessible(page, `${name}, ${width} px, ${colorScheme}`);
    }
  }
  await noSidewaysScroll(page, name);
  await page.setViewportSize({ width: 1280, height: 800 });
}

/** The address with which My Directus sends somebody here. */
function asked(redirect = application.callback) {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: application.id,
    redirect_uri: redirect,
    scope: 'openid profile email groups offline_access',
    state: randomBytes(16).toString('hex'),
    code_challenge: createHash('sha256').update('a'.repeat(43)).digest('base64url'),
    code_challenge_method: 'S256',
  });
  return `${ostiary.accounts}/api/oidc/authorization?${query}`;
}

before(async () => {
  await mkdir(folder, { recursive: true });
  if (forReadme) await mkdir(readmeFolder, { recursive: true });
  browser = await openBrowser();
  ostiary = await Ostiary.start(pairs[0], { OSTIARY_SITE__ORG_NAME: orgName });
  const origins = [ostiary.accounts, ostiary.directory];
  admin = await openVisit(browser, origins);
  visitor = await openVisit(browser, origins);
});

after(async () => {
  await browser?.close();
  await ostiary?.stop();
  await house?.stop();
  if (house) await rm(house.files, { recursive: true, force: true });
});

/** A picture is a test: it fails when the page does, or when the page complains. */
const picture = (name, who, steps) => test(name, async () => {
  await steps();
  await capture(who(), name);
  assert.deepEqual(who().troubles.splice(0), []);
});

picture('set-up', () => admin, async () => { await admin.page.goto(ostiary.setUpLink); });
picture('groups-empty', () => admin, async () => {
  const { page } = admin;
  Object.assign(keeper, { password, email: `${keeper.username}@example.tld` });
  await fill(page, {
    username: keeper.username, email: keeper.email, given_name: keeper.given, family_name: keeper.family, password,
  });
  await follow(page, 'main form button.button-main');
  keeper.authenticator = await enrol(page);
  await page.goto(`${ostiary.directory}/groups`);
  await page.waitForURL(`${ostiary.directory}/groups`);
});

test('the organisation moves in', async () => {
  for (const group of groups) await ostiary.cli(['group', 'add', group]);
  for (const person of people) {
    if (person === keeper || person === shown) continue;
    await ostiary.addPerson({ ...person, password: person.visits ? password : undefined });
    if (person.disabled) await ostiary.cli(['user', 'disable', person.username]);
  }
  for (const person of people.filter(({ visits }) => visits)) {
    const visit = await openVisit(browser, []);
    await visit.page.goto(`${ostiary.accounts}/sign-in`);
    await signIn(visit.page, { ...person, password });
    if (person.twoSteps) {
      await visit.page.goto(`${ostiary.accounts}/sign-in/authenticator`);
      await enrol(visit.page);
    }
    await visit.close();
  }
  await ostiary.addPerson({ ...shown, password });
  for (const group of keeper.groups) await ostiary.cli(['group', 'add-member', group, keeper.username]);
  await ostiary.cli(['client', 'add', application.id, '--name', application.name, '--redirect-uri', application.callback,
    '--policy', 'two_factor', '--json']);
  shown.password = password;
});

picture('sign-in', () => visitor, async () => { await visitor.page.goto(asked()); });
picture('sign-in-error', () => visitor, () => signIn(visitor.page, { ...shown, password: 'a lamp' }));
picture('enrol', () => visitor, () => signIn(visitor.page, shown));
picture('consent', () => visitor, async () => { shown.authenticator = await enrol(visitor.page); });
picture('code', () => visitor, async () => {
  await visitor.context.clearCookies();
  await visitor.page.goto(asked());
  await signIn(visitor.page, shown);
});
picture('account', () => visitor, async () => {
  await enterCode(visitor.page, shown.authenticator);
  await visitor.page.route(`${application.callback}*`, (route) => route.fulfill({ body: 'here' }));
  await consent(visitor.page, 'allow');
  await visitor.page.waitForURL((to) => to.href.startsWith(application.callback));
  await visitor.page.goto(`${ostiary.accounts}/account`);
});
picture('app-passwords-none', () => visitor, async () => { await visitor.page.goto(`${ostiary.accounts}/account/app-passwords`); });
picture('app-password', () => visitor, async () => {
  await fill(visitor.page, { name: 'Mail on my phone', networks: '10.0.0.0/8' });
  await follow(visitor.page, 'main form button.button-main');
});
picture('app-passwords', () => visitor, () => follow(visitor.page, 'main a.button-main'));
picture('app-password-revoke', () => visitor, () => follow(visitor.page, 'main .list-item a.button'));
picture('problem', () => visitor, async () => { await visitor.page.goto(asked('https://content.example.tld/elsewhere')); });

picture('people', () => admin, async () => {
  await admin.page.goto(`${ostiary.directory}/people`);
});
picture('person', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/people/${shown.username}`); });
picture('person-edit', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/people/${shown.username}/edit`); });
picture('person-new', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/people/new`); });
picture('person-password', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/people/${shown.username}/password`); });
picture('person-refused', () => admin, async () => {
  await admin.page.goto(`${ostiary.directory}/people/new`);
  await fill(admin.page, { username: shown.username, email: 'somebody.else@example.tld' });
  await follow(admin.page, 'main form button.button-main');
});
picture('person-delete', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/people/${shown.username}/delete`); });
picture('groups', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/groups`); });
picture('group', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/groups/Editors`); });
picture('group-members', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/groups/Editors/members`); });
picture('group-manage', () => admin, async () => {
  const { page } = admin;
  await page.goto(`${ostiary.directory}/groups/Staff/groups`);
  await page.locator('main [name=group]').selectOption('Lagos office');
  await follow(page, 'main form button.button-main');
  await page.goto(`${ostiary.directory}/groups/Staff/managers?q=${keeper.username}`);
  await follow(page, 'main button[name=add]');
});
picture('group-nested', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/groups/Staff`); });
picture('group-edit', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/groups/Staff/edit`); });
picture('group-in-a-circle', () => admin, async () => {
  await admin.page.goto(`${ostiary.directory}/groups/Lagos%20office/groups`);
  await admin.page.locator('main [name=group]').selectOption('Staff');
  await follow(admin.page, 'main form button.button-main');
});
picture('own-groups', () => visitor, async () => {
  for (const group of ['Lagos office', 'Staff']) await ostiary.cli(['group', 'manager', 'add', group, shown.username]);
  await visitor.page.goto(ostiary.directory);
  await visitor.page.waitForURL(`${ostiary.directory}/groups`);
});
picture('own-group', () => visitor, async () => {
  await visitor.page.goto(`${ostiary.directory}/groups/Staff`);
  await fill(visitor.page, { who: people.at(-1).username });
  await follow(visitor.page, 'main form button.button-main');
});
picture('own-group-refused', () => visitor, async () => {
  await fill(visitor.page, { who: 'ada.okafo' });
  await follow(visitor.page, 'main form button.button-main');
});
picture('own-group-only', () => visitor, async () => { await visitor.page.goto(`${ostiary.directory}/people`); });
picture('account-of-manager', () => visitor, async () => { await visitor.page.goto(`${ostiary.accounts}/account`); });
picture('system-without-https', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/system`); });
test('a house with certificates of its own opens', async () => {
  const files = await mkdtemp(join(tmpdir(), 'ostiary-'));
  const [certificate, key] = [join(files, 'certificate.pem'), join(files, 'key.pem')];
  const { code, stderr } = await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
    '-nodes', '-days', '9', '-subj', '/CN=ldap.localhost', '-addext', 'subjectAltName=DNS:ldap.localhost,DNS:ldap2.localhost,DNS:ldap3.localhost',
    '-keyout', key, '-out', certificate]);
  assert.equal(code, 0, stderr);
  house = await Ostiary.start(pairs[0], {
    OSTIARY_SITE__ORG_NAME: orgName,
    OSTIARY_HTTPS__MODE: 'internal',
    OSTIARY_LDAP__CERTIFICATE_FILE: certificate,
    OSTIARY_LDAP__KEY_FILE: key,
  });
  house.files = files;
  housekeeper = await openVisit(browser, [house.accounts, house.directory], { ignoreHTTPSErrors: true });
  const { page } = housekeeper;
  await page.goto(house.setUpLink);
  await fill(page, {
    username: keeper.username, email: keeper.email, given_name: keeper.given, family_name: keeper.family, password,
  });
  await follow(page, 'main form button.button-main');
  await enrol(page);
});
picture('system', () => housekeeper, async () => { await housekeeper.page.goto(`${house.directory}/system`); });
picture('system-needs-attention', () => housekeeper, async () => {
  await writeFile(join(house.files, 'certificate.pem'), 'half written');
  const attention = housekeeper.page.getByText('One thing needs attention');
  for (const limit = Date.now() + 60_000; Date.now() < limit && !await attention.isVisible(); await sleep(1000)) {
    await housekeeper.page.goto(`${house.directory}/system`);
  }
  assert.ok(await attention.isVisible());
});
picture('people-while-something-presses', () => housekeeper, async () => {
  await housekeeper.page.goto(`${house.directory}/people`);
  assert.ok(await housekeeper.page.getByRole('link', { name: 'Look at System' }).isVisible());
});
picture('attributes-empty', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/attributes`); });
picture('attribute-new', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/attributes/new`); });
picture('attribute-refused', () => admin, async () => {
  await fill(admin.page, { name: 'uid' });
  await follow(admin.page, 'main form button.button-main');
});
picture('attributes', () => admin, async () => {
  const { page } = admin;
  for (const [name, kind] of [['department', 'string'], ['remote', 'boolean'], ['hiredAt', 'date_time']]) {
    await page.goto(`${ostiary.directory}/attributes/new`);
    await fill(page, { name });
    await page.locator('main [name=kind]').selectOption(kind);
    await follow(page, 'main form button.button-main');
  }
});
picture('attribute', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/attributes/1001`); });
picture('attribute-delete', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/attributes/1001/delete`); });
picture('person-expired', () => admin, async () => {
  const { page } = admin;
  await page.goto(`${ostiary.directory}/people/${shown.username}/edit`);
  await fill(page, {
    addresses: 'ada@example.tld\na.okafor@example.tld', not_after: '2026-03-01T18:00', 'attr-1001': 'Editorial office',
    'attr-1003': '2024-09-01T08:30',
  });
  await page.locator('main [name="attr-1002"]').selectOption('TRUE');
  await follow(page, 'main form button.button-main');
});
picture('person-edit-refused', () => admin, async () => {
  await admin.page.goto(`${ostiary.directory}/people/${shown.username}/edit`);
  await fill(admin.page, { uid_number: 'many' });
  await follow(admin.page, 'main form button.button-main');
});
picture('person-ends-first', () => admin, async () => {
  await admin.page.goto(`${ostiary.directory}/people/${shown.username}/edit`);
  await fill(admin.page, { not_before: '2027-01-01T09:00', not_after: '2026-03-01T18:00' });
  await follow(admin.page, 'main form button.button-main');
});
picture('nobody-found', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/people?q=nobody+of+that+name`); });
picture('no-such-page', () => admin, async () => { await admin.page.goto(`${ostiary.directory}/no-such-page`); });
picture('signed-out', () => admin, async () => {
  await admin.page.goto(`${ostiary.directory}/people`);
  await follow(admin.page, admin.page.getByRole('button', { name: 'Sign out', exact: true }));
});
