// Directus as a client of the directory: people sign in through its LDAP driver, which binds an account
// of its own, looks for the person and their groups, and binds as the person.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fill, follow } from '../browser/steps.mjs';

const service = { username: 'directus-reads', password: 'reads what Directus asks' };

/** The account that Directus binds with, the groups that are named as roles are, and a person. */
export async function ldapPeople(ostiary, bea) {
  for (const group of ['Editor', 'Reviewer', 'Crew']) await ostiary.cli(['group', 'add', group]);
  await ostiary.addPerson({ ...service, groups: ['lldap_strict_readonly'] });
  await ostiary.cli(['user', 'change', service.username, '--service']);
  await ostiary.addPerson({ ...bea, given: 'Bea', family: 'Núñez, (Ops)', groups: ['Editor'] });
}

/** What Directus has to be told about one Ostiary as an LDAP server. */
export function ldapSettings(name, ostiary, defaultRole) {
  const values = {
    DRIVER: 'ldap',
    CLIENT_URL: ostiary.ldap,
    BIND_DN: ostiary.dn(service.username),
    BIND_PASSWORD: service.password,
    USER_DN: `ou=people,${ostiary.baseDn}`,
    USER_ATTRIBUTE: 'uid',
    GROUP_DN: `ou=groups,${ostiary.baseDn}`,
    DEFAULT_ROLE_ID: defaultRole,
  };
  return Object.fromEntries(Object.entries(values)
    .map(([key, value]) => [`AUTH_${name.toUpperCase()}_${key}`, value]));
}

/** Makes an app password on the account page. */
export async function appPassword(page, ostiary, name) {
  await page.goto(`${ostiary.accounts}/account/app-passwords`);
  await fill(page, { name });
  await follow(page, 'main form button.button-main');
  const secret = (await page.locator('#secret').innerText()).trim();
  assert.match(secret, /^ost_ap_/);
  return secret;
}

/** The tests. `given()` tells `{ directus, ostiary }` once they run. */
export function ldapTests(name, bea, given) {
  const signIn = (password, identifier = bea.username) => given().directus.signIn(name, identifier, password);
  const role = async () => (await given().directus.user(bea.email)).role.name;
  // Searches are answered from memory, which follows the command line within a quarter of a second.
  const signInAs = (wanted) => soon(async () => {
    const { status, body } = await signIn(bea.password);
    assert.equal(status, 200, JSON.stringify(body));
    return await role() === wanted;
  }, `no sign-in as ${wanted}`);
  let session;

  test('LDAP: a person signs in and gets the role that is named as their group', async () => {
    const { directus, ostiary } = given();
    const { status, body } = await signIn(bea.password);
    assert.equal(status, 200, JSON.stringify(body));
    session = body.data;
    const user = await directus.user(bea.email);
    assert.deepEqual(
      [user.first_name, user.last_name, user.provider, user.status],
      ['Bea', 'Núñez, (Ops)', name, 'active'],
    );
    assert.equal(user.external_identifier, ostiary.dn(bea.username), 'the name of the entry');
    assert.equal(user.role.name, 'Editor');
  });

  test('LDAP: wrong passwords, unknown people and filters in place of names open nothing', async () => {
    for (const [password, identifier] of [
      ['not the password', bea.username], ['', bea.username], [bea.password, 'nobody'], [bea.password, '*'],
      [bea.password, `${bea.username})(uid=*`],
    ]) {
      const { status } = await signIn(password, identifier);
      assert.ok([400, 401].includes(status), `${identifier}: ${status}`);
    }
  });

  test('LDAP: a change of groups is the new role at the next sign-in', async () => {
    const { ostiary } = given();
    await ostiary.cli(['group', 'remove-member', 'Editor', bea.username]);
    await ostiary.cli(['group', 'add-member', 'Reviewer', bea.username]);
    await signInAs('Reviewer');
    await ostiary.cli(['group', 'remove-member', 'Reviewer', bea.username]);
    // No group, so the default role.
    await signInAs('Guest');
  });

  test('LDAP: a session is renewed while the person is there', async () => {
    const { directus } = given();
    const { status, body } = await directus.renew(session.refresh_token);
    assert.equal(status, 200, JSON.stringify(body));
    session = body.data;
  });

  test('LDAP: a disabled person is out', async () => {
    const { directus, ostiary } = given();
    await ostiary.cli(['user', 'disable', bea.username]);
    assert.equal((await signIn(bea.password)).status, 401);
    await soon(async () => (await directus.renew(session.refresh_token)).status !== 200, 'the session is not renewed');
    await ostiary.cli(['user', 'enable', bea.username]);
    const { status, body } = await signIn(bea.password);
    assert.equal(status, 200, 'and in again');
    session = body.data;
  });

  test('LDAP: a deleted person is out', async () => {
    const { directus, ostiary } = given();
    await ostiary.cli(['user', 'delete', bea.username]);
    assert.equal((await signIn(bea.password)).status, 401);
    await soon(async () => (await directus.renew(session.refresh_token)).status !== 200, 'the session is not renewed');
  });
}

/** Asks again until it is so. */
async function soon(isSo, what) {
  const end = Date.now() + 3000;
  while (!await isSo()) assert.ok(Date.now() < end, what);
}
