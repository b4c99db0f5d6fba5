// The client of one application at one issuer.

import { Clock } from './clock.js';
import { digest } from './encoding.js';
import { AnonAuthError } from './errors.js';
import { Flows, withoutAnswer } from './flows.js';
import { createPasskey, forgetPasskey, getPasskey, isRefused, passkeySupport } from './passkeys.js';
import { Proofs } from './proofs.js';
import { Resource } from './resource.js';
import { Sessions, userOf } from './sessions.js';
import { IndexedDBStore } from './store.js';
import { Transport } from './transport.js';

const codeGrant = 'urn:anon-auth:params:oauth:grant-type:login-code';
const idTokenGrant = 'urn:anon-auth:params:oauth:grant-type:id-token';
const passkeyGrant = 'urn:anon-auth:params:oauth:grant-type:passkey';

function originOf(address, name) {
  const url = new URL(address);

  if (!['https:', 'http:'].includes(url.protocol) || url.href !== `${url.origin}/`) {
    throw new AnonAuthError('invalid_request', `${name} must be an origin, such as https://app.example.com`);
  }
  return url.origin;
}

function grantOf({ idToken, passkey }) {
  if (passkey !== undefined) {
    return passkeyGrant;
  }
  return idToken === undefined ? codeGrant : idTokenGrant;
}

// What the authenticator shows in its list of passkeys.
function namesOf(loginId, displayName) {
  const name = loginId ?? displayName;

  return name === undefined ? {} : { name, displayName: displayName ?? name };
}

export class AnonAuth extends EventTarget {
  #clientId;
  #transport;
  #sessions;
  #flows;
  #resource;
  #issuer;
  #signals;
  #channel;

  constructor({ issuer, clientId, origins = [], dpop = true, timeout = 30_000, passkeySignals = true, store, fetch }) {
    super();
    if (!globalThis.crypto?.subtle) {
      throw new AnonAuthError('unsupported', 'WebCrypto is missing: load the page by https or from localhost, or use Node.js 20 or later');
    }
    this.#issuer = originOf(issuer, 'issuer');
    this.#clientId = clientId;
    this.#signals = passkeySignals;

    const key = `${this.#issuer} ${clientId}`;
    const clock = new Clock();
    const proofs = new Proofs(clock);
    const shared = {
      issuer: this.#issuer,
      clientId,
      clock,
      proofs,
      key,
      timeout,
      // window.fetch must not be called as a method of another object.
      fetch: fetch ?? ((...details) => globalThis.fetch(...details)),
    };

    this.#transport = new Transport(shared);
    this.#sessions = new Sessions({
      ...shared,
      transport: this.#transport,
      store: store ?? new IndexedDBStore(),
      usesProofs: dpop,
      changed: () => this.#tell(),
    });
    this.#flows = new Flows({ ...shared, transport: this.#transport, sessions: this.#sessions });
    this.#resource = new Resource({
      ...shared,
      sessions: this.#sessions,
      origins: new Set([this.#issuer, ...origins.map((origin) => originOf(origin, 'origins'))]),
    });
    this.fetch = this.fetch.bind(this);
    this.#listen(key);
  }

  // ---- who is it ----

  async user() {
    return userOf((await this.#sessions.load()).session);
  }

  async guest() {
    const { guest } = await this.#sessions.load();

    return guest === null ? null : { id: guest.userId, state: guest.state };
  }

  async userInfo() {
    return this.#resource.call(`${this.#issuer}/oauth2/userinfo`, { method: 'GET' });
  }

  // ---- guests ----

  async continueAsGuest({ startOver = false } = {}) {
    return this.#sessions.continueAsGuest(startOver);
  }

  async forgetGuest() {
    await this.#sessions.exclusive(async (record) => {
      if (record.session?.isGuest && record.session.userId === record.guest?.userId) {
        throw new AnonAuthError('invalid_request', 'the guest is logged in: call logOut({ forgetGuest: true })');
      }
      record.guest = null;
      await this.#sessions.save(record);
    });
  }

  async claimGuest({ dryRun = false } = {}) {
    const record = await this.#sessions.load();
    const jwt = await this.#sessions.proveGuest(record);
    const { kid } = record.guest.key;

    try {
      const { tables } = await this.#api('/api/anonymous_user/claim', {
        client_id: this.#clientId,
        jwt,
        dry_run: dryRun,
      });

      if (!dryRun) {
        await this.#sessions.forgetKey(kid);
      }
      return tables;
    } catch (error) {
      // The key is of no use to an account.
      if (['guest_removed', 'guest_unknown'].includes(error.code)) {
        await this.#sessions.forgetKey(kid);
      }
      throw error;
    }
  }

  // ---- pages of the server ----

  async loginUrl({ redirectUri, uiLocales, signUp = false }) {
    return this.#flows.start('login', { redirectUri, uiLocales, prompt: signUp ? 'create' : undefined });
  }

  async promotionUrl({ redirectUri, uiLocales }) {
    return this.#flows.start('promotion', { redirectUri, uiLocales });
  }

  async reauthenticationUrl({ redirectUri, uiLocales }) {
    return this.#flows.start('reauthentication', { redirectUri, uiLocales });
  }

  async finishRedirect(address) {
    const clean = () => {
      if (address === undefined) {
        history.replaceState(history.state, '', withoutAnswer(location.href));
      }
    };

    try {
      const result = await this.#flows.finish(address ?? location.href);

      if (result !== null) {
        clean();
      }
      return result;
    } catch (error) {
      // Without a response, a reload tries the same code again.
      if (!['network', 'unavailable', 'rate_limited', 'server_error'].includes(error.code)) {
        clean();
      }
      throw error;
    }
  }

  async settingsUrl({ path = '/settings' } = {}) {
    const { refreshToken, proofKey } = await this.#sessions.usable();
    const { app_session_token } = await this.#transport.json(
      '/oauth2/app_session_token',
      { refresh_token: refreshToken },
      proofKey,
    );
    const hint = new URLSearchParams({ type: 'app_session_token', app_session_token });
    const query = new URLSearchParams({
      client_id: this.#clientId,
      response_type: 'none',
      prompt: 'none',
      scope: 'openid',
      redirect_uri: this.#issuer + path,
      login_hint: `https://authgear.com/login_hint?${hint}`,
    });

    return `${this.#issuer}/oauth2/authorize?${query}`;
  }

  // ---- without a page ----

  async requestCode({ loginId, promotion = false, uiLocales }) {
    const proof = promotion
      ? await this.#sessions.provePromotion(await this.#sessions.load())
      : { fields: {}, key: null };
    const { expire_at } = await this.#transport.json(
      '/api/login_code',
      {
        client_id: this.#clientId,
        login_id: loginId,
        ...proof.fields,
        ...(uiLocales === undefined ? {} : { ui_locales: uiLocales }),
      },
      proof.key,
    );

    return new Date(expire_at);
  }

  async createNonce() {
    const { token } = await this.#transport.challenge('id_token');
    const hash = atob((await digest(token)).replaceAll('-', '+').replaceAll('_', '/'));

    return {
      nonce: token,
      hashedNonce: Array.from(hash, (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join(''),
    };
  }

  async logIn(credential) {
    return this.#present(credential, async () => ({}));
  }

  async signUp(credential) {
    return this.#present(credential, async () => ({ prompt: 'create' }));
  }

  async promote(credential) {
    return this.#present(credential, async (record) => (await this.#sessions.provePromotion(record)).fields);
  }

  // ---- passkeys ----

  async passkeySupport() {
    return passkeySupport();
  }

  async logInWithPasskey({ autofill = false, signal } = {}) {
    const { options, response } = await getPasskey(() => this.#passkeyOptions('request_options'), { autofill, signal });

    try {
      return await this.logIn({ passkey: response });
    } catch (error) {
      if (error.code === 'passkey_removed') {
        await this.#forgetPasskey(options.rpId, response.id);
      }
      throw error;
    }
  }

  async signUpWithPasskey({ loginId, displayName, signal } = {}) {
    const options = await this.#passkeyOptions('creation_options');

    return this.#withNewPasskey(options, namesOf(loginId, displayName), signal, (passkey) =>
      this.signUp({ loginId, passkey }),
    );
  }

  async promoteWithPasskey({ loginId, displayName, signal } = {}) {
    const options = await this.account('passkey_creation_options');

    return this.#withNewPasskey(options, namesOf(loginId, displayName), signal, (passkey) =>
      this.promote({ loginId, passkey }),
    );
  }

  async addPasskey({ name, signal } = {}) {
    const options = await this.account('passkey_creation_options');

    return this.#withNewPasskey(options, {}, signal, (response) =>
      this.account('add_passkey', { response, ...(name === undefined ? {} : { name }) }),
    );
  }

  // Makes a passkey and presents it to the server.
  async #withNewPasskey(options, names, signal, present) {
    const response = await createPasskey(options, names, signal);

    try {
      return await present(response);
    } catch (error) {
      if (isRefused(error)) {
        await this.#forgetPasskey(options.rp.id, response.id);
      }
      throw error;
    }
  }

  async #forgetPasskey(rpId, id) {
    if (this.#signals) {
      await forgetPasskey(rpId, id);
    }
  }

  #passkeyOptions(kind) {
    return this.#transport.json(`/api/passkey/${kind}`, { client_id: this.#clientId });
  }

  async #present({ loginId, code, idToken, nonce, passkey }, prove) {
    return this.#sessions.exclusive(async (record) => {
      const proof = await prove(record);
      const tokens = await this.#transport.form(
        '/oauth2/token',
        {
          grant_type: grantOf({ idToken, passkey }),
          client_id: this.#clientId,
          login_id: loginId,
          code,
          id_token: idToken,
          nonce,
          passkey: passkey && JSON.stringify(passkey),
          ...proof,
        },
        await this.#sessions.proofKey(record),
      );

      await this.#sessions.adoptLogin(record, tokens, proof.jwt !== undefined);
      return userOf(record.session);
    });
  }

  // ---- access ----

  async accessToken() {
    return (await this.#sessions.usable()).accessToken;
  }

  async fetch(input, init) {
    return this.#resource.fetch(input, init);
  }

  async account(name, values = {}) {
    return this.#api(`/api/account/${encodeURIComponent(name)}`, values);
  }

  async logOut({ forgetGuest = false } = {}) {
    await this.#sessions.logOut(forgetGuest, (kid, usable) =>
      this.#api('/api/account/remove_device_key', { kid }, usable),
    );
  }

  close() {
    this.#channel?.close();
    this.#channel = undefined;
  }

  // ---- helpers ----

  async #api(path, value, usable) {
    const headers = { 'Content-Type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(value) };

    return (await this.#resource.call(this.#issuer + path, init, usable)).result;
  }

  // Tells this page and the other tabs that somebody else is logged in now.
  #tell() {
    this.dispatchEvent(new Event('change'));
    this.#channel?.postMessage('change');
  }

  #listen(key) {
    if (globalThis.BroadcastChannel === undefined) {
      return;
    }
    this.#channel = new BroadcastChannel(`anon-auth ${key}`);
    this.#channel.onmessage = () => this.dispatchEvent(new Event('change'));
    // Node.js would wait for messages.
    this.#channel.unref?.();
  }
}
