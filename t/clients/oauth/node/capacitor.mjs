// @authgear/capacitor in Chromium, with a plug-in that has DPoP keys, as devices do.

import { close, person } from './browser.mjs';
import { alice, driver, is, logIn, ok, origin, run } from './test.mjs';

const redirectURI = 'com.example.app://host/path';
const proofs = [];

// The native part of the SDK. It runs in the page.
function plugin() {
  const storage = new Map();
  const keys = new Map();
  const base64url = (bytes) =>
    btoa(String.fromCharCode(...bytes))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replaceAll('=', '');
  const encode = (value) =>
    base64url(new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)));
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const jwkOf = async (kid) => {
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', keys.get(kid).publicKey);

    return { crv, kty, x, y };
  };
  const native = {
    storageGetItem: ({ key }) => ({ value: storage.get(key) ?? null }),
    storageSetItem: ({ key, value }) => void storage.set(key, value),
    storageDeleteItem: ({ key }) => void storage.delete(key),
    randomBytes: ({ length }) => ({ bytes: [...crypto.getRandomValues(new Uint8Array(length))] }),
    sha256String: async ({ input }) => ({
      bytes: [...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(input)))],
    }),
    getDeviceInfo: () => ({ deviceInfo: { ios: { UIDevice: { model: 'iPhone' } } } }),
    generateUUID: () => ({ uuid: crypto.randomUUID() }),
    openAuthorizeURL: async ({ url }) => ({ redirectURI: await window.openInBrowser(url) }),
    checkDPoPSupported: () => ({ ok: true }),
    createDPoPPrivateKey: async ({ kid }) => {
      keys.set(kid, await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']));
    },
    checkDPoPPrivateKey: ({ kid }) => ({ ok: keys.has(kid) }),
    computeDPoPJKT: async ({ kid }) => ({
      jkt: base64url(
        new Uint8Array(
          await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(await jwkOf(kid)))),
        ),
      ),
    }),
    signWithDPoPPrivateKey: async ({ kid, payload }) => {
      const header = { typ: 'dpop+jwt', alg: 'ES256', kid, jwk: await jwkOf(kid) };
      const data = `${encode(header)}.${encode(payload)}`;
      const signature = await crypto.subtle.sign(algorithm, keys.get(kid).privateKey, new TextEncoder().encode(data));

      return { jwt: `${data}.${base64url(new Uint8Array(signature))}` };
    },
  };

  window.capacitorExports = {
    Capacitor: { getPlatform: () => 'ios' },
    registerPlugin: () =>
      new Proxy(native, {
        get:
          (target, name) =>
          async (...values) => {
            if (!target[name]) {
              throw new Error(`the plug-in has no ${name}`);
            }
            return target[name](...values);
          },
      }),
  };
}

const page = await (await person()).newPage();
const call = (method, ...parameters) =>
  page.evaluate(
    async ([name, values]) => {
      try {
        return (await authgearCapacitor.default[name](...values)) ?? null;
      } catch (error) {
        return { error: { name: error.name, error: error.error, message: String(error.message) } };
      }
    },
    [method, parameters],
  );

await page.exposeFunction('openInBrowser', async (url) => (await logIn(url, alice, 'capacitor')).href);
page.on('request', (request) => {
  if (request.method() !== 'OPTIONS' && request.headers().dpop) {
    proofs.push(new URL(request.url()).pathname);
  }
});
await page.goto(`${driver}/`);
await page.evaluate(plugin);
await page.addScriptTag({ url: '/node_modules/@authgear/capacitor/dist/plugin.iife.js' });

await run('@authgear/capacitor', {
  async 'a login'() {
    is('the SDK is configured', await call('configure', { endpoint: origin, clientID: 'sdk-native' }), null);
    const login = await call('authenticate', { redirectURI });

    is('a login succeeds', login.userInfo?.email, alice);
    is('userinfo names the user', (await call('fetchUserInfo')).email, alice);
    ok(
      'requests have a DPoP proof',
      proofs.includes('/oauth2/token') && proofs.includes('/oauth2/userinfo'),
      proofs.join(),
    );
  },

  async reauthentication() {
    is('reauthentication succeeds', (await call('reauthenticate', { redirectURI })).userInfo?.email, alice);
    is('userinfo names the user afterwards', (await call('fetchUserInfo')).email, alice);
  },

  async 'a logout'() {
    is('a logout succeeds', await call('logout'), null);
    is(
      'the SDK has no session after a logout',
      await page.evaluate(() => authgearCapacitor.default.sessionState),
      'NO_SESSION',
    );
  },
});
await close();
