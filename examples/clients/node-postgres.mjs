// node-postgres: a device signs up with its key, writes a note, logs in again, and
// becomes an account.  Node's crypto module creates the key and the signatures.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import pg from 'pg';

const db = new pg.Client(); // PGHOST, PGUSER, PGDATABASE
await db.connect();
const row = async (sql, ...values) => (await db.query(sql, values)).rows[0];

// The device keeps its key pair.  Only the sign-up request contains the public key.
const kid = randomBytes(16).toString('hex');
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const encode = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');

async function request(action, withKey) {
  const { token } = await row('SELECT token FROM anon_auth.create_challenge()');
  const header = { alg: 'ES256', typ: 'vnd.authgear.anonymous-request', kid };
  if (withKey) header.jwk = { ...publicKey.export({ format: 'jwk' }), kid };
  const input = `${encode(header)}.${encode({ challenge: token, action })}`;
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

// Runs a statement as the user of an access token, in one transaction.
async function as(user, sql, ...values) {
  await db.query('BEGIN');
  try {
    await row('SELECT anon_auth.use_access_token($1)', user.access_token);
    const result = await db.query(sql, values);
    await db.query('COMMIT');
    return result.rows;
  } catch (error) {
    await db.query('ROLLBACK');
    throw error;
  }
}

const authenticate = 'SELECT * FROM anon_auth.authenticate_anonymously($1, jwt => $2)';
const guest = await row(authenticate, 'app', await request('auth', true));
console.log('signed up: a guest');

await as(guest, 'INSERT INTO notes (body) VALUES ($1)', 'Buy milk');
console.log('wrote a note');

const again = await row(authenticate, 'app', await request('auth', false));
assert.equal(again.sub, guest.sub);
assert.equal((await as(again, 'SELECT body FROM notes')).length, 1);
console.log('came back: the same guest, 1 note');

const user = await row(
  'SELECT * FROM anon_auth.promote_anonymous_user($1, email => $2, password => $3, jwt => $4)',
  'app', `${kid}@example.com`, 'correct horse', await request('promote', false));
assert.equal(user.sub, guest.sub);
assert.equal((await as(user, 'SELECT body FROM notes')).length, 1);
console.log('promoted: the same user, 1 note');

await db.end();
