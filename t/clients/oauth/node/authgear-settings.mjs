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

for (const version of [6, 2.15, 2]) {
  await run(`@authgear/web ${version}`, {
    refreshIDToken: () => refreshIDToken(version),
    'open(Page.Settings)': () => openSettings(version),
    'prompt=none': () => silently(version),
  });
}
await close();
