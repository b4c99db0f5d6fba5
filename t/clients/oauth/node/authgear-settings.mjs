// The calls of @authgear/web for an account, in Chromium: refreshIDToken(), open(),
// prompt=none and the settings actions.

import { close } from './browser.mjs';
import { Tab } from './tab.mjs';
import { claims, is, ok, origin, password, run, sql } from './test.mjs';

let accounts = 0;

// A new account. Its password is that of all tests.
async function newAccount(clientID) {
  const email = `${clientID}-${++accounts}@example.com`;

  await sql(`SELECT anon_auth.promote_anonymous_user('${clientID}', email => '${email}', password => '${password}',
    refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('${clientID}')))`);
  return { email, id: await sql(`SELECT user_id FROM anon_auth.login_ids WHERE original_value = '${email}'`) };
}

async function loggedIn(version, sessionType = 'refresh_token') {
  const clientID = sessionType === 'cookie' ? `sdk-${version}-cookie` : `sdk-${version}`;
  const account = await newAccount(clientID);
  const tab = await Tab.open(version, sessionType, clientID);

  is('the user logs in', (await tab.logIn(account.email)).userInfo?.sub, account.id);
  return { tab, account };
}

// The login was an hour ago, for the app and for its browser.
const makeOld = ({ id }) =>
  sql(`UPDATE anon_auth.sessions SET authenticated_at = authenticated_at - interval '1 hour' WHERE user_id = '${id}'`);

const text = async (page) => page.locator('main').innerText();
const idToken = (tab) => tab.call('getIDTokenHint');

async function refreshIDToken(version) {
  const { tab, account } = await loggedIn(version);
  const before = await idToken(tab);

  await sql(`UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = '${account.id}'`);
  await sql(`UPDATE anon_auth.users SET is_verified = true WHERE id = '${account.id}'`);
  is('refreshIDToken() succeeds', await tab.call('refreshIDToken'), null);
  const after = await idToken(tab);
  const verified = (token) => claims(token)['https://authgear.com/claims/user/is_verified'];

  is('the ID token has the present claims', `${verified(before)} ${verified(after)}`, 'false true');
  is('the ID token is of the same session', claims(after).sid, claims(before).sid);
  ok('the user can reauthenticate', await tab.call('canReauthenticate'));
  await sql(`SELECT anon_auth.revoke_sessions('${account.id}')`);
  is('refreshIDToken() of an ended session is invalid_grant', (await tab.call('refreshIDToken')).error?.error, 'invalid_grant');
  is('the SDK drops an ended session', await tab.get('sessionState'), 'NO_SESSION');
  await tab.close();
}

async function openSettings(version) {
  const { tab, account } = await loggedIn(version);
  const opened = tab.page.context().waitForEvent('page');

  is('open(Page.Settings) succeeds', await tab.call('open', '/settings'), null);
  const settings = await opened;

  await settings.waitForLoadState();
  is('it opens the settings', new URL(settings.url()).pathname, '/settings');
  ok('of the user of the app', (await text(settings)).includes(account.email), await text(settings));
  is('without a token in the address', new URL(settings.url()).search, '');
  const cookies = (await tab.page.context().cookies(`${origin}/settings`)).filter(({ name }) => name === 'app_session');

  is('the browser has a cookie for the settings only', cookies.map(({ path, httpOnly }) => `${path} ${httpOnly}`).join(), '/settings true');
  await tab.call('logout', { redirectURI: tab.redirectURI });
  await settings.reload();
  ok('after a logout of the app, the settings show nobody', !(await text(settings)).includes(account.email));
  await tab.close();

  const ended = await loggedIn(version);

  await sql(`SELECT anon_auth.revoke_sessions('${ended.account.id}')`);
  ok('open() of an ended session rejects', (await ended.tab.call('open', '/settings')).error);
  is('the SDK drops an ended session', await ended.tab.get('sessionState'), 'NO_SESSION');
  await ended.tab.close();
}

// A single-page application logs in silently, by the cookie of another one.
async function silently(version) {
  const { tab, account } = await loggedIn(version, 'cookie');
  const spa = new Tab(await tab.page.context().newPage(), version, 'refresh_token', `sdk-${version}`);

  await spa.page.goto(spa.redirectURI);
  await spa.configure();
  await spa.start('startAuthentication', (url) => url.href.startsWith(`${spa.redirectURI}?`), { prompt: 'none' });
  is('prompt=none logs in with the live cookie', (await spa.finish('finishAuthentication')).userInfo?.sub, account.id);
  await sql(`SELECT anon_auth.revoke_sessions('${account.id}')`);
  await spa.page.goto(spa.redirectURI);
  await spa.configure();
  await spa.start('startAuthentication', (url) => url.href.startsWith(`${spa.redirectURI}?`), { prompt: 'none' });
  is('without it, the error is login_required', (await spa.finish('finishAuthentication')).error?.error, 'login_required');
  await tab.close();
}

// ---------------------------------------------------------------------------
// Settings actions
// ---------------------------------------------------------------------------

// Fills in the form of the page, and sends it.
async function send(page, values) {
  for (const [name, value] of Object.entries(values)) {
    const field = page.locator(`main input[name="${name}"]:not([type="hidden"])`);

    await (value === true ? field.check() : field.fill(value));
  }
  await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST'),
    page.locator('main form button:not([type="button"])').first().click(),
  ]);
  await page.waitForLoadState();
}

async function start(tab, action, options, ...first) {
  is('the ID token is refreshed', await tab.call('refreshIDToken'), null);
  await tab.start(`start${action}`, `${origin}/settings/**`, options, ...first);
}

// Carries out an action: a form on each page. A function makes the values of its form.
async function act(tab, action, forms, ...first) {
  await start(tab, action, {}, ...first);
  for (const form of forms) {
    await send(tab.page, typeof form === 'function' ? await form() : form);
  }
  return tab.finish(`finish${action}`);
}

const codeSentTo = (address) =>
  sql(`SELECT code FROM anon_auth.take_outbox_messages() WHERE recipient = '${address}' AND code IS NOT NULL`);
const loginIds = ({ id }) =>
  sql(`SELECT string_agg(original_value, ' ' ORDER BY type, original_value) FROM anon_auth.login_ids WHERE user_id = '${id}'`);
const accepts = async ({ email }, secret) =>
  (await sql(`SELECT count(*) FROM anon_auth.authenticate('sdk-6', '${email}', '${secret}')`)) === '1';

async function changePassword(version) {
  const { tab, account } = await loggedIn(version);
  const other = await sql(`SELECT refresh_token FROM anon_auth.authenticate('sdk-6', '${account.email}', '${password}')`);

  await start(tab, 'ChangePassword', { state: 'my state' });
  await tab.page.locator('a[href*="access_denied"]').first().click();
  is('"Cancel" is access_denied', (await tab.finish('finishChangePassword')).error?.error, 'access_denied');
  ok('and changes nothing', await accepts(account, password));
  is('changePassword succeeds', await act(tab, 'ChangePassword', [{ old_password: password, password: 'a new horse' }]), null);
  ok('the password is changed', await accepts(account, 'a new horse'));
  is('the app is still logged in', (await tab.call('fetchUserInfo')).sub, account.id);
  const refresh = await fetch(`${origin}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'refresh_token', client_id: 'sdk-6', refresh_token: other }),
  });

  is('the other session has ended', (await refresh.json()).error, 'invalid_grant');

  await makeOld(account);
  await start(tab, 'ChangePassword');
  is('after an hour, the page asks for a login', new URL(tab.page.url()).pathname, '/settings/reauthenticate');
  await send(tab.page, { password: 'a new horse' });
  await send(tab.page, { old_password: 'a new horse', password: 'the third horse' });
  is('and leads back to the action', await tab.finish('finishChangePassword'), null);
  ok('the password is changed again', await accepts(account, 'the third horse'));
  await tab.close();
}

async function deleteAccount(version) {
  const { tab, account } = await loggedIn(version);

  is('deleteAccount succeeds', await act(tab, 'DeleteAccount', [{ delete: true }]), null);
  is('the SDK has no session afterwards', await tab.get('sessionState'), 'NO_SESSION');
  is('the account is scheduled', await sql(`SELECT delete_at IS NOT NULL FROM anon_auth.users WHERE id = '${account.id}'`), 't');
  await tab.close();

  await sql(`UPDATE anon_auth.settings SET account_deletion_grace = '0 seconds'`);
  const gone = await loggedIn(version);

  is('deleteAccount at once succeeds', await act(gone.tab, 'DeleteAccount', [{ delete: true }]), null);
  is('the account is gone', await sql(`SELECT count(*) FROM anon_auth.users WHERE id = '${gone.account.id}'`), '0');
  is('the SDK has no session afterwards', await gone.tab.get('sessionState'), 'NO_SESSION');
  await sql(`UPDATE anon_auth.settings SET account_deletion_grace = '30 days'`);
  await gone.tab.close();
}

async function loginIdActions(version) {
  const { tab, account } = await loggedIn(version);
  const second = `second-${account.email}`;
  const third = `third-${account.email}`;
  const name = `user${account.id.slice(-12)}`;
  const phone = `+49151${account.id.replaceAll(/\D/g, '').slice(-8)}`;
  const otherPhone = `+49152${account.id.replaceAll(/\D/g, '').slice(-8)}`;
  const code = (address) => async () => ({ code: await codeSentTo(address) });

  is('addEmail succeeds', await act(tab, 'AddEmail', [{ login_id: second }, code(second)]), null);
  is('the address is added', await loginIds(account), [account.email, second].join(' '));
  is('changeEmail succeeds', await act(tab, 'ChangeEmail', [{ login_id: third }, code(third)], second), null);
  is('the address is changed', await loginIds(account), [account.email, third].join(' '));
  is('addUsername succeeds', await act(tab, 'AddUsername', [{ login_id: name }]), null);
  is('changeUsername without the former one succeeds', await act(tab, 'ChangeUsername', [{ login_id: `${name}x` }], undefined), null);
  is('addPhone succeeds', await act(tab, 'AddPhone', [{ login_id: phone }, code(phone)]), null);
  is('changePhone succeeds', await act(tab, 'ChangePhone', [{ login_id: otherPhone }, code(otherPhone)], phone), null);
  is('the account has all of them', await loginIds(account), [account.email, third, otherPhone, `${name}x`].join(' '));
  is('the app is still logged in', (await tab.call('fetchUserInfo')).sub, account.id);
  await tab.close();
}

// There are no pages for identity providers.
async function linking(version) {
  const { tab } = await loggedIn(version);

  for (const action of ['LinkOAuth', 'UnlinkOAuth']) {
    await tab.page.goto(tab.redirectURI);
    await tab.configure();
    await tab.call('refreshIDToken');
    await tab.start(`start${action}`, (url) => url.href.startsWith(`${tab.redirectURI}?`), { oauthProviderAlias: 'google' });
    is(`${action} is invalid_request`, (await tab.finish(`finish${action}`)).error?.error, 'invalid_request');
  }
  await tab.close();
}

for (const version of [6, 2.15, 2]) {
  await run(`@authgear/web ${version}`, {
    refreshIDToken: () => refreshIDToken(version),
    'open(Page.Settings)': () => openSettings(version),
    'prompt=none': () => silently(version),
  });
}
for (const version of [6, 2.15]) {
  await run(`@authgear/web ${version}`, {
    changePassword: () => changePassword(version),
    deleteAccount: () => deleteAccount(version),
  });
}
await run('@authgear/web 6', {
  'login IDs': () => loginIdActions(6),
  'identity providers': () => linking(6),
});
await close();
