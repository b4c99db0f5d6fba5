// Drives Chromium for 099_codes_in_browser.pl, and prints each result as a line of JSON.

import { close, complaints, done, is, ok, origin, person, screenshots, sql, test } from './browser.mjs';
import { addNote, becomes, continueAsGuest, notes, openNotebook, password, settled, startLogin, startPromotion, state, sub, who } from './notebook.mjs';
import { messageTo, openLink, scan } from './mail.mjs';
import { inspect } from './pages.mjs';

const noLimits = () => sql('SELECT anon_auth.reset_counters()');

// ---------------------------------------------------------------------------
// The pages
// ---------------------------------------------------------------------------

const main = (page) => page.textContent('main').then((text) => text.replace(/\s+/g, ' '));
const confirmButton = (page) => page.locator('form button[type=submit]').first();
const digits = (page) => page.textContent('.digits').then((text) => text.replace(/\s/g, ''));

async function sendCode(page, address) {
  await noLimits();
  await page.fill('#login_id', address);
  await confirmButton(page).click();
  await page.waitForSelector('#code');
}

async function typeCode(page, code) {
  await page.fill('#code', code);
  await confirmButton(page).click();
}

async function backInNotebook(page, wanted = 'account') {
  await page.waitForURL('**/app/**');
  await becomes(page, wanted);
}

const account = async (address) => {
  await sql(`SELECT anon_auth.sign_up('notebook', email => '${address}', password => '${password}')`);
  await sql(`UPDATE anon_auth.login_ids SET verified_at = now() WHERE value = '${address}'`);
  await sql(`UPDATE anon_auth.users SET is_verified = true WHERE id = (SELECT user_id FROM anon_auth.login_ids WHERE value = '${address}')`);
};

// ---------------------------------------------------------------------------
// Log-in
// ---------------------------------------------------------------------------

async function logInByCode(type) {
  const context = await person({ locale: 'en-GB' });
  const page = await openNotebook(context, type);
  const address = `typed.${type}@example.com`;

  await account(address);
  await startLogin(page);
  await sendCode(page, address);
  await inspect(page, `code-${type}`);
  const { code } = await messageTo(address);

  await typeCode(page, `${code.slice(0, 3)} ${code.slice(3)}`);
  await backInNotebook(page);
  is(`${type}: a typed code logs in`, await who(page), address);
  await context.close();
}

async function logInByLink(type) {
  const context = await person({ locale: 'en-GB' });
  const page = await openNotebook(context, type);
  const address = `link.${type}@example.com`;

  await account(address);
  await startLogin(page);
  await sendCode(page, address);
  const { link } = await messageTo(address);

  await scan(link);
  const second = await openLink(context, link);

  is(`${type}: the link asks before it logs in`, await second.textContent('h1'), 'Log in to Notebook?');
  ok(`${type}: ... and names the address`, (await main(second)).includes(address));
  await inspect(second, `link-log-in-${type}`);
  is(`${type}: nobody is logged in yet`, await sql(`SELECT count(*) FROM anon_auth.events WHERE type = 'user.authenticated'
    AND user_id = (SELECT user_id FROM anon_auth.login_ids WHERE value = '${address}')`), '0');
  await confirmButton(second).click();
  await second.waitForURL('**/app/**');
  await settled(second);
  if (type === 'cookie') {
    is(`${type}: the link logs in, in a new tab`, await who(second), address);
    await page.reload();
  }
  is(`${type}: the link leads back to the application`, await state(second), 'account');
  const third = await openLink(context, link);

  is(`${type}: the link works once`, await third.textContent('h1'), 'This link no longer works');
  await context.close();
}

// The link in another browser, which then has a session if the application uses cookies.
async function logInElsewhere() {
  const asking = await person({ locale: 'en-GB' });
  const page = await openNotebook(asking, 'cookie');
  const address = 'elsewhere@example.com';

  await account(address);
  await startLogin(page);
  await sendCode(page, address);
  const { code, link } = await messageTo(address);
  const other = await person({ locale: 'en-GB', timezoneId: 'Asia/Hong_Kong' });
  const second = await openLink(other, link);
  const text = await main(second);

  ok('elsewhere, the page says as whom the browser is logged in', text.includes(`This browser will be logged in as ${address}`), text);
  ok('... when and from where the code was requested', /requested on \d+ \w+ \d{4} at \d\d:\d\d GMT\+8, from the IP address 127\.0\.0\.1/.test(text), text);
  is('... and shows the code for the other device', await digits(second), code);
  await inspect(second, 'link-log-in-elsewhere');
  await confirmButton(second).click();
  await second.waitForSelector('a.button');
  ok('after the confirmation, the page says so', (await main(second)).includes(`This browser is logged in to Notebook as ${address}`));
  await inspect(second, 'link-logged-in');
  await second.click('a.button');
  await settled(second);
  is('... and leads to the application, which knows the user', await who(second), address);
  await page.reload();
  is('the browser that asked is not logged in', new URL(page.url()).pathname, '/flows/login');
  await asking.close();
  await other.close();
}

// The link of an application without cookies.
async function digitsElsewhere() {
  const asking = await person({ locale: 'en-GB' });
  const page = await openNotebook(asking, 'refresh_token');
  const address = 'digits@example.com';

  await account(address);
  await startLogin(page);
  await sendCode(page, address);
  const { code, link } = await messageTo(address);
  const other = await person({ locale: 'en-GB' });
  const second = await openLink(other, link);

  is('an application without cookies: the page shows the code', await digits(second), code);
  is('... and has no form', await second.locator('form').count(), 0);
  await inspect(second, 'link-code-log-in');
  await typeCode(page, await digits(second));
  await backInNotebook(page);
  is('... which logs in where it was requested', await who(page), address);
  await asking.close();
  await other.close();
}

// A browser that has a guest, or another account.
async function replaced() {
  const context = await person({ locale: 'en-GB' });
  const page = await openNotebook(context, 'cookie');
  const address = 'replaced@example.com';

  await account(address);
  await continueAsGuest(page);
  await noLimits();
  await sql(`SELECT anon_auth.request_login_code('notebook-cookie', '${address}', ui_locales => 'en')`);
  const second = await openLink(context, (await messageTo(address)).link);

  ok('a guest is warned', /You are a guest in this browser/.test(await main(second)));
  await inspect(second, 'link-log-in-guest');
  await context.close();
}

// ---------------------------------------------------------------------------
// A guest's promotion
// ---------------------------------------------------------------------------

const settings = (change) => sql(`UPDATE anon_auth.settings SET ${change}`);
const isGuest = (user) => sql(`SELECT is_anonymous FROM anon_auth.users WHERE id = '${user}'`);

// A guest with a note, on the page that asks for the address.
async function guest(type) {
  const context = await person({ locale: 'en-GB' });
  const page = await openNotebook(context, type);

  await continueAsGuest(page);
  await addNote(page, 'Buy milk');
  const user = await sub(page);

  await noLimits();
  await startPromotion(page);
  return { context, page, user };
}

// The result of the SDK's finishPromoteAnonymousUser() on the page that it has redirected to.
// With a cookie, there is nothing to finish: the SDK asks who the user is.
async function isPromoted(page, name, type, user, address) {
  await backInNotebook(page);
  const promoted = await page.evaluate(() => globalThis.promoted ?? globalThis.userInfo);
  const found = await sql(`SELECT concat_ws(' ', u.is_anonymous, l.verified_at IS NOT NULL, array_to_string(s.amr, '+'))
    FROM anon_auth.users u JOIN anon_auth.login_ids l ON l.user_id = u.id JOIN anon_auth.sessions s ON s.user_id = u.id
    WHERE u.id = '${user}' AND l.value = '${address}' ORDER BY s.created_at DESC LIMIT 1`);

  is(`${name}: the SDK gets the user`, promoted?.sub, user);
  is(`${name}: ... who is no guest`, promoted?.isAnonymous, false);
  is(`${name}: ... with the address`, promoted?.email, address);
  is(`${name}: ... which is verified`, promoted?.emailVerified, true);
  is(`${name}: so says the database, and how the user logged in`, found, 'f t otp');
  is(`${name}: the SDK has finished the promotion`, await page.evaluate(() => 'promoted' in globalThis), type === 'refresh_token');
  if (type === 'refresh_token') {
    const claims = JSON.parse(Buffer.from(promoted.idToken.split('.')[1], 'base64url'));

    is(`${name}: the SDK's ID token says the same`, [claims.sub, claims.amr.join('+')].join(), [user, 'otp'].join());
  }
  is(`${name}: the note is there`, (await notes(page)).join(), 'Buy milk');
}

async function promoteByCode(type) {
  const { context, page, user } = await guest(type);
  const address = `promoted.typed.${type}@example.com`;

  await sendCode(page, address);
  await typeCode(page, (await messageTo(address)).code);
  await isPromoted(page, `${type}, typed`, type, user, address);
  is(`${type}, typed: the user has no password`, await sql(`SELECT has_password FROM anon_auth.users WHERE id = '${user}'`), 'f');
  await context.close();
}

async function promoteByLink(type) {
  const { context, page, user } = await guest(type);
  const address = `promoted.link.${type}@example.com`;

  await sendCode(page, address);
  const { link } = await messageTo(address);

  await scan(link);
  const second = await openLink(context, link);

  is(`${type}: the link asks before it promotes`, await second.textContent('h1'), 'Create your account');
  ok(`${type}: ... and names the address`, (await main(second)).includes(address));
  is(`${type}: ... and asks for no password`, await second.locator('input[type=password]').count(), 0);
  if (type === 'refresh_token') {
    await inspect(second, 'link-sign-up');
  }
  is(`${type}: the guest is still a guest`, await isGuest(user), 't');
  await confirmButton(second).click();
  await isPromoted(second, `${type}, link`, type, user, address);
  is(`${type}: the link works once`, await (await openLink(context, link)).textContent('h1'), 'This link no longer works');
  await page.reload();
  is(`${type}: the page that asked for the code says that the account is ready`, await page.textContent('h1'), 'Your account is ready');
  await context.close();
}

// The link in another browser, which must not complete what the first one has begun.
async function promoteElsewhere(type) {
  const { context, page, user } = await guest(type);
  const address = `promoted.elsewhere.${type}@example.com`;

  await sendCode(page, address);
  const { code, link } = await messageTo(address);
  const other = await person({ locale: 'en-GB', timezoneId: 'Asia/Hong_Kong' });
  const second = await openLink(other, link);
  const text = await main(second);

  is(`${type}: elsewhere, the link of a promotion shows the six digits`, await digits(second), code);
  ok(`${type}: ... and the client`, /create your account with Notebook, enter this code where you asked for it/.test(text), text);
  ok(`${type}: ... and when and from where the code was requested`,
    /requested on \d+ \w+ \d{4} at \d\d:\d\d GMT\+8, from the IP address 127\.0\.0\.1/.test(text), text);
  is(`${type}: ... and has no form`, await second.locator('form').count(), 0);
  if (type === 'refresh_token') {
    await inspect(second, 'link-code-sign-up');
  }

  // A form that the page does not have: the other browser sends the code all the same.
  await second.evaluate((query) => {
    const form = document.createElement('form');

    form.method = 'post';
    form.action = '/flows/code_link';
    for (const [name, value] of new URLSearchParams(query)) {
      form.append(Object.assign(document.createElement('input'), { name, value }));
    }
    document.body.append(form);
    form.id = 'forged';
  }, new URL(link).search);
  await Promise.all([second.waitForNavigation(), second.evaluate(() => document.getElementById('forged').submit())]);
  is(`${type}: a form sent there shows the digits again`, await digits(second), code);
  is(`${type}: ... and promotes nobody`, await isGuest(user), 't');
  is(`${type}: ... and begins no session`, (await other.cookies()).filter(({ name }) => /session/.test(name)).length, 0);
  await typeCode(page, await digits(second));
  await isPromoted(page, `${type}, digits of the link`, type, user, address);
  await context.close();
  await other.close();
}

// Addresses must be proven, and accounts have passwords.
async function promoteWithPassword(way) {
  await settings(`login_id_verification = 'required', page_login_methods = '{password,code}'`);
  const { context, page, user } = await guest('refresh_token');
  const address = `promoted.password.${way}@example.com`;

  await sendCode(page, address);
  const { code, link } = await messageTo(address);
  const form = way === 'link' ? await openLink(context, link) : page;

  is(`${way}: the page asks for a password`, await form.locator('input[name=password][autocomplete=new-password]').count(), 1);
  is(`${way}: ... and has the address for password managers`, await form.inputValue('input[autocomplete=username]'), address);
  is(`${way}: ... and asks for the code if it does not have it`, await form.locator('#code').count(), way === 'link' ? 0 : 1);
  is(`${way}: ... without an error`, await form.locator('[role=alert]').count(), 0);
  await inspect(form, `promote-password-${way}`);
  if (way === 'typed') {
    await form.fill('#code', code);
  }
  await form.fill('#password', 'short');
  await Promise.all([form.waitForNavigation(), confirmButton(form).click()]);
  ok(`${way}: a weak password is an error beside its field`, await form.locator('#password_error').count());
  ok(`${way}: the code of the link is in no field that is shown`,
    !(await form.locator('input:not([type=hidden])').evaluateAll((all) => all.some((input) => input.value.length > 40))));
  if (way === 'link') {
    await inspect(form, 'promote-password-weak');
  }
  await form.fill('#password', password);
  await confirmButton(form).click();
  await isPromoted(form, `${way}, with a password`, 'refresh_token', user, address);
  is(`${way}: the password logs in`, await sql(`SELECT count(*) FROM anon_auth.authenticate('notebook', '${address}', '${password}')`), '1');
  await settings(`login_id_verification = DEFAULT, page_login_methods = '{code,password}'`);
  await context.close();
}

// The code proves an account that exists.
async function promoteToAccount(way) {
  await settings(`promotion_conflict = 'merge'`);
  const address = `promoted.merge.${way}@example.com`;

  await account(address);
  const { context, page, user } = await guest('refresh_token');
  const existing = await sql(`SELECT user_id FROM anon_auth.login_ids WHERE value = '${address}'`);

  await sendCode(page, address);
  const { code, link } = await messageTo(address);
  let form = page;

  if (way === 'link') {
    form = await openLink(context, link);
    ok('merge, link: before the confirmation, the page does not tell that there is an account', !/already an account/.test(await main(form)));
    await confirmButton(form).click();
  } else {
    await typeCode(form, code);
  }
  await form.getByRole('heading', { name: 'This is your account' }).waitFor();
  ok(`merge, ${way}: the page says what happens to the guest's data`, /will be moved to/.test(await main(form)), await main(form));
  is(`merge, ${way}: ... and asks for no password`, await form.locator('input[type=password]').count(), 0);
  is(`merge, ${way}: ... and has merged nothing`, await isGuest(user), 't');
  await confirmButton(form).click();
  await isPromoted(form, `merge, ${way}`, 'refresh_token', existing, address);
  is(`merge, ${way}: the note belongs to the account`, await sql(`SELECT count(*) FROM api.notes WHERE user_id = '${existing}'`), '1');
  is(`merge, ${way}: the guest is gone`, await isGuest(user), '');
  await settings('promotion_conflict = DEFAULT');
  await context.close();
}

// ---------------------------------------------------------------------------
// Known and unknown addresses; other states
// ---------------------------------------------------------------------------

async function unknownAddress() {
  const seen = {};

  await account('known@example.com');
  for (const address of ['known@example.com', 'other@example.com']) {
    const context = await person({ locale: 'en-GB' });
    const page = await openNotebook(context, 'cookie');

    await startLogin(page);
    await sendCode(page, address);
    const typed = await main(page);
    const { code, link, text } = await messageTo(address);
    const elsewhere = await openLink(await person({ locale: 'en-GB' }), link);
    const own = await openLink(context, link);
    const hide = (shown) => shown.replaceAll(address, 'ADDRESS').replaceAll(code, 'CODE').replaceAll(`${code.slice(0, 3)} ${code.slice(3)}`, 'CODE')
      .replace(/\d+ \w+ \d{4} at \d\d:\d\d/, 'TIME').replaceAll(link, 'LINK');

    seen[address] = [typed, text, await main(elsewhere), await main(own)].map(hide).join('\n');
    if (address.startsWith('other')) {
      await confirmButton(elsewhere).click();
      await elsewhere.getByRole('heading', { name: 'There is no account to log in to' }).waitFor();
      await inspect(elsewhere, 'link-no-account');
    }
    await elsewhere.context().close();
    await context.close();
  }
  is('known and unknown addresses look the same on every page and in the message', seen['other@example.com'], seen['known@example.com']);
}

async function otherStates() {
  for (const [locale, heading] of [
    ['en', 'This link no longer works'],
    ['de', 'Dieser Link gilt nicht mehr'],
    ['zh-TW', '這個連結已失效'],
  ]) {
    const context = await person({ locale });
    const page = await context.newPage();

    await page.goto(`${origin}/flows/code_link?code=x`);
    is(`${locale}: the page of a link that does not work`, await page.textContent('h1'), heading);
    await inspect(page, `link-expired-${locale}`);
    await context.close();
  }
}

async function languages() {
  await account('languages@example.com');
  for (const locale of ['de', 'zh-Hant']) {
    for (const client of ['notebook', 'notebook-cookie']) {
      await noLimits();
      await sql('DELETE FROM anon_auth.address_codes');
      await sql(`SELECT anon_auth.request_login_code('${client}', 'languages@example.com', ui_locales => '${locale}')`);
      const context = await person({ locale: 'en' });
      const page = await openLink(context, (await messageTo('languages@example.com')).link);

      is(`${locale}, ${client}: the page is in the language of the message`, await page.getAttribute('html', 'lang'), locale);
      await inspect(page, `link-${client}-${locale}`);
      if (client === 'notebook-cookie') {
        await confirmButton(page).click();
        await page.waitForSelector('a.button');
        await inspect(page, `link-logged-in-${locale}`);
      }
      await context.close();
    }
  }
}

// Without JavaScript, and with the keyboard alone.
async function withoutScript() {
  const context = await person({ locale: 'en-GB', javaScriptEnabled: false });
  const address = 'noscript@example.com';

  await account(address);
  await noLimits();
  await sql(`SELECT anon_auth.request_login_code('notebook-cookie', '${address}', ui_locales => 'en')`);
  const page = await context.newPage();

  await page.goto((await messageTo(address)).link);
  await page.keyboard.press('Tab');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  is('without JavaScript, one key confirms', await page.textContent('h1'), 'You are logged in');
  await context.close();
}

// ---------------------------------------------------------------------------
// Links of other messages
// ---------------------------------------------------------------------------

async function otherMessages() {
  const address = 'messages@example.com';
  const context = await person({ locale: 'en-GB' });

  await account(address);
  await noLimits();
  await sql(`SELECT anon_auth.request_login_code('notebook-cookie', '${address}', ui_locales => 'en')`);
  const page = await openLink(context, (await messageTo(address)).link);

  await confirmButton(page).click();
  await page.waitForSelector('a.button');
  await sql(`UPDATE anon_auth.login_ids SET verified_at = NULL WHERE value = '${address}'`);
  await sql(`SELECT anon_auth.request_verification('email', access_token, ui_locales => 'en') FROM anon_auth.authenticate('notebook', '${address}', '${password}')`);
  const verification = await messageTo(address);
  const other = await person({ locale: 'en-GB' });
  const elsewhere = await openLink(other, verification.link);

  is('the link of a verification shows the code elsewhere', await digits(elsewhere), verification.code);
  await inspect(elsewhere, 'link-code-verify');
  const own = await openLink(context, verification.link);

  await inspect(own, 'link-verify');
  await confirmButton(own).click();
  await own.getByRole('heading', { name: 'Your address is confirmed' }).waitFor();
  is('... and verifies the address in a browser of the account',
    await sql(`SELECT count(verified_at) FROM anon_auth.login_ids WHERE value = '${address}'`), '1');
  await inspect(own, 'link-verified');
  await noLimits();
  await sql(`SELECT anon_auth.request_password_reset('${address}', 'en', 'notebook')`);
  const reset = await openLink(other, (await messageTo(address)).link);

  is('the link of a reset asks for a new password', await reset.locator('input[autocomplete="new-password"]').count(), 1);
  is('... and for the address', await reset.locator('input[name="login_id"]').count(), 1);
  await inspect(reset, 'link-new-password');
  await context.close();
  await other.close();
}

await test('log-in by a typed code, cookie', () => logInByCode('cookie'));
await test('log-in by a typed code, refresh token', () => logInByCode('refresh_token'));
await test('log-in by a link, cookie', () => logInByLink('cookie'));
await test('log-in by a link, refresh token', () => logInByLink('refresh_token'));
await test('log-in elsewhere', logInElsewhere);
await test('digits elsewhere', digitsElsewhere);
await test('a session is replaced', replaced);
for (const type of ['cookie', 'refresh_token']) {
  await test(`promotion by a typed code, ${type}`, () => promoteByCode(type));
  await test(`promotion by a link, ${type}`, () => promoteByLink(type));
  await test(`promotion by the digits of a link elsewhere, ${type}`, () => promoteElsewhere(type));
}
for (const way of ['typed', 'link']) {
  await test(`promotion with a code and a password, ${way}`, () => promoteWithPassword(way));
  await test(`promotion to an account that exists, ${way}`, () => promoteToAccount(way));
}
await test('an unknown address', unknownAddress);
await test('other states', otherStates);
await test('languages', languages);
await test('without JavaScript', withoutScript);
await test('links of other messages', otherMessages);
is('no page violates its policy, and no script fails', complaints(), '');
await close();
done();
