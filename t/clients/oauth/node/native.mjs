// @authgear/react-native, with a native part of the SDK made of Node's crypto.

import { createHash, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';
import { createRequire, Module } from 'node:module';
import { alice, logIn, origin, walk } from './test.mjs';

export const redirectURI = 'com.example.app://host/path';
const storage = new Map();
const keys = new Map();
export const paths = new Map();

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

function biometricRequest(kid, payload) {
  const { privateKey, jwk } = keys.get(kid);
  const data = `${encode({ typ: 'vnd.authgear.biometric-request', kid, alg: 'RS256', jwk })}.${encode(payload)}`;

  return `${data}.${sign('sha256', Buffer.from(data), privateKey).toString('base64url')}`;
}

export const hasKey = (kid) => keys.has(kid);

export const native = {
  storageGetItem: (key) => storage.get(key) ?? null,
  storageSetItem: (key, value) => void storage.set(key, value),
  storageDeleteItem: (key) => void storage.delete(key),
  getDeviceInfo: () => ({ ios: { UIDevice: { model: 'iPhone' } } }),
  randomBytes: (length) => [...randomBytes(length)],
  sha256String: (input) => [...createHash('sha256').update(input).digest()],
  generateUUID: () => randomUUID(),
  openAuthorizeURL: async (url) => {
    if (!native.forms) {
      return (await logIn(url, native.loginId, 'react-native')).href;
    }
    native.seen = await walk(url, native.forms, 'react-native');
    return native.seen.location;
  },
  openURL: async (url) => void (native.seen = await walk(url, [], 'react-native')),
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
  // The person shows a finger. The SDK sends the public key each time.
  createBiometricPrivateKey: ({ kid, payload }) => {
    newKey(kid);
    return biometricRequest(kid, payload);
  },
  signWithBiometricPrivateKey: ({ kid, payload }) => biometricRequest(kid, payload),
  removeBiometricPrivateKey: (kid) => void keys.delete(kid),
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
  // What the person types: a login, or one form on each page.
  loginId: alice,
  forms: undefined,
  seen: undefined,
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

export async function newSDK(name) {
  const sdk = new ReactNativeContainer({ name });

  await sdk.configure({ endpoint: origin, clientID: 'sdk-native' });
  return sdk;
}
