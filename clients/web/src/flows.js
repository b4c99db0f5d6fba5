// Logins and promotions on the pages of the server: authorization code with PKCE.

import { digest, randomText } from './encoding.js';
import { AnonAuthError } from './errors.js';
import { userOf } from './sessions.js';

const lifetime = 3_600_000;
const parameters = ['code', 'state', 'iss', 'error', 'error_description', 'error_uri'];

export class Flows {
  #issuer;
  #clientId;
  #transport;
  #sessions;

  constructor({ issuer, clientId, transport, sessions }) {
    this.#issuer = issuer;
    this.#clientId = clientId;
    this.#transport = transport;
    this.#sessions = sessions;
  }

  // Returns the address of the page, after what its return needs was stored.
  async start(kind, options) {
    return this.#sessions.exclusive(async (record) => {
      const hint = await this.#hint(kind, record);
      const verifier = randomText();
      const state = randomText();
      const key = await this.#sessions.proofKey(record);

      record.flows = {
        ...young(record.flows),
        [state]: { kind, verifier, redirectUri: options.redirectUri, startedAt: Date.now(), isDone: false },
      };
      await this.#sessions.save(record);
      return this.#address({
        response_type: 'code',
        client_id: this.#clientId,
        redirect_uri: options.redirectUri,
        scope: kind === 'reauthentication' ? 'openid' : 'openid offline_access',
        state,
        code_challenge: await digest(verifier),
        code_challenge_method: 'S256',
        dpop_jkt: key?.kid,
        ui_locales: options.uiLocales,
        prompt: options.prompt,
        ...hint,
      });
    });
  }

  async #hint(kind, record) {
    if (kind === 'promotion') {
      const { fields, key } = await this.#sessions.provePromotion(record);
      const proof = fields.jwt === undefined ? await this.#promotionCode(fields, key) : fields;

      return { login_hint: `https://authgear.com/login_hint?${new URLSearchParams({ type: 'anonymous', ...proof })}` };
    }
    if (kind === 'reauthentication') {
      if (!record.session?.idToken) {
        throw new AnonAuthError('no_session', 'nobody is logged in');
      }
      return { id_token_hint: record.session.idToken, max_age: '0' };
    }
    return {};
  }

  // A refresh token must not be in an address, so a code stands for it.
  async #promotionCode({ refresh_token }, key) {
    const { promotion_code } = await this.#transport.json(
      '/api/anonymous_user/promotion_code',
      { session_type: 'refresh_token', refresh_token },
      key,
    );

    return { promotion_code };
  }

  #address(fields) {
    const url = new URL('/oauth2/authorize', this.#issuer);

    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) {
        url.searchParams.set(name, value);
      }
    }
    return url.href;
  }

  // Handles the redirect back from a page.  Returns null if the address is not one.
  async finish(address) {
    const answer = new URL(address).searchParams;
    const state = answer.get('state');

    if (state === null || answer.get('iss') !== this.#issuer || !(answer.has('code') || answer.has('error'))) {
      return null;
    }
    return this.#sessions.exclusive(async (record) => {
      const flow = Object.hasOwn(record.flows, state) ? record.flows[state] : undefined;

      if (flow === undefined) {
        throw new AnonAuthError('unknown_redirect', 'this browser has not started this login, or its data was cleared');
      }
      // A code works once, but an application may ask twice: a reload, or two calls.
      if (!flow.isDone) {
        await this.#exchange(record, state, flow, answer);
      }
      return { kind: flow.kind, user: userOf(record.session) };
    });
  }

  async #exchange(record, state, flow, answer) {
    const end = async (isDone) => {
      const { [state]: ended, ...others } = record.flows;

      record.flows = isDone ? { ...others, [state]: { ...ended, verifier: null, isDone } } : others;
      await this.#sessions.save(record);
    };

    if (answer.has('error')) {
      await end(false);
      throw refusal(answer);
    }
    let tokens;

    try {
      tokens = await this.#transport.form(
        '/oauth2/token',
        {
          grant_type: 'authorization_code',
          client_id: this.#clientId,
          code: answer.get('code'),
          code_verifier: flow.verifier,
          redirect_uri: flow.redirectUri,
        },
        record.proofKey,
      );
    } catch (error) {
      // Without a response, the same address can be tried again.
      if (error.status >= 400 && error.status < 500 && error.status !== 429) {
        await end(false);
      }
      throw error;
    }
    record.flows[state] = { ...flow, verifier: null, isDone: true };
    await this.#sessions.adoptLogin(record, tokens);
  }
}

const young = (flows) =>
  Object.fromEntries(Object.entries(flows).filter(([, { startedAt }]) => Math.abs(Date.now() - startedAt) < lifetime));

function refusal(answer) {
  const serverCode = answer.get('error');
  const code = { access_denied: 'cancelled', login_required: 'login_required' }[serverCode] ?? 'refused';

  return new AnonAuthError(code, answer.get('error_description') ?? serverCode, { serverCode });
}

// Returns the address without the parameters of a redirect.
export function withoutAnswer(address) {
  const url = new URL(address);

  for (const name of parameters) {
    url.searchParams.delete(name);
  }
  return url.href;
}
