// openid-client 5.

import { Issuer, custom, generators } from 'openid-client-5';
import {
  alice,
  bob,
  claims,
  failure,
  is,
  kid,
  logIn,
  logoutUri,
  ok,
  origin,
  publishKey,
  redirectUri,
  run,
  sessions,
  useKey,
  visit,
} from './test.mjs';

const issuer = await Issuer.discover(origin);
const newClient = (metadata) =>
  new issuer.Client({
    client_id: 'rp',
    token_endpoint_auth_method: 'none',
    id_token_signed_response_alg: 'ES256',
    ...metadata,
  });
const client = newClient();

client[custom.clock_tolerance] = 5; // for max_age=0

function request(parameters = {}) {
  const checks = {
    code_verifier: generators.codeVerifier(),
    state: generators.state(),
    nonce: generators.nonce(),
    response_type: 'code',
  };
  const url = client.authorizationUrl({
    redirect_uri: redirectUri,
    scope: 'openid offline_access',
    code_challenge: generators.codeChallenge(checks.code_verifier),
    code_challenge_method: 'S256',
    state: checks.state,
    nonce: checks.nonce,
    ...parameters,
  });

  return { url, checks };
}

const exchange = (callback, checks) => client.callback(redirectUri, client.callbackParams(callback.href), checks);

async function tokensFor(loginId, parameters, extra) {
  const { url, checks } = request(parameters);

  return exchange(await logIn(url, loginId), { ...checks, ...extra });
}

await run('openid-client 5', {
  async 'a login'() {
    const { url, checks } = request({ max_age: 3600 });
    const callback = await logIn(url);

    is('the authorization response names the issuer (RFC 9207)', callback.searchParams.get('iss'), origin);
    const forged = new URL(callback);

    forged.searchParams.set('iss', 'https://evil.example');
    ok(
      'a response of another issuer is refused',
      /iss mismatch/.test((await failure(exchange(forged, checks))).message),
    );
    const tokens = await exchange(callback, { ...checks, max_age: 3600 });

    ok('auth_time and at_hash are in the ID token', tokens.claims().auth_time && tokens.claims().at_hash);
    is('userinfo names the user', (await client.userinfo(tokens)).email, alice);
  },

  async 'a refresh'() {
    const tokens = await tokensFor(alice);
    const refreshed = await client.refresh(tokens);

    is('a refresh keeps the subject', claims(refreshed.access_token).sub, tokens.claims().sub);
    is('the ID token of a refresh keeps auth_time', refreshed.claims().auth_time, tokens.claims().auth_time);
  },

  async 'revocation and reuse'() {
    const tokens = await tokensFor(alice);

    await client.revoke(tokens.refresh_token);
    const error = await failure(client.refresh(tokens.refresh_token));

    is(
      'a revoked refresh token is an OPError with invalid_grant',
      `${error.name} ${error.error}`,
      'OPError invalid_grant',
    );
    const { url, checks } = request();
    const callback = await logIn(url);
    const first = await exchange(callback, checks);

    is('a used code is invalid_grant', (await failure(exchange(callback, checks))).error, 'invalid_grant');
    is('the reuse of a code ends the session that it gave', await sessions(first.claims().sid), '0');
    is(
      'userinfo of an ended session is an error',
      (await failure(client.userinfo(first.access_token))).error,
      'invalid_grant',
    );
  },

  async 'the end of a session'() {
    const tokens = await tokensFor(alice);
    const { location } = await visit(
      client.endSessionUrl({ id_token_hint: tokens, post_logout_redirect_uri: logoutUri, state: 'left' }),
    );

    is('end_session returns to the client with the state', location, `${logoutUri}?state=left`);
    is('end_session with an id_token_hint ends the session', await sessions(tokens.claims().sid), '0');
  },

  async reauthentication() {
    const tokens = await tokensFor(alice);
    const parameters = { id_token_hint: tokens.id_token, max_age: 0, scope: 'openid' };

    is(
      'another user cannot log in where id_token_hint names the user',
      (await visit(request(parameters).url, bob, 'correct horse')).location,
      '',
    );
    const again = await tokensFor(alice, parameters, { max_age: 0 });

    is('reauthentication keeps the session', again.claims().sid, tokens.claims().sid);
    is('reauthentication returns no second refresh token', again.refresh_token, undefined);
  },

  async errors() {
    const { url, checks } = request({ prompt: 'none' });
    const error = await failure(exchange(await logIn(url), checks));

    is('prompt=none is login_required', error.error, 'login_required');
    is(
      'an unknown client is invalid_client',
      (await failure(newClient({ client_id: 'nobody' }).refresh('x'))).error,
      'invalid_client',
    );
    is(
      'a secret in Basic is invalid_client',
      (
        await failure(
          newClient({ token_endpoint_auth_method: 'client_secret_basic', client_secret: 'secret' }).refresh('x'),
        )
      ).error,
      'invalid_client',
    );
    is(
      'userinfo refuses a token that does not verify',
      (await failure(client.userinfo('nonsense'))).error,
      'invalid_token',
    );
  },

  // The keys are cached, and fetched again after a minute at the earliest.
  async 'a new key'() {
    const key = await publishKey();
    const { Client } = await Issuer.discover(origin);
    const fresh = new Client({
      client_id: 'rp',
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: 'ES256',
    });
    const kidOf = async () => {
      const { url, checks } = request();

      return kid((await fresh.callback(redirectUri, fresh.callbackParams((await logIn(url)).href), checks)).id_token);
    };

    ok('a published key does not sign yet', (await kidOf()) !== key);
    await useKey();
    is('a token of the new key verifies with cached keys', await kidOf(), key);
  },
});
