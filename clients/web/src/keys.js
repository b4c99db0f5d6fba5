// Key pairs and what they sign.  The private keys are not extractable: a script can use
// them while it runs in the page, but can never copy them.

import { base64url, digest, encodeBytes, encodeJson, randomText } from './encoding.js';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };

// A new pair: the private key, the public key as a JWK, and its thumbprint (RFC 7638).
export async function createKey() {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const { crv, kty, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
  const jwk = { crv, kty, x, y };

  return { privateKey, jwk, kid: await digest(JSON.stringify(jwk)) };
}

// Returns a JWS in compact serialization.
async function sign({ privateKey }, header, payload) {
  const input = `${encodeJson(header)}.${encodeJson(payload)}`;
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, encodeBytes(input));

  return `${input}.${base64url(signature)}`;
}

// The request of the key of a guest ("anonymous") or account ("biometric").  Only a sign-up
// sends the public key: a login with the public key would make a new guest if the server has
// removed the key.  It expires with its challenge, by the server's clock.
export function signDeviceRequest(key, { token, expire_at }, action, { type = 'anonymous', isNew = false } = {}) {
  const header = { alg: 'ES256', typ: `vnd.authgear.${type}-request`, kid: key.kid };
  const exp = Math.floor(Date.parse(expire_at) / 1000);

  return sign(key, isNew ? { ...header, jwk: { ...key.jwk, kid: key.kid } } : header, {
    challenge: token,
    action,
    ...(Number.isFinite(exp) ? { exp } : {}),
  });
}

// A DPoP proof (RFC 9449).  now is the server's time in milliseconds.
export async function signProof(key, { method, url, accessToken, nonce, now }) {
  const target = new URL(url);

  return sign(
    key,
    { alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk },
    {
      jti: randomText(),
      htm: method,
      htu: target.origin + target.pathname,
      iat: Math.floor(now / 1000),
      ...(accessToken === undefined ? {} : { ath: await digest(accessToken) }),
      ...(nonce === undefined ? {} : { nonce }),
    },
  );
}
