// @authgear/react-native: guests, and logins.

import { native, newSDK, paths, redirectURI } from './native.mjs';
import { alice, claims, is, kid, ok, publishKey, run, sql } from './test.mjs';

const error = async (promise) => {
  try {
    await promise;
    return 'no error';
  } catch (reason) {
    return reason.error ?? reason.message;
  }
};

await run('@authgear/react-native', {
  async 'a guest'() {
    const sdk = await newSDK('guest');
    const guest = (await sdk.authenticateAnonymously()).userInfo.sub;
    const again = await newSDK('guest');

    is(
      'a guest signs up, and is the same user with the same key',
      (await again.authenticateAnonymously()).userInfo.sub,
      guest,
    );
    ok(
      'requests have a DPoP proof',
      paths.has('/oauth2/token') && paths.has('/oauth2/userinfo'),
      [...paths.keys()].join(),
    );
    native.loginId = 'native@example.com';
    is('promotion keeps the user', (await again.promoteAnonymousUser({ redirectURI })).userInfo.sub, guest);
    is(
      'the account is known after a restart',
      (await (await newSDK('guest')).fetchUserInfo()).email,
      'native@example.com',
    );
    is(
      'the device starts a new guest after the promotion',
      (await (await newSDK('guest')).authenticateAnonymously()).userInfo.sub !== guest,
      true,
    );
  },

  async 'a retired key'() {
    const sdk = await newSDK('retired');
    const guest = (await sdk.authenticateAnonymously()).userInfo.sub;

    await publishKey();
    await sql(`SELECT anon_auth.retire_signing_key('${kid(sdk.accessToken)}')`);
    is('a token that does not verify is invalid_token', await error(sdk.fetchUserInfo()), 'invalid_token');
    is('a guest stays authenticated when its token does not verify', sdk.sessionState, 'AUTHENTICATED');
    is('a guest is the same user after a restart', (await (await newSDK('retired')).fetchUserInfo()).sub, guest);
  },

  async reauthentication() {
    native.loginId = alice;
    const sdk = await newSDK('account');
    const { userInfo } = await sdk.authenticate({ redirectURI });
    const { sid } = claims(sdk.accessToken);
    const sessions = () => sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${userInfo.sub}'`);
    const before = await sessions();

    is('reauthentication names the same user', (await sdk.reauthenticate({ redirectURI })).userInfo.sub, userInfo.sub);
    is('reauthentication makes no second session', await sessions(), before);
    is('the user is logged in after a restart', (await (await newSDK('account')).fetchUserInfo()).sub, userInfo.sub);
    await sdk.logout();
    is('the SDK has no session after a logout', sdk.sessionState, 'NO_SESSION');
    is('a logout ends the session', await sql(`SELECT count(*) FROM anon_auth.sessions WHERE id = '${sid}'`), '0');
  },
});
