// Requests to the issuer's endpoints.

import { errorOf, parse, withNetwork } from './errors.js';

const challengeLifetime = 300_000;
const pauses = [250, 1000];

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Calls an action again if its connection failed.  Only for actions that the server
// accepts twice.
export async function withRetry(action) {
  for (const pause of pauses) {
    try {
      return await action();
    } catch (error) {
      const isSlow = error.cause?.name === 'TimeoutError';

      if (error.code !== 'network' || isSlow || globalThis.navigator?.onLine === false) {
        throw error;
      }
      await wait(pause);
    }
  }
  return action();
}

export class Transport {
  #issuer;
  #fetch;
  #clock;
  #proofs;
  #timeout;

  constructor({ issuer, fetch, clock, proofs, timeout }) {
    this.#issuer = issuer;
    this.#fetch = fetch;
    this.#clock = clock;
    this.#proofs = proofs;
    this.#timeout = timeout;
  }

  // POSTs a form, and returns the JSON of the response.  With a key, the request has a
  // proof.
  form(path, fields, key = null) {
    const present = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);

    return this.#post(path, new URLSearchParams(present), {}, key);
  }

  // POSTs JSON, and returns the member "result" of the response.
  async json(path, value, key = null) {
    const { result } = await this.#post(path, JSON.stringify(value), { 'Content-Type': 'application/json' }, key);

    return result;
  }

  async challenge(purpose = 'anonymous_request') {
    const challenge = await this.json('/oauth2/challenge', { purpose });

    this.#clock.learn(Date.parse(challenge.expire_at) - challengeLifetime);
    return challenge;
  }

  async #post(path, body, headers, key) {
    const first = await this.#send(path, body, headers, key);

    if (first.response.ok) {
      return first.body;
    }
    const error = errorOf(first.response, first.body);

    if (key === null || error.code !== 'dpop_rejected') {
      throw error;
    }
    // The nonce is missing or old, or the clock is wrong.  A page of another origin may be
    // unable to read Date: the expiry of a challenge tells the time, too.
    if (!first.learned) {
      const offset = this.#clock.offset;

      await this.challenge();
      if (Math.abs(this.#clock.offset - offset) < 60_000) {
        throw error;
      }
    }
    const second = await this.#send(path, body, headers, key);

    if (!second.response.ok) {
      throw errorOf(second.response, second.body);
    }
    return second.body;
  }

  async #send(path, body, fields, key) {
    const url = this.#issuer + path;
    const headers = new Headers(fields);

    await this.#proofs.add(headers, 'issuer', key, { method: 'POST', url });
    return withNetwork(async () => {
      const response = await this.#fetch(url, {
        method: 'POST',
        headers,
        body,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        signal: AbortSignal.timeout(this.#timeout),
      });
      const learned = this.#proofs.learn('issuer', response);
      const text = await response.text();

      return { response, learned, body: parse(text, response) };
    });
  }
}
