// Device keys of accounts, and tokens that are bound to a key (DPoP).

// device keys: with them an app logs in to an account, after a fingerprint or PIN at the device.
const row = async (db, sql, values) => (await db.query(sql, values)).rows[0];

export const keyCalls = {
  'POST /account/device_keys': (db, { jwt, name }) =>
    row(db, 'SELECT anon_auth.add_device_key($1, $2) AS result', [jwt, name]),
  'GET /account/device_keys': (db) =>
    row(db, `SELECT coalesce(json_agg(k), '[]') AS result FROM anon_auth.list_device_keys() AS k`),
  'DELETE /account/device_keys': (db, { kid }) =>
    row(db, 'SELECT anon_auth.remove_device_key($1) AS result', [kid]),
  'POST /device_login': (db, { jwt }, user) =>
    row(db, 'SELECT * FROM anon_auth.authenticate_with_device_key($1, $2, dpop => $3)', ['app', jwt, user.proof.jwt]),
};
// end

// proof: what the client shows with a token. The URL is the public one, without query.
const publicUrl = process.env.PUBLIC_URL ?? `http://127.0.0.1:${process.env.PORT ?? 8000}`;

export const proofOf = (request) => {
  const { authorization = '', dpop } = request.headers;
  // A proof beside a Bearer token is for no token of ours.
  const jwt = authorization.startsWith('Bearer ') ? undefined : dpop;

  return { jwt, method: request.method, url: publicUrl + request.url.split('?')[0] };
};
// end

// challenge: what a client of bound tokens reads in a response with status 401.
const dpopErrors = { AA026: 'invalid_dpop_proof', AA027: 'use_dpop_nonce' };

export const challengeHeaders = ({ error, dpop_nonce }) => ({
  ...(dpopErrors[error] && { 'WWW-Authenticate': `DPoP error="${dpopErrors[error]}", algs="ES256 EdDSA RS256 PS256"` }),
  ...(dpop_nonce && { 'DPoP-Nonce': dpop_nonce }),
});
// end
