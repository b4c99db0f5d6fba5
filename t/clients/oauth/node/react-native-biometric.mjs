// @authgear/react-native: biometric login, with the device keys of an account.

import { hasKey, native, newSDK, redirectURI } from './native.mjs';
import { claims, failure, is, ok, password, run, sql } from './test.mjs';

let accounts = 0;

async function loggedIn() {
  const email = `biometric-${++accounts}@example.com`;

  await sql(`SELECT anon_auth.create_user('${email}', password => '${password}', verified => true)`);
  Object.assign(native, { loginId: email, forms: undefined });
  const sdk = await newSDK(email);
  const { userInfo } = await sdk.authenticate({ redirectURI });

  return { sdk, email, id: userInfo.sub };
}

const keyOf = (id) => sql(`SELECT kid FROM anon_auth.device_keys WHERE user_id = '${id}'`).then((text) => text.trim());

await run('@authgear/react-native, biometric login', {
  async 'enableBiometric() and authenticateBiometric()'() {
    const { sdk, email, id } = await loggedIn();

    is('nothing is enabled at first', await sdk.isBiometricEnabled(), false);
    await sdk.enableBiometric({});
    ok('biometric login is enabled', await sdk.isBiometricEnabled());
    const kid = await keyOf(id);

    ok('the account has the key of the device', hasKey(kid), kid);
    is('with its model', await sql(`SELECT device_info #>> '{ios,UIDevice,model}' FROM anon_auth.device_keys WHERE kid = '${kid}'`), 'iPhone');
    await sdk.logout({ force: false });
    is('nobody is logged in', sdk.sessionState, 'NO_SESSION');
    const { userInfo } = await sdk.authenticateBiometric({});

    is('the device logs in', userInfo.sub, id);
    is('as this user', userInfo.email, email);
    is('the SDK has a session', sdk.sessionState, 'AUTHENTICATED');
    is('the token tells of a key', JSON.stringify(claims(sdk.accessToken).amr), '["pop"]');
    await sdk.refreshAccessToken();
    is('the session is refreshed', (await sdk.fetchUserInfo()).sub, id);
    ok('the user is told of the key', (await sdk.fetchUserInfo()).raw['https://authgear.com/claims/user/identities'].some(({ type }) => type === 'biometric'));
    await sdk.authenticateBiometric({});
    is('the key has one session', await sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${id}' AND device_kid = '${kid}'`), '1');
  },

  async 'a key that was removed'() {
    const { sdk, email, id } = await loggedIn();

    await sdk.enableBiometric({});
    const kid = await keyOf(id);

    await sdk.authenticateBiometric({});
    await sql(`SELECT anon_auth.remove_device_key('${kid}', (SELECT access_token FROM anon_auth.authenticate('sdk-native', '${email}', '${password}')))`);
    is('its session has ended', (await failure(sdk.refreshIDToken())).error, 'invalid_grant');
    const error = await failure(sdk.authenticateBiometric({}));

    is('the login is refused', `${error.error}: ${error.error_description}`, 'invalid_grant: InvalidCredentials');
    is('the SDK forgets its key', await sdk.isBiometricEnabled(), false);
    is('and deletes it', hasKey(kid), false);
  },

  async 'errors that pass'() {
    const { sdk, id } = await loggedIn();

    await sdk.enableBiometric({});
    const kid = await keyOf(id);

    await sql(`SELECT anon_auth.disable_user('${id}')`);
    is('a disabled user is refused', (await failure(sdk.authenticateBiometric({}))).error_description, 'user is disabled');
    await sql(`SELECT anon_auth.enable_user('${id}')`);
    await sql('UPDATE anon_auth.settings SET device_key_logins_per_minute = 1');
    is('too many logins are refused', (await failure(sdk.authenticateBiometric({}))).error, 'x_rate_limited');
    await sql('UPDATE anon_auth.settings SET device_key_logins_per_minute = NULL');
    const { now } = Date;

    Date.now = () => now() - 3600_000;
    globalThis.Date = class extends Date {
      constructor(...values) {
        super(...(values.length > 0 ? values : [now() - 3600_000]));
      }
    };
    is('a clock that is an hour late is refused', (await failure(sdk.authenticateBiometric({}))).error, 'invalid_dpop_proof');
    globalThis.Date = Object.getPrototypeOf(globalThis.Date);
    Date.now = now;
    ok('the SDK keeps its key', (await sdk.isBiometricEnabled()) && hasKey(kid));
    is('and logs in with it', (await sdk.authenticateBiometric({})).userInfo.sub, id);
  },

  async 'disableBiometric()'() {
    const { sdk, id } = await loggedIn();

    await sdk.enableBiometric({});
    const kid = await keyOf(id);

    await sdk.disableBiometric();
    is('the SDK has no key', await sdk.isBiometricEnabled(), false);
    is('the server still has it', await keyOf(id), kid);
    await sdk.enableBiometric({});
    is('it can be enabled again', await sql(`SELECT count(*) FROM anon_auth.device_keys WHERE user_id = '${id}'`), '2');
  },

  async 'who may enable it'() {
    const { sdk, id } = await loggedIn();

    await sql(`UPDATE anon_auth.sessions SET authenticated_at = authenticated_at - interval '1 hour' WHERE user_id = '${id}'`);
    is('not a user whose login is old', (await failure(sdk.enableBiometric({}))).error, 'insufficient_user_authentication');
    is('the SDK stays logged in', sdk.sessionState, 'AUTHENTICATED');
    await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
    is('not a user whose session has ended', (await failure(sdk.enableBiometric({}))).error_description, 'biometric setup requires authenticated user');
    const guest = await newSDK('biometric-guest');

    await guest.authenticateAnonymously();
    is('not a guest', (await failure(guest.enableBiometric({}))).error_description, 'AnonymousUserAddIdentity');
    is('whose guest is still there', guest.sessionState, 'AUTHENTICATED');
  },
});
