// Drives a browser for 120_web_client.pl and 121_web_client_firefox.pl, and prints each
// result as a line of JSON.

import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { UnreliableNetwork } from './unreliable.mjs';

const { before, close, complaints, done, is, ok, origin, person, product, sql, test } = await import(
  process.env.BROWSER ?? './browser.mjs'
);
const { UPSTREAM, FOREIGN, PAGES } = process.env;
const password = 'correct horse';
const network = new UnreliableNetwork(UPSTREAM);

await network.listen(new URL(origin).port);

// ---------------------------------------------------------------------------
// Helpers
// ---------------------------------------------------------------------------

const addressOf = (client, base = origin) => `${base}/app/${client}.html`;

async function until(condition, what) {
  const end = Date.now() + 1000 * Number(process.env.TIMEOUT ?? 60);

  while (!(await condition().catch(() => false))) {
    if (Date.now() > end) {
      throw new Error(`does not happen: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const ready = (page) => until(() => page.evaluate(() => document.body.dataset.ready === 'true'), `${page.url()} is ready`);

async function open(context, client = 'web', base = origin) {
  const page = await context.newPage();

  await page.goto(addressOf(client, base));
  await ready(page);
  return page;
}

const attempt = (page, action, value) =>
  page.evaluate(`attempt(async () => (${action})(${value === undefined ? '' : JSON.stringify(value)}))`);

async function value(page, action, argument) {
  const { value: result, error } = await attempt(page, action, argument);

  if (error) {
    throw new Error(`${error.code}: ${error.message} (${JSON.stringify(error)})`);
  }
  return result;
}

const failure = async (page, action, argument) => {
  const { value: result, error } = await attempt(page, action, argument);

  return error ?? { code: `no error, but ${JSON.stringify(result)}` };
};

const signUp = (page) => value(page, () => auth.continueAsGuest());
const countOfUsers = () => sql('SELECT count(*) FROM anon_auth.users').then(Number);
const sessionsOf = (user) => sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${user}'`);
const tokenRequests = () => network.take('/oauth2/token').filter(({ method }) => method === 'POST').length;
const fill = (page, selector, text) => page.locator(selector).fill(text);

// Fills in the form of a page of the server, and sends it.
async function submit(page, loginId) {
  await page.waitForSelector('input[name="password"]');
  await fill(page, '#login_id', loginId);
  await fill(page, 'input[name="password"]', password);
  await page.evaluate(() => document.querySelector('form:has(input[name="password"])').requestSubmit());
}

async function navigate(page, method, client = 'web', base = origin) {
  const url = await value(page, `(redirectUri) => auth.${method}({ redirectUri })`, addressOf(client, base));

  await page.goto(url);
}

async function back(page, client = 'web', base = origin) {
  await until(async () => page.url().startsWith(addressOf(client, base)), 'the redirect back');
  await ready(page);
}

async function promote(page, loginId, client = 'web', base = origin) {
  await navigate(page, 'promotionUrl', client, base);
  await submit(page, loginId);
  await back(page, client, base);
  return value(page, () => auth.finishRedirect());
}

async function logIn(page, loginId) {
  await navigate(page, 'loginUrl');
  await submit(page, loginId);
  await back(page);
  return value(page, () => auth.finishRedirect());
}

async function codeFor(page, options) {
  await value(page, (details) => auth.requestCode(details).then((date) => date.getTime()), options);
  return sql(`SELECT code FROM anon_auth.take_outbox_messages() WHERE recipient = '${options.loginId}'`);
}

// ---------------------------------------------------------------------------
// Guests
// ---------------------------------------------------------------------------

async function beginning() {
  const context = await person();
  const page = await open(context);

  ok(`the browser is ${product}`, (await page.evaluate(() => navigator.userAgent)).includes(product.replace('Chromium', 'Chrome')));
  is('nobody is logged in at first', await value(page, () => auth.user()), null);
  is('without a guest, no token is to be had', (await failure(page, () => auth.accessToken())).code, 'no_session');
  is('opening the page sends no request', network.take('/oauth2/token').length + network.take('/oauth2/challenge').length, 0);
  const user = await signUp(page);

  ok('continueAsGuest() returns a guest', user.isGuest, JSON.stringify(user));
  is('the server has this guest', await sql(`SELECT is_anonymous FROM anon_auth.users WHERE id = '${user.id}'`), 't');
  is('user() returns the same user', (await value(page, () => auth.user())).id, user.id);
  is('the page gets an event', await page.evaluate(() => changes), 1);
  is('continueAsGuest() again returns the same guest', (await signUp(page)).id, user.id);
  is('userInfo() asks the server', (await value(page, () => auth.userInfo())).sub, user.id);
  is('fetch() adds the token', await value(page, () => addNote('Buy milk')), 201);
  is('fetch() reads the guest\'s rows', await value(page, () => notes()), 'Buy milk');

  is('the private key cannot be exported', await value(page, async () => {
    const { guest, proofKey } = await record();
    const attempts = [guest.key, proofKey].flatMap(({ privateKey }) =>
      ['jwk', 'pkcs8'].map((format) => crypto.subtle.exportKey(format, privateKey).then(() => 'exported', (error) => error.name)));

    return (await Promise.all(attempts)).join();
  }), 'InvalidAccessError,InvalidAccessError,InvalidAccessError,InvalidAccessError');
  is('nothing is in localStorage, sessionStorage and cookies', await page.evaluate(
    () => localStorage.length + sessionStorage.length + document.cookie.length), 0);

  await page.reload();
  await ready(page);
  is('after a reload, the guest is logged in', (await value(page, () => auth.user())).id, user.id);
  is('after a reload, fetch() reads the guest\'s rows', await value(page, () => notes()), 'Buy milk');
  await context.close();
}

async function comingBack() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);

  await value(page, () => addNote('Buy tea'));
  await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
  is('after the session has ended, fetch() logs the guest in by its key', await value(page, () => notes()), 'Buy tea');
  is('it is the same guest', (await value(page, () => auth.user())).id, id);

  await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
  await value(page, () => expire());
  is('the same with an expired access token', await value(page, () => notes()), 'Buy tea');

  await value(page, () => auth.logOut());
  is('after logOut(), nobody is logged in', await value(page, () => auth.user()), null);
  is('logOut() ends the session at the server', await sessionsOf(id), '0');
  is('after logOut(), fetch() does not log in again by itself', (await failure(page, () => notes())).code, 'no_session');
  is('logOut() keeps the key: the guest can come back', (await value(page, () => auth.guest())).id, id);
  is('continueAsGuest() brings the guest back', (await signUp(page)).id, id);
  is('with its rows', await value(page, () => notes()), 'Buy tea');

  await value(page, () => auth.logOut({ forgetGuest: true }));
  is('logOut({ forgetGuest: true }) deletes the key', await value(page, () => auth.guest()), null);
  ok('the next guest is another one', (await signUp(page)).id !== id);
  await context.close();
}

async function deletedGuest() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);

  await sql(`SELECT anon_auth.delete_user('${id}')`);
  const error = await failure(page, () => notes());

  is('a guest that the server has deleted is guest_unknown', error.code, 'guest_unknown');
  is('the error has the SQLSTATE', error.sqlState, 'AA004');
  ok('the error is an AnonAuthError', error.isOurs && error.name === 'AnonAuthError');
  is('then nobody is logged in', await value(page, () => auth.user()), null);
  const count = await countOfUsers();

  is('continueAsGuest() does not make another guest by itself', (await failure(page, () => auth.continueAsGuest())).code, 'guest_unknown');
  is('no user was made', await countOfUsers(), count);
  ok('startOver makes one', (await value(page, () => auth.continueAsGuest({ startOver: true }))).id !== id);
  await context.close();
}

// ---------------------------------------------------------------------------
// Tabs
// ---------------------------------------------------------------------------

async function tabs() {
  const context = await person();
  const pages = [await open(context), await open(context), await open(context)];
  const count = await countOfUsers();
  const users = await Promise.all(pages.map(signUp));

  is('three tabs that sign up at once get one guest', new Set(users.map(({ id }) => id)).size, 1);
  is('the server has one user more', (await countOfUsers()) - count, 1);
  is('it has one session', await sessionsOf(users[0].id), '1');
  await until(() => pages[2].evaluate(() => changes === 1), 'the event in the third tab');
  ok('each tab gets an event', true);

  await value(pages[0], () => expire());
  tokenRequests();
  const tokens = await Promise.all(pages.map((page) => value(page, () => auth.accessToken())));

  is('three tabs refresh once', tokenRequests(), 1);
  is('and use the same access token', new Set(tokens).size, 1);

  const rejected = await Promise.all(pages.map(async (page) => {
    await value(page, async () => {
      const stored = await record();

      await putRecord({ ...stored, session: { ...stored.session, accessToken: `${stored.session.accessToken}x` } });
    });
    return page;
  }));

  tokenRequests();
  is('a token that the server refuses is refreshed in all tabs at once',
    (await Promise.all(rejected.map((page) => value(page, () => notes())))).join('|'), '||');
  is('with one refresh', tokenRequests(), 1);

  await value(pages[0], () => auth.logOut());
  is('a logout in one tab logs the others out', await value(pages[1], () => auth.user()), null);
  await until(() => pages[1].evaluate(() => changes === 2), 'the event of the logout');
  await context.close();
}

// ---------------------------------------------------------------------------
// A network that fails
// ---------------------------------------------------------------------------

async function lostResponses() {
  const context = await person();
  const page = await open(context);
  const count = await countOfUsers();

  network.loseResponses('/oauth2/token', 1);
  const { id } = await signUp(page);

  is('a sign-up whose response is lost is repeated', (await countOfUsers()) - count, 1);

  await value(page, () => expire());
  network.loseResponses('/oauth2/token', 1);
  await value(page, () => auth.accessToken());
  is('a refresh whose response is lost is repeated', (await value(page, () => auth.user())).id, id);
  await value(page, () => auth.logOut({ forgetGuest: true }));

  // Every response of the sign-up is lost, and the page is closed.
  network.loseResponses('/oauth2/token', 3);
  const before = await countOfUsers();

  is('a sign-up without any response is a network error', (await failure(page, () => auth.continueAsGuest())).code, 'network');
  is('the server has the guest', (await countOfUsers()) - before, 1);
  await page.close();
  const second = await open(context);

  is('its state is new', (await value(second, () => auth.guest())).state, 'new');
  const found = await signUp(second);

  is('after the page was closed in the middle of the sign-up, it is the same guest', (await countOfUsers()) - before, 1);
  ok('it is a guest', found.isGuest);

  network.loseResponses('/oauth2/token', 100);
  await value(second, () => auth.logOut({ forgetGuest: true }));
  const interrupted = second.evaluate(() => void auth.continueAsGuest().catch(() => {}));

  await interrupted;
  await until(async () => (await countOfUsers()) - before === 2, 'the sign-up reaches the server');
  await second.close();
  network.up();
  const third = await open(context);

  await signUp(third);
  is('the same if the page is closed while it waits', (await countOfUsers()) - before, 2);
  await context.close();
}

async function rotation() {
  const context = await person();
  const page = await open(context, 'rotating');
  const { id } = await signUp(page);
  const refreshToken = () => value(page, async () => (await record()).session.refreshToken);
  const first = await refreshToken();

  await value(page, () => expire());
  await value(page, () => auth.accessToken());
  const second = await refreshToken();

  ok('the refresh token rotates', first !== second);
  await value(page, () => expire());
  network.loseResponses('/oauth2/token', 1);
  await value(page, () => auth.accessToken());
  ok('a lost response with rotation: the repeated request gets the successor', (await refreshToken()) !== second);
  is('the session is still the first one', await sessionsOf(id), '1');
  const session = await sql(`SELECT id FROM anon_auth.sessions WHERE user_id = '${id}'`);

  // After the grace period the session ends, and the key brings the guest back.
  await value(page, () => expire());
  network.loseResponses('/oauth2/token', 3);
  is('all responses of a refresh are lost', (await failure(page, () => auth.accessToken())).code, 'network');
  await sql(`UPDATE anon_auth.clients SET refresh_token_rotation_grace_seconds = 0 WHERE client_id = 'rotating'`);
  is('after the grace period, the guest comes back by its key', await value(page, () => notes()), '');
  is('it is the same guest', (await value(page, () => auth.user())).id, id);
  ok('in another session', session !== (await sql(`SELECT id FROM anon_auth.sessions WHERE user_id = '${id}'`)));
  await context.close();
}

async function offline() {
  const context = await person();
  const page = await open(context);
  const count = await countOfUsers();

  network.down();
  const error = await failure(page, () => auth.continueAsGuest());

  is('a sign-up without network is a network error', error.code, 'network');
  ok('of our class', error.isOurs);
  network.up();
  const { id } = await signUp(page);

  is('with network, it succeeds', (await countOfUsers()) - count, 1);
  await value(page, () => addNote('Buy salt'));

  network.down();
  is('without network, fetch() is a network error', (await failure(page, () => notes())).code, 'network');
  await value(page, () => expire());
  is('so is a refresh', (await failure(page, () => auth.accessToken())).code, 'network');
  is('the guest stays logged in', (await value(page, () => auth.user())).id, id);
  network.up();
  is('with network, everything is there', await value(page, () => notes()), 'Buy salt');

  network.down();
  await value(page, () => auth.logOut());
  is('a logout without network logs out here', await value(page, () => auth.user()), null);
  is('the session lives at the server', await sessionsOf(id), '1');
  network.up();
  await signUp(page);
  is('the next login ends it', await sessionsOf(id), '1');
  is('and the guest has only its new session', await value(page, () => notes()), 'Buy salt');
  await context.close();
}

// ---------------------------------------------------------------------------
// Storage
// ---------------------------------------------------------------------------

async function clearedStorage() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);

  await value(page, () => clear());
  const count = await countOfUsers();

  is('after the storage was cleared, fetch() says so', (await failure(page, () => notes())).code, 'storage_cleared');
  is('nobody is logged in', await value(page, () => auth.user()), null);
  is('continueAsGuest() says so, too', (await failure(page, () => auth.continueAsGuest())).code, 'storage_cleared');
  is('no user was made', await countOfUsers(), count);
  ok('startOver makes another guest', (await value(page, () => auth.continueAsGuest({ startOver: true }))).id !== id);

  await value(page, () => clear());
  await page.reload();
  await ready(page);
  is('a page that is opened after the storage was cleared knows nobody', await value(page, () => auth.user()), null);
  is('its fetch() makes no guest', (await failure(page, () => notes())).code, 'no_session');
  is('the server has one user more', (await countOfUsers()) - count, 1);
  await context.close();
}

async function noStorage() {
  const context = await person();

  await before(context, () => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('not here', 'SecurityError');
    };
  });
  const page = await open(context);
  const count = await countOfUsers();

  is('without IndexedDB, a sign-up is refused', (await failure(page, () => auth.continueAsGuest())).code, 'storage_unavailable');
  is('before anything was sent', await countOfUsers(), count);
  const user = await value(page, () => {
    globalThis.inMemory = new AnonAuth({ ...options, store: new MemoryStore() });
    return inMemory.continueAsGuest();
  });

  ok('a MemoryStore makes a guest for the life of the page', user.isGuest);
  is('with a fetch()', await value(page, async () => (await inMemory.fetch('/rest/notes')).status), 200);
  await context.close();
}

// ---------------------------------------------------------------------------
// Clocks
// ---------------------------------------------------------------------------

function shiftClock(shift) {
  const RealDate = Date;

  globalThis.Date = class extends RealDate {
    constructor(...values) {
      super(...(values.length === 0 ? [RealDate.now() + shift] : values));
    }

    static now() {
      return RealDate.now() + shift;
    }
  };
}

async function wrongClock(hours) {
  const named = (name) => `a clock that is ${hours} hours off: ${name}`;
  const context = await person();

  await before(context, shiftClock, hours * 3_600_000);
  const page = await open(context);
  const distance = await page.evaluate(() => Date.now());

  ok(named('the page has it'), Math.abs(distance - Date.now() - hours * 3_600_000) < 60_000);
  const { id } = await signUp(page);

  tokenRequests();
  is(named('fetch() works'), await value(page, () => addNote('Buy figs')), 201);
  is(named('without a refresh'), tokenRequests(), 0);
  await value(page, () => expire());
  is(named('a refresh works'), await value(page, () => notes()), 'Buy figs');
  await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
  is(named('a login by the key works'), await value(page, () => notes()), 'Buy figs');
  tokenRequests();
  await page.reload();
  await ready(page);
  is(named('after a reload, fetch() works'), await value(page, () => notes()), 'Buy figs');
  is(named('after a reload, no refresh was needed'), tokenRequests(), 0);
  is(named('a promotion works'), (await promote(page, `clock${hours + 10}@example.com`)).user.id, id);
  await context.close();
}

// ---------------------------------------------------------------------------
// Accounts
// ---------------------------------------------------------------------------

async function promotion() {
  const context = await person();
  const page = await open(context);
  const second = await open(context);
  const { id } = await signUp(page);

  await value(page, () => addNote('Buy rice'));
  await until(() => second.evaluate(() => changes === 1), 'the event of the sign-up');

  await navigate(page, 'promotionUrl');
  await page.waitForSelector('a[href*="access_denied"]');
  await page.evaluate(() => document.querySelector('a[href*="access_denied"]').click());
  await back(page);
  is('a cancelled promotion is an error', (await failure(page, () => auth.finishRedirect())).code, 'cancelled');
  is('the address is clean after it', page.url(), addressOf('web'));
  ok('the guest is still a guest', (await value(page, () => auth.user())).isGuest);

  await navigate(page, 'promotionUrl');
  await submit(page, 'rice@example.com');
  await back(page);
  const address = page.url();

  network.down();
  is('without network, the redirect cannot be finished', (await failure(page, () => auth.finishRedirect())).code, 'network');
  is('the address is kept for a second try', page.url(), address);
  network.up();
  const [first, again] = await value(page, () => Promise.all([auth.finishRedirect(), auth.finishRedirect()]));

  is('the promotion keeps the user id', first?.user.id, id);
  is('it says what has ended', first?.kind, 'promotion');
  ok('the user is no guest', first?.user.isGuest === false);
  is('a second call at the same time returns the same, or nothing', (again ?? first).user.id, id);
  is('the address has no code', page.url(), addressOf('web'));
  is('no redirect is left', await value(page, () => auth.finishRedirect()), null);
  is('the same address once more returns the same', (await value(page, (url) => auth.finishRedirect(url), address)).user.id, id);
  is('the account has the guest\'s rows', await value(page, () => notes()), 'Buy rice');
  is('the key is deleted', await value(page, () => auth.guest()), null);
  await until(() => second.evaluate(() => changes === 2), 'the event of the promotion');
  is('the other tab has the account', await value(second, () => notes()), 'Buy rice');
  is('and knows that it is no guest', (await value(second, () => auth.user())).isGuest, false);

  await value(page, () => auth.logOut());
  is('after the logout, nobody is logged in', await value(second, () => auth.user()), null);
  is('a login returns the same user', (await logIn(page, 'rice@example.com')).user.id, id);

  await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
  const error = await failure(page, () => notes());

  is('if the session of an account has ended, fetch() says so', `${error.code} ${error.sqlState}`, 'session_ended AA006');
  is('then nobody is logged in', await value(page, () => auth.user()), null);
  is('and a second call says that', (await failure(page, () => notes())).code, 'no_session');
  await context.close();
}

async function foreignRedirects() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);

  is('another application\'s redirect is not ours', await value(page, (url) => auth.finishRedirect(url),
    `${origin}/app/web.html?code=x&state=y`), null);
  is('an answer of another issuer is not ours', await value(page, (url) => auth.finishRedirect(url),
    `${origin}/app/web.html?code=x&state=y&iss=https%3A%2F%2Fother.example`), null);
  is('a code that this browser has not asked for is refused', (await failure(page, (url) => auth.finishRedirect(url),
    `${origin}/app/web.html?code=x&state=constructor&iss=${encodeURIComponent(origin)}`)).code, 'unknown_redirect');
  is('the guest stays logged in', (await value(page, () => auth.user())).id, id);
  await context.close();
}

// The key of a guest who became an account elsewhere, or a restored backup.
async function removedKey() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);

  // The page navigates, so another tab keeps the copy.
  const second = await open(context);

  await value(second, async () => {
    globalThis.backup = await record();
  });
  await promote(page, 'removed@example.com');
  await value(second, () => putRecord(backup));
  const count = await countOfUsers();
  const error = await failure(page, () => notes());

  is('the key of a promoted guest is guest_removed', error.code, 'guest_removed');
  is('the error has the SQLSTATE', error.sqlState, 'AA031');
  is('then nobody is logged in', await value(page, () => auth.user()), null);
  is('guest() says it', (await value(page, () => auth.guest())).state, 'removed');
  is('continueAsGuest() makes no guest by itself', (await failure(page, () => auth.continueAsGuest())).code, 'guest_removed');
  is('no user was made', await countOfUsers(), count);
  is('a login finds the account', (await logIn(page, 'removed@example.com')).user.id, id);
  is('and deletes the key', await value(page, () => auth.guest()), null);
  await context.close();
}

async function claiming() {
  const context = await person();
  const page = await open(context);
  const account = await signUp(page);

  await promote(page, 'claim@example.com');
  await value(page, () => auth.logOut());
  const guest = await signUp(page);

  await value(page, () => addNote('Buy oats'));
  is('a guest logs in to an account', (await logIn(page, 'claim@example.com')).user.id, account.id);
  is('its session has ended', await sessionsOf(guest.id), '0');
  is('the key of the guest is kept', (await value(page, () => auth.guest())).id, guest.id);
  is('a dry run counts the rows', JSON.stringify(await value(page, () => auth.claimGuest({ dryRun: true }))),
    '[{"table":"api.notes","rows":1}]');
  is('and changes nothing', await value(page, () => notes()), '');
  await value(page, () => auth.claimGuest());
  is('the account gets the rows', await value(page, () => notes()), 'Buy oats');
  is('the key is deleted', await value(page, () => auth.guest()), null);
  is('the server has no such guest', await sql(`SELECT count(*) FROM anon_auth.users WHERE id = '${guest.id}'`), '0');
  await context.close();
}

async function codes() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);
  const loginId = 'codes@example.com';
  const promotionCode = await codeFor(page, { loginId, promotion: true });

  is('a wrong code is refused', (await failure(page, (details) => auth.promote(details),
    { loginId, code: promotionCode === '000000' ? '000001' : '000000' })).code, 'invalid_credentials');
  const account = await value(page, (details) => auth.promote(details), { loginId, code: promotionCode });

  is('a code promotes the guest', `${account.id} ${account.isGuest}`, `${id} false`);
  is('the key is deleted', await value(page, () => auth.guest()), null);
  is('an account manages itself', (await value(page, () => auth.account('list_sessions'))).length, 1);
  await value(page, () => auth.logOut());
  await sql(`UPDATE anon_auth.address_codes SET created_at = created_at - interval '2 minutes'`);
  await sql('SELECT anon_auth.reset_counters()');
  is('a code logs in', (await value(page, (details) => auth.logIn(details), { loginId, code: await codeFor(page, { loginId }) })).id, id);
  await value(page, () => auth.logOut());

  const other = { loginId: 'nobody@example.com' };
  const code = await codeFor(page, other);
  const error = await failure(page, (details) => auth.logIn(details), { ...other, code });

  is('a code for an address without account says so', `${error.code} ${error.sqlState}`, 'no_account AA030');
  ok('the same code signs up', (await value(page, (details) => auth.signUp(details), { ...other, code })).isGuest === false);
  await context.close();
}

async function settingsAndReauthentication() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);

  await promote(page, 'settings@example.com');
  const before = await value(page, () => record());
  const old = `UPDATE anon_auth.sessions SET authenticated_at = authenticated_at - interval '1 day' WHERE user_id = '${id}'`;

  await sql(old);
  await value(page, () => expire());
  is('a sensitive change needs a recent login', (await failure(page, () => auth.account('change_password',
    { old_password: 'correct horse', new_password: 'incorrect horse' }))).code, 'login_required');
  await navigate(page, 'reauthenticationUrl');
  await page.waitForSelector('input[name="password"]');
  await fill(page, 'input[name="password"]', password);
  await page.evaluate(() => document.querySelector('form:has(input[name="password"])').requestSubmit());
  await back(page);
  const redirect = await value(page, () => auth.finishRedirect());

  is('the user logs in again', `${redirect.kind} ${redirect.user.id}`, `reauthentication ${id}`);
  const after = await value(page, () => record());

  is('the session and its refresh token stay', `${after.session.id} ${after.session.refreshToken}`,
    `${before.session.id} ${before.session.refreshToken}`);
  is('then the change is made', await value(page, () => auth.account('change_password',
    { old_password: 'correct horse', new_password: 'incorrect horse' })), true);
  await value(page, () => expire());
  await value(page, () => auth.accessToken());
  ok('the refresh token still works', true);

  await page.goto(await value(page, () => auth.settingsUrl()));
  is('settingsUrl() opens the settings', new URL(page.url()).pathname, '/settings');
  ok('of this account', (await page.evaluate(() => document.body.textContent)).includes('settings@example.com'));
  await context.close();
}

// ---------------------------------------------------------------------------
// fetch()
// ---------------------------------------------------------------------------

async function fetching() {
  const context = await person();
  const page = await open(context);

  await signUp(page);
  network.take('/rest/notes');
  const error = await failure(page, (url) => auth.fetch(`${url}/rest/notes`), FOREIGN);

  is('no token is sent to another origin', error.code, 'origin_not_allowed');
  is('nothing is sent there', received.length, 0);
  is('a host whose name begins with the same letters is another origin',
    (await failure(page, () => auth.fetch('http://127.0.0.1.evil.example/'))).code, 'origin_not_allowed');
  is('another port is another origin', (await failure(page, () => auth.fetch('http://127.0.0.1:1/'))).code, 'origin_not_allowed');
  is('a user name that looks like the origin is refused',
    (await failure(page, (url) => auth.fetch(url), `${origin}@evil.example/`)).name, 'TypeError');

  const corrupt = () => value(page, async () => {
    const stored = await record();

    await putRecord({ ...stored, session: { ...stored.session, accessToken: `${stored.session.accessToken}x` } });
  });

  await corrupt();
  is('a Request with a body is sent again after a refresh', await value(page, async () => {
    const request = new Request('/rest/notes', {
      method: 'POST', headers: { 'Content-Type': 'application/json', Prefer: 'return=representation' }, body: '{"body":"Buy kale"}',
    });
    const response = await auth.fetch(request);

    return `${response.status} ${(await response.json())[0].body}`;
  }), '201 Buy kale');
  is('it was sent twice', network.take('/rest/notes').length, 2);
  await corrupt();
  is('so is a body that is a Blob', await value(page, async () => (await auth.fetch('/rest/notes', {
    method: 'POST', body: new Blob(['{"body":"Buy leek"}'], { type: 'application/json' }),
  })).status), 201);
  is('no row was written twice', await value(page, () => notes()), 'Buy kale,Buy leek');

  is('init replaces what a Request says', await value(page, async () => (await auth.fetch(new Request('/rest/notes'), { method: 'HEAD' })).status), 200);
  is('a token of the page itself is replaced', await value(page, async () =>
    (await auth.fetch('/rest/notes', { headers: { Authorization: 'Bearer x' } })).status), 200);
  is('fetch can be passed to a library', await value(page, async () => {
    const { fetch: passed } = auth;

    return (await passed('/rest/notes')).status;
  }), 200);
  is('an aborted request is an AbortError', (await failure(page, () => {
    const controller = new AbortController();

    controller.abort();
    return auth.fetch('/rest/notes', { signal: controller.signal });
  })).name, 'AbortError');
  is('the response of a refused request is the server\'s', await value(page, async () => (await auth.fetch('/rest/nothing')).status), 404);
  await context.close();
}

// A page of another origin.  It cannot read the header Date of the issuer.
const received = [];
const elsewhere = http.createServer(async (request, response) => {
  const name = new URL(request.url, FOREIGN).pathname.replace('/app/', '');

  if (!/^(?:\w+\.html|page\.js|src\/\w+\.js)$/.test(name)) {
    received.push(request.url);
    response.writeHead(404).end();
    return;
  }
  response.setHeader('Content-Type', name.endsWith('.js') ? 'text/javascript' : 'text/html');
  response.end(await readFile(`${PAGES}/${name}`));
});

async function otherOrigin(hours) {
  const named = (name) => `a page of another origin, ${hours} hours off: ${name}`;
  const context = await person();

  await before(context, shiftClock, hours * 3_600_000);
  const page = await open(context, 'web', FOREIGN);
  const { id } = await signUp(page);

  is(named('fetch() works'), await value(page, () => addNote('Buy nuts')), 201);
  await value(page, () => expire());
  is(named('a refresh works'), await value(page, () => notes()), 'Buy nuts');
  is(named('userInfo() works'), (await value(page, () => auth.userInfo())).sub, id);
  is(named('a promotion works'), (await promote(page, `foreign${hours}@example.com`, 'web', FOREIGN)).user.id, id);
  is(named('it keeps the rows'), await value(page, () => notes()), 'Buy nuts');
  await value(page, () => auth.logOut());
  is(named('a logout ends the session'), await sessionsOf(id), '0');
  await context.close();
}

// ---------------------------------------------------------------------------

await new Promise((resolve) => elsewhere.listen(new URL(FOREIGN).port, 'localhost', resolve));

const tests = {
  beginning, comingBack, deletedGuest, tabs, lostResponses, rotation, offline, clearedStorage, noStorage, promotion,
  foreignRedirects, removedKey, claiming, codes, settingsAndReauthentication, fetching,
  slow: () => wrongClock(-1), fast: () => wrongClock(1), otherOrigin: () => otherOrigin(0), otherClock: () => otherOrigin(1),
};

for (const [name, action] of Object.entries(tests)) {
  if (!process.env.ONLY || process.env.ONLY.split(',').includes(name)) {
    await test(name, action);
    network.up();
  }
}
is('no page violates its Content-Security-Policy, and no script fails', complaints(), '');
await close();
network.close();
elsewhere.close();
done();
