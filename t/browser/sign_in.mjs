// Drives Chromium for 107_sign_in_in_browser.pl, and prints each result as a line of JSON.

import { close, complaints, done, is, ok, origin, person, sql, test } from './browser.mjs';
import { becomes, isInvalid, openNotebook, password, settled, sub, who } from './notebook.mjs';
import { messageTo, openLink, scan } from './mail.mjs';
import { inspect } from './pages.mjs';

const noLimits = () => sql('SELECT anon_auth.reset_counters()');
const settings = (change) => sql(`UPDATE anon_auth.settings SET ${change}; SELECT anon_auth.reset_counters()`);
const main = (page) => page.textContent('main').then((text) => text.replace(/\s+/g, ' '));
const confirmButton = (page) => page.locator('form button[type=submit]').first();
const logsIn = (address, secret) => sql(`SELECT count(*) FROM anon_auth.authenticate('notebook', '${address}', '${secret}')`);

const account = async (address) => {
  await sql(`SELECT anon_auth.sign_up('notebook', email => '${address}', password => '${password}')`);
  await sql(`UPDATE anon_auth.login_ids SET verified_at = now() WHERE value = '${address}'`);
  await sql(`UPDATE anon_auth.users SET is_verified = true WHERE id = (SELECT user_id FROM anon_auth.login_ids WHERE value = '${address}')`);
  await noLimits();
};

// The log-in page of the application, opened without its script where a test has none.
async function logInPage(context, type, parameters = {}) {
  const client = type === 'cookie' ? 'notebook-cookie' : 'notebook';
  const page = await context.newPage();
  const query = new URLSearchParams({
    client_id: client,
    redirect_uri: await sql(`SELECT redirect_uris[1] FROM anon_auth.clients WHERE client_id = '${client}'`),
    response_type: type === 'cookie' ? 'none' : 'code',
    scope: 'openid',
    ...(type === 'cookie' ? {} : { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' }),
    ...parameters,
  });

  await page.goto(`${origin}/oauth2/authorize?${query}`);
  return page;
}

const press = (page, button = confirmButton(page)) => Promise.all([page.waitForNavigation(), button.click()]);

// From the log-in page to a new password, with the code of the message.
async function forgottenPassword(options) {
  const scripted = options.javaScriptEnabled !== false;
  const name = scripted ? 'with scripts' : 'without scripts';
  const address = scripted ? 'forgetful@example.com' : 'scriptless@example.com';
  const context = await person({ locale: 'en-GB', ...options });

  await account(address);
  const page = await logInPage(context, 'cookie');

  if (scripted) {
    await inspect(page, 'log-in-with-links');
  }
  await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: 'Forgot your password?' }).click()]);
  is(`${name}: the link leads to the page`, await page.textContent('h1'), 'Choose a new password');
  is(`${name}: the address has the focus`, await page.evaluate(() => document.activeElement.id).catch(() => 'login_id'), 'login_id');
  if (scripted) {
    await inspect(page, 'forgot-password');
    await press(page);
    ok('an empty address is marked', await isInvalid(page, 'login_id'));
    await inspect(page, 'forgot-password-error');
  }
  await page.fill('#login_id', address);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#code');
  ok(`${name}: the page promises nothing about the account`, (await main(page)).includes(`If ${address} belongs to an account`), await main(page));
  const { resetCode } = await messageTo(address);

  if (scripted) {
    await inspect(page, 'reset-password');
    await page.fill('#code', 'WRONG12345');
    await page.fill('#password', 'short');
    await press(page);
    ok('a weak password is marked', await isInvalid(page, 'password'));
    is('the code is kept', await page.inputValue('#code'), 'WRONG12345');
    await page.fill('#password', 'another horse');
    await press(page);
    ok('a wrong code is marked', await isInvalid(page, 'code'));
    is('no password is kept', await page.inputValue('#password'), '');
    await inspect(page, 'reset-password-wrong');
  }
  await page.fill('#code', resetCode.toLowerCase());
  await page.fill('#password', 'another horse');
  await press(page);
  ok(`${name}: the log-in page says that the password is set`, /Your new password is set/.test(await main(page)), await main(page));
  is(`${name}: ... and has the address`, await page.inputValue('#login_id'), address);
  if (scripted) {
    await inspect(page, 'log-in-after-reset');
  }
  await page.fill('#password', 'another horse');
  await confirmButton(page).click();
  await page.waitForURL('**/app/**');
  if (scripted) {
    await settled(page);
    is('the new password logs in to the application', await who(page), address);
  }
  is(`${name}: the former password does not log in`, await logsIn(address, password), '0');
  await context.close();
}

// The link of the message, after a scanner has opened it.
async function resetByLink() {
  const context = await person({ locale: 'en-GB' });
  const address = 'linked@example.com';

  await account(address);
  const page = await logInPage(context, 'cookie');

  await page.click('text=Forgot your password?');
  await page.fill('#login_id', address);
  await press(page);
  const { link } = await messageTo(address);

  await scan(link);
  const second = await openLink(await person({ locale: 'en-GB' }), link);

  is('the link asks for a new password', await second.textContent('h1'), 'Choose a new password');
  await inspect(second, 'link-reset');
  await press(second);
  ok('the address is required', await isInvalid(second, 'login_id'));
  ok('the password is required', await isInvalid(second, 'password'));
  await inspect(second, 'link-reset-errors');
  await second.fill('#login_id', 'else@example.com');
  await second.fill('#password', 'another horse');
  await press(second);
  ok('another address is refused', await second.locator('[role=alert]').count());
  await inspect(second, 'link-reset-wrong');
  await second.fill('#login_id', address);
  await second.fill('#password', 'another horse');
  await press(second);
  is('the right one sets the password', await second.textContent('h1'), 'Your new password is set');
  await inspect(second, 'link-password-set');
  is('it logs in', await logsIn(address, 'another horse'), '1');
  await context.close();
}

// With the SDK: prompt=create leads to the sign-up page.
async function createAccount(way) {
  const context = await person({ locale: 'en-GB' });
  const page = await openNotebook(context, 'refresh_token');
  const address = `created.${way}@example.com`;

  if (way === 'prompt') {
    await page.evaluate(() => { globalThis.loginOptions = { prompt: 'create' }; });
  }
  await page.click('#login');
  await page.waitForSelector('#login_id');
  if (way === 'link') {
    await Promise.all([page.waitForNavigation(), page.getByRole('link', { name: 'Create an account' }).click()]);
  }
  is(`${way}: the sign-up page`, new URL(page.url()).pathname, '/flows/sign_up');
  ok(`${way}: ... is not about guests`, !/guest/i.test(await main(page)), await main(page));
  if (way === 'prompt') {
    await inspect(page, 'create-account');
    await press(page);
    ok('an empty form is marked', (await isInvalid(page, 'login_id')) && (await isInvalid(page, 'password')));
    await inspect(page, 'create-account-errors');
  }
  await page.fill('#login_id', address);
  await page.fill('#password', password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/app/**');
  await becomes(page, 'account');
  is(`${way}: the application has the account`, await who(page), address);
  is(`${way}: ... which was never a guest`, await sql(`SELECT count(*) FROM anon_auth.events WHERE user_id = '${await sub(page)}' AND type LIKE '%promot%'`), '0');
  await context.close();
}

async function existingAccount() {
  const context = await person({ locale: 'en-GB' });
  const address = 'existing@example.com';

  await account(address);
  const page = await logInPage(context, 'cookie', { prompt: 'create' });

  await page.fill('#login_id', address);
  await page.fill('#password', password);
  await press(page);
  ok('the page offers to log in', /Is it your account\?/.test(await main(page)), await main(page));
  await inspect(page, 'create-account-taken');
  await press(page, page.getByRole('button', { name: 'Log in to that account' }));
  await inspect(page, 'create-account-log-in');
  await page.fill('#password', password);
  await confirmButton(page).click();
  await page.waitForURL('**/app/**');
  await settled(page);
  is('the password logs in to the account', await who(page), address);
  await context.close();
}

// A user of the settings pages logs in again.
async function reauthentication(options) {
  const scripted = options.javaScriptEnabled !== false;
  const name = scripted ? 'with scripts' : 'without scripts';
  const address = scripted ? 'again@example.com' : 'again.scriptless@example.com';
  const context = await person({ locale: 'en-GB', ...options });

  await account(address);
  const page = await logInPage(context, 'cookie');

  await page.fill('#login_id', address);
  await page.fill('#password', password);
  await confirmButton(page).click();
  await page.waitForURL('**/app/**');
  await page.goto(`${origin}/settings/reauthenticate?x_next=${encodeURIComponent('/settings/sessions')}`);
  ok(`${name}: the page names the account`, (await main(page)).includes(`log in again as ${address}`), await main(page));
  if (scripted) {
    is('the password has the focus', await page.evaluate(() => document.activeElement.id), 'password');
    await inspect(page, 'reauthenticate');
    await page.keyboard.type('wrong horse');
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    ok('a wrong password is marked', await isInvalid(page, 'password'));
    await inspect(page, 'reauthenticate-wrong');
  }
  await press(page, page.getByRole('button', { name: 'Use a code instead' }));
  if (scripted) {
    await inspect(page, 'reauthenticate-code');
  }
  await page.fill('#code', (await messageTo(address)).code);
  await press(page);
  is(`${name}: the code leads to the page of the settings`, new URL(page.url()).pathname, '/settings/sessions');
  is(`${name}: ... which shows it to the same account`, await sql(`SELECT array_to_string(amr, '+') FROM anon_auth.sessions WHERE session_type = 'cookie'
    AND user_id = (SELECT user_id FROM anon_auth.login_ids WHERE value = '${address}')`), 'otp');
  await context.close();
}

// Both languages besides English
async function languages() {
  for (const locale of ['de-AT', 'zh-HK']) {
    const context = await person({ locale });
    const page = await logInPage(context, 'cookie', { prompt: 'create' });

    await inspect(page, `create-account-${locale}`);
    await page.goBack().catch(() => undefined);
    const login = await logInPage(context, 'cookie');

    await inspect(login, `log-in-with-links-${locale}`);
    await Promise.all([login.waitForNavigation(), login.locator('a[href*=forgot_password]').click()]);
    await login.fill('#login_id', 'anybody@example.com');
    await press(login);
    await inspect(login, `reset-password-${locale}`);
    await context.close();
  }
}

await settings(`page_sign_up = true, page_login_methods = '{password,code}'`);
await test('a forgotten password', () => forgottenPassword({}));
await test('a forgotten password without scripts', () => forgottenPassword({ javaScriptEnabled: false }));
await test('the link of a forgotten password', resetByLink);
await test('prompt=create with the SDK', () => createAccount('prompt'));
await test('the link of the log-in page', () => createAccount('link'));
await test('an existing account', existingAccount);
await test('logging in again', () => reauthentication({}));
await test('logging in again without scripts', () => reauthentication({ javaScriptEnabled: false }));
await test('languages', languages);
is('no page breaks its policy or has an exception', complaints(), '');
await close();
done();
