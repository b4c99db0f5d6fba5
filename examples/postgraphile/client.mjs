// GraphQL: a device signs up with its key and writes a note.  On the second run, it logs
// in again and becomes an account.  `node client.mjs URL FILE`: FILE stores the device's key.
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const [, , url = 'http://127.0.0.1:5678/graphql', file = 'device.json'] = process.argv;

async function ask(query, variables, user) {
  const headers = { 'Content-Type': 'application/json' };
  if (user) headers.Authorization = `Bearer ${user.accessToken}`;
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

// The device keeps its key pair.  Only the sign-up request contains the public key.
const isNew = !existsSync(file);
const create = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const device = isNew
  ? { ...create(), kid: randomBytes(16).toString('hex') }
  : JSON.parse(readFileSync(file, 'utf8'));
const { kid, ...jwk } = device;
const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
const encode = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');

async function request(action) {
  const { createChallenge } = await ask('mutation { createChallenge(input: {}) { string } }');
  const header = { alg: 'ES256', typ: 'vnd.authgear.anonymous-request', kid };
  if (isNew) header.jwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid };
  const input = `${encode(header)}.${encode({ challenge: createChallenge.string, action })}`;
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

const session = 'session { sub accessToken }';
const authenticate = `mutation ($jwt: String!) { authenticateAnonymously(input: { jwt: $jwt }) { ${session} } }`;
const promote = `mutation ($jwt: String!, $email: String!, $password: String!) {
  promote(input: { jwt: $jwt, email: $email, password: $password }) { ${session} }
}`;
const write = 'mutation ($body: String!) { createNote(input: { note: { body: $body } }) { note { body } } }';
const whoami = '{ isAnonymous allNotes { nodes { body } } }';
const notes = [{ body: 'Buy milk' }];

const { session: guest } = (await ask(authenticate, { jwt: await request('auth') })).authenticateAnonymously;

if (isNew) {
  writeFileSync(file, JSON.stringify(device), { mode: 0o600 }); // the server knows it now
  assert.deepEqual(await ask(whoami, {}, guest), { isAnonymous: true, allNotes: { nodes: [] } });
  console.log('signed up: a guest');
  await ask(write, { body: 'Buy milk' }, guest);
  console.log('wrote a note');
} else {
  assert.deepEqual(await ask(whoami, {}, guest), { isAnonymous: true, allNotes: { nodes: notes } });
  console.log('came back: the same guest, 1 note');

  const account = { email: `${kid}@example.com`, password: 'correct horse' };
  const { session: user } = (await ask(promote, { ...account, jwt: await request('promote') })).promote;
  assert.equal(user.sub, guest.sub);
  assert.deepEqual(await ask(whoami, {}, user), { isAnonymous: false, allNotes: { nodes: notes } });
  console.log('promoted: the same user, 1 note');
}
