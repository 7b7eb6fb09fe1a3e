// What people do with the portal and the panel, in a real browser against the real binary, once on
// each pair of database and cache. Run by `bash tests/run browser`, which sets what is needed.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { openBrowser, openVisit } from './browser.mjs';
import { Ostiary, pairs } from './ostiary.mjs';
import { enrol, enterCode, fill, follow, heading, signIn, signInFully, words } from './steps.mjs';

let browser;
before(async () => { browser = await openBrowser(); });
after(async () => { await browser?.close(); });

for (const pair of pairs) {
  describe(`Ostiary on ${pair.name}`, () => {
    const root = { username: 'bjork', password: 'the second gate of june', email: 'bjork@example.tld' };
    let ostiary;
    const visits = [];

    /** A person's own browser, closed and judged after the test. */
    const visit = async (options) => {
      const made = await openVisit(browser, [ostiary.accounts, ostiary.directory], options);
      visits.push(made);
      return made;
    };

    /** A person with a password, made by the command line. */
    const person = async (username, more = {}) => {
      const made = { username, password: `the door of ${username}`, ...more };
      await ostiary.addPerson(made);
      return made;
    };

    before(async () => { ostiary = await Ostiary.start(pair); });
    after(async () => { await ostiary?.stop(); });
    afterEach(async () => {
      const troubles = visits.flatMap((made) => made.troubles);
      for (const made of visits.splice(0)) await made.close();
      assert.deepEqual(troubles, [], 'no page complains');
    });

    test('the one-time link makes the first administrator, once', async () => {
      const link = ostiary.setUpLink;
      const { page } = await visit();
      await page.goto(link);
      await fill(page, root);
      await follow(page, 'main form button.button-main');
      if (/\/sign-in(\?|$)/.test(page.url())) await signIn(page, root);
      if (/\/sign-in\/authenticator/.test(page.url())) root.authenticator = await enrol(page);
      await page.goto(`${ostiary.accounts}/account`);
      assert.equal(new URL(page.url()).pathname, '/account');

      const stranger = await visit();
      const answer = await stranger.page.goto(link);
      assert.ok(answer.status() >= 400, `the used link answers ${answer.status()}`);
      assert.equal(await stranger.page.locator('main input[type="password"]').count(), 0);
      assert.equal(JSON.parse(await ostiary.cli(['user', 'list', '--json'])).length, 1);
    });

    test('the panel makes a person and a group, joins them, and shuts the person out', async () => {
      const { page } = await visit();
      const to = (path) => page.goto(ostiary.directory + path);
      await to('/people');
      await signInFully(page, root);
      await page.waitForURL(`${ostiary.directory}/people`);

      await follow(page, page.getByRole('link', { name: 'Add a person' }));
      const ada = { username: 'ada.okafor', email: 'ada.okafor@example.tld' };
      await fill(page, { ...ada, given_name: 'Ada', family_name: 'Okafor', display_name: 'Ada Okafor' });
      await follow(page, 'main form button.button-main');
      assert.equal(new URL(page.url()).pathname, `/people/${ada.username}`);
      assert.match(await heading(page), /Ada Okafor/);

      await follow(page, page.getByRole('link', { name: 'Set the password' }));
      await fill(page, { password: 'a lamp in the harbour' });
      await follow(page, 'main form button.button-main');

      await follow(page, page.getByRole('navigation').getByRole('link', { name: 'Groups' }));
      await follow(page, page.getByRole('link', { name: 'Add a group' }).first());
      await fill(page, { name: 'Editors' });
      await follow(page, 'main form button.button-main');
      await to(`/people/${ada.username}`);
      await follow(page, page.getByRole('link', { name: 'Add to a group' }));
      await page.locator('main [name="group"]').selectOption('Editors');
      await follow(page, 'main form button.button-main');
      assert.equal(new URL(page.url()).pathname, `/people/${ada.username}`);
      assert.match(await page.getByRole('status').innerText(), /Editors/, 'the page says what was done');
      const groups = async () => JSON.parse(await ostiary.cli(['user', 'show', ada.username, '--json'])).groups;
      assert.deepEqual(await groups(), ['Editors']);
      await follow(page, page.getByRole('button', { name: 'Undo' }));
      assert.deepEqual(await groups(), []);

      const found = async (query) => {
        await to(`/people?q=${encodeURIComponent(query)}`);
        return (await words(page)).includes('Ada Okafor');
      };
      assert.ok(await found('okaf'));
      assert.ok(await found('(&(mail=ada*)(!(memberOf=*)))'), 'an LDAP filter works');
      assert.ok(!await found('nobody of that name'));
      assert.ok(!await found('(mail=ada'), 'a broken filter finds nobody');
      assert.equal(await page.getByRole('alert').count(), 1, 'and is said to be broken');

      const hers = await visit();
      await hers.page.goto(`${ostiary.accounts}/account`);
      await signIn(hers.page, { ...ada, password: 'a lamp in the harbour' });
      assert.equal(new URL(hers.page.url()).pathname, '/account');
      await hers.page.goto(`${ostiary.directory}/people`);
      assert.doesNotMatch(await words(hers.page), /bjork/, 'the panel is not for her');

      await to(`/people/${ada.username}`);
      await follow(page, page.getByRole('link', { name: 'Disable' }));
      await follow(page, 'main form button.button-main');
      assert.match(await heading(page), /Disabled/);
      await hers.page.goto(`${ostiary.accounts}/account`);
      assert.match(hers.page.url(), /\/sign-in/, 'out at once');

      await to(`/people/${ada.username}/delete`);
      await fill(page, { name: 'somebody.else' });
      await follow(page, 'main form button.button-main');
      assert.equal(await page.locator('#name-error').count(), 1, 'the name must be typed');
      await fill(page, { name: ada.username });
      await follow(page, 'main form button.button-main');
      assert.equal((await ostiary.tryCli(['user', 'show', ada.username])).code, 1);
    });

    for (const javaScriptEnabled of [true, false]) {
      test(`a manager keeps who is in a group, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
        const nia = await person(`nia.${javaScriptEnabled}`);
        const tom = await person(`tom.${javaScriptEnabled}`);
        const choir = `Choir ${javaScriptEnabled}`;
        for (const group of [choir, `${choir} board`]) await ostiary.cli(['group', 'add', group]);
        await ostiary.cli(['group', 'manager', 'add', choir, nia.username]);
        const members = async () => JSON.parse(await ostiary.cli(['group', 'show', choir, '--json'])).members;
        const add = async (page, who) => {
          await fill(page, { who });
          await Promise.all([page.waitForEvent('domcontentloaded'), page.locator('#who').press('Enter')]);
        };

        const { page } = await visit({ javaScriptEnabled });
        await page.goto(`${ostiary.accounts}/account`);
        await signIn(page, nia);
        await follow(page, page.getByRole('link', { name: choir }));
        nia.authenticator = await enrol(page);
        await page.waitForURL(`${ostiary.directory}/groups`);
        const rail = page.getByRole('navigation', { name: 'Directory' });
        assert.deepEqual(await rail.locator('li').allInnerTexts(), ['Groups']);
        assert.doesNotMatch(await words(page), /board/, 'other groups are not for her');

        await follow(page, page.getByRole('link', { name: choir, exact: true }));
        await add(page, 'nobody.here');
        assert.match(await page.locator('#who-error').innerText(), /Nobody has this user name/);
        assert.equal(await page.locator('#who').inputValue(), 'nobody.here');
        if (javaScriptEnabled) assert.equal(await page.evaluate('document.activeElement.id'), 'problem');
        await add(page, `${tom.username}@example.tld`);
        assert.match(await page.getByRole('status').innerText(), new RegExp(`${tom.username} was added to ${choir}`));
        assert.deepEqual(await members(), [tom.username]);
        await follow(page, page.getByRole('button', { name: `Remove ${tom.username}` }));
        assert.deepEqual(await members(), []);
        await follow(page, page.getByRole('button', { name: 'Undo' }));
        assert.deepEqual(await members(), [tom.username]);

        assert.equal((await page.goto(`${ostiary.directory}/people`)).status(), 403);
        assert.doesNotMatch(await words(page), /bjork/);
        await follow(page, page.getByRole('link', { name: 'Go to your groups' }));
        assert.equal(await heading(page), 'Groups');

        const his = await visit({ javaScriptEnabled });
        await his.page.goto(`${ostiary.directory}/groups`);
        await signIn(his.page, tom);
        await his.page.waitForURL(`${ostiary.directory}/groups`);
        assert.equal(await heading(his.page), 'This part is for administrators', 'and no second step is asked for');
      });
    }

    test('a wrong password and an unknown name get the same answer', async () => {
      const known = await person('priya');
      const { page } = await visit();
      const answers = [];
      for (const username of [known.username, 'nobody.here']) {
        await page.goto(`${ostiary.accounts}/sign-in`);
        await signIn(page, { username, password: 'not the password' });
        assert.match(page.url(), /\/sign-in/);
        const notice = page.locator('[role="alert"]');
        answers.push([await notice.innerText(), await words(page), await page.title()]);
        assert.equal(await page.evaluate('document.activeElement.id'), 'problem', 'focus is on what went wrong');
      }
      assert.deepEqual(answers[0], answers[1]);
      assert.match(answers[0][0], /do not match/);
    });

    test('a code works once', async () => {
      const zoe = await person('zoe', { groups: ['lldap_admin'] });
      const first = await visit();
      await first.page.goto(`${ostiary.directory}/people`);
      await signIn(first.page, zoe);
      zoe.authenticator = await enrol(first.page);
      await first.page.waitForURL(`${ostiary.directory}/people`);

      const code = await zoe.authenticator.code();
      const enter = async ({ page }) => {
        await page.goto(`${ostiary.directory}/people`);
        await signIn(page, zoe);
        await fill(page, { code });
        await follow(page, 'main form button.button-main');
      };
      const second = await visit();
      await enter(second);
      await second.page.waitForURL(`${ostiary.directory}/people`);
      const third = await visit();
      await enter(third);
      assert.match(third.page.url(), /\/sign-in\/code/, 'the same code is refused');
      assert.equal(await third.page.locator('[role="alert"]').count(), 1);
      await third.page.goto(`${ostiary.directory}/people`);
      assert.match(third.page.url(), /\/sign-in\/code/, 'nor does the password alone open the panel');
      // The person is not shut out: the next code works.
      await enterCode(third.page, zoe.authenticator);
      await third.page.waitForURL(`${ostiary.directory}/people`);
    });

    test('the keyboard alone is enough to sign in', async () => {
      const mai = await person('mai.nguyen');
      const { page } = await visit();
      await page.goto(`${ostiary.accounts}/sign-in`);
      const tabTo = async (id) => {
        for (let presses = 0; presses < 12; presses += 1) {
          if (await page.evaluate('document.activeElement.id') === id) return;
          await page.keyboard.press('Tab');
        }
        assert.fail(`Tab never comes to ${id}`);
      };
      await tabTo('username');
      await page.keyboard.type(mai.username);
      await tabTo('password');
      await page.keyboard.type(mai.password);
      await Promise.all([page.waitForEvent('domcontentloaded'), page.keyboard.press('Enter')]);
      assert.equal(new URL(page.url()).pathname, '/account');
    });

    test('everything works with scripts off', async () => {
      const leo = await person('leo', { groups: ['lldap_admin'] });
      const { page } = await visit({ javaScriptEnabled: false });
      await page.goto(`${ostiary.directory}/people`);
      await signIn(page, { ...leo, password: 'wrong' });
      assert.equal(await page.locator('[role="alert"]').count(), 1);
      await signIn(page, leo);
      leo.authenticator = await enrol(page);
      await page.waitForURL(`${ostiary.directory}/people`);
      assert.equal(await heading(page), 'People');
      await page.goto(`${ostiary.accounts}/account`);
      await follow(page, page.getByRole('button', { name: 'Sign out', exact: true }));
      await page.goto(`${ostiary.accounts}/account`);
      await signIn(page, leo);
      await enterCode(page, leo.authenticator);
      assert.equal(new URL(page.url()).pathname, '/account');
    });

    test('signing out on one host signs out on the other', async () => {
      for (const from of ['accounts', 'directory']) {
        const who = await person(`out.${from}`, { groups: ['lldap_admin'] });
        const { page } = await visit();
        await page.goto(`${ostiary.directory}/people`);
        await signInFully(page, who);
        await page.waitForURL(`${ostiary.directory}/people`);
        await page.goto(`${ostiary.accounts}/account`);
        assert.equal(new URL(page.url()).pathname, '/account', 'one sign-in is enough for both hosts');
        if (from === 'directory') await page.goto(`${ostiary.directory}/people`);
        await follow(page, page.getByRole('button', { name: 'Sign out', exact: true }));
        await page.goto(`${ostiary.directory}/people`);
        assert.match(page.url(), /\/sign-in/, `${from}: out of the panel`);
        await page.goto(`${ostiary.accounts}/account`);
        assert.match(page.url(), /\/sign-in/, `${from}: out of the account page`);
      }
    });
  });
}
