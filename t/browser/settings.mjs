// Drives Chromium for 105_settings_in_browser.pl, and prints each result as a line of JSON.

import { readFile } from 'node:fs/promises';
import { close, complaints, done, is, ok, origin, person, sql, test } from './browser.mjs';
import { becomes, continueAsGuest, openNotebook, password, startLogin, submit } from './notebook.mjs';
import { errorsLeadToFields, inspect } from './pages.mjs';

const noLimits = () => sql('SELECT anon_auth.reset_counters()');

const codeFor = (address) =>
  sql(`SELECT code FROM anon_auth.take_outbox_messages() WHERE recipient = '${address}' AND code IS NOT NULL ORDER BY created_at DESC LIMIT 1`);

// Creates an account with a verified address.
async function createAccount(email) {
  await noLimits();
  await sql(`SELECT anon_auth.sign_up('notebook', email => '${email}', password => '${password}');
    UPDATE anon_auth.login_ids SET verified_at = now() WHERE value = '${email}';
    UPDATE anon_auth.users SET is_verified = true WHERE id = (SELECT user_id FROM anon_auth.login_ids WHERE value = '${email}')`);
}

// A browser with the session of an account, on its settings.
async function onSettings(email, options = {}) {
  const context = await person(options);
  const page = await openNotebook(context, 'cookie');

  await startLogin(page);
  await submit(page, email, password);
  await page.waitForURL('**/app/**');
  await becomes(page, 'account');
  await page.goto(`${origin}/settings`);
  return { context, page };
}

const heading = (page) => page.locator('h1').textContent();
const notice = (page) => page.locator('[role=status]').first().textContent();
const link = (page, name) => page.getByRole('link', { name });
const button = (page, name) => page.getByRole('button', { name });

// Press a button, and wait for the page that answers.
async function press(page, target) {
  await Promise.all([page.waitForResponse((response) => response.request().method() === 'POST'), target.click()]);
  await page.waitForLoadState('load');
}

// Every page and what its form does, as a person with a mouse goes through them.
async function tour() {
  await createAccount('ada@example.com');
  await createAccount('grace@example.com');
  const other = await onSettings('ada@example.com', { userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1' });
  const { context, page } = await onSettings('ada@example.com');

  is('the settings have a heading', await heading(page), 'Your account');
  await inspect(page, 'settings-overview');

  await link(page, 'Show devices').click();
  is('the devices have a page', await heading(page), 'Your devices');
  await inspect(page, 'settings-sessions');
  await press(page, button(page, 'Log out: Safari on iPhone'));
  is('a device is logged out', await notice(page), 'The device has been logged out.');
  await page.goBack();
  await page.goto(`${origin}/settings/sessions`);
  ok('only this device is left of the browsers', !(await page.getByText('iPhone').count()));
  await other.page.reload();
  is('the other browser is logged out', await heading(other.page), 'You are not logged in');
  await inspect(other.page, 'settings-signed-out');

  await link(page, 'Your account').click();
  await link(page, 'Edit profile').click();
  await inspect(page, 'settings-profile');
  await page.fill('#name', 'Ada Lovelace');
  await page.fill('#birthdate', 'December');
  await press(page, button(page, 'Save'));
  is('what was typed stays', await page.inputValue('#name'), 'Ada Lovelace');
  await errorsLeadToFields(page, 'a wrong profile', ['birthdate']);
  await inspect(page, 'settings-profile-wrong');
  await page.fill('#birthdate', '1815-12-10');
  await page.fill('#address_street_address', '12 St James\'s Square\nFlat 2');
  await page.fill('#address_locality', 'London');
  await press(page, button(page, 'Save'));
  is('the profile is saved', await notice(page), 'Your profile has been saved.');
  await link(page, 'Edit profile').click();
  is('the address keeps its lines', await page.inputValue('#address_street_address'), '12 St James\'s Square\nFlat 2');
  await press(page, button(page, 'Save'));
  is('a profile that has not changed is not written', await sql(`SELECT count(*) FROM anon_auth.events WHERE type = 'profile.updated'`), '1');

  await link(page, 'Download data').click();
  await inspect(page, 'settings-export');
  const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Download').click()]);
  is('the data is saved as a file', download.suggestedFilename(), 'account.json');
  is('the file is a copy of the account data', JSON.parse(await readFile(await download.path(), 'utf8')).login_ids[0].original_value, 'ada@example.com');
  is('the page stays', await heading(page), 'Download your account data');
  await link(page, 'Your account').click();

  await link(page, 'Add an email address').click();
  await inspect(page, 'settings-add-email');
  await page.fill('#login_id', 'nonsense');
  await press(page, button(page, 'Send code'));
  await errorsLeadToFields(page, 'a wrong address', ['login_id']);
  await inspect(page, 'settings-add-email-wrong');
  await page.fill('#login_id', 'ada@home.example');
  await press(page, button(page, 'Send code'));
  is('the next page asks for the code', await heading(page), 'Enter the code');
  await inspect(page, 'settings-code');
  await page.fill('#code', '1');
  await press(page, button(page, 'Confirm'));
  await errorsLeadToFields(page, 'a wrong code', ['code']);
  await press(page, button(page, 'Send another code'));
  ok('the page says that a code was sent', /short while ago/.test(await page.textContent('[role=alert]')));
  await inspect(page, 'settings-code-wait');
  await page.fill('#code', await codeFor('ada@home.example'));
  await press(page, button(page, 'Confirm'));
  is('the address is added', await notice(page), 'The email address has been added. You can now log in with it.');
  await link(page, 'Change: ada@home.example').click();
  await inspect(page, 'settings-change-email');
  await link(page, 'Your account').click();
  await link(page, 'Remove: ada@home.example').click();
  await inspect(page, 'settings-remove-email');
  await press(page, button(page, 'Remove'));
  is('the address is removed', await notice(page), 'The email address has been removed.');
  is('the only way to log in cannot be removed', await link(page, 'Remove: ada@example.com').count(), 0);
  ok('the page says why', /You log in only with this/.test(await page.textContent('main')));
  await inspect(page, 'settings-only-way');

  await link(page, 'Add a username').click();
  await page.fill('#login_id', 'countess');
  await press(page, button(page, 'Save'));
  is('a username is added', await notice(page), 'The username has been added. You can now log in with it.');

  await link(page, 'Delete account').click();
  await inspect(page, 'settings-delete');
  await press(page, button(page, 'Delete account'));
  await errorsLeadToFields(page, 'a missing tick', ['delete']);
  await inspect(page, 'settings-delete-wrong');
  await page.getByText('Yes, delete my account').click();
  await press(page, button(page, 'Delete account'));
  ok('the overview says when the account will be deleted', await page.getByText('Your account will be deleted on').isVisible());
  await inspect(page, 'settings-deletion-scheduled');
  await press(page, button(page, 'Keep my account'));
  is('the account is kept', await notice(page), 'Your account will not be deleted.');
  ok('nothing is left of the deletion', !(await page.getByText('will be deleted on').count()));
  await context.close();
  await other.context.close();
}

// Logs out, and logs in again from a settings page.
async function wayInAndOut() {
  const { context, page } = await onSettings('ada@example.com');

  await press(page, button(page, 'Log out'));
  is('the button logs out', await heading(page), 'You are logged out');
  await inspect(page, 'settings-logged-out');
  await sql(`UPDATE anon_auth.settings SET page_client_id = 'notebook-cookie'`);
  await page.goto(`${origin}/settings/sessions`);
  is('a settings page leads to the log-in', await heading(page), 'Log in');
  await link(page, 'Cancel').click();
  is('"Cancel" does not lead there again', await heading(page), 'You are not logged in');
  await inspect(page, 'settings-log-in-cancelled');
  await page.goto(`${origin}/settings/sessions`);
  await submit(page, 'ada@example.com', password);
  await page.waitForURL('**/settings/sessions');
  is('the log-in leads back', await heading(page), 'Your devices');
  ok('times have their zone', /\d\d (?:[AP]M )?(?:UTC|GMT)/.test(await page.textContent('time')));
  await sql(`UPDATE anon_auth.settings SET page_client_id = NULL`);
  await context.close();
}

// The password, with the keyboard and nothing else.
async function keyboard() {
  const { context, page } = await onSettings('grace@example.com');

  await page.goto(`${origin}/settings/change_password`);
  is('the first field has the focus', await page.evaluate(() => document.activeElement.name), 'old_password');
  await inspect(page, 'settings-password');
  await page.keyboard.type('wrong horse');
  await page.keyboard.press('Tab');
  ok('the next stop is the button that shows the password', await page.evaluate(() => document.activeElement.matches('.peek button')));
  await page.keyboard.press('Space');
  is('it shows the password', await page.getAttribute('#old_password', 'type'), 'text');
  await page.keyboard.press('Space');
  is('and hides it', await page.getAttribute('#old_password', 'type'), 'password');
  await page.keyboard.press('Tab');
  await page.keyboard.type('short');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=alert]');
  await errorsLeadToFields(page, 'a weak password', ['password']);
  await inspect(page, 'settings-password-weak');
  is('no password is kept', (await page.inputValue('#old_password')) + (await page.inputValue('#password')), '');
  await page.locator('#old_password').focus();
  await page.keyboard.type('wrong horse');
  await page.locator('#password').focus();
  await page.keyboard.type('another horse');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#old_password_error');
  await errorsLeadToFields(page, 'a wrong password', ['old_password']);
  await page.locator('#old_password').focus();
  await page.keyboard.type(password);
  await page.locator('#password').focus();
  await page.keyboard.type('another horse');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/settings?**');
  ok('the password is changed', /has been changed/.test(await notice(page)));
  await inspect(page, 'settings-password-changed');
  await page.reload();
  is('a reload sends nothing again', await heading(page), 'Your account');
  await context.close();
}

// A double click without the script, the back button, and an old tab
async function withoutJavaScript() {
  await createAccount('joan@example.com');
  const { context, page } = await onSettings('joan@example.com');
  const plain = await person({ javaScriptEnabled: false, storageState: await context.storageState() });
  const tab = await plain.newPage();

  await noLimits();
  await tab.goto(`${origin}/settings/sessions`);
  ok('the times are in UTC', /UTC/.test(await tab.textContent('main')));
  await press(tab, button(tab, 'Log out all other devices'));
  is('the other devices are logged out', await notice(tab), 'All other devices have been logged out.');
  await tab.goto(`${origin}/settings/change_password`);
  await tab.fill('#old_password', password);
  await tab.fill('#password', 'another horse');
  await button(tab, 'Change password').dblclick({ noWaitAfter: true });
  await tab.waitForURL('**/settings?**');
  ok('a double click changes the password once', /has been changed/.test(await notice(tab)));
  await tab.goBack();
  is('the back button leads to an empty form', await tab.inputValue('#old_password'), '');
  await tab.goto(`${origin}/settings/profile`);
  await tab.fill('#nickname', 'J');
  await press(tab, button(tab, 'Save'));
  is('the profile is saved', await notice(tab), 'Your profile has been saved.');
  await page.goto(`${origin}/settings`);
  is('the other tab goes on', await heading(page), 'Your account');
  await plain.close();
  await context.close();
}

async function guest() {
  const context = await person();
  const page = await openNotebook(context, 'cookie');

  await noLimits();
  await continueAsGuest(page);
  await page.goto(`${origin}/settings`);
  ok('a guest can create an account', await button(page, 'Create an account').isVisible());
  await inspect(page, 'settings-guest');
  await link(page, 'Delete my data').click();
  await inspect(page, 'settings-guest-delete');
  await page.getByText('Yes, delete my data').click();
  await press(page, button(page, 'Delete my data'));
  is('the guest is deleted', await heading(page), 'Your data has been deleted');
  await context.close();
}

// Pages in other languages, at the width of a small phone
async function languages() {
  await createAccount('hedy@example.com');
  for (const locale of ['de', 'zh-TW']) {
    const { context, page } = await onSettings('hedy@example.com', { locale, viewport: { width: 360, height: 740 } });

    await inspect(page, `settings-overview-${locale}`);
    for (const path of ['sessions', 'profile', 'export', 'change_password', 'delete_account', 'identity/add_email']) {
      await page.goto(`${origin}/settings/${path}`);
      await inspect(page, `settings-${path.replace('/', '-')}-${locale}`);
    }
    await context.close();
  }
}

// The page of another site sends forms with the cookies of the browser.
async function foreignSite() {
  const { context, page } = await onSettings('hedy@example.com');
  const evil = await context.newPage();

  await evil.goto(`data:text/html,<form method="post" action="${origin}/settings/identity/add_username"><input name="login_id" value="evil"></form>`);
  await Promise.all([evil.waitForNavigation(), evil.evaluate(() => document.forms[0].submit())]);
  is('a form of another site does nothing', await sql(`SELECT count(*) FROM anon_auth.login_ids WHERE value = 'evil'`), '0');
  await page.reload();
  is('its user stays logged in', await heading(page), 'Your account');
  await context.close();
}

await test('tour', tour);
await test('way in and out', wayInAndOut);
await test('keyboard', keyboard);
await test('without JavaScript', withoutJavaScript);
await test('guest', guest);
await test('languages', languages);
await test('foreign site', foreignSite);
is('no page violates its policy or throws an exception', complaints(), '');
await close();
done();
