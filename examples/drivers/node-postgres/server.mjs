// node-postgres: an HTTP server with a pool. Each request is one transaction.
import http from 'node:http';
import pg from 'pg';
import { accountCalls } from './account.mjs';
import { challengeHeaders, keyCalls, proofOf } from './keys.mjs';

// PGHOST, PGDATABASE and PGUSER name the database.
const pool = new pg.Pool({ max: Number(process.env.POOL_SIZE ?? 10) });

// pool: without these listeners, a connection that is lost ends the process.
const connectionLost = (error) => console.error('connection lost:', error.code);
pool.on('error', connectionLost); // an idle connection
pool.on('connect', (db) => db.on('error', connectionLost)); // a connection in use
// end

// transaction: runs work(db) for one user.
async function transaction(user, work, attempts = 3) {
  const { address, accessToken, proof } = user;
  const db = await pool.connect();
  let broken;
  try {
    await db.query('BEGIN');
    await db.query('SELECT anon_auth.use_client_address($1)', [address]);
    if (accessToken) {
      await db.query('SELECT anon_auth.use_access_token($1, dpop => $2, htm => $3, htu => $4)',
        [accessToken, proof.jwt, proof.method, proof.url]); // proof: for tokens bound to a key
    }
    const result = await work(db);
    await db.query('COMMIT'); // also after a failed login
    return result;
  } catch (error) {
    await db.query('ROLLBACK').catch((rollbackError) => { broken = rollbackError; });
    if (error.code !== '40001' || attempts === 1 || proof.jwt) throw error; // a proof works once
  } finally {
    db.release(broken); // closes a broken connection
  }
  return transaction(user, work, attempts - 1);
}
// end

// calls: a row of tokens, or undefined for wrong credentials.
const row = async (db, sql, values) => (await db.query(sql, values)).rows[0];

const signUp = (user) => transaction(user, (db) =>
  row(db, 'SELECT * FROM anon_auth.authenticate_anonymously($1, dpop => $2)', ['app', user.proof.jwt]));

// A device signs up or logs in: jwt is the challenge that it signed with its key.
const challenge = (user, { purpose = 'anonymous_request' }) => transaction(user, (db) =>
  row(db, 'SELECT token FROM anon_auth.create_challenge($1)', [purpose]));

const device = (user, { jwt }) => transaction(user, (db) =>
  row(db, 'SELECT * FROM anon_auth.authenticate_anonymously($1, jwt => $2)', ['app', jwt]));

const logIn = (user, { login_id, password }) => transaction(user, (db) =>
  row(db, 'SELECT * FROM anon_auth.authenticate($1, $2, $3)', ['app', login_id, password]));

const refresh = (user, { refresh_token }) => transaction(user, (db) =>
  row(db, 'SELECT * FROM anon_auth.refresh_session($1, $2, dpop => $3)', ['app', refresh_token, user.proof.jwt]));

const promote = (user, { email, password, refresh_token }) => transaction(user, (db) =>
  row(db, `SELECT * FROM anon_auth.promote_anonymous_user($1, email => $2, password => $3, refresh_token => $4)`,
    ['app', email, password, refresh_token]));
// end

const listNotes = (user) => transaction(user, async (db) => (await db.query('SELECT user_id, body FROM notes')).rows);

const addNote = (user, { body }) => transaction(user, (db) =>
  row(db, 'INSERT INTO notes (body) VALUES ($1) RETURNING user_id, body', [body]));

// errors: the status and body for an error.
const statuses = {
  '22023': 400, AA016: 400, // an argument is missing or malformed
  '22P02': 400, '22021': 400, // a value is no uuid, for example; a text has a NUL
  '23503': 401, // the user of the token was deleted or merged
  AA003: 401, AA004: 401, AA005: 401, AA006: 401, AA012: 401, AA013: 401, AA014: 401, AA026: 401, AA027: 401, AA028: 401, AA029: 401, AA031: 401,
  AA022: 401, // the user must log in again first
  '42501': 403, // a row without a user, among others
  AA007: 403, AA015: 403, AA024: 403, // the user is disabled; sign-up is closed; the user is a guest
  AA008: 409, AA009: 409, // the user is not a guest; the login ID is taken
  AA023: 409, AA030: 409, // the last credential; sign up, or log in instead
  AA010: 422, AA011: 422, AA032: 422, // the login ID, password or profile is not allowed
  AA018: 429, AA019: 429,
  '40001': 503, '57014': 503, // after three attempts; statement_timeout
  AA025: 503, // the worker has not fetched the provider's key yet
};

function errorAnswer(error) {
  if (error instanceof SyntaxError) return { status: 400, body: { error: 'invalid JSON' } };
  const status = statuses[error.code] ?? 500;
  if (status === 500) console.error(error.code ?? error.name); // the message can contain a password
  const isJson = ['AA009', 'AA010', 'AA011', 'AA018', 'AA019', 'AA022', 'AA027', 'AA029', 'AA030', 'AA032'].includes(error.code);
  const detail = isJson ? JSON.parse(error.detail) : {};
  return { status, body: { error: error.code, ...detail }, retryAfter: detail.retry_after };
}
// end

const accountRoutes = Object.fromEntries(Object.entries({ ...accountCalls, ...keyCalls }).map(([route, work]) =>
  [route, (user, given) => transaction(user, (db) => work(db, given, user))]));

const routes = {
  ...accountRoutes,
  'POST /guests': signUp,
  'POST /challenge': challenge,
  'POST /device': device,
  'POST /login': logIn,
  'POST /refresh': refresh,
  'POST /promote': promote,
  'GET /notes': listNotes,
  'POST /notes': addNote,
};

async function parameters(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : {};
}

async function handle(request) {
  const route = routes[`${request.method} ${request.url}`];
  if (!route) return { status: 404, body: {} };
  const user = {
    address: request.socket.remoteAddress, // behind a proxy: the address that the proxy states
    accessToken: request.headers.authorization?.replace(/^(Bearer|DPoP) /, ''),
    proof: proofOf(request),
  };
  try {
    const body = await route(user, await parameters(request));
    return body ? { status: 200, body } : { status: 401, body: { error: 'wrong credentials' } };
  } catch (error) {
    return errorAnswer(error);
  }
}

http.createServer(async (request, response) => {
  const { status, body, retryAfter } = await handle(request);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    ...(retryAfter !== undefined && { 'Retry-After': retryAfter }),
    ...challengeHeaders(body),
  });
  response.end(JSON.stringify(body));
}).listen(process.env.PORT ?? 8000, '127.0.0.1');
