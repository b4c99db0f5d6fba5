// oidc-client-ts in Chromium, on a page of another origin than the site's.

import { close, person } from './browser.mjs';
import {
  alice,
  bob,
  driver,
  is,
  logoutUri,
  ok,
  origin,
  passwordOf,
  publishKey,
  redirectUri,
  run,
  sessions,
  useKey,
} from './test.mjs';

const settings = {
  authority: origin,
  client_id: 'rp',
  redirect_uri: redirectUri,
  post_logout_redirect_uri: logoutUri,
  scope: 'openid offline_access',
  loadUserInfo: true,
  automaticSilentRenew: false,
};

// Calls a method of a UserManager. Returns the user or {error: {name, error, message}}.
async function call(page, method, ...parameters) {
  await page.addScriptTag({ url: '/node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js' });
  return page.evaluate(
    async ([options, name, values]) => {
      const manager = new oidc.UserManager({
        ...options,
        userStore: new oidc.WebStorageStateStore({ store: localStorage }),
      });

      try {
        const result = await manager[name](...values);

        return JSON.parse(JSON.stringify(result ?? null));
      } catch (error) {
        return { error: { name: error.name, error: error.error, message: error.message } };
      }
    },
    [settings, method, parameters],
  );
}

// Starts with a redirect, and waits for the form of the site, or for a page of ours.
async function leave(page, url, method, ...parameters) {
  await Promise.all([page.waitForURL(url), call(page, method, ...parameters).catch(() => {})]);
}

async function submit(page, loginId) {
  const field = page.locator('input[name="login_id"]');

  // An id_token_hint names the account.
  if ((await field.count()) > 0) {
    await field.fill(loginId);
  }
  await page.fill('input[name="password"]', passwordOf(loginId));
  await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST'),
    page.click('form button:not([type="button"])'),
  ]);
  await page.waitForLoadState();
}

async function logIn(page, parameters = {}) {
  await leave(page, '**/flows/login?**', 'signinRedirect', parameters);
  await submit(page, alice);
  await page.waitForURL(`${redirectUri}?**`);
  return call(page, 'signinRedirectCallback');
}

async function open() {
  const page = await (await person()).newPage();

  await page.goto(`${driver}/`);
  return page;
}

await run('oidc-client-ts', {
  async 'a login'() {
    const page = await open();
    const user = await logIn(page, { max_age: 3600, nonce: 'the nonce' });

    is('a login with userinfo succeeds', user.profile?.email, alice);
    ok('the access token has a lifetime', user.expires_at > Date.now() / 1000, JSON.stringify(user));
    const renewed = await call(page, 'signinSilent');

    is('a silent renewal keeps the user', renewed.profile?.sub, user.profile.sub);
    is('a silent renewal keeps auth_time', renewed.profile?.auth_time, user.profile.auth_time);
    const revoked = await call(page, 'revokeTokens', ['refresh_token']);

    is('a revocation does not throw', revoked, null);
    is('a revocation ends the session', await sessions(user.profile.sid), '0');
    await page.context().close();
  },

  async 'a revoked refresh token'() {
    const page = await open();
    const user = await logIn(page);

    await call(page, 'revokeTokens', ['refresh_token']);
    await page.evaluate((token) => {
      const key = Object.keys(localStorage).find((name) => name.startsWith('oidc.user:'));

      localStorage.setItem(key, JSON.stringify({ ...JSON.parse(localStorage.getItem(key)), refresh_token: token }));
    }, user.refresh_token);
    is(
      'a revoked refresh token is an ErrorResponse with invalid_grant',
      JSON.stringify((({ name, error }) => ({ name, error }))((await call(page, 'signinSilent')).error ?? {})),
      '{"name":"ErrorResponse","error":"invalid_grant"}',
    );
    await page.context().close();
  },

  async 'a logout'() {
    const page = await open();
    const user = await logIn(page);

    await leave(page, `${logoutUri}?**`, 'signoutRedirect', { state: 'left' });
    const response = await call(page, 'signoutRedirectCallback');

    ok(
      'a logout returns to the client with its state',
      !response.error && response.userState === 'left',
      JSON.stringify(response),
    );
    is('a logout ends the session', await sessions(user.profile.sid), '0');
    await page.context().close();
  },

  async reauthentication() {
    const page = await open();
    const user = await logIn(page);

    await leave(page, '**/flows/login?**', 'signinRedirect', {
      id_token_hint: user.id_token,
      max_age: 0,
      scope: 'openid',
    });
    await submit(page, bob);
    ok(
      'another user cannot log in where id_token_hint names the user',
      page.url().startsWith(`${origin}/flows/login`),
      page.url(),
    );
    if (page.url().startsWith(origin)) {
      await submit(page, alice);
      await page.waitForURL(`${redirectUri}?**`);
      const again = await call(page, 'signinRedirectCallback');

      is('reauthentication keeps the session', again.profile?.sid, user.profile.sid);
    }
    await page.context().close();
  },

  async errors() {
    const page = await open();

    await leave(page, `${redirectUri}?**`, 'signinRedirect', { prompt: 'none' });
    const { error } = await call(page, 'signinRedirectCallback');

    is('prompt=none is an ErrorResponse', error?.name, 'ErrorResponse');
    is('prompt=none is login_required', error?.error, 'login_required');
    await leave(page, '**/flows/login?**', 'signinRedirect', { login_hint: 'bob, or so' });
    ok('an opaque login_hint does not prevent a login', true);
    await page.context().close();
  },

  async 'a new key'() {
    const page = await open();

    await publishKey();
    await useKey();
    is('a login with the new key succeeds', (await logIn(page)).profile?.email, alice);
    await page.context().close();
  },
});
await close();
