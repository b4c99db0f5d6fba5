// Drives Chromium for 051_browser.pl, and prints each result as a line of JSON.

import { close, complaints, done, is, ok, person, screenshots, sql, test, origin } from './browser.mjs';
import {
  addNote, becomes, continueAsGuest, description, error, isInvalid, notes, openNotebook, password, promote, reload,
  settled, startLogin, startPromotion, state, sub, submit, submitButton, submitInVain, who,
} from './notebook.mjs';
import { codeAndPassword, conflictsWithCode, logInWithCode, promotionWithCode, twiceWithCode } from './code_pages.mjs';
import {
  conflictStates, languages, leavingGuest, logInInstead, logInStates, messages, outage, reauthentication, signUpStates,
} from './pages.mjs';

const settings = (change) => sql(`UPDATE anon_auth.settings SET ${change}`);

async function guestIn(context, type) {
  const page = await openNotebook(context, type);

  await continueAsGuest(page);
  return page;
}

// A guest becomes an account: the whole flow without errors.
async function story(type) {
  const context = await person();
  const page = await openNotebook(context, type);
  const email = `ada.${type}@example.com`;
  const named = (name) => `${type}: ${name}`;

  is(named('the page first shows that nobody is logged in'), await state(page), 'out');
  await continueAsGuest(page);
  is(named('one click creates a guest'), await who(page), 'Guest');
  const guest = await sub(page);

  await addNote(page, 'Buy milk');
  is(named("the page shows the guest's note"), (await notes(page)).join(), 'Buy milk');
  is(named('the guest is still logged in after a reload'), await reload(page), 'guest');
  is(named('a reload keeps the user id'), await sub(page), guest);
  is(named("a reload shows the guest's note"), (await notes(page)).join(), 'Buy milk');

  const second = await openNotebook(context, type);

  is(named('a second tab has the same guest'), await sub(second), guest);
  await addNote(second, 'Buy tea');
  await reload(page);
  is(named('the first tab shows a note of the second tab'), (await notes(page)).join(), 'Buy tea,Buy milk');

  const before = await context.cookies();

  is(named('scripts cannot read a cookie'), await page.evaluate(() => document.cookie), '');
  await startPromotion(page);
  ok(named('the sign-up page has a heading'), await page.locator('h1').first().textContent());
  ok(
    named('the address of the sign-up page contains no promotion code'),
    !/promotion_code|login_hint/.test(page.url()),
    page.url(),
  );
  await screenshots(page, `sign-up-${type}`);
  const sent = page.waitForRequest((request) => request.method() === 'POST' && request.url().includes('/flows/'));

  await mistakes(page, type, guest);
  const headers = await (await sent).allHeaders();

  is(
    named('a form is sent with the origin of its page, and not with its address'),
    `${headers.origin} ${headers.referer}`,
    `${origin} ${origin}/`,
  );
  await promote(page, email);
  is(named('promotion leads back to the notebook'), await state(page), 'account');
  is(named('the address of the notebook contains no code'), new URL(page.url()).searchParams.get('code'), null);
  is(named('the notebook shows the e-mail address'), await who(page), email);
  is(named('promotion keeps the user id'), await sub(page), guest);
  is(named("the account has the guest's notes"), (await notes(page)).join(), 'Buy tea,Buy milk');
  if (type === 'cookie') {
    const value = (cookies) => cookies.find(({ name }) => name === 'session')?.value;

    ok(named('promotion replaces the session cookie'), value(await context.cookies()) !== value(before));
  }
  is(named('the account is still logged in after a reload'), await reload(page), 'account');
  await reload(second);
  is(named('the second tab has the account'), await who(second), email);

  await page.click('#logout');
  await page.waitForURL('**/app/**');
  await becomes(page, 'out');
  ok(named('after the logout the page shows that nobody is logged in'), await page.isVisible('#guest'));
  is(named('after a reload nobody is logged in'), await reload(page), 'out');
  is(
    named('the logout ends the session'),
    await sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${guest}'`),
    '0',
  );

  await startLogin(page);
  await screenshots(page, `log-in-${type}`);
  await submitInVain(page, email, 'not the password');
  is(named('a wrong password does not log in'), new URL(page.url()).pathname, '/flows/login');
  await submit(page, email, password);
  await page.waitForURL('**/app/**');
  await becomes(page, 'account');
  is(named('a login returns the same user'), await sub(page), guest);
  is(named("a login shows the user's notes"), (await notes(page)).join(), 'Buy tea,Buy milk');
  await context.close();
}

// Invalid input on the sign-up page. Each message is beside its field.
async function mistakes(page, type, guest) {
  const named = (name) => `${type}: ${name}`;
  const unchanged = () => sql(`SELECT is_anonymous FROM anon_auth.users WHERE id = '${guest}'`);

  await submitInVain(page, 'nonsense', password);
  ok(named('a wrong e-mail address is marked'), await isInvalid(page, 'login_id'));
  ok(named('the message about the e-mail address is beside the field'), await description(page, 'login_id'));
  is(named('the form keeps the input'), await page.inputValue('#login_id'), 'nonsense');
  await page.waitForFunction(() => document.activeElement.name === 'login_id');
  ok(named('the field with the error gets the focus'), true);
  await screenshots(page, `wrong-email-${type}`);

  await submitInVain(page, 'ada@example.com', 'short');
  ok(named('a weak password is marked'), await isInvalid(page, 'password'));
  ok(named('the message about the password is beside the field'), await description(page, 'password'));
  ok(named('a valid e-mail address is not marked'), !(await isInvalid(page, 'login_id')));
  is(named('the form keeps the e-mail address'), await page.inputValue('#login_id'), 'ada@example.com');
  is(named('the form does not keep the password'), await page.inputValue('input[name="password"]'), '');
  await screenshots(page, `weak-password-${type}`);

  await submitInVain(page, 'taken@example.com', password);
  ok(named('a taken e-mail address is marked'), await isInvalid(page, 'login_id'));
  await screenshots(page, `taken-email-${type}`);
  is(named('the guest is still a guest after the errors'), await unchanged(), 't');
}

// Goes back to the sign-up page after the promotion.
async function goBack(type) {
  const named = (name) => `${type}: ${name}`;
  const context = await person();
  const page = await guestIn(context, type);
  const email = `back.${type}@example.com`;

  await startPromotion(page);
  await promote(page, email);
  const user = await sub(page);
  const response = await page.goBack();

  is(named('the back button leads to a page'), response?.status() ?? 200, 200);
  ok(
    named('the page behind the back button does not show the form'),
    !(await page.locator('input[name="password"]').isVisible()),
  );
  await screenshots(page, `back-${type}`);
  await page.locator('main a, main button, a').first().click();
  await page.waitForURL('**/app/**');
  await settled(page);
  is(named('the page behind the back button leads to the notebook'), await who(page), email);
  is(named('going back does not change the user'), await sub(page), user);
  await context.close();
}

// ---------------------------------------------------------------------------

async function loginInstead(type) {
  const context = await person();
  const named = (name) => `${type}: ${name}`;

  await settings(`promotion_conflict = 'login'`);
  const page = await guestIn(context, type);
  const guest = await sub(page);

  await startPromotion(page);
  await submitInVain(page, 'taken@example.com', 'wrong horse');
  is(named('a taken e-mail address leads to the login form'), await page.inputValue('#login_id'),
    'taken@example.com');
  await screenshots(page, `login-${type}`);
  await submitInVain(page, 'taken@example.com', 'wrong horse');
  ok(named('a wrong password is marked in the login form'), await isInvalid(page, 'password'));
  await screenshots(page, `wrong-password-${type}`);
  await promote(page, 'taken@example.com');
  is(named('the right password logs in'), await who(page), 'taken@example.com');
  ok(named('the login returns the other account'), (await sub(page)) !== guest);
  is(
    named('the login leaves the guest unchanged'),
    await sql(`SELECT is_anonymous FROM anon_auth.users WHERE id = '${guest}'`),
    't',
  );
  await context.close();
}

async function doubleSubmit(type) {
  const context = await person();
  const page = await guestIn(context, type);
  const guest = await sub(page);

  await startPromotion(page);
  await page.fill('#login_id', `twice.${type}@example.com`);
  await page.fill('input[name="password"]', password);
  await submitButton(page).dblclick({ noWaitAfter: true });
  await page.waitForURL('**/app/**');
  await becomes(page, 'account');
  is(`${type}: a double click on the button promotes once`, await sub(page), guest);
  await context.close();
}

async function cancel(type) {
  const context = await person();
  const page = await guestIn(context, type);
  const guest = await sub(page);

  await startPromotion(page);
  await page.locator('a[href*="access_denied"]').first().click();
  await page.waitForURL('**/app/**');
  ok(`${type}: the notebook shows that the promotion was cancelled`, await error(page));
  await becomes(page, 'guest');
  is(`${type}: cancelling keeps the guest`, await sub(page), guest);
  await context.close();
}

async function endedSessions(type) {
  const named = (name) => `${type}: ${name}`;
  const ways = {
    expired: (user) =>
      sql(`UPDATE anon_auth.sessions SET created_at = created_at - interval '2 years',
          last_used_at = last_used_at - interval '2 years', expires_at = now() - interval '1 second'
          WHERE user_id = '${user}'`),
    revoked: (user) => sql(`SELECT anon_auth.revoke_sessions('${user}')`),
    'disabled user': (user) => sql(`SELECT anon_auth.disable_user('${user}')`),
  };

  for (const [way, end] of Object.entries(ways)) {
    const context = await person();
    const page = await guestIn(context, type);
    const other = await openNotebook(context, type);
    const guest = await sub(page);

    await end(guest);
    await page.fill('#body', 'Too late');
    await page.click('#add button');
    ok(named(`the next click shows that the session has ended (${way})`), /ended/.test(await error(page)));
    await becomes(page, 'out');
    is(
      named(`a request with the ended session writes nothing (${way})`),
      await sql(`SELECT count(*) FROM api.notes WHERE user_id = '${guest}'`),
      '0',
    );
    is(named(`a reload shows that nobody is logged in (${way})`), await reload(other), 'out');
    await continueAsGuest(other);
    ok(named(`a new guest can sign up (${way})`), (await sub(other)) !== guest);
    await context.close();
  }
}

// A guest with a key comes back after the session has ended, and after a logout.
async function comingBack() {
  const context = await person();
  const page = await guestIn(context, 'key');
  const guest = await sub(page);

  await addNote(page, 'Buy milk');
  await sql(`SELECT anon_auth.revoke_sessions('${guest}')`);
  is('key: the guest is logged in after the session has ended', await reload(page), 'guest');
  is('key: it is the same guest', await sub(page), guest);
  is('key: the guest has its note', (await notes(page)).join(), 'Buy milk');
  await page.click('#logout');
  await becomes(page, 'out');
  await continueAsGuest(page);
  is('key: after a logout, the guest comes back', await sub(page), guest);
  is('key: with its note', (await notes(page)).join(), 'Buy milk');

  page.on('dialog', (dialog) => dialog.accept());
  await settings(`promotion_conflict = 'login'`);
  await startPromotion(page);
  await submitInVain(page, 'taken@example.com', 'wrong horse');
  await promote(page, 'taken@example.com');
  await becomes(page, 'account');
  await page.locator('#notes li').first().waitFor();
  is('key: a login moves the notes of the guest to the account', (await notes(page)).join(), 'Buy milk');
  is('key: the guest is merged', await sql(`SELECT count(*) FROM anon_auth.users WHERE id = '${guest}'`), '0');
  await context.close();
}

// A stale refresh token, such as one from a backup of the browser's profile.
async function staleToken() {
  const key = 'authgear_default_refreshToken';
  const context = await person();
  const page = await guestIn(context, 'refresh_token');
  const guest = await sub(page);
  const stale = await page.evaluate((name) => localStorage.getItem(name), key);

  page.once('dialog', (dialog) => dialog.accept());
  await page.click('#logout');
  await becomes(page, 'out');
  await page.evaluate(([name, value]) => localStorage.setItem(name, value), [key, stale]);
  is('refresh_token: a stale token logs nobody in', await reload(page), 'out');
  ok('refresh_token: the page shows that the session has ended', /ended/.test(await error(page)));
  is(
    'refresh_token: the page deletes the stale token',
    await page.evaluate((name) => localStorage.getItem(name), key),
    null,
  );
  await page.evaluate(([name, value]) => localStorage.setItem(name, value), [key, stale]);
  await page.click('#guest');
  ok('refresh_token: sign-up with a stale token is refused', /invalid refresh token/.test(await error(page)));
  await reload(page);
  await continueAsGuest(page);
  ok('refresh_token: a new guest can sign up after a stale token', (await sub(page)) !== guest);
  await context.close();
}

// The sign-up page in a browser without JavaScript.
async function withoutJavaScript(type) {
  const named = (name) => `${type}: ${name}`;
  const context = await person();
  const page = await guestIn(context, type);
  const guest = await sub(page);
  let start;

  await page.route('**/oauth2/authorize?**', (route) => {
    start = route.request().url();
    return route.abort();
  });
  await Promise.all([page.waitForRequest('**/oauth2/authorize?**'), page.click('#promote')]);

  const plain = await person({ javaScriptEnabled: false });

  await plain.addCookies(await context.cookies());
  const form = await plain.newPage();

  await form.goto(start);
  await form.fill('#login_id', 'plain');
  await form.fill('input[name="password"]', 'short');
  ok(named('the form is visible without JavaScript'), await submitButton(form).isVisible());
  await form.fill('#login_id', `plain.${type}@example.com`);
  await form.fill('input[name="password"]', 'weak');
  await screenshots(form, `without-javascript-${type}`);
  await submitButton(form).click();
  await form.fill('input[name="password"]', password);
  is(named('the form keeps the input without JavaScript'), await form.inputValue('#login_id'),
    `plain.${type}@example.com`);
  await submitButton(form).click();
  await form.waitForURL('**/app/**');
  is(
    named('the form promotes the guest without JavaScript'),
    await sql(`SELECT is_anonymous FROM anon_auth.users WHERE id = '${guest}'`),
    'f',
  );
  is(named('the redirect has a code, except for a cookie session'), new URL(form.url()).searchParams.has('code'),
    type !== 'cookie');
  await plain.close();
  await context.close();
}

// ---------------------------------------------------------------------------

await sql(`SELECT anon_auth.promote_anonymous_user('notebook', email => 'taken@example.com',
  password => '${password}',
  refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('notebook')))`);

for (const type of ['refresh_token', 'cookie']) {
  await settings(`promotion_conflict = 'error'`);
  await test(`${type}: a guest is promoted, logs out and logs in`, () => story(type));
  await test(`${type}: the form can be submitted twice`, () => doubleSubmit(type));
  await test(`${type}: the user can go back to the form`, () => goBack(type));
  await test(`${type}: the user can cancel`, () => cancel(type));
  await test(`${type}: the page works without JavaScript`, () => withoutJavaScript(type));
  await test(`${type}: the page handles ended sessions`, () => endedSessions(type));
  await test(`${type}: a guest can log in to an existing account`, () => loginInstead(type));
}
await settings(`promotion_conflict = 'error'`);
await test('key: a guest is promoted, logs out and logs in', () => story('key'));
await test('key: the user can cancel', () => cancel('key'));
await test('key: a guest comes back', comingBack);
await test('refresh_token: the page handles a stale token', staleToken);
await settings(`promotion_conflict = 'error'`);
await test('the sign-up page shows its errors', signUpStates);
await test('a taken login ID leads to the existing account', logInInstead);
await test('the pages ask before they log in to another account', conflictStates);
await test('the log-in and log-out pages show their errors', logInStates);
await test('a guest who logs out is warned', leavingGuest);
await test('the notebook survives an outage', outage);
await test('a user who must log in again cannot be another one', reauthentication);
await test('the pages show messages', messages);
await test('the pages are in the language of the browser', languages);
await test('a guest is promoted with a code', promotionWithCode);
await test('the form with the code can be submitted twice', twiceWithCode);
await test('a code proves an existing account', conflictsWithCode);
await test('a promotion can need a code and a password', codeAndPassword);
await test('a user logs in with a code', logInWithCode);

is('no page violated its policy or threw an exception', complaints(), '');
await close();
done();
