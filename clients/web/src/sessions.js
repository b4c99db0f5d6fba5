// The guest's key, the session and its tokens, shared by all tabs of the browser.
//
// The record of the store:
//   guest    { key, state, userId }: state is "new" until the server has answered once,
//            then "known", and "removed" or "unknown" after the server has said so
//   accountKey  { key, userId }: the key of a guest that the server may have kept when it
//            promoted the guest (settings.device_key_after_promotion)
//   session  { userId, isGuest, id, accessToken, tokenType, expiresAt, refreshToken, idToken }
//   proofKey the key of DPoP proofs
//   flows    what a redirect needs when it comes back, by its state (flows.js)
//   revocations  tokens that are still to be revoked at the server
//   offset   how far the server's clock is ahead of this device, in milliseconds
//
// Every change is made in exclusive(), so tabs change the record one after the other.

import { claimsOf } from './encoding.js';
import { AnonAuthError } from './errors.js';
import { createKey, signDeviceRequest } from './keys.js';
import { withRetry } from './transport.js';

const guestGrant = 'urn:authgear:params:oauth:grant-type:anonymous-request';
const accountKeyGrant = 'urn:authgear:params:oauth:grant-type:biometric-request';
const margin = 30_000;

const empty = () => ({
  guest: null,
  accountKey: null,
  session: null,
  proofKey: null,
  flows: {},
  revocations: [],
  offset: 0,
});

export const userOf = (session) => (session === null ? null : { id: session.userId, isGuest: session.isGuest });

export class Sessions {
  #store;
  #key;
  #clientId;
  #transport;
  #clock;
  #usesProofs;
  #changed;
  #hadUser = false;
  // Who is logged in, according to the stored record, while this page is in exclusive().
  #user;

  constructor({ store, key, clientId, transport, clock, usesProofs, changed }) {
    this.#store = store;
    this.#key = key;
    this.#clientId = clientId;
    this.#transport = transport;
    this.#clock = clock;
    this.#usesProofs = usesProofs;
    this.#changed = changed;
  }

  // ---- the record ----

  // Returns the record, which is empty in a new browser.  "cleared" says that this page has
  // seen a guest or a session, and that the browser's storage has nothing now.
  async load() {
    const stored = await this.#store.read(this.#key);

    if (stored === undefined) {
      return { ...empty(), cleared: this.#hadUser };
    }
    if (this.#clock.offset === 0) {
      this.#clock.offset = stored.offset;
    }
    this.#hadUser = stored.guest !== null || stored.session !== null;
    return { ...empty(), ...stored, cleared: false };
  }

  // Saves the record inside of exclusive().  Pages are told at once that somebody else is logged
  // in: the action may have to wait for the server after that.
  async save({ cleared, ...record }) {
    const user = JSON.stringify(userOf(record.session));
    const isChanged = user !== this.#user;

    this.#hadUser = record.guest !== null || record.session !== null;
    await this.#store.write(this.#key, { ...record, offset: this.#clock.offset });
    this.#user = user;
    if (isChanged) {
      this.#changed();
    }
  }

  // Runs action with the record while no other tab changes it.  The action saves what it
  // changes.
  async exclusive(action) {
    return this.#store.exclusive(this.#key, async () => {
      const record = await this.load();

      this.#user = JSON.stringify(userOf(record.session));
      return action(record);
    });
  }

  // Returns the key of DPoP proofs, or null.  A new one is stored before it is used.
  async proofKey(record) {
    if (record.proofKey === null && this.#usesProofs) {
      record.proofKey = await createKey();
      await this.save(record);
    }
    return record.proofKey;
  }

  // ---- guests ----

  async continueAsGuest(startOver) {
    return this.exclusive(async (record) => {
      if (record.session !== null) {
        return userOf(record.session);
      }
      if (record.cleared && !startOver) {
        throw new AnonAuthError(
          'storage_cleared',
          'the data of this site was cleared, and with it the key of the guest',
        );
      }
      await this.revokePending(record);
      if (record.guest === null || startOver) {
        record.guest = { key: await createKey(), state: 'new', userId: null };
        // Before the request: if the page is closed now, its guest is found again.
        await this.save(record);
      }
      await this.#logInByKey(record);
      return userOf(record.session);
    });
  }

  // Returns the proof with which the guest is promoted, as fields of a request, and the key
  // of the request's DPoP proof.
  async provePromotion(record) {
    const { session, guest } = record;

    if (session?.isGuest === false) {
      throw new AnonAuthError('no_guest', 'an account is logged in, not a guest');
    }
    // A guest who came back with a passkey has no key in this browser.
    if (session !== null && guest?.userId !== session.userId) {
      return { fields: { refresh_token: session.refreshToken }, key: record.proofKey };
    }
    return { fields: { jwt: await this.proveGuest(record) }, key: null };
  }

  // Returns the JWT that proves to be the guest, for another request.
  async proveGuest(record, action = 'promote') {
    if (record.guest === null) {
      throw new AnonAuthError('no_guest', 'this browser has no guest');
    }
    return signDeviceRequest(record.guest.key, await this.#transport.challenge(), action, {
      isNew: record.guest.state === 'new',
    });
  }

  // Forgets the key of a guest that is gone.  Meanwhile, another tab may have made another guest,
  // whose key stays.  If it has logged in as the guest that is gone, its next request tells it.
  async forgetKey(kid) {
    await this.exclusive(async (record) => {
      if (record.guest?.key.kid === kid && record.session?.userId !== record.guest.userId) {
        record.guest = null;
        await this.save(record);
      }
    });
  }

  async #logInByKey(record) {
    const key = await this.proofKey(record);

    try {
      // Each attempt has its own challenge: after a lost response, the former one is used.
      const tokens = await withRetry(async () =>
        this.#transport.form(
          '/oauth2/token',
          {
            grant_type: guestGrant,
            client_id: this.#clientId,
            jwt: await this.proveGuest(record, 'auth'),
          },
          key,
        ),
      );

      this.adopt(record, tokens);
      record.guest = { ...record.guest, state: 'known', userId: record.session.userId };
    } catch (error) {
      if (!['guest_removed', 'guest_unknown'].includes(error.code)) {
        throw error;
      }
      record.guest = { ...record.guest, state: error.code === 'guest_removed' ? 'removed' : 'unknown' };
      record.session = null;
      await this.save(record);
      throw error;
    }
    await this.save(record);
  }

  // Logs in with the key that the account may have.  Returns false if it has no such key.
  async #logInByAccountKey(record) {
    const proofKey = await this.proofKey(record);
    const { key } = record.accountKey;

    try {
      const tokens = await withRetry(async () =>
        this.#transport.form(
          '/oauth2/token',
          {
            grant_type: accountKeyGrant,
            client_id: this.#clientId,
            jwt: await signDeviceRequest(key, await this.#transport.challenge('biometric_request'), 'authenticate', {
              type: 'biometric',
            }),
          },
          proofKey,
        ),
      );

      this.adopt(record, tokens);
      await this.save(record);
      return true;
    } catch (error) {
      if (error.status === 400 && error.code !== 'dpop_rejected') {
        return false;
      }
      throw error;
    }
  }

  // ---- tokens ----

  // Returns the session of the tokens of a response.
  #sessionOf(tokens, former) {
    const claims = claimsOf(tokens.access_token);
    const isSame = former !== null && former.id === claims.sid;

    this.#clock.learn(claims.iat * 1000);
    return {
      userId: claims.sub,
      isGuest: claims['https://authgear.com/claims/user/is_anonymous'] === true,
      id: claims.sid,
      accessToken: tokens.access_token,
      tokenType: /^dpop$/i.test(tokens.token_type) ? 'DPoP' : 'Bearer',
      expiresAt: this.#clock.now() + tokens.expires_in * 1000,
      // A refresh without rotation, and a reauthentication, return no refresh token.
      refreshToken: tokens.refresh_token ?? (isSame ? former.refreshToken : null),
      idToken: tokens.id_token ?? (isSame ? former.idToken : null),
    };
  }

  // Puts the tokens of a response into the record.
  adopt(record, tokens) {
    const former = record.session;

    record.session = this.#sessionOf(tokens, former);
    const { id, userId } = record.session;

    if (former !== null && former.id !== id && former.userId !== userId) {
      this.discard(record, former);
    }
    if (record.accountKey !== null && record.accountKey.userId !== userId) {
      record.accountKey = null;
    }
  }

  // Puts the tokens of a login or promotion into the record, and saves it.  isByKey: the
  // guest was promoted by its key, which the server may have kept for the account.
  async adoptLogin(record, tokens, isByKey = false) {
    const { guest } = record;

    this.adopt(record, tokens);
    const isPromoted = !record.session.isGuest && guest?.userId === record.session.userId;

    if (isPromoted && isByKey) {
      record.accountKey = { key: guest.key, userId: guest.userId };
    }
    // The key of another guest is kept, so that the account can claim the guest.
    if (isPromoted || guest?.state === 'removed') {
      record.guest = null;
    }
    await this.save(record);
    await this.revokePending(record);
  }

  // Returns the session with an access token that is valid now, or throws.  rejected is an
  // access token that a server has refused.
  async usable(rejected) {
    const record = await this.load();

    if (this.#isUsable(record.session, rejected)) {
      return { ...record.session, proofKey: record.proofKey };
    }
    return this.exclusive(async (current) => {
      // Another tab may have refreshed the tokens while this one waited.
      if (!this.#isUsable(current.session, rejected)) {
        await this.#renew(current);
      }
      return { ...current.session, proofKey: current.proofKey };
    });
  }

  #isUsable(session, rejected) {
    return session !== null && session.accessToken !== rejected && session.expiresAt - margin > this.#clock.now();
  }

  async #renew(record) {
    const { session } = record;

    if (session === null) {
      throw record.cleared
        ? new AnonAuthError('storage_cleared', 'the data of this site was cleared, and with it the session')
        : new AnonAuthError('no_session', 'nobody is logged in');
    }
    if (session.refreshToken !== null && (await this.#refresh(record))) {
      return;
    }
    // The browser may have the key of another guest.
    if (session.isGuest && record.guest !== null && record.guest.userId === session.userId) {
      await this.#logInByKey(record);
      return;
    }
    if (record.accountKey !== null && (await this.#logInByAccountKey(record))) {
      return;
    }
    record.session = null;
    record.accountKey = null;
    await this.save(record);
    throw new AnonAuthError('session_ended', 'the session has ended', {
      serverCode: 'invalid_grant',
      sqlState: 'AA006',
    });
  }

  #refreshed(refreshToken, key) {
    return this.#transport.form(
      '/oauth2/token',
      { grant_type: 'refresh_token', client_id: this.#clientId, refresh_token: refreshToken },
      key,
    );
  }

  // Returns false if the session has ended.
  async #refresh(record) {
    const key = await this.proofKey(record);

    try {
      // A repeated request gets the same tokens for some time, also with rotation.
      const tokens = await withRetry(() => this.#refreshed(record.session.refreshToken, key));

      this.adopt(record, tokens);
      await this.save(record);
      return true;
    } catch (error) {
      if (error.serverCode === 'invalid_grant') {
        return false;
      }
      throw error;
    }
  }

  // ---- ending ----

  // removeKey removes the key that the account may have kept, at the server.  The browser
  // forgets everything before that: the server may not answer, and the page may be closed.
  async logOut(forgetGuest, removeKey) {
    await this.exclusive(async (record) => {
      const ended = { ...record };

      this.discard(record, record.session);
      record.session = null;
      record.accountKey = null;
      record.proofKey = null;
      record.flows = {};
      if (forgetGuest) {
        record.guest = null;
      }
      await this.save(record);
      if (await this.#removeAccountKey(ended, removeKey)) {
        await this.revokePending(record);
      }
    });
  }

  // Lets the session that has ended here remove the key of its account.  Returns false if the
  // server cannot be reached.  The server refuses after a login that is too old, and then the
  // user sees the key in the list of devices.
  async #removeAccountKey({ session, accountKey, proofKey }, removeKey) {
    let tokens = session;
    const usable = async (rejected) => {
      if (!this.#isUsable(tokens, rejected)) {
        tokens = this.#sessionOf(await this.#refreshed(tokens.refreshToken, proofKey), tokens);
      }
      return { ...tokens, proofKey };
    };

    if (session === null || accountKey === null) {
      return true;
    }
    try {
      await removeKey(accountKey.key.kid, usable);
    } catch (error) {
      return error.code !== 'network';
    }
    return true;
  }

  // Remembers that the server has to end a session.
  discard(record, session) {
    if (session !== null) {
      record.revocations = [...record.revocations, session.refreshToken ?? session.accessToken].slice(-20);
    }
  }

  // Revokes what could not be revoked before.  Without network it stays for the next time.
  async revokePending(record) {
    while (record.revocations.length > 0) {
      try {
        await this.#transport.form('/oauth2/revoke', { token: record.revocations[0] });
      } catch {
        return;
      }
      record.revocations = record.revocations.slice(1);
      await this.save(record);
    }
  }
}
