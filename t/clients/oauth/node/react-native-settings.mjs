// @authgear/react-native: the calls for an account.

import { native, newSDK, redirectURI } from './native.mjs';
import { claims, failure, is, ok, origin, password, run, sql } from './test.mjs';

let accounts = 0;

async function loggedIn() {
  const email = `native-${++accounts}@example.com`;

  await sql(`SELECT anon_auth.promote_anonymous_user('sdk-native', email => '${email}', password => '${password}',
    refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('sdk-native')))`);
  Object.assign(native, { loginId: email, forms: undefined });
  const sdk = await newSDK(email);
  const { userInfo } = await sdk.authenticate({ redirectURI });

  return { sdk, email, id: userInfo.sub };
}

await run('@authgear/react-native', {
  async refreshIDToken() {
    const { sdk, id } = await loggedIn();
    const before = sdk.getIDTokenHint();

    await sdk.refreshIDToken();
    is('the ID token is of the same session', claims(sdk.getIDTokenHint()).sid, claims(before).sid);
    ok('the user can reauthenticate', sdk.canReauthenticate());
    await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
    is('refreshIDToken() of an ended session is invalid_grant', (await failure(sdk.refreshIDToken())).error, 'invalid_grant');
    is('the SDK drops an ended session', sdk.sessionState, 'NO_SESSION');
  },

  async 'open(Page.Settings)'() {
    const { sdk, email, id } = await loggedIn();

    await sdk.open('/settings');
    is('the settings are shown', native.seen.status, 200);
    ok('of the user of the app', native.seen.body.includes(email), native.seen.body);
    await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
    ok('open() of an ended session rejects', (await failure(sdk.open('/settings'))).message);
    is('the SDK drops an ended session', sdk.sessionState, 'NO_SESSION');
  },

  async changePassword() {
    const { sdk, email } = await loggedIn();

    native.forms = [{ old_password: password, password: 'a new horse' }];
    await sdk.changePassword({ redirectURI });
    ok('the app gets a code', native.seen.location.startsWith(`${redirectURI}?code=`), native.seen.location);
    is('the password is changed', await sql(`SELECT count(*) FROM anon_auth.authenticate('sdk-native', '${email}', 'a new horse')`), '1');
    is('the app is still logged in', (await sdk.fetchUserInfo()).email, email);
  },

  async deleteAccount() {
    const { sdk, id } = await loggedIn();

    native.forms = [{ delete: 'yes' }];
    await sdk.deleteAccount({ redirectURI });
    is('the SDK has no session afterwards', sdk.sessionState, 'NO_SESSION');
    is('the account is scheduled', await sql(`SELECT delete_at IS NOT NULL FROM anon_auth.users WHERE id = '${id}'`), 't');
    await sql(`UPDATE anon_auth.settings SET account_deletion_grace = '0 seconds'`);
    const gone = await loggedIn();

    native.forms = [{ delete: 'yes' }];
    await gone.sdk.deleteAccount({ redirectURI });
    is('the SDK has no session after a deletion at once', gone.sdk.sessionState, 'NO_SESSION');
    is('the account is gone', await sql(`SELECT count(*) FROM anon_auth.users WHERE id = '${gone.id}'`), '0');
    await sql(`UPDATE anon_auth.settings SET account_deletion_grace = '30 days'`);
  },
});
