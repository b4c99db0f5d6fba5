// The module without a browser and without a server: npm test

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { AnonAuth, AnonAuthError, MemoryStore } from '../src/index.js';
import { FakeServer } from './server.mjs';

const hour = 3_600_000;
let server;
let store;

// Each client is a tab of the same browser.
const tab = (options = {}) =>
  new AnonAuth({
    issuer: server.issuer,
    clientId: 'web',
    origins: ['https://api.example.com'],
    store,
    fetch: server.fetch,
    ...options,
  });

const fails = (action, code) =>
  assert.rejects(action, (error) => {
    assert.ok(error instanceof AnonAuthError, String(error.stack));
    assert.equal(error.code, code);
    return true;
  });

const change = async (action) => {
  const key = `${server.issuer} web`;
  const record = await store.read(key);

  action(record);
  await store.write(key, record);
};

const expire = () =>
  change(({ session }) => {
    session.expiresAt = 0;
  });

beforeEach(() => {
  server = new FakeServer();
  store = new MemoryStore();
});

// ---------------------------------------------------------------------------
// Configuration
// ---------------------------------------------------------------------------

test('without WebCrypto, the error says what to change', () => {
  const crypto = Object.getOwnPropertyDescriptor(globalThis, 'crypto');

  Object.defineProperty(globalThis, 'crypto', { value: undefined, configurable: true });
  try {
    assert.throws(() => tab(), { code: 'unsupported', message: /by https.*Node\.js 20/ });
  } finally {
    Object.defineProperty(globalThis, 'crypto', crypto);
  }
});

test('the issuer must be an origin', () => {
  for (const issuer of [
    'https://auth.example.com/path',
    'https://auth.example.com/?x',
    'ftp://auth.example.com',
    'https://user@auth.example.com',
  ]) {
    assert.throws(() => tab({ issuer }), { code: 'invalid_request' }, issuer);
  }
  assert.ok(tab({ issuer: 'https://auth.example.com/' }));
});

// ---------------------------------------------------------------------------
// Guests
// ---------------------------------------------------------------------------

test('a guest signs up with its public key, and comes back with the key id alone', async () => {
  const auth = tab();
  const user = await auth.continueAsGuest();

  assert.equal(user.isGuest, true);
  server.sessions.clear();
  await expire();
  await auth.accessToken();
  assert.equal((await auth.user()).id, user.id);

  const headers = server.requests
    .filter(({ text }) => text.includes('anonymous-request'))
    .map(({ text }) => JSON.parse(Buffer.from(new URLSearchParams(text).get('jwt').split('.')[0], 'base64url')));

  assert.deepEqual(
    headers.map((header) => 'jwk' in header),
    [true, false],
  );
  assert.deepEqual(Object.keys(headers[0].jwk).sort(), ['crv', 'kid', 'kty', 'x', 'y']);
});

for (const dpop of [true, false]) {
  test(`the key is stored before the first request, ${dpop ? 'with' : 'without'} proofs`, async () => {
    const auth = tab({ dpop });
    let stored;

    server.intercept('/oauth2/challenge', async (response) => {
      stored = await store.read(`${server.issuer} web`);
      return response;
    });
    await auth.continueAsGuest();
    assert.equal(stored.guest.state, 'new');
    assert.equal(stored.guest.key.privateKey.extractable, false);
    assert.equal(stored.proofKey === null, !dpop);
  });
}

test('a sign-up with lost responses makes one guest', async () => {
  for (let i = 0; i < 3; i++) {
    server.lose('/oauth2/token');
  }
  await fails(() => tab().continueAsGuest(), 'network');
  assert.equal(server.guests.size, 1);
  await tab().continueAsGuest();
  assert.equal(server.guests.size, 1);
});

test('tabs that sign up at once get one guest', async () => {
  const users = await Promise.all([tab(), tab(), tab()].map((auth) => auth.continueAsGuest()));

  assert.equal(new Set(users.map(({ id }) => id)).size, 1);
  assert.equal(server.sessions.size, 1);
});

for (const [set, code, state] of [
  ['removed', 'guest_removed', 'removed'],
  [undefined, 'guest_unknown', 'unknown'],
]) {
  test(`${code}: no guest is made without startOver`, async () => {
    const auth = tab();
    const { id } = await auth.continueAsGuest();
    const [kid] = server.guests.keys();

    server.guests.clear();
    server.sessions.clear();
    if (set) {
      server[set].add(kid);
    }
    await fails(() => auth.fetch('https://api.example.com/'), code);
    assert.equal(await auth.user(), null);
    assert.deepEqual(await auth.guest(), { id, state });
    await fails(() => auth.continueAsGuest(), code);
    assert.equal(server.guests.size, 0);
    assert.notEqual((await auth.continueAsGuest({ startOver: true })).id, id);
  });
}

test('cleared storage is an error while the page is open', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  store.clear();
  await fails(() => auth.accessToken(), 'storage_cleared');
  await fails(() => auth.continueAsGuest(), 'storage_cleared');
  assert.equal(server.guests.size, 1);
  await auth.continueAsGuest({ startOver: true });
  assert.equal(server.guests.size, 2);
  await fails(() => tab({ store: new MemoryStore() }).accessToken(), 'no_session');
});

test('after a logout, cleared storage is no error', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  await auth.logOut({ forgetGuest: true });
  store.clear();
  await auth.continueAsGuest();
  assert.equal(server.guests.size, 2);
});

// ---------------------------------------------------------------------------
// Tokens
// ---------------------------------------------------------------------------

test('tabs refresh once', async () => {
  const tabs = [tab(), tab(), tab()];

  await tabs[0].continueAsGuest();
  await expire();
  server.requests.length = 0;
  const tokens = await Promise.all(tabs.map((auth) => auth.accessToken()));

  assert.equal(new Set(tokens).size, 1);
  assert.equal(server.count('/oauth2/token'), 1);
});

test('a token is refreshed before it expires', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  const first = await auth.accessToken();

  await change(({ session }) => {
    session.expiresAt = Date.now() + 20_000;
  });
  assert.notEqual(await auth.accessToken(), first);
});

test('the rotated refresh token is kept, and without rotation the former one', async () => {
  const auth = tab();
  const refreshToken = async () => (await store.read(`${server.issuer} web`)).session.refreshToken;

  await auth.continueAsGuest();
  const first = await refreshToken();

  await expire();
  await auth.accessToken();
  assert.equal(await refreshToken(), first);
  server.rotates = true;
  await expire();
  await auth.accessToken();
  assert.notEqual(await refreshToken(), first);
  await expire();
  await auth.accessToken();
});

test('an account whose session has ended is logged out, and not logged in as a guest', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  server.codes.set('123456', { id: 'account' });
  assert.deepEqual(await auth.logIn({ loginId: 'a@example.com', code: '123456' }), { id: 'account', isGuest: false });
  assert.notEqual(await auth.guest(), null, 'the key of the guest is kept');
  server.sessions.clear();
  await fails(() => auth.fetch('https://api.example.com/'), 'session_ended');
  assert.equal(await auth.user(), null);
  await fails(() => auth.fetch('https://api.example.com/'), 'no_session');
});

test('a failing server ends no session', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  for (const [status, body, code] of [
    [503, '<html>', 'unavailable'],
    [500, '{"error":"server_error"}', 'server_error'],
    [429, '{"error":"x_rate_limited","error_description":"wait"}', 'rate_limited'],
    [400, '{"error":"invalid_client"}', 'invalid_client'],
    [200, '<html>', 'server_error'],
  ]) {
    await expire();
    server.intercept('/oauth2/token', () => new Response(body, { status, headers: { 'Retry-After': '7' } }));
    await assert.rejects(
      () => auth.accessToken(),
      (error) => {
        assert.equal(error.code, code);
        assert.equal(error.retryAfter, status === 200 ? undefined : 7);
        return true;
      },
    );
    assert.notEqual(await auth.user(), null);
  }
  await auth.accessToken();
});

test('a logout without network is finished later', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  server.isDown = true;
  await auth.logOut();
  assert.equal(await auth.user(), null);
  assert.equal(server.sessions.size, 1);
  server.isDown = false;
  await auth.continueAsGuest();
  assert.equal(server.sessions.size, 1);
  assert.equal(server.count('/oauth2/revoke'), 1);
});

// ---------------------------------------------------------------------------
// Clocks
// ---------------------------------------------------------------------------

for (const ahead of [-hour, hour]) {
  for (const exposesDate of [true, false]) {
    test(`a server ${ahead / hour} hours ahead, ${exposesDate ? 'with' : 'without'} a Date that can be read`, async () => {
      Object.assign(server, { ahead, exposesDate, dpop: 'required' });
      const auth = tab();
      const { id } = await auth.continueAsGuest();

      server.requests.length = 0;
      assert.equal((await auth.fetch('https://api.example.com/')).status, 200);
      assert.deepEqual(server.paths(), ['/']);
      await tab().fetch('https://api.example.com/');
      assert.deepEqual(server.paths(), ['/', '/'], 'a new page knows the time');
      await expire();
      await auth.accessToken();

      // The clock is put right while the page is open, and in a new page.
      server.ahead = 0;
      for (const each of [auth, tab()]) {
        await expire();
        assert.equal((await each.fetch('https://api.example.com/')).status, 200);
        assert.equal((await each.user()).id, id);
        server.ahead = ahead;
      }
    });
  }
}

// ---------------------------------------------------------------------------
// DPoP
// ---------------------------------------------------------------------------

test('tokens are bound to a key of their own', async () => {
  server.dpop = 'required';
  const auth = tab();

  await auth.continueAsGuest();
  assert.equal((await auth.fetch('https://api.example.com/notes?x=1#y', { method: 'POST', body: 'text' })).status, 200);
  const { guest, proofKey } = await store.read(`${server.issuer} web`);

  assert.notEqual(guest.key.kid, proofKey.kid);
  assert.equal(proofKey.privateKey.extractable, false);
  assert.match(server.requests.at(-1).headers.get('Authorization'), /^DPoP /);
});

test('nonces are taken from responses, and asked for once', async () => {
  server.dpop = 'required';
  server.nonce = 'first';
  const auth = tab();

  await auth.continueAsGuest();
  assert.equal((await auth.fetch('https://api.example.com/')).status, 200);
  server.requests.length = 0;
  assert.equal((await auth.fetch('https://api.example.com/')).status, 200);
  assert.equal(server.requests.length, 1, 'the nonce is remembered');
  server.nonce = 'second';
  const response = await auth.fetch('https://api.example.com/', { method: 'POST', body: 'text' });

  assert.equal((await response.json()).body, 'text');
  assert.equal(server.requests.length, 3, 'a changed nonce costs one request');
  await expire();
  server.nonce = 'third';
  await auth.accessToken();
});

test('a proof that the server keeps refusing is an error', async () => {
  server.dpop = 'required';
  const auth = tab({ dpop: false });

  await assert.rejects(() => auth.continueAsGuest(), { code: 'dpop_rejected', sqlState: 'AA026' });
});

test('a session that began without a proof gets one with its next refresh', async () => {
  await tab({ dpop: false }).continueAsGuest();
  await expire();
  await tab().accessToken();
  assert.notEqual(server.requests.at(-1).headers.get('DPoP'), null);
});

test('dpop: false sends no proof', async () => {
  await tab({ dpop: false }).continueAsGuest();
  assert.ok(server.requests.every(({ headers }) => headers.get('DPoP') === null));
});

// ---------------------------------------------------------------------------
// fetch()
// ---------------------------------------------------------------------------

test('the token goes to the configured origins only', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  server.requests.length = 0;
  for (const url of [
    'https://api.example.com.evil.example/',
    'https://api.example.com:8443/',
    'http://api.example.com/',
    'https://evil.example/?https://api.example.com/',
    'https://example.com/',
    'https://API.example.com./',
  ]) {
    await fails(() => auth.fetch(url), 'origin_not_allowed');
    await fails(() => auth.fetch(new Request(url)), 'origin_not_allowed');
  }
  assert.equal(server.requests.length, 0);
  assert.equal((await auth.fetch('https://API.example.com/../notes')).status, 200);
});

test('redirects are not followed', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  await auth.fetch('https://api.example.com/');
  assert.equal(server.requests.at(-1).request.redirect, 'error');
  await auth.fetch('https://api.example.com/', { redirect: 'manual' });
  assert.equal(server.requests.at(-1).request.redirect, 'manual');
});

test('after a 401, a request is sent once more, with its body', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  const bodies = {
    text: () => 'text',
    blob: () => new Blob(['text']),
    buffer: () => new TextEncoder().encode('text'),
    stream: () => new Blob(['text']).stream(),
  };

  for (const [name, body] of Object.entries(bodies)) {
    await change(({ session }) => {
      session.accessToken += 'x';
    });
    const response = await auth.fetch('https://api.example.com/', { method: 'POST', body: body(), duplex: 'half' });

    assert.equal((await response.json()).body, 'text', name);
  }
});

test('a second 401 is the response', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  for (let i = 0; i < 5; i++) {
    server.intercept('/', () => new Response('{}', { status: 401 }));
  }
  server.requests.length = 0;
  assert.equal((await auth.fetch('https://api.example.com/')).status, 401);
  assert.deepEqual(server.paths(), ['/', '/oauth2/token', '/']);
});

test('a request without a response is an error, and is not repeated', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  server.requests.length = 0;
  server.lose('/');
  await fails(() => auth.fetch('https://api.example.com/', { method: 'POST', body: 'text' }), 'network');
  assert.deepEqual(server.paths(), ['/']);
  await assert.rejects(() => auth.fetch('https://api.example.com/', { signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
});

// ---------------------------------------------------------------------------
// Pages
// ---------------------------------------------------------------------------

const home = 'https://app.example.com/';

function answer(url, fields) {
  const state = new URL(url).searchParams.get('state');

  return `${home}?${new URLSearchParams({ state, iss: server.issuer, ...fields })}`;
}

test('a promotion by a page', async () => {
  const auth = tab();
  const { id } = await auth.continueAsGuest();
  const url = new URL(await auth.promotionUrl({ redirectUri: home, uiLocales: 'de' }));
  const hint = new URL(url.searchParams.get('login_hint'));

  assert.equal(url.origin + url.pathname, `${server.issuer}/oauth2/authorize`);
  assert.equal(hint.searchParams.get('type'), 'anonymous');
  assert.equal(JSON.parse(Buffer.from(hint.searchParams.get('jwt').split('.')[1], 'base64url')).action, 'promote');
  assert.equal(url.searchParams.get('code_challenge_method'), 'S256');
  assert.equal(url.searchParams.get('ui_locales'), 'de');
  server.codes.set('code', { id });
  const address = answer(url, { code: 'code' });

  server.isDown = true;
  await fails(() => auth.finishRedirect(address), 'network');
  server.isDown = false;
  const results = await Promise.all([auth, tab()].map((each) => each.finishRedirect(address)));

  assert.deepEqual(results, [
    { kind: 'promotion', user: { id, isGuest: false } },
    { kind: 'promotion', user: { id, isGuest: false } },
  ]);
  assert.equal(await auth.guest(), null);
});

test('answers that are not ours', async () => {
  const auth = tab();
  const url = await auth.loginUrl({ redirectUri: home });

  assert.equal(await auth.finishRedirect(home), null);
  assert.equal(await auth.finishRedirect(`${home}?code=x&state=y`), null);
  assert.equal(await auth.finishRedirect(answer(url, { code: 'x', iss: 'https://evil.example' })), null);
  for (const state of ['y', '__proto__', 'toString']) {
    await fails(() => auth.finishRedirect(answer(url, { code: 'x', state })), 'unknown_redirect');
  }
  await assert.rejects(() => auth.finishRedirect(answer(url, { error: 'access_denied', error_description: 'no' })), {
    code: 'cancelled',
    message: 'no',
  });
  await fails(() => auth.finishRedirect(answer(url, { code: 'x' })), 'unknown_redirect');
});

test('a code that is not valid ends the login', async () => {
  const auth = tab();
  const url = await auth.loginUrl({ redirectUri: home });

  await fails(() => auth.finishRedirect(answer(url, { code: 'x' })), 'invalid_credentials');
  await fails(() => auth.finishRedirect(answer(url, { code: 'x' })), 'unknown_redirect');
});

test('a promotion needs a guest', async () => {
  await fails(() => tab().promotionUrl({ redirectUri: home }), 'no_guest');
});

// ---------------------------------------------------------------------------
// Claims
// ---------------------------------------------------------------------------

const logInTo = async (auth, id) => {
  server.codes.set(id, { id });
  return auth.logIn({ code: id });
};

test('a claim forgets the guest, and a dry run does not', async () => {
  const auth = tab();

  await auth.continueAsGuest();
  await logInTo(auth, 'account');
  assert.equal((await auth.claimGuest({ dryRun: true })).length, 1);
  assert.notEqual(await auth.guest(), null);
  await auth.claimGuest();
  assert.equal(await auth.guest(), null);
  await fails(() => auth.claimGuest(), 'no_guest');
});

for (const refusal of [undefined, 'UnknownDeviceKey', 'RemovedDeviceKey']) {
  test(`a claim (${refusal ?? 'accepted'}) keeps the key of a guest that another tab has made meanwhile`, async () => {
    const auth = tab();
    const other = tab();
    let made;

    await auth.continueAsGuest();
    await logInTo(auth, 'account');
    server.intercept('/api/anonymous_user/claim', async (response) => {
      await other.logOut();
      made = await other.continueAsGuest({ startOver: true });
      await logInTo(other, 'account');
      return refusal === undefined ? response : Response.json({ error: { reason: refusal } }, { status: 400 });
    });
    if (refusal === undefined) {
      await auth.claimGuest();
    } else {
      await assert.rejects(() => auth.claimGuest(), { serverCode: refusal });
    }
    assert.equal((await auth.guest()).id, made.id);
    await other.logOut();
    assert.equal((await other.continueAsGuest()).id, made.id);
  });
}

test('a claim ends well if another tab has logged in as the guest meanwhile', async () => {
  const auth = tab();
  const other = tab();
  const { id } = await auth.continueAsGuest();

  await logInTo(auth, 'account');
  server.intercept('/api/anonymous_user/claim', async (response) => {
    await change((record) => {
      record.session = { ...record.session, userId: id, isGuest: true };
    });
    return response;
  });
  assert.equal((await auth.claimGuest()).length, 1);
  server.sessions.clear();
  await expire();
  await fails(() => other.accessToken(), 'guest_removed');
});

// ---------------------------------------------------------------------------
// A key that the account keeps
// ---------------------------------------------------------------------------

const promoteByCode = async (auth) => {
  const { id } = await auth.continueAsGuest();

  server.codes.set('123456', { id });
  await auth.promote({ loginId: 'ada@example.com', code: '123456' });
  return id;
};

const endSessions = async () => {
  server.sessions.clear();
  await expire();
};

test('a key that the server kept logs in to the account when the session is gone', async () => {
  const auth = tab();

  server.keepsKeys = true;
  const id = await promoteByCode(auth);

  assert.equal(await auth.guest(), null);
  await endSessions();
  await auth.accessToken();
  assert.deepEqual(await auth.user(), { id, isGuest: false });
  await endSessions();
  server.lose('/oauth2/token');
  server.lose('/oauth2/token');
  await auth.accessToken();
  assert.deepEqual(await auth.user(), { id, isGuest: false });
});

test('without network, a key that the server kept is not given up', async () => {
  const auth = tab();

  server.keepsKeys = true;
  await promoteByCode(auth);
  await endSessions();
  server.isDown = true;
  await fails(() => auth.accessToken(), 'network');
  server.isDown = false;
  await auth.accessToken();
});

test('if the server has not kept the key, the session has ended', async () => {
  const auth = tab();

  await promoteByCode(auth);
  await endSessions();
  await fails(() => auth.accessToken(), 'session_ended');
  server.requests.length = 0;
  await fails(() => auth.accessToken(), 'no_session');
  assert.deepEqual(server.paths(), []);
});

test('a logout, another account, and a promotion on a page leave no key of the account', async () => {
  const auth = tab();
  const accountKey = async () => (await store.read(`${server.issuer} web`)).accountKey;

  server.keepsKeys = true;
  await promoteByCode(auth);
  assert.notEqual(await accountKey(), null);
  server.requests.length = 0;
  await auth.logOut();
  assert.equal(await accountKey(), null);
  assert.deepEqual(server.paths(), ['/api/account/remove_device_key', '/oauth2/revoke']);

  await promoteByCode(auth);
  server.codes.set('other', { id: 'other' });
  await auth.logIn({ code: 'other' });
  assert.equal(await accountKey(), null);

  await auth.logOut();
  const { id } = await auth.continueAsGuest();
  const url = await auth.promotionUrl({ redirectUri: home });

  server.codes.set('page', { id });
  await auth.finishRedirect(answer(url, { code: 'page' }));
  assert.equal(await accountKey(), null);
});

// A promotion in the fake server leaves the session of the guest.
const accountSessions = () => [...server.sessions.values()].filter(({ isGuest }) => !isGuest).length;

test('a logout forgets everything before the server has answered', async () => {
  const tabs = [tab({ timeout: 200 }), tab()];
  const [auth, other] = tabs;
  const events = [];

  server.keepsKeys = true;
  await promoteByCode(auth);
  tabs.forEach((each, index) => each.addEventListener('change', () => events.push(index)));
  const told = new Promise((resolve) => {
    other.addEventListener('change', resolve, { once: true });
  });
  const arrived = server.silence('/api/account/remove_device_key');
  const done = auth.logOut({ forgetGuest: true });

  await arrived;
  const { cleared, ...record } = await store.read(`${server.issuer} web`);

  assert.equal(record.session ?? record.accountKey ?? record.proofKey ?? record.guest, null);
  assert.equal(await other.user(), null);
  await told;
  assert.deepEqual(events.sort(), [0, 1], 'pages are told before the server has answered');
  await done;
  assert.deepEqual(server.paths().slice(-1), ['/api/account/remove_device_key']);
  assert.equal(accountSessions(), 1);
  await auth.continueAsGuest();
  assert.equal(accountSessions(), 0, 'the session is revoked later');
  tabs.forEach((each) => each.close());
});

for (const rotates of [true, false]) {
  test(`a logout with an expired access token removes the key, ${rotates ? 'with' : 'without'} rotation`, async () => {
    const auth = tab();

    Object.assign(server, { keepsKeys: true, rotates, dpop: 'required' });
    await promoteByCode(auth);
    assert.equal(server.accountKeys.size, 1);
    await expire();
    await auth.logOut();
    assert.equal(server.accountKeys.size, 0);
    assert.equal(accountSessions(), 0);
    const record = await store.read(`${server.issuer} web`);

    assert.equal(record.session, null, 'the refresh does not log in again');
    assert.deepEqual(record.revocations, []);
  });
}

test('a key that the server does not remove does not stop a logout', async () => {
  const auth = tab();

  server.keepsKeys = true;
  await promoteByCode(auth);
  server.intercept('/api/account/remove_device_key', () =>
    Response.json({ error: { reason: 'ReauthenticationRequired' } }, { status: 403 }),
  );
  await auth.logOut();
  assert.equal(await auth.user(), null);
  assert.equal(accountSessions(), 0);
});

test('calls of the account and of the user info end after the timeout', async () => {
  const auth = tab({ timeout: 200 });

  await auth.continueAsGuest();
  server.silence('/api/account/list_sessions');
  await fails(() => auth.account('list_sessions'), 'network');
  server.silence('/oauth2/userinfo');
  await fails(() => auth.userInfo(), 'network');

  // The headers arrive, and the body does not.
  server.intercept(
    '/oauth2/userinfo',
    () => new Response(new ReadableStream({ pull: (controller) => controller.error(new TypeError('terminated')) })),
  );
  await fails(() => auth.userInfo(), 'network');

  // fetch() waits as long as its caller wants.
  server.intercept('/', (response) => new Promise((resolve) => setTimeout(resolve, 400, response)));
  assert.equal((await auth.fetch('https://api.example.com/')).status, 200);
});

// ---------------------------------------------------------------------------
// Passkeys
// ---------------------------------------------------------------------------

// The browser's part.  It answers as the next function of "answers" says.
function useAuthenticator(...answers) {
  const asked = [];
  const signalled = [];
  const respond = async (kind, request) => {
    asked.push({ kind, ...request });
    const { id, fails: failure, ...members } = await (answers.shift() ?? (() => ({})))(request);
    const challenge = Buffer.from(request.publicKey.challenge).toString('base64url');

    if (failure !== undefined) {
      throw new DOMException('no', failure);
    }
    return {
      id: id ?? 'AQID',
      rawId: Uint8Array.of(1, 2, 3).buffer,
      type: 'public-key',
      authenticatorAttachment: null,
      getClientExtensionResults: () => ({}),
      response: {
        clientDataJSON: Buffer.from(JSON.stringify({ challenge })),
        ...(kind === 'create' ? { attestationObject: Uint8Array.of(9), getTransports: () => ['internal'] } : {}),
        ...members,
      },
    };
  };
  const credentials = { create: (request) => respond('create', request), get: (request) => respond('get', request) };

  Object.defineProperty(globalThis, 'navigator', { value: { credentials }, configurable: true });
  globalThis.PublicKeyCredential = {
    isConditionalMediationAvailable: async () => true,
    signalUnknownCredential: async (details) => signalled.push(details),
  };
  return { asked, signalled };
}

test('a browser without passkeys is unsupported', async () => {
  Object.defineProperty(globalThis, 'navigator', { value: undefined, configurable: true });
  delete globalThis.PublicKeyCredential;
  assert.deepEqual(await tab().passkeySupport(), { passkeys: false, autofill: false });
  await fails(() => tab().logInWithPasskey(), 'unsupported');
});

test('a passkey signs up, logs in, and promotes', async () => {
  const { asked } = useAuthenticator();
  const auth = tab();

  assert.deepEqual(await auth.passkeySupport(), { passkeys: true, autofill: true });
  assert.deepEqual(await auth.signUpWithPasskey({ loginId: 'ada@example.com' }), { id: 'new', isGuest: false });
  assert.equal(asked[0].publicKey.user.name, 'ada@example.com');
  assert.equal(asked[0].publicKey.user.displayName, 'ada@example.com');
  assert.deepEqual([...asked[0].publicKey.user.id], [0, 1, 2]);
  assert.deepEqual([...asked[0].publicKey.excludeCredentials[0].id], [3, 4]);
  await auth.logOut();

  assert.deepEqual(await auth.logInWithPasskey(), { id: 'new', isGuest: false });
  const { text } = server.requests.findLast(({ path }) => path === '/oauth2/token');

  assert.equal(JSON.parse(new URLSearchParams(text).get('passkey')).rawId, 'AQID');
  await auth.logOut();

  await auth.continueAsGuest();
  await auth.promoteWithPasskey();
  assert.equal(asked.at(-1).publicKey.user.name, 'guest abc');
  const promotion = new URLSearchParams(server.requests.findLast(({ path }) => path === '/oauth2/token').text);

  assert.equal(JSON.parse(Buffer.from(promotion.get('jwt').split('.')[1], 'base64url')).action, 'promote');
  assert.equal(await auth.addPasskey({ name: 'My phone' }), 'AQID');
  assert.equal(JSON.parse(server.requests.at(-1).text).name, 'My phone');
});

test('what the browser and the server refuse', async () => {
  for (const [name, code] of [
    ['NotAllowedError', 'cancelled'],
    ['InvalidStateError', 'passkey_exists'],
    ['NotSupportedError', 'unsupported'],
    ['SecurityError', 'passkey_unusable'],
  ]) {
    useAuthenticator(() => ({ fails: name }));
    await fails(() => tab().signUpWithPasskey(), code);
  }
  useAuthenticator(() => ({ fails: 'AbortError' }));
  await assert.rejects(() => tab().logInWithPasskey(), { name: 'AbortError' });

  const { signalled } = useAuthenticator();

  await fails(() => tab().logInWithPasskey(), 'passkey_removed');
  assert.deepEqual(signalled, [{ rpId: 'example.com', credentialId: 'AQID' }]);
  assert.equal(await tab().user(), null);
});

const newPasskey = {
  signUpWithPasskey: '/oauth2/token',
  promoteWithPasskey: '/oauth2/token',
  addPasskey: '/api/account/add_passkey',
};
const api = (reason, info) => ({ error: { name: 'BadRequest', reason, message: 'no', code: 400, info } });

for (const [method, path] of Object.entries(newPasskey)) {
  // Guests only: an account would be refused before the browser is asked.
  const present = async (status, body, options) => {
    const { signalled } = useAuthenticator();
    const auth = tab(options);

    await auth.continueAsGuest();
    server.intercept(path, () => Response.json(body, { status }));
    const error = await auth[method]().catch((each) => each);

    assert.ok(error instanceof AnonAuthError, String(error));
    return { code: error.code, signalled };
  };

  test(`${method}() makes the browser forget a passkey that the server refuses`, async () => {
    for (const [status, body, code] of [
      [400, { error: 'invalid_grant', x_code: 'identity_exists' }, 'identity_exists'],
      [400, { error: 'invalid_grant', x_code: 'user_verification' }, 'refused'],
      [400, { error: 'invalid_request' }, 'invalid_request'],
      [429, { error: 'x_rate_limited' }, 'rate_limited'],
      [400, api('InvalidPasskey', { reason: 'too_many' }), 'refused'],
      [403, api('AccountRequired'), 'account_required'],
    ]) {
      const result = await present(status, body);

      assert.equal(result.code, code);
      assert.deepEqual(result.signalled, [{ rpId: 'example.com', credentialId: 'AQID' }], code);
      assert.deepEqual((await present(status, body, { passkeySignals: false })).signalled, []);
    }
  });

  test(`${method}() keeps a passkey that the server has or may have`, async () => {
    for (const [status, body, code] of [
      [400, { error: 'invalid_grant', x_code: 'credential_exists' }, 'passkey_exists'],
      [400, api('InvalidPasskey', { reason: 'credential_exists' }), 'passkey_exists'],
      [400, api('InvalidPasskey', { reason: 'challenge' }), 'invalid_credentials'],
      [400, { error: 'invalid_grant', x_code: 'challenge' }, 'invalid_credentials'],
      [400, { error: 'invalid_grant', x_code: 'removed_device_key' }, 'guest_removed'],
      [400, { error: 'invalid_grant' }, 'invalid_credentials'],
      [400, { error: 'invalid_dpop_proof' }, 'dpop_rejected'],
      [408, {}, 'refused'],
      [500, { error: 'server_error' }, 'server_error'],
      [502, {}, 'unavailable'],
      [503, { error: 'temporarily_unavailable' }, 'unavailable'],
    ]) {
      const result = await present(status, body);

      assert.equal(result.code, code);
      assert.deepEqual(result.signalled, [], `${status} ${code}`);
    }
    const { signalled } = useAuthenticator();
    const auth = tab();

    await auth.continueAsGuest();
    server.intercept(path, () => {
      throw new TypeError('fetch failed');
    });
    await fails(() => auth[method](), 'network');
    assert.deepEqual(signalled, []);
  });
}

test('passkeySignals: false tells authenticators nothing after a login', async () => {
  const { signalled } = useAuthenticator();

  await fails(() => tab({ passkeySignals: false }).logInWithPasskey(), 'passkey_removed');
  assert.deepEqual(signalled, []);
});

test('a guest whose passkey is on this device keeps it', async () => {
  // The browser refuses, because the options exclude the passkey.
  const { asked, signalled } = useAuthenticator(({ publicKey }) => {
    assert.deepEqual([...publicKey.excludeCredentials[0].id], [3, 4]);
    return { fails: 'InvalidStateError' };
  });
  const auth = tab();
  const user = await auth.continueAsGuest();

  server.requests.length = 0;
  await fails(() => auth.promoteWithPasskey(), 'passkey_exists');
  assert.equal(asked.length, 1);
  assert.deepEqual(server.paths(), ['/api/account/passkey_creation_options'], 'nothing is promoted');
  assert.deepEqual(signalled, []);
  assert.deepEqual(await auth.user(), user);
});

// The browser's autofill: waits until the module gives up, or until the test lets the user choose.
function useAutofill() {
  let choose;
  const question = ({ signal }) =>
    new Promise((resolve, reject) => {
      choose = () => resolve({});
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  const { asked } = useAuthenticator(...Array(10).fill(question));

  server.passkeys.set('AQID', { id: 'ada', isGuest: false });
  return { asked, choose: () => choose() };
}

// Lets promises settle.
const settle = async () => {
  for (let i = 0; i < 50; i++) {
    await new Promise(setImmediate);
  }
};

const optionRequests = () => server.count('/api/passkey/request_options');

test('autofill replaces its challenge before it expires', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const { asked, choose } = useAutofill();
  const login = tab().logInWithPasskey({ autofill: true });

  await settle();
  for (let minute = 0; minute < 9; minute++) {
    context.mock.timers.tick(60_000);
    await settle();
  }
  assert.equal(asked.length, 3);
  choose();
  assert.equal((await login).id, 'ada');
  assert.deepEqual(
    asked.map(({ mediation }) => mediation),
    ['conditional', 'conditional', 'conditional'],
  );
  assert.equal(new Set(asked.map(({ publicKey }) => Buffer.from(publicKey.challenge).toString())).size, 3);
  context.mock.timers.tick(3_600_000);
  await settle();
  assert.equal(optionRequests(), 3, 'nothing is left that renews');
});

test('autofill replaces its challenge when a device wakes up, and when its page is shown', async (context) => {
  // The clock of the timers stands still while the device sleeps.
  let time = Date.now();
  const tick = async (milliseconds) => {
    time += milliseconds;
    context.mock.timers.tick(milliseconds);
    await settle();
  };

  context.mock.timers.enable({ apis: ['setInterval'] });
  context.mock.method(Date, 'now', () => time);
  globalThis.document = Object.assign(new EventTarget(), { hidden: false });
  context.after(() => delete globalThis.document);
  const { asked, choose } = useAutofill();
  const login = tab().logInWithPasskey({ autofill: true });

  await settle();
  time += hour;
  await tick(5_000);
  assert.equal(asked.length, 2, 'soon after the end of the sleep');

  document.hidden = true;
  await tick(600_000);
  assert.equal(asked.length, 2, 'not while nobody sees the page');
  document.hidden = false;
  document.dispatchEvent(new Event('visibilitychange'));
  await settle();
  assert.equal(asked.length, 3, 'when the page is shown');

  time -= hour;
  document.dispatchEvent(new Event('visibilitychange'));
  await settle();
  assert.equal(asked.length, 4, 'when the clock was put back');
  choose();
  assert.equal((await login).id, 'ada');
});

test('autofill goes on without network, and renews when the device is online again', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const window = new EventTarget();

  Object.assign(globalThis, {
    addEventListener: window.addEventListener.bind(window),
    removeEventListener: window.removeEventListener.bind(window),
  });
  context.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  });
  const { asked, choose } = useAutofill();
  const login = tab().logInWithPasskey({ autofill: true });

  await settle();
  server.isDown = true;
  context.mock.timers.tick(240_000);
  await settle();
  assert.equal(asked.length, 1);
  assert.equal(asked[0].signal.aborted, false, 'the user can still choose');
  server.isDown = false;
  window.dispatchEvent(new Event('online'));
  await settle();
  assert.equal(asked.length, 2);

  // A server that does not work is asked every 30 seconds, or later if it says so.
  const refuse = (headers) =>
    server.intercept('/api/passkey/request_options', () => new Response('{}', { status: 503, headers }));
  const waitFor = async (milliseconds) => {
    const before = optionRequests();

    for (let time = 0; time < milliseconds; time += 5_000) {
      context.mock.timers.tick(5_000);
      await settle();
    }
    return optionRequests() - before;
  };

  refuse({});
  assert.equal(await waitFor(240_000), 1);
  refuse({ 'Retry-After': '60' });
  assert.equal(await waitFor(25_000), 0);
  assert.equal(await waitFor(5_000), 1);
  assert.equal(await waitFor(55_000), 0);
  assert.equal(await waitFor(5_000), 1);
  assert.equal(asked.length, 3);
  choose();
  assert.equal((await login).id, 'ada');
});

test('autofill ends with an error that does not pass', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const { asked } = useAutofill();
  const login = fails(() => tab().logInWithPasskey({ autofill: true }), 'invalid_client');

  await settle();
  server.intercept('/api/passkey/request_options', () => Response.json({ error: 'invalid_client' }, { status: 401 }));
  context.mock.timers.tick(240_000);
  await login;
  assert.equal(asked[0].signal.aborted, true);
});

test('a passkey that is chosen while autofill renews logs in', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const { asked, choose } = useAutofill();
  const login = tab().logInWithPasskey({ autofill: true });
  let answer;

  await settle();
  server.intercept(
    '/api/passkey/request_options',
    (response) =>
      new Promise((resolve) => {
        answer = () => resolve(response);
      }),
  );
  context.mock.timers.tick(240_000);
  await settle();
  context.mock.timers.tick(60_000);
  await settle();
  assert.equal(optionRequests(), 2, 'one renewal at a time');
  choose();
  assert.equal((await login).id, 'ada');
  answer();
  await settle();
  assert.equal(asked.length, 1);
});

test('the caller ends autofill', async () => {
  const controller = new AbortController();
  const { asked } = useAuthenticator(
    ({ signal }) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        controller.abort();
      }),
  );

  await assert.rejects(() => tab().logInWithPasskey({ autofill: true, signal: controller.signal }), {
    name: 'AbortError',
  });
  assert.equal(asked.length, 1);
  await assert.rejects(() => tab().logInWithPasskey({ autofill: true, signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
  assert.equal(asked.length, 1);
});

test('a guest who came back with a passkey, in a browser with the key of another guest', async () => {
  const auth = tab();
  const other = await auth.continueAsGuest();

  await auth.logOut();
  useAuthenticator();
  server.passkeys.set('AQID', { id: 'back', isGuest: true });
  assert.deepEqual(await auth.logInWithPasskey(), { id: 'back', isGuest: true });
  assert.equal((await auth.guest()).id, other.id);

  // A promotion is proven by the session, not by the key of the other guest.
  const hint = new URL(new URL(await auth.promotionUrl({ redirectUri: home })).searchParams.get('login_hint'));

  assert.equal(hint.searchParams.get('jwt'), null);
  assert.match(hint.searchParams.get('promotion_code'), /^promote-refresh-/);
  await auth.promoteWithPasskey();
  const form = new URLSearchParams(server.requests.findLast(({ path }) => path === '/oauth2/token').text);

  assert.equal(form.get('jwt'), null);
  assert.match(form.get('refresh_token'), /^refresh-/);

  // Nor does the key log in to the other guest when the session has ended.
  await auth.logOut();
  await auth.logInWithPasskey().catch(() => {});
  server.passkeys.set('AQID', { id: 'back', isGuest: true });
  await auth.logInWithPasskey();
  await endSessions();
  await fails(() => auth.accessToken(), 'session_ended');
  assert.equal((await auth.guest()).id, other.id);
});

test('a guest who logs in with a passkey keeps the key', async () => {
  const auth = tab();
  const { id } = await auth.continueAsGuest();

  await auth.logOut();
  useAuthenticator();
  server.passkeys.set('AQID', { id, isGuest: true });
  await auth.logInWithPasskey();
  assert.equal((await auth.guest()).id, id);
});

// ---------------------------------------------------------------------------
// Events
// ---------------------------------------------------------------------------

test('all tabs get an event when the user changes, and none for a refresh', async () => {
  const tabs = [tab(), tab()];
  const counts = [0, 0];

  tabs.forEach((auth, index) => auth.addEventListener('change', () => counts[index]++));
  const heard = new Promise((resolve) => {
    tabs[1].addEventListener('change', resolve, { once: true });
  });

  await tabs[0].continueAsGuest();
  await heard;
  await expire();
  await tabs[0].accessToken();
  assert.deepEqual(counts, [1, 1]);
  tabs.forEach((auth) => auth.close());
});
