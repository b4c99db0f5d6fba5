// @authgear/web in Chromium, on a page of another origin than the site's: three
// versions and both types of session.

import { close } from './browser.mjs';
import { Tab } from './tab.mjs';
import { alice, bob, is, kid, ok, origin, publishKey, run, sql } from './test.mjs';

const sessionsOf = (user) => sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${user}'`);
const userInfo = async (tab) => (await tab.call('fetchUserInfo')) ?? {};
const userOf = (loginId) => sql(`SELECT user_id FROM anon_auth.login_ids WHERE original_value = '${loginId}'`);

// With cookies, a page of another origin than the site's cannot log out without a
// question to the user.
async function logOut(tab) {
  if (tab.sessionType !== 'cookie') {
    await tab.call('logout', { redirectURI: tab.redirectURI });
    return;
  }
  await tab.start('logout', '**/oauth2/end_session?**');
  await tab.page.click('form button');
  await tab.page.waitForURL((url) => url.href.startsWith(tab.redirectURI));
  await tab.configure();
}

// A guest signs up, is promoted, logs out and logs in.
async function story(version, sessionType, clientID) {
  const tab = await Tab.open(version, sessionType, clientID);
  const email = `${clientID}@example.com`;
  const guest = (await tab.call('authenticateAnonymously')).userInfo?.sub;

  ok('a guest signs up', guest);
  await tab.reload();
  is('a guest is known after a reload', (await userInfo(tab)).sub, guest);
  await tab.start('startPromoteAnonymousUser', '**/flows/promote_user?**');
  await tab.submit(email);
  is('promotion keeps the user', (await tab.finish('finishPromoteAnonymousUser')).userInfo?.sub, guest);
  await tab.reload();
  is('the account is known after a reload', (await userInfo(tab)).email, email);
  await logOut(tab);
  is('a logout ends the session', await sessionsOf(guest), '0');
  const after = await userInfo(tab);

  ok('nobody is logged in after a logout', after.error, JSON.stringify(after));
  ok('the SDK is not authenticated after a logout', (await tab.get('sessionState')) !== 'AUTHENTICATED');
  is('a login returns the same user', (await tab.logIn(email)).userInfo?.sub, guest);
  await tab.close();
}

// The access token stops verifying while the session lives.
async function retiredKey(version, clientID) {
  const tab = await Tab.open(version, 'refresh_token', clientID);
  const guest = (await tab.call('authenticateAnonymously')).userInfo?.sub;

  await publishKey();
  await sql(`SELECT anon_auth.retire_signing_key('${kid(await tab.get('accessToken'))}')`);
  const { error } = await userInfo(tab);

  is('a token that does not verify is invalid_token', error?.error, 'invalid_token');
  is('a guest stays authenticated when its token does not verify', await tab.get('sessionState'), 'AUTHENTICATED');
  await tab.reload();
  is('a guest is the same user after the next refresh', (await userInfo(tab)).sub, guest);
  await sql(`SELECT anon_auth.revoke_sessions('${guest}')`);
  is('an ended session is invalid_grant', (await userInfo(tab)).error?.error, 'invalid_grant');
  if (version === 0) {
    // 0.22 learns of it at the next refresh.
    await tab.reload();
    await userInfo(tab);
  }
  is('the SDK drops an ended session', await tab.get('sessionState'), 'NO_SESSION');
  await tab.close();
}

async function reauthentication(version, clientID) {
  const tab = await Tab.open(version, 'refresh_token', clientID);
  const user = await userOf(alice);

  await sql(`SELECT anon_auth.revoke_sessions('${user}')`);
  is('alice logs in', (await tab.logIn(alice)).userInfo?.sub, user);
  await sql(
    `UPDATE anon_auth.sessions SET authenticated_at = authenticated_at - interval '1 hour' WHERE user_id = '${user}'`,
  );
  await tab.start('startReauthentication', '**/flows/login?**', { maxAge: 0 });
  await tab.submit(bob);
  ok('bob cannot log in for alice', tab.page.url().startsWith(`${origin}/flows/login`), tab.page.url());
  if (!tab.page.url().startsWith(origin)) {
    await tab.close();
    return;
  }
  await tab.submit(alice);
  is('alice logs in again', (await tab.finish('finishReauthentication')).userInfo?.sub, user);
  is('reauthentication makes no second session', await sessionsOf(user), '1');
  await tab.reload();
  is('alice is still logged in after the next refresh', (await userInfo(tab)).sub, user);
  await tab.call('refreshIDToken');
  ok(
    'the time of the reauthentication stays',
    Date.now() - (await tab.page.evaluate(() => authgear.default.getAuthTime()?.getTime() ?? 0)) < 60_000,
    String(await tab.page.evaluate(() => authgear.default.getAuthTime())),
  );
  await tab.close();
}

for (const version of [6, 2, 0]) {
  await run(`@authgear/web ${version === 0 ? '0.22' : version}`, {
    'refresh tokens': () => story(version, 'refresh_token', `sdk-${version}`),
    'a retired key': () => retiredKey(version, `sdk-${version}`),
    reauthentication: () => reauthentication(version, `sdk-${version}`),
  });
  await run(`@authgear/web ${version === 0 ? '0.22' : version}, one session`, {
    reauthentication: () => reauthentication(version, `sdk-${version}-one-session`),
  });
  await run(`@authgear/web ${version === 0 ? '0.22' : version}, cookie`, {
    cookies: () => story(version, 'cookie', `sdk-${version}-cookie`),
  });
}
await close();
