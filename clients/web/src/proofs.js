// DPoP proofs with the server's time and nonces.

import { signProof } from './keys.js';

// A server has its own nonces as issuer and as resource server, so a nonce belongs to a
// scope: 'issuer', or the origin of a resource.
export class Proofs {
  #clock;
  #nonces = new Map();

  constructor(clock) {
    this.#clock = clock;
  }

  // Sets the header of a request.  key may be null: then there is no proof.
  async add(headers, scope, key, request) {
    if (key !== null) {
      headers.set('DPoP', await signProof(key, { ...request, nonce: this.#nonces.get(scope), now: this.#clock.now() }));
    }
  }

  // Learns the nonce and the time of a response.  Returns whether a proof of the same
  // request would be another one now, because of a new nonce or a corrected clock.
  learn(scope, response) {
    const nonce = response.headers.get('DPoP-Nonce');
    const isNew = nonce !== null && nonce !== this.#nonces.get(scope);

    if (isNew) {
      this.#nonces.set(scope, nonce);
    }
    return this.#clock.learnFrom(response) || isNew;
  }
}
