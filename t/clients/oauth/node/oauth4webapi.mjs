// oauth4webapi 3.

import * as oauth from 'oauth4webapi';
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

const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id: 'rp' };
const none = oauth.None();
const discover = async (options) =>
  oauth.processDiscoveryResponse(
    new URL(origin),
    await oauth.discoveryRequest(new URL(origin), { ...insecure, ...options }),
  );
let as = await discover();

async function request(parameters = {}) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const url = new URL(as.authorization_endpoint);

  url.search = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: 'openid offline_access',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...parameters,
  });
  return { url, verifier, state, nonce };
}

async function exchange(callback, { verifier, state, nonce }, options) {
  const parameters = oauth.validateAuthResponse(as, client, callback, state);
  const response = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    none,
    parameters,
    redirectUri,
    verifier,
    insecure,
  );
  const result = await oauth.processAuthorizationCodeResponse(as, client, response, {
    expectedNonce: nonce,
    requireIdToken: true,
    ...options,
  });

  await oauth.validateApplicationLevelSignature(as, response, insecure);
  return result;
}

async function tokensFor(loginId, parameters, options) {
  const started = await request(parameters);

  return exchange(await logIn(started.url, loginId), started, options);
}

async function refresh(token, who = client, authentication = none) {
  return oauth.processRefreshTokenResponse(
    as,
    who,
    await oauth.refreshTokenGrantRequest(as, who, authentication, token, insecure),
  );
}

async function userinfo(token, sub) {
  return oauth.processUserInfoResponse(as, client, sub, await oauth.userInfoRequest(as, client, token, insecure));
}

await run('oauth4webapi', {
  async 'a login'() {
    is('the OAuth metadata has the same issuer (RFC 8414)', (await discover({ algorithm: 'oauth2' })).issuer, origin);
    const started = await request({ max_age: '3600' });
    const callback = await logIn(started.url);
    const forged = new URL(callback);

    forged.searchParams.set('iss', 'https://evil.example');
    is(
      'a response of another issuer is refused',
      (await failure(exchange(forged, started))).code,
      'OAUTH_INVALID_RESPONSE',
    );
    const missing = new URL(callback);

    missing.searchParams.delete('iss');
    is('a response without iss is refused', (await failure(exchange(missing, started))).code, 'OAUTH_INVALID_RESPONSE');
    const tokens = await exchange(callback, started, { maxAge: 3600 });
    const { sub, at_hash: hash, auth_time: time } = oauth.getValidatedIdTokenClaims(tokens);

    ok('auth_time and at_hash are in the ID token', time && hash);
    is('userinfo names the user', (await userinfo(tokens.access_token, sub)).email, alice);
  },

  async 'codes and ID tokens'() {
    const grant = async (type, parameters) =>
      oauth.processGenericTokenEndpointResponse(
        as,
        client,
        await oauth.genericTokenEndpointRequest(as, client, none, type, parameters, insecure),
      );
    const address = 'oauth4webapi@example.com';
    const code = { login_id: address, code: await codeFor(address) };
    const unknown = await failure(grant(grants.code, code));

    ok('discovery lists the grants', Object.values(grants).every((type) => as.grant_types_supported.includes(type)));
    is('a login without an account is invalid_grant', `${unknown.error} ${unknown.cause?.x_code}`, 'invalid_grant no_account');
    const account = await grant(grants.code, { ...code, prompt: 'create' });

    is('a code makes an account', (await userinfo(account.access_token, oauth.getValidatedIdTokenClaims(account).sub)).email_verified, true);
    is('a used code is invalid_grant', (await failure(grant(grants.code, code))).error_description, 'InvalidCredentials');
    const token = await provider();
    const first = await grant(grants.idToken, { ...(await token('ada')), prompt: 'create' });
    const second = await grant(grants.idToken, await token('ada'));

    is('an ID token logs in to its account', claims(second.access_token).sub, claims(first.access_token).sub);
  },

  async 'a refresh'() {
    const tokens = await tokensFor(alice);
    const refreshed = await refresh(tokens.refresh_token);

    is('a refresh keeps the subject', claims(refreshed.access_token).sub, claims(tokens.access_token).sub);
    is(
      'the access token is a JWT of RFC 9068',
      (
        await oauth.validateJwtAccessToken(
          as,
          new Request(origin, { headers: { authorization: `Bearer ${refreshed.access_token}` } }),
          claims(refreshed.access_token).aud.toString(),
          insecure,
        )
      ).client_id,
      'rp',
    );
  },

  async 'revocation and reuse'() {
    const tokens = await tokensFor(alice);
    const response = await oauth.revocationRequest(as, client, none, tokens.refresh_token, insecure);

    is('a revocation succeeds', await oauth.processRevocationResponse(response), undefined);
    const error = await failure(refresh(tokens.refresh_token));

    is(
      'a revoked refresh token is invalid_grant',
      `${error.code} ${error.error}`,
      'OAUTH_RESPONSE_BODY_ERROR invalid_grant',
    );
    const started = await request();
    const callback = await logIn(started.url);
    const first = await exchange(callback, started);

    is('a used code is invalid_grant', (await failure(exchange(callback, started))).error, 'invalid_grant');
    is('the reuse of a code ends the session that it gave', await sessions(claims(first.access_token).sid), '0');
  },

  async 'the end of a session'() {
    const tokens = await tokensFor(alice);
    const url = new URL(as.end_session_endpoint);

    url.search = new URLSearchParams({
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: logoutUri,
      state: 'left',
    });
    is('end_session returns to the client with the state', (await visit(url)).location, `${logoutUri}?state=left`);
    is('end_session with an id_token_hint ends the session', await sessions(claims(tokens.access_token).sid), '0');
  },

  async reauthentication() {
    const tokens = await tokensFor(alice);
    const parameters = { id_token_hint: tokens.id_token, max_age: '0', scope: 'openid' };

    is(
      'another user cannot log in where id_token_hint names the user',
      (await visit((await request(parameters)).url, bob, 'correct horse')).location,
      '',
    );
    const again = await tokensFor(alice, parameters, { maxAge: 5 });

    is('reauthentication keeps the session', claims(again.access_token).sid, claims(tokens.access_token).sid);
  },

  // RFC 9449: the client needs a key, and first without a nonce of the server.
  async 'tokens bound to a key'() {
    const who = { client_id: 'rp-key' };
    const alg = as.dpop_signing_alg_values_supported[0];
    const DPoP = oauth.DPoP(who, await oauth.generateKeyPair(alg));
    const other = oauth.DPoP(who, await oauth.generateKeyPair('PS256'));
    const keyed = { ...insecure, DPoP };
    const started = await request({ client_id: 'rp-key', dpop_jkt: await DPoP.calculateThumbprint() });
    const parameters = oauth.validateAuthResponse(as, who, await logIn(started.url), started.state);
    const exchange = (options) =>
      oauth.authorizationCodeGrantRequest(as, who, none, parameters, redirectUri, started.verifier, { ...insecure, ...options });
    const accept = async (response) =>
      oauth.processAuthorizationCodeResponse(as, who, await response, { expectedNonce: started.nonce, requireIdToken: true });
    const get = (token, options) => oauth.userInfoRequest(as, who, token, options);

    is('a code of a key needs its proof', (await failure(accept(exchange({})))).error, 'invalid_dpop_proof');
    is('a code of a key is useless with another key', (await failure(accept(exchange({ DPoP: other })))).error, 'invalid_grant');
    const tokens = await accept(exchange({ DPoP }));

    is('the token type is DPoP', tokens.token_type, 'dpop');
    is('the access token names the key', claims(tokens.access_token).cnf.jkt, await DPoP.calculateThumbprint());
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);

    is('userinfo accepts the token with a proof', (await oauth.processUserInfoResponse(as, who, sub, await get(tokens.access_token, keyed))).sub, sub);
    is('userinfo refuses it as a Bearer token', (await get(tokens.access_token, insecure).catch((error) => error.response ?? error)).status, 401);
    await sql('UPDATE anon_auth.settings SET dpop_nonce = true');
    const again = async (options) =>
      oauth.processRefreshTokenResponse(as, who, await oauth.refreshTokenGrantRequest(as, who, none, tokens.refresh_token, options));
    const error = await failure(again(keyed));

    ok('the server asks for a nonce', oauth.isDPoPNonceError(error), error);
    is('a refresh with the nonce keeps the key', claims((await again(keyed)).access_token).cnf.jkt, claims(tokens.access_token).cnf.jkt);
    is('the resource has given the next nonce, too', (await get(tokens.access_token, keyed)).status, 200);
    await sql('UPDATE anon_auth.settings SET dpop_nonce = false');
    is('a refresh with another key is invalid_grant', (await failure(again({ ...insecure, DPoP: other }))).error, 'invalid_grant');
    is('PostgREST accepts the token with a proof', (await oauth.protectedResourceRequest(tokens.access_token, 'GET', new URL(`${origin}/rest/notes`), undefined, null, keyed)).status, 200);
  },

  async errors() {
    const started = await request({ prompt: 'none' });
    const error = await failure(exchange(await logIn(started.url), started));

    is('prompt=none is login_required', error.error, 'login_required');
    is(
      'an unknown client is invalid_client',
      (await failure(refresh('x', { client_id: 'nobody' }))).error,
      'invalid_client',
    );
    is(
      'a secret in Basic is challenged with Basic',
      (await failure(refresh('x', client, oauth.ClientSecretBasic('secret')))).cause?.[0]?.scheme,
      'basic',
    );
    const challenged = await failure(userinfo('nonsense', 'x'));

    is(
      'userinfo challenges a token that does not verify',
      `${challenged.status} ${challenged.cause?.[0]?.parameters?.error}`,
      '401 invalid_token',
    );
    const tokens = await tokensFor(alice);

    await oauth.revocationRequest(as, client, none, tokens.refresh_token, insecure);
    is('a revocation ends the session', await sessions(claims(tokens.access_token).sid), '0');
    is(
      'userinfo of an ended session has another error',
      (await failure(userinfo(tokens.access_token, 'x'))).cause?.[0]?.parameters?.error,
      'invalid_grant',
    );
  },

  // The keys are cached with the metadata, and fetched again after a minute at the earliest.
  async 'a new key'() {
    const key = await publishKey();
    const kidOf = async () => kid((await tokensFor(alice)).id_token);

    as = await discover();
    ok('a published key does not sign yet', (await kidOf()) !== key);
    await useKey();
    is('a token of the new key verifies with cached keys', await kidOf(), key);
  },
});
