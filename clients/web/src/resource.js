// A fetch for PostgREST and other resource servers.

import { AnonAuthError, withNetwork } from './errors.js';

export class Resource {
  #fetch;
  #origins;
  #proofs;
  #sessions;

  constructor({ fetch, origins, proofs, sessions }) {
    this.#fetch = fetch;
    this.#origins = origins;
    this.#proofs = proofs;
    this.#sessions = sessions;
  }

  async fetch(input, init) {
    const request = new Request(input, init);
    const { origin } = new URL(request.url);

    if (!this.#origins.has(origin)) {
      throw new AnonAuthError('origin_not_allowed', `no access token is sent to ${origin}: name it in "origins"`);
    }
    return this.#answer(request, origin);
  }

  async #answer(request, origin) {
    let session = await this.#sessions.usable();
    let attempts = { proof: true, refresh: true };

    for (;;) {
      const isLast = !attempts.refresh;
      const { response, learned } = await this.#send(isLast ? request : request.clone(), origin, session);

      if (response.status !== 401 || isLast) {
        return response;
      }
      if (session.tokenType === 'DPoP' && learned && attempts.proof) {
        // The nonce was missing or old, or the clock was wrong.
        attempts = { ...attempts, proof: false };
      } else {
        attempts = { proof: false, refresh: false };
        session = await this.#sessions.usable(session.accessToken);
      }
      await response.body?.cancel();
    }
  }

  async #send(request, origin, { accessToken, tokenType, proofKey }) {
    const headers = new Headers(request.headers);

    headers.set('Authorization', `${tokenType} ${accessToken}`);
    if (tokenType === 'DPoP') {
      await this.#proofs.add(headers, origin, proofKey, { method: request.method, url: request.url, accessToken });
    }
    // Old browsers send the header along to the origin of a redirect, and a proof is for
    // one address.
    const redirect = request.redirect === 'manual' ? 'manual' : 'error';
    const authorized = new Request(request, { headers, redirect });
    const response = await withNetwork(() => this.#fetch(authorized));

    return { response, learned: this.#proofs.learn(origin, response) };
  }
}
