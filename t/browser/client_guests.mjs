// clients/web: guests, their tabs, and what can be lost.

import {
  back,
  before,
  countOfUsers,
  failure,
  is,
  network,
  ok,
  open,
  person,
  product,
  ready,
  sessionsOf,
  signUp,
  sql,
  tokenRequests,
  until,
  value,
} from './client_person.mjs';

// ---------------------------------------------------------------------------
// Guests
// ---------------------------------------------------------------------------

export async function beginning() {
  const context = await person();
  const page = await open(context);

  ok(
    `the browser is ${product}`,
    (await page.evaluate(() => navigator.userAgent)).includes(product.replace('Chromium', 'Chrome')),
  );
  is('nobody is logged in at first', await value(page, () => auth.user()), null);
  is('without a guest, no token is to be had', (await failure(page, () => auth.accessToken())).code, 'no_session');
  is(
    'opening the page sends no request',
    network.take('/oauth2/token').length + network.take('/oauth2/challenge').length,
    0,
  );
  const user = await signUp(page);

  ok('continueAsGuest() returns a guest', user.isGuest, JSON.stringify(user));
  is('the server has this guest', await sql(`SELECT is_anonymous FROM anon_auth.users WHERE id = '${user.id}'`), 't');
  is('user() returns the same user', (await value(page, () => auth.user())).id, user.id);
  is('the page gets an event', await page.evaluate(() => changes), 1);
  is('continueAsGuest() again returns the same guest', (await signUp(page)).id, user.id);
  is('userInfo() asks the server', (await value(page, () => auth.userInfo())).sub, user.id);
  is('fetch() adds the token', await value(page, () => addNote('Buy milk')), 201);
  is("fetch() reads the guest's rows", await value(page, () => notes()), 'Buy milk');

  is(
    'the private key cannot be exported',
    await value(page, async () => {
      const { guest, proofKey } = await record();
      const attempts = [guest.key, proofKey].flatMap(({ privateKey }) =>
        ['jwk', 'pkcs8'].map((format) =>
          crypto.subtle.exportKey(format, privateKey).then(
            () => 'exported',
            (error) => error.name,
          ),
        ),
      );

      return (await Promise.all(attempts)).join();
    }),
    'InvalidAccessError,InvalidAccessError,InvalidAccessError,InvalidAccessError',
  );
  is(
    'nothing is in localStorage, sessionStorage and cookies',
    await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length),
    0,
  );

  await page.reload();
  await ready(page);
  is('after a reload, the guest is logged in', (await value(page, () => auth.user())).id, user.id);
  is("after a reload, fetch() reads the guest's rows", await value(page, () => notes()), 'Buy milk');
  await context.close();
}

export async function comingBack() {
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
  is(
    'after logOut(), fetch() does not log in again by itself',
    (await failure(page, () => notes())).code,
    'no_session',
  );
  is('logOut() keeps the key: the guest can come back', (await value(page, () => auth.guest())).id, id);
  is('continueAsGuest() brings the guest back', (await signUp(page)).id, id);
  is('with its rows', await value(page, () => notes()), 'Buy tea');

  await value(page, () => auth.logOut({ forgetGuest: true }));
  is('logOut({ forgetGuest: true }) deletes the key', await value(page, () => auth.guest()), null);
  ok('the next guest is another one', (await signUp(page)).id !== id);
  await context.close();
}

export async function deletedGuest() {
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

  is(
    'continueAsGuest() does not make another guest by itself',
    (await failure(page, () => auth.continueAsGuest())).code,
    'guest_unknown',
  );
  is('no user was made', await countOfUsers(), count);
  ok('startOver makes one', (await value(page, () => auth.continueAsGuest({ startOver: true }))).id !== id);
  await context.close();
}

// ---------------------------------------------------------------------------
// Tabs
// ---------------------------------------------------------------------------

export async function tabs() {
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

  const rejected = await Promise.all(
    pages.map(async (page) => {
      await value(page, async () => {
        const stored = await record();

        await putRecord({ ...stored, session: { ...stored.session, accessToken: `${stored.session.accessToken}x` } });
      });
      return page;
    }),
  );

  tokenRequests();
  is(
    'a token that the server refuses is refreshed in all tabs at once',
    (await Promise.all(rejected.map((page) => value(page, () => notes())))).join('|'),
    '||',
  );
  is('with one refresh', tokenRequests(), 1);

  await value(pages[0], () => auth.logOut());
  is('a logout in one tab logs the others out', await value(pages[1], () => auth.user()), null);
  await until(() => pages[1].evaluate(() => changes === 2), 'the event of the logout');
  await context.close();
}

// ---------------------------------------------------------------------------
// A network that fails
// ---------------------------------------------------------------------------

export async function lostResponses() {
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

  is(
    'a sign-up without any response is a network error',
    (await failure(page, () => auth.continueAsGuest())).code,
    'network',
  );
  is('the server has the guest', (await countOfUsers()) - before, 1);
  await page.close();
  const second = await open(context);

  is('its state is new', (await value(second, () => auth.guest())).state, 'new');
  const found = await signUp(second);

  is(
    'after the page was closed in the middle of the sign-up, it is the same guest',
    (await countOfUsers()) - before,
    1,
  );
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

export async function rotation() {
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

export async function offline() {
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

export async function clearedStorage() {
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

export async function noStorage() {
  const context = await person();

  await before(context, () => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('not here', 'SecurityError');
    };
  });
  const page = await open(context);
  const count = await countOfUsers();

  is(
    'without IndexedDB, a sign-up is refused',
    (await failure(page, () => auth.continueAsGuest())).code,
    'storage_unavailable',
  );
  is('before anything was sent', await countOfUsers(), count);
  const user = await value(page, () => {
    globalThis.inMemory = new AnonAuth({ ...options, store: new MemoryStore() });
    return inMemory.continueAsGuest();
  });

  ok('a MemoryStore makes a guest for the life of the page', user.isGuest);
  is('with a fetch()', await value(page, async () => (await inMemory.fetch('/rest/notes')).status), 200);
  await context.close();
}
