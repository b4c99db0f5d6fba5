// A provider of OpenID Connect: the npm package oidc-provider, with the claims that
// Apple or Google put into ID tokens.
//
// Each line of standard input is a request, and each line of standard output its answer:
//
//   { task: 'start', shape: 'google' }            -> { issuer }
//   { task: 'start', shape: 'google', tls: { key, cert } }: the same over TLS, with files
//   { task: 'login', issuer, clientId, subject, nonce }  -> { idToken }
//   { task: 'keys', issuer }                      -> { jwks }, by discovery
//   { task: 'rotate', issuer }                    -> {}: other signing keys from now on

import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createInterface } from 'node:readline';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

globalThis.crypto ??= webcrypto; // Node.js 18
console.info = console.error; // notices of the package

const redirectUri = 'https://app.example/callback';
const clientIds = ['app.example', 'other.example'];

// The claims beside those of every ID token, as the documents of the providers show them.
const shapes = {
  google: (subject) => ({
    sub: subject,
    hd: 'example.com',
    email: `${subject}@example.com`,
    email_verified: true,
    name: 'Ada Lovelace',
    given_name: 'Ada',
    family_name: 'Lovelace',
    picture: 'https://lh3.googleusercontent.com/a/x=s96-c',
    locale: 'en',
  }),
  // Apple writes booleans as strings in some tokens.
  apple: (subject) => ({
    sub: subject,
    email: `${subject}@privaterelay.appleid.com`,
    email_verified: 'true',
    is_private_email: 'true',
    nonce_supported: true,
  }),
};

const providers = new Map();

async function makeKeys() {
  const keys = [];
  for (let i = 0; i < 2; i += 1) {
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    keys.push({ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: randomBytes(20).toString('hex') });
  }
  return keys;
}

async function makeProvider(issuer, shape) {
  const claims = shapes[shape];
  return new Provider(issuer, {
    clients: clientIds.map((client_id) => ({
      client_id,
      token_endpoint_auth_method: 'none',
      redirect_uris: [redirectUri],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    })),
    claims: { openid: Object.keys(claims('x')) },
    conformIdTokenClaims: false,
    findAccount: (context, subject) => ({
      accountId: subject,
      claims: () => claims(subject),
    }),
    jwks: { keys: await makeKeys() },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    features: { devInteractions: { enabled: true } },
  });
}

// Logs in as a browser does, through the pages of the package, and exchanges the code.
async function login({ issuer, clientId, subject, nonce }) {
  const cookies = new Map();
  const verifier = randomBytes(32).toString('base64url');

  async function request(url, form) {
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      body: form && new URLSearchParams(form),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      cookies.set(name, value);
    }
    return response;
  }

  let url = `${issuer}/auth?${new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid',
    nonce,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })}`;
  for (let step = 0; !url.startsWith(redirectUri); step += 1) {
    if (step > 20) {
      throw new Error(`the login does not end: ${url}`);
    }
    let response = await request(url);
    if (response.status === 200) {
      const prompt = /name="prompt" value="(\w+)"/.exec(await response.text())[1];
      response = await request(url, { prompt, login: subject, password: 'x' });
    }
    const location = response.headers.get('location');
    if (!location) {
      throw new Error(`${url}: ${response.status} ${await response.text()}`);
    }
    url = new URL(location, url).href;
  }
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: clientId,
      grant_type: 'authorization_code',
      redirect_uri: redirectUri,
      code: new URL(url).searchParams.get('code'),
      code_verifier: verifier,
    }),
  });
  return { idToken: (await response.json()).id_token };
}

const tasks = {
  async start({ shape, tls }) {
    const handle = (request, response) => server.handle(request, response);
    const server = tls
      ? createTlsServer({ key: readFileSync(tls.key), cert: readFileSync(tls.cert) }, handle)
      : createServer(handle);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const issuer = `${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
    server.handle = (await makeProvider(issuer, shape)).callback();
    providers.set(issuer, { server, shape });
    return { issuer };
  },

  login,

  async keys({ issuer }) {
    const configuration = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
    if (configuration.issuer !== issuer) {
      throw new Error('the issuer of the discovery document is another one');
    }
    return { jwks: await (await fetch(configuration.jwks_uri)).json() };
  },

  async rotate({ issuer }) {
    const { server, shape } = providers.get(issuer);
    server.handle = (await makeProvider(issuer, shape)).callback();
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { task, ...parameters } = JSON.parse(line);
  let answer;
  try {
    answer = await tasks[task](parameters);
  } catch (error) {
    answer = { error: error.stack };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
