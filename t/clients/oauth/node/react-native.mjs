// @authgear/react-native, with the native part of the SDK in this file.

import { createHash, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';
import { createRequire, Module } from 'node:module';
import { alice, claims, is, kid, logIn, ok, origin, publishKey, run, sql } from './test.mjs';

const redirectURI = 'com.example.app://host/path';
const storage = new Map();
const keys = new Map();
const paths = new Map();

function newKey(kid) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { kty, n, e } = publicKey.export({ format: 'jwk' });

  keys.set(kid, { privateKey, jwk: { kty, n, e, kid, alg: 'RS256' } });
}

function newDPoPKey(kid) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });

  keys.set(kid, { privateKey, jwk: { crv, kty, x, y } });
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

const native = {
  storageGetItem: (key) => storage.get(key) ?? null,
  storageSetItem: (key, value) => void storage.set(key, value),
  storageDeleteItem: (key) => void storage.delete(key),
  getDeviceInfo: () => ({ ios: { UIDevice: { model: 'iPhone' } } }),
  randomBytes: (length) => [...randomBytes(length)],
  sha256String: (input) => [...createHash('sha256').update(input).digest()],
  generateUUID: () => randomUUID(),
  openAuthorizeURL: async (url) => (await logIn(url, native.loginId, 'react-native')).href,
  dismiss: () => {},
  // A new key is sent with its public part, and a known one by its ID.
  getAnonymousKey: (kid) => {
    if (kid && keys.has(kid)) {
      return { kid, alg: 'RS256' };
    }
    const made = randomUUID();

    newKey(made);
    return { kid: made, alg: 'RS256', jwk: keys.get(made).jwk };
  },
  signAnonymousToken: (kid, data) => sign('sha256', Buffer.from(data), keys.get(kid).privateKey).toString('base64url'),
  // Booleans are strings here.
  checkDPoPSupported: () => 'true',
  createDPoPPrivateKey: ({ kid }) => newDPoPKey(kid),
  checkDPoPPrivateKey: ({ kid }) => String(keys.has(kid)),
  computeDPoPJKT: ({ kid }) =>
    createHash('sha256')
      .update(JSON.stringify(keys.get(kid).jwk))
      .digest('base64url'),
  signWithDPoPPrivateKey: ({ kid, payload }) => {
    const data = `${encode({ typ: 'dpop+jwt', alg: 'ES256', jwk: keys.get(kid).jwk })}.${encode(payload)}`;
    const signature = sign('sha256', Buffer.from(data), { key: keys.get(kid).privateKey, dsaEncoding: 'ieee-p1363' });

    return `${data}.${signature.toString('base64url')}`;
  },
  loginId: alice,
};

// What the SDK takes from the package react-native.
const modules = {
  NativeModules: {
    AuthgearReactNative: new Proxy(
      {},
      {
        get:
          (_, name) =>
          async (...values) => {
            if (!native[name]) {
              throw new Error(`the native module has no ${name}`);
            }
            return native[name](...values);
          },
      },
    ),
  },
  NativeEventEmitter: class {
    addListener() {
      return { remove() {} };
    }
  },
  Platform: { OS: 'ios' },
};
const load = Module._load;

Module._load = (name, ...rest) => (name === 'react-native' ? modules : load(name, ...rest));

const send = globalThis.fetch;

globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);

  if (request.headers.has('dpop')) {
    paths.set(new URL(request.url).pathname, request.headers.get('dpop'));
  }
  return send(request);
};

const { ReactNativeContainer } = createRequire(import.meta.url)('@authgear/react-native');

async function newSDK(name) {
  const sdk = new ReactNativeContainer({ name });

  await sdk.configure({ endpoint: origin, clientID: 'sdk-native' });
  return sdk;
}

const error = async (promise) => {
  try {
    await promise;
    return 'no error';
  } catch (reason) {
    return reason.error ?? reason.message;
  }
};

await run('@authgear/react-native', {
  async 'a guest'() {
    const sdk = await newSDK('guest');
    const guest = (await sdk.authenticateAnonymously()).userInfo.sub;
    const again = await newSDK('guest');

    is(
      'a guest signs up, and is the same user with the same key',
      (await again.authenticateAnonymously()).userInfo.sub,
      guest,
    );
    ok(
      'requests have a DPoP proof',
      paths.has('/oauth2/token') && paths.has('/oauth2/userinfo'),
      [...paths.keys()].join(),
    );
    native.loginId = 'native@example.com';
    is('promotion keeps the user', (await again.promoteAnonymousUser({ redirectURI })).userInfo.sub, guest);
    is(
      'the account is known after a restart',
      (await (await newSDK('guest')).fetchUserInfo()).email,
      'native@example.com',
    );
    is(
      'the device starts a new guest after the promotion',
      (await (await newSDK('guest')).authenticateAnonymously()).userInfo.sub !== guest,
      true,
    );
  },

  async 'a retired key'() {
    const sdk = await newSDK('retired');
    const guest = (await sdk.authenticateAnonymously()).userInfo.sub;

    await publishKey();
    await sql(`SELECT anon_auth.retire_signing_key('${kid(sdk.accessToken)}')`);
    is('a token that does not verify is invalid_token', await error(sdk.fetchUserInfo()), 'invalid_token');
    is('a guest stays authenticated when its token does not verify', sdk.sessionState, 'AUTHENTICATED');
    is('a guest is the same user after a restart', (await (await newSDK('retired')).fetchUserInfo()).sub, guest);
  },

  async reauthentication() {
    native.loginId = alice;
    const sdk = await newSDK('account');
    const { userInfo } = await sdk.authenticate({ redirectURI });
    const { sid } = claims(sdk.accessToken);
    const sessions = () => sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${userInfo.sub}'`);
    const before = await sessions();

    is('reauthentication names the same user', (await sdk.reauthenticate({ redirectURI })).userInfo.sub, userInfo.sub);
    is('reauthentication makes no second session', await sessions(), before);
    is('the user is logged in after a restart', (await (await newSDK('account')).fetchUserInfo()).sub, userInfo.sub);
    await sdk.logout();
    is('the SDK has no session after a logout', sdk.sessionState, 'NO_SESSION');
    is('a logout ends the session', await sql(`SELECT count(*) FROM anon_auth.sessions WHERE id = '${sid}'`), '0');
  },
});
