// openid-client 6, with the signature of each ID token checked.

import * as client from 'openid-client';
import {
  alice,
  bob,
  claims,
  codeFor,
  failure,
  grants,
  is,
  kid,
  logIn,
  logoutUri,
  ok,
  origin,
  provider,
  publishKey,
  redirectUri,
  run,
  sessions,
  sql,
  useKey,
  visit,
} from './test.mjs';

const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];
const config = await client.discovery(new URL(origin), 'rp', undefined, client.None(), { execute });

async function request(parameters = {}) {
  const codeVerifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...parameters,
  });

  return { url, checks: { pkceCodeVerifier: codeVerifier, expectedState: state, expectedNonce: nonce } };
}

async function tokensFor(loginId, parameters, checks) {
  const started = await request(parameters);
  const callback = await logIn(started.url, loginId);

  return client.authorizationCodeGrant(config, callback, { ...started.checks, ...checks });
}

await run('openid-client 6', {
  // RFC 9449, with nonces of the server, which the library asks for by itself
  async 'tokens bound to a key'() {
    const keyConfig = await client.discovery(new URL(origin), 'rp-key', undefined, client.None(), { execute });
    const DPoP = client.getDPoPHandle(keyConfig, await client.randomDPoPKeyPair('ES256'));
    const started = await request({ client_id: 'rp-key', dpop_jkt: await DPoP.calculateThumbprint() });

    await sql('UPDATE anon_auth.settings SET dpop_nonce = true');
    const tokens = await client.authorizationCodeGrant(keyConfig, await logIn(started.url), started.checks, undefined, { DPoP });

    is('the access token names the key', claims(tokens.access_token).cnf.jkt, await DPoP.calculateThumbprint());
    is('userinfo names the user', (await client.fetchUserInfo(keyConfig, tokens.access_token, tokens.claims().sub, { DPoP })).email, alice);
    const refreshed = await client.refreshTokenGrant(keyConfig, tokens.refresh_token, undefined, { DPoP });

    is('a refresh keeps the key', claims(refreshed.access_token).cnf.jkt, claims(tokens.access_token).cnf.jkt);
    is('a refresh without the key is refused', (await failure(client.refreshTokenGrant(keyConfig, tokens.refresh_token))).error, 'invalid_dpop_proof');
    is('PostgREST accepts the token', (await client.fetchProtectedResource(keyConfig, refreshed.access_token, new URL(`${origin}/rest/notes`), 'GET', null, undefined, { DPoP })).status, 200);
    await sql('UPDATE anon_auth.settings SET dpop_nonce = false');
  },

  async 'a login'() {
    const { url, checks } = await request({ max_age: '3600' });
    const callback = await logIn(url);

    is('discovery finds the issuer', config.serverMetadata().issuer, origin);
    is('the metadata says which prompts there are', config.serverMetadata().prompt_values_supported.join(' '), 'none login');
    ok('the metadata says that PKCE with S256 is supported', config.serverMetadata().supportsPKCE());
    is('the authorization response names the issuer (RFC 9207)', callback.searchParams.get('iss'), origin);
    ok('the metadata announces iss', config.serverMetadata().authorization_response_iss_parameter_supported);
    const forged = new URL(callback);

    forged.searchParams.set('iss', 'https://evil.example');
    is(
      'a response of another issuer is refused',
      (await failure(client.authorizationCodeGrant(config, forged, checks))).code,
      'OAUTH_INVALID_RESPONSE',
    );
    const tokens = await client.authorizationCodeGrant(config, callback, { ...checks, maxAge: 3600 });

    is('nonce is in the ID token', tokens.claims().nonce, checks.expectedNonce);
    ok('auth_time is in the ID token', tokens.claims().auth_time > Date.now() / 1000 - 60, tokens.claims());
    ok('at_hash is in the ID token', tokens.claims().at_hash);
    ok('expires_in is a lifetime', tokens.expiresIn() > 0);
    const userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);

    is('userinfo names the user', userinfo.email, alice);
    is(
      'userinfo of another subject is refused',
      (await failure(client.fetchUserInfo(config, tokens.access_token, 'somebody else'))).code,
      'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
    );
  },

  async 'codes and ID tokens'() {
    const address = 'openid-client@example.com';
    const code = { login_id: address, code: await codeFor(address) };
    const guest = await fetch(`${origin}/api/anonymous_user/signup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ session_type: 'refresh_token', client_id: 'rp' }),
    });
    const { result } = await guest.json();
    const error = await failure(client.genericGrantRequest(config, grants.code, code));

    is('a login without an account is invalid_grant', `${error.error} ${error.cause?.x_code}`, 'invalid_grant no_account');
    const account = await client.genericGrantRequest(config, grants.code, { ...code, prompt: 'create' });

    is('a code makes an account', claims(account.access_token).amr.join(), 'otp');
    const token = await provider();
    const promoted = await client.genericGrantRequest(config, grants.idToken, {
      ...(await token('bob')),
      refresh_token: result.refresh_token,
    });

    is('an ID token promotes a guest', claims(promoted.access_token).sub, claims(result.access_token).sub);
    is('who is no guest any longer', claims(promoted.access_token).is_anonymous, false);
  },

  async 'a refresh'() {
    const tokens = await tokensFor(alice);
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);

    is('a refresh keeps the subject', claims(refreshed.access_token).sub, tokens.claims().sub);
    is('a refresh keeps the time of the login', claims(refreshed.access_token).auth_time, tokens.claims().auth_time);
    is('a refresh keeps the session', claims(refreshed.access_token).sid, tokens.claims().sid);
  },

  async offline_access() {
    const tokens = await tokensFor(alice, { scope: 'openid' });

    is('without offline_access there is no refresh token', tokens.refresh_token, undefined);
    is(
      'the access token is good without offline_access',
      (await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub)).email,
      alice,
    );
  },

  async revocation() {
    const tokens = await tokensFor(alice);

    await client.tokenRevocation(config, tokens.refresh_token);
    is('revocation ends the session', await sessions(tokens.claims().sid), '0');
    const error = await failure(client.refreshTokenGrant(config, tokens.refresh_token));

    is(
      'a revoked refresh token is invalid_grant',
      `${error.code} ${error.error} ${error.status}`,
      'OAUTH_RESPONSE_BODY_ERROR invalid_grant 400',
    );
    await client.tokenRevocation(config, 'unknown');
    ok('the revocation of an unknown token succeeds', true);
  },

  async 'a code that is used twice'() {
    const { url, checks } = await request();
    const callback = await logIn(url);
    const tokens = await client.authorizationCodeGrant(config, callback, checks);

    is(
      'a used code is invalid_grant',
      (await failure(client.authorizationCodeGrant(config, callback, checks))).error,
      'invalid_grant',
    );
    is('the reuse of a code ends the session that it gave', await sessions(tokens.claims().sid), '0');
    const error = await failure(client.refreshTokenGrant(config, tokens.refresh_token));

    is('the refresh token of a reused code is invalid_grant', error.error, 'invalid_grant');
  },

  async 'the end of a session'() {
    const tokens = await tokensFor(alice);
    const url = client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: logoutUri,
      state: 'left',
    });
    const { location } = await visit(url);

    is('end_session returns to the client with the state', location, `${logoutUri}?state=left`);
    is('end_session with an id_token_hint ends the session', await sessions(tokens.claims().sid), '0');
    is(
      'the refresh token is invalid_grant afterwards',
      (await failure(client.refreshTokenGrant(config, tokens.refresh_token))).error,
      'invalid_grant',
    );
  },

  async reauthentication() {
    const tokens = await tokensFor(alice);
    const parameters = { id_token_hint: tokens.id_token, max_age: '0', scope: 'openid' };
    const other = await request(parameters);

    is(
      'another user cannot log in where id_token_hint names the user',
      (await visit(other.url, bob, 'correct horse')).location,
      '',
    );
    await sql(`UPDATE anon_auth.sessions SET authenticated_at = authenticated_at - interval '1 hour'
      WHERE id = '${tokens.claims().sid}'`);
    const again = await tokensFor(alice, parameters, { maxAge: 5 });

    is('reauthentication keeps the session', again.claims().sid, tokens.claims().sid);
    is('reauthentication returns no second refresh token', again.refresh_token, undefined);
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);

    ok(
      'a later refresh keeps the time of the reauthentication',
      Math.abs(claims(refreshed.access_token).auth_time - again.claims().auth_time) <= 1,
      `${claims(refreshed.access_token).auth_time} ${again.claims().auth_time}`,
    );
  },

  // RFC 9470: a resource asks for a more recent login.
  async 'a step-up'() {
    const tokens = await tokensFor(alice);
    const call = (name, body, accessToken) =>
      client.fetchProtectedResource(
        config,
        accessToken,
        new URL(`${origin}/api/account/${name}`),
        'POST',
        JSON.stringify(body),
        new Headers({ 'content-type': 'application/json' }),
      );
    const username = `alice${Date.now()}`;
    const calls = [
      ['remove_identity', { issuer: 'https://accounts.example' }, false],
      ['add_login_id', { type: 'username', value: username }, true],
      ['remove_login_id', { type: 'username', value: username }, true],
    ];

    await sql(`UPDATE anon_auth.settings SET login_id_types = '{email,username}';
      UPDATE anon_auth.sessions SET authenticated_at = authenticated_at - interval '1 hour'
        WHERE id = '${tokens.claims().sid}'`);
    const old = await client.refreshTokenGrant(config, tokens.refresh_token);
    const refusals = [];

    for (const [name, body] of calls)
      refusals.push(await failure(call(name, body, old.access_token)));
    for (const refusal of refusals) {
      is('an old login is refused', refusal.status, 401);
      is('... with a challenge that the library reads', refusal.code, 'OAUTH_WWW_AUTHENTICATE_CHALLENGE');
      is('... which asks for another login', refusal.cause[0].parameters.error, 'insufficient_user_authentication');
    }
    const maxAge = refusals[0].cause[0].parameters.max_age;

    is('the challenge says how recent it must be', maxAge, '900');
    const again = await tokensFor(
      alice,
      { id_token_hint: tokens.id_token, max_age: maxAge, scope: 'openid' },
      { maxAge: Number(maxAge) },
    );

    is('the login is one of the same user', again.claims().sub, tokens.claims().sub);
    for (const [name, body, result] of calls) {
      const response = await call(name, body, again.access_token);

      is(`${name} succeeds after the login`, response.status, 200);
      is(`... and says what it did`, (await response.json()).result, result);
    }
  },

  async errors() {
    const authorizationError = async (parameters) => {
      const { url, checks } = await request(parameters);
      const error = await failure(client.authorizationCodeGrant(config, await logIn(url), checks));

      return `${error.code} ${error.error}`;
    };

    is(
      'prompt=none is login_required',
      await authorizationError({ prompt: 'none' }),
      'OAUTH_AUTHORIZATION_RESPONSE_ERROR login_required',
    );
    is(
      'an unknown scope is invalid_scope',
      await authorizationError({ scope: 'openid everything' }),
      'OAUTH_AUTHORIZATION_RESPONSE_ERROR invalid_scope',
    );
    is(
      'a request object is request_not_supported',
      await authorizationError({ request: 'e30.e30.' }),
      'OAUTH_AUTHORIZATION_RESPONSE_ERROR request_not_supported',
    );
    is(
      'request_uri is request_uri_not_supported',
      await authorizationError({ request_uri: 'https://evil.example/' }),
      'OAUTH_AUTHORIZATION_RESPONSE_ERROR request_uri_not_supported',
    );
    is(
      'a malformed max_age is invalid_request',
      await authorizationError({ max_age: 'soon' }),
      'OAUTH_AUTHORIZATION_RESPONSE_ERROR invalid_request',
    );
    const { url, checks } = await request();
    const callback = await logIn(url);

    is(
      'a wrong code verifier is invalid_grant',
      (await failure(client.authorizationCodeGrant(config, callback, { ...checks, pkceCodeVerifier: 'x'.repeat(43) })))
        .error,
      'invalid_grant',
    );
    const unknown = new client.Configuration(config.serverMetadata(), 'nobody', undefined, client.None());

    client.allowInsecureRequests(unknown);
    is(
      'an unknown client is invalid_client',
      (await failure(client.refreshTokenGrant(unknown, 'x'))).error,
      'invalid_client',
    );
    const basic = new client.Configuration(config.serverMetadata(), 'rp', 'secret', client.ClientSecretBasic('secret'));

    client.allowInsecureRequests(basic);
    const refused = await failure(client.refreshTokenGrant(basic, 'x'));

    is('a secret in Basic is challenged with Basic', `${refused.status} ${refused.cause?.[0]?.scheme}`, '401 basic');
    const challenged = await failure(client.fetchUserInfo(config, 'nonsense', client.skipSubjectCheck));

    is(
      'userinfo challenges a token that does not verify',
      `${challenged.code} ${challenged.status} ${challenged.cause?.[0]?.parameters?.error}`,
      'OAUTH_WWW_AUTHENTICATE_CHALLENGE 401 invalid_token',
    );
  },

  async 'an opaque login_hint'() {
    const tokens = await tokensFor(alice, { login_hint: 'bob, or so' });

    ok('an opaque login_hint does not prevent a login', tokens.access_token);
  },

  // The keys are cached, and fetched again after a minute at the earliest.
  async 'a new key'() {
    const key = await publishKey();
    const fresh = new client.Configuration(config.serverMetadata(), 'rp', undefined, client.None());
    const kidOf = async () => {
      const { url, checks } = await request();

      return kid((await client.authorizationCodeGrant(fresh, await logIn(url), checks)).id_token);
    };

    execute.forEach((change) => change(fresh));
    ok('a published key does not sign yet', (await kidOf()) !== key);
    await useKey();
    is('a token of the new key verifies with cached keys', await kidOf(), key);
  },
});
