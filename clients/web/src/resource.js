// A fetch for PostgREST and other resource servers.

import { AnonAuthError, errorOf, parse, withNetwork } from './errors.js';

export class Resource {
  #fetch;
  #origins;
  #proofs;
  #sessions;
  #timeout;

  constructor({ fetch, origins, proofs, sessions, timeout }) {
    this.#fetch = fetch;
    this.#origins = origins;
    this.#proofs = proofs;
    this.#sessions = sessions;
    this.#timeout = timeout;
  }

  async fetch(input, init) {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);

    if (!this.#origins.has(origin)) {
      throw new AnonAuthError('origin_not_allowed', `no access token is sent to ${origin}: name it in "origins"`);
    }
    return this.#answer(request, { origin, usable: (rejected) => this.#sessions.usable(rejected) });
  }

  // Sends a request of this module, and returns the JSON of the response.  usable returns the
  // session that sends it, as Sessions.usable() does.
  async call(url, init, usable = (rejected) => this.#sessions.usable(rejected)) {
    const request = new Request(url, { ...init, cache: 'no-store', credentials: 'omit' });
    const target = { origin: new URL(url).origin, usable, timeout: this.#timeout };
    const response = await this.#answer(request, target);
    // The connection can fail, or the time be over, after the headers.
    const text = await withNetwork(() => response.text());
    const body = parse(text, response);

    if (!response.ok) {
      throw errorOf(response, body);
    }
    return body;
  }

  async #answer(request, target) {
    let session = await target.usable();
    let attempts = { proof: true, refresh: true };

    for (;;) {
      const isLast = !attempts.refresh;
      const { response, learned } = await this.#send(isLast ? request : request.clone(), target, session);

      if (response.status !== 401 || isLast) {
        return response;
      }
      if (session.tokenType === 'DPoP' && learned && attempts.proof) {
        // The nonce was missing or old, or the clock was wrong.
        attempts = { ...attempts, proof: false };
      } else {
        attempts = { proof: false, refresh: false };
        session = await target.usable(session.accessToken);
      }
      await response.body?.cancel();
    }
  }

  async #send(request, { origin, timeout }, { accessToken, tokenType, proofKey }) {
    const headers = new Headers(request.headers);

    headers.set('Authorization', `${tokenType} ${accessToken}`);
    if (tokenType === 'DPoP') {
      await this.#proofs.add(headers, origin, proofKey, { method: request.method, url: request.url, accessToken });
    }
    // Old browsers send the header along to the origin of a redirect, and a proof is for
    // one address.
    const redirect = request.redirect === 'manual' ? 'manual' : 'error';
    const signal = timeout === undefined ? request.signal : AbortSignal.timeout(timeout);
    const authorized = new Request(request, { headers, redirect, signal });
    const response = await withNetwork(() => this.#fetch(authorized));

    return { response, learned: this.#proofs.learn(origin, response) };
  }
}
