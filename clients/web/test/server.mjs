// A server for unit tests, inside the process: a fetch() that answers as anon_auth does.
// It verifies signatures and proofs, so that a test notices what a real server would.

import { webcrypto } from 'node:crypto';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (text) => JSON.parse(Buffer.from(text, 'base64url'));

async function verified(jws, jwk) {
  const [header, payload, signature] = jws.split('.');
  const key = jwk ?? decode(header).jwk;
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const publicKey = await webcrypto.subtle.importKey('jwk', key, algorithm, false, ['verify']);
  const isValid = await webcrypto.subtle.verify(
    { name: 'ECDSA', hash: 'SHA-256' },
    publicKey,
    Buffer.from(signature, 'base64url'),
    Buffer.from(`${header}.${payload}`),
  );

  return isValid ? { header: decode(header), payload: decode(payload) } : null;
}

// Rejects when the caller gives up, as fetch() does.
function unlessAborted(signal, response) {
  return new Promise((resolve, reject) => {
    // The timer of AbortSignal.timeout() lets Node.js end while a test waits.
    const timer = setTimeout(() => {}, 10_000);

    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
    Promise.resolve(response)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}

export class FakeServer {
  issuer = 'https://auth.example.com';
  // Milliseconds that this server is ahead of the test's clock.
  ahead = 0;
  // What the server demands of tokens: 'off', 'optional' or 'required'.
  dpop = 'optional';
  nonce = null;
  exposesDate = true;
  rotates = false;
  isDown = false;
  requests = [];
  guests = new Map();
  sessions = new Map();
  codes = new Map();
  removed = new Set();
  // Ids of passkeys, with what the response of the login is for.
  passkeys = new Map();
  // Keys of accounts.  A promotion keeps the key of the guest if the server keeps keys.
  accountKeys = new Map();
  keepsKeys = false;
  #challenges = new Set();
  #proofs = new Set();
  #count = 0;
  #interceptors = [];

  // Replaces the next response to a path: a function of the real response.
  intercept(path, action) {
    this.#interceptors.push({ path, action });
  }

  lose(path) {
    this.intercept(path, () => {
      throw new TypeError('fetch failed');
    });
  }

  // Answers the next request to a path never.  Returns a promise of its arrival.
  silence(path) {
    return new Promise((arrived) => {
      this.intercept(path, () => {
        arrived();
        return new Promise(() => {});
      });
    });
  }

  paths() {
    return this.requests.map(({ path }) => path);
  }

  count(path) {
    return this.paths().filter((each) => each === path).length;
  }

  fetch = async (input, init) => {
    const request = new Request(input, init);
    const url = new URL(request.url);

    request.signal.throwIfAborted();
    if (this.isDown) {
      throw new TypeError('fetch failed');
    }
    const text = await request.text();
    const seen = {
      path: url.pathname,
      origin: url.origin,
      method: request.method,
      headers: request.headers,
      text,
      request,
    };

    this.requests.push(seen);
    const response = await this.#answer(seen);
    const index = this.#interceptors.findIndex(({ path }) => path === url.pathname);

    return index < 0 ? response : unlessAborted(request.signal, this.#interceptors.splice(index, 1)[0].action(response));
  };

  now() {
    return Date.now() + this.ahead;
  }

  #response(status, body, headers = {}) {
    return new Response(JSON.stringify(body), {
      status,
      headers: {
        'Content-Type': 'application/json',
        ...(this.exposesDate ? { Date: new Date(this.now()).toUTCString() } : {}),
        ...(this.nonce === null ? {} : { 'DPoP-Nonce': this.nonce }),
        ...headers,
      },
    });
  }

  #refuse(error, more = {}, status = 400) {
    return this.#response(status, { error, error_description: 'refused', ...more });
  }

  async #answer(seen) {
    switch (seen.path) {
      case '/oauth2/challenge': {
        const token = `challenge-${++this.#count}`;

        this.#challenges.add(token);
        return this.#response(200, { result: { token, expire_at: new Date(this.now() + 300_000).toISOString() } });
      }
      case '/api/passkey/request_options':
      case '/api/passkey/creation_options':
      case '/api/account/passkey_creation_options': {
        const challenge = encode({ number: ++this.#count });

        this.#challenges.add(challenge);
        return this.#response(200, {
          result: {
            challenge,
            timeout: 300_000,
            ...(seen.path.endsWith('creation_options')
              ? {
                  rp: { id: 'example.com', name: 'Example' },
                  user: { id: 'AAEC', name: 'guest abc', displayName: 'guest abc' },
                  excludeCredentials: [{ id: 'AwQ' }],
                }
              : { rpId: 'example.com' }),
          },
        });
      }
      case '/api/account/remove_device_key': {
        const response = await this.#resource(seen);

        if (response.ok) {
          this.accountKeys.delete(JSON.parse(seen.text).kid);
        }
        return response;
      }
      case '/api/account/add_passkey':
        return this.#response(200, { result: JSON.parse(seen.text).response.id });
      case '/api/anonymous_user/claim': {
        const { jwt, dry_run: dryRun } = JSON.parse(seen.text);
        const { kid } = decode(jwt.split('.')[0]);

        if (!this.guests.has(kid)) {
          return this.#response(400, { error: { reason: this.removed.has(kid) ? 'RemovedDeviceKey' : 'UnknownDeviceKey' } });
        }
        if (!dryRun) {
          this.guests.delete(kid);
          this.removed.add(kid);
        }
        return this.#response(200, { result: { tables: [{ table: 'api.notes', rows: 1 }] } });
      }
      case '/api/anonymous_user/promotion_code':
        return this.#response(200, { result: { promotion_code: `promote-${JSON.parse(seen.text).refresh_token}` } });
      case '/oauth2/token':
        return this.#token(seen, new URLSearchParams(seen.text));
      case '/oauth2/revoke': {
        const token = new URLSearchParams(seen.text).get('token');

        for (const [id, session] of this.sessions) {
          if ([session.refreshToken, session.accessToken, ...session.formerTokens].includes(token)) {
            this.sessions.delete(id);
          }
        }
        return this.#response(200, {});
      }
      default:
        return this.#resource(seen);
    }
  }

  // Returns an error, or the thumbprint of the proof's key (null without a proof).
  async #proof(seen, accessToken) {
    const proof = seen.headers.get('DPoP');

    if (proof === null || this.dpop === 'off') {
      return this.dpop === 'required' ? { error: 'invalid_dpop_proof' } : { key: null };
    }
    const jws = await verified(proof);
    const { htm, htu, iat, jti, nonce, ath } = jws?.payload ?? {};
    const hash =
      accessToken &&
      Buffer.from(await webcrypto.subtle.digest('SHA-256', Buffer.from(accessToken))).toString('base64url');

    if (
      jws?.header.typ !== 'dpop+jwt' ||
      htm !== seen.method ||
      htu !== seen.origin + seen.path ||
      this.#proofs.has(jti) ||
      Math.abs(iat * 1000 - this.now()) > 60_000 ||
      ath !== hash ||
      'd' in jws.header.jwk
    ) {
      return { error: 'invalid_dpop_proof' };
    }
    if (this.nonce !== null && nonce !== this.nonce) {
      return { error: 'use_dpop_nonce' };
    }
    this.#proofs.add(jti);
    return { key: jws.header.jwk.x };
  }

  async #token(seen, form) {
    const { error, key } = await this.#proof(seen);

    if (error) {
      return this.#refuse(error);
    }
    switch (form.get('grant_type')) {
      case 'urn:authgear:params:oauth:grant-type:anonymous-request':
        return this.#guest(form.get('jwt'), key);
      case 'refresh_token':
        return this.#refresh(form.get('refresh_token'), key);
      case 'urn:authgear:params:oauth:grant-type:biometric-request':
        return this.#accountKey(form.get('jwt'), key);
      case 'urn:anon-auth:params:oauth:grant-type:passkey':
        return this.#passkey(JSON.parse(form.get('passkey')), form, key);
      default: {
        const login = this.codes.get(form.get('code'));

        this.codes.delete(form.get('code'));
        if (login !== undefined && form.has('jwt')) {
          this.#keepKey(form.get('jwt'), login.id);
        }
        return login === undefined ? this.#refuse('invalid_grant') : this.#begin({ isGuest: false, ...login }, key);
      }
    }
  }

  async #guest(jwt, key) {
    const { kid, jwk } = decode(jwt.split('.')[0]);
    const known = this.guests.get(kid);

    if (known === undefined && jwk === undefined) {
      return this.#refuse('invalid_grant', {
        x_code: this.removed.has(kid) ? 'removed_device_key' : 'unknown_device_key',
      });
    }
    const jws = await verified(jwt, known?.jwk ?? jwk);
    const { challenge, action, exp } = jws?.payload ?? {};

    if (
      !this.#challenges.delete(challenge) ||
      action !== 'auth' ||
      jws.header.typ !== 'vnd.authgear.anonymous-request' ||
      exp * 1000 < this.now() - 300_000
    ) {
      return this.#refuse('invalid_grant', { x_detail: 'the request is not valid' });
    }
    const guest = known ?? { id: `user-${++this.#count}`, jwk };

    this.guests.set(kid, guest);
    return this.#begin({ id: guest.id, isGuest: true }, key);
  }

  #keepKey(jwt, id) {
    const { kid } = decode(jwt.split('.')[0]);

    if (this.keepsKeys) {
      this.accountKeys.set(kid, { id, jwk: this.guests.get(kid).jwk });
    }
    this.guests.delete(kid);
    this.removed.add(kid);
  }

  async #accountKey(jwt, key) {
    const { kid } = decode(jwt.split('.')[0]);
    const account = this.accountKeys.get(kid);
    const jws = account && (await verified(jwt, account.jwk));

    if (
      !jws ||
      jws.header.typ !== 'vnd.authgear.biometric-request' ||
      jws.payload.action !== 'authenticate' ||
      !this.#challenges.delete(jws.payload.challenge)
    ) {
      return this.#refuse('invalid_grant', { x_code: 'removed_device_key' });
    }
    return this.#begin({ id: account.id, isGuest: false }, key);
  }

  #passkey({ id, response }, form, key) {
    const data = decode(response.clientDataJSON);

    if (!this.#challenges.delete(data.challenge)) {
      return this.#refuse('invalid_grant', { x_code: 'challenge' });
    }
    if (response.attestationObject !== undefined) {
      this.passkeys.set(id, { id: form.has('prompt') ? 'new' : 'same', isGuest: false });
    }
    const login = this.passkeys.get(id);

    return login === undefined
      ? this.#refuse('invalid_grant', { x_code: 'unknown_credential' })
      : this.#begin(login, key);
  }

  #begin({ id, isGuest }, key) {
    const session = {
      id: `session-${++this.#count}`,
      user: id,
      isGuest,
      key,
      refreshToken: `refresh-${++this.#count}`,
      formerTokens: [],
    };

    this.sessions.set(session.id, session);
    return this.#tokens(session, session.refreshToken);
  }

  #tokens(session, refreshToken) {
    const payload = {
      sub: session.user,
      sid: session.id,
      iat: Math.floor(this.now() / 1000),
      jti: ++this.#count,
      'https://authgear.com/claims/user/is_anonymous': session.isGuest,
    };

    session.accessToken = `${encode({ alg: 'none' })}.${encode(payload)}.x`;
    return this.#response(200, {
      token_type: this.dpop === 'required' ? 'DPoP' : 'Bearer',
      access_token: session.accessToken,
      expires_in: 1800,
      ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    });
  }

  #refresh(token, key) {
    const session = [...this.sessions.values()].find(({ refreshToken }) => refreshToken === token);

    if (session === undefined || (session.key !== null && session.key !== key)) {
      return this.#refuse('invalid_grant');
    }
    if (this.rotates) {
      session.formerTokens.push(session.refreshToken);
      session.refreshToken = `refresh-${++this.#count}`;
    }
    return this.#tokens(session, this.rotates ? session.refreshToken : undefined);
  }

  async #resource(seen) {
    const [scheme, token] = (seen.headers.get('Authorization') ?? '').split(' ');
    const session = [...this.sessions.values()].find(({ accessToken }) => accessToken === token);

    if (session === undefined || (this.dpop === 'required') !== (scheme === 'DPoP')) {
      return this.#response(401, {}, { 'WWW-Authenticate': 'Bearer error="invalid_token"' });
    }
    const { error } = scheme === 'DPoP' ? await this.#proof(seen, token) : {};

    return error
      ? this.#response(401, {}, { 'WWW-Authenticate': `DPoP error="${error}"` })
      : this.#response(200, { user: session.user, body: seen.text });
  }
}
