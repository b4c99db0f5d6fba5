// What the programs of this directory share: results, the person at the browser,
// and the database. Each result is one line of JSON.

import { createHash, generateKeyPairSync, sign } from 'node:crypto';

export const { ORIGIN: origin, DRIVER: driver } = process.env;
export const redirectUri = `${driver}/callback`;
export const logoutUri = `${driver}/logged-out`;
export const alice = 'alice@example.com';
export const bob = 'bob@example.com';
export const password = 'correct horse';
export const passwordOf = (loginId) => (loginId === bob ? 'another horse' : password);

let library = '';
const tell = (result) => process.stdout.write(`${JSON.stringify(result)}\n`);

export const ok = (name, condition, why) => tell({ name: `${library}: ${name}`, ok: Boolean(condition), why });

export const is = (name, actual, expected) =>
  ok(name, actual === expected, `got ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);

// Runs the tests of a library. An exception counts as one failure; the next test
// still runs.
export async function run(name, tests) {
  library = name;
  for (const [subject, action] of Object.entries(tests)) {
    try {
      await action();
    } catch (error) {
      ok(subject, false, `${error.stack}\n${JSON.stringify(error)} ${error.cause?.stack ?? ''}`);
    }
  }
  tell({ done: true });
}

// The error that a promise is rejected with.
export const failure = async (promise) => {
  try {
    const value = await promise;

    return { error: `no error, but ${JSON.stringify(value)}` };
  } catch (error) {
    return error;
  }
};

async function ask(path, body) {
  const response = await fetch(`${driver}${path}`, { method: 'POST', body });
  const text = await response.text();

  if (!response.ok) {
    throw new Error(text);
  }
  return text;
}

export const sql = (text) => ask('/sql', text);

// The person opens the URL and logs in. Returns {status, location, body}.
export const visit = async (url, loginId, secret, jar) =>
  JSON.parse(await ask('/log-in', JSON.stringify({ url: String(url), login_id: loginId, password: secret, jar })));

// The person opens the URL and fills in a form on each page.
export const walk = async (url, forms, jar) =>
  JSON.parse(await ask('/log-in', JSON.stringify({ url: String(url), forms, jar })));

export async function logIn(url, loginId = alice, jar = undefined) {
  const { status, location, body } = await visit(url, loginId, password, jar);

  if (!location) {
    throw new Error(`no redirect to the client, but ${status}: ${body}`);
  }
  return new URL(location);
}

// The number of live sessions with this sid claim.
export const sessions = (sid) => sql(`SELECT count(*) FROM anon_auth.sessions WHERE id = '${sid}'`);

// A user of another provider: its issuer is registered with this key.
export async function provider() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = `https://${library.replaceAll(/\W/g, '-')}.example`;
  const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'key', alg: 'ES256' }] };
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

  await sql(`SELECT anon_auth.create_identity_provider('${issuer}', '{my-app}', '${JSON.stringify(keys)}')`);
  return async (sub) => {
    const response = await fetch(`${origin}/oauth2/challenge`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"purpose":"id_token"}',
    });
    const { token } = (await response.json()).result;
    const now = Math.floor(Date.now() / 1000);
    const nonce = createHash('sha256').update(token).digest('hex');
    const input = `${encode({ alg: 'ES256', kid: 'key' })}.${encode({ iss: issuer, aud: 'my-app', sub, iat: now, exp: now + 300, nonce })}`;
    const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });

    return { id_token: `${input}.${signature.toString('base64url')}`, nonce: token };
  };
}

// Have a code sent to an address, and read the message.
export async function codeFor(address) {
  const response = await fetch(`${origin}/api/login_code`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 'rp', login_id: address }),
  });

  if (!response.ok) {
    throw new Error(await response.text());
  }
  return (await sql(`SELECT code FROM anon_auth.take_outbox_messages()`)).trim();
}

export const grants = {
  code: 'urn:anon-auth:params:oauth:grant-type:login-code',
  idToken: 'urn:anon-auth:params:oauth:grant-type:id-token',
};

// A rotation of the signing key: the new key is published, and signs later.
export const publishKey = () => ask('/publish-key', '');
export const useKey = () => ask('/use-key', '');

const part = (jwt, index) => JSON.parse(Buffer.from(jwt.split('.')[index], 'base64url'));

export const claims = (jwt) => part(jwt, 1);
export const kid = (jwt) => part(jwt, 0).kid;
