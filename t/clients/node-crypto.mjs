// Creates and verifies tokens with Node.js's crypto module, without a JOSE
// library.

import * as crypto from 'node:crypto';
import { run } from './tasks.mjs';

const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

function makeKeyPair(alg) {
  if (alg === 'EdDSA') {
    return crypto.generateKeyPairSync('ed25519');
  }
  if (alg.startsWith('ES')) {
    return crypto.generateKeyPairSync('ec', { namedCurve: curves[alg] });
  }
  return crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
}

function digest(alg) {
  return alg === 'EdDSA' || alg === 'Ed25519' ? null : `sha${alg.slice(2)}`;
}

function options(alg) {
  if (alg.startsWith('ES')) {
    return { dsaEncoding: 'ieee-p1363' };
  }
  if (alg.startsWith('PS')) {
    return {
      padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
      saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
    };
  }
  return {};
}

function hmac(alg, input, jwk) {
  return crypto.createHmac(digest(alg), Buffer.from(jwk.k, 'base64url')).update(input).digest();
}

function split(jws) {
  const end = jws.lastIndexOf('.');
  return [Buffer.from(jws.slice(0, end)), Buffer.from(jws.slice(end + 1), 'base64url')];
}

await run({
  generate({ alg }) {
    if (alg.startsWith('HS')) {
      const secret = crypto.randomBytes(Number(alg.slice(2)) / 8);
      return { privateJwk: { kty: 'oct', k: secret.toString('base64url') } };
    }
    const { publicKey, privateKey } = makeKeyPair(alg);
    return {
      publicJwk: publicKey.export({ format: 'jwk' }),
      privateJwk: privateKey.export({ format: 'jwk' }),
    };
  },

  // A JWK with ext and key_ops, as browsers export it.
  async generateInBrowser({ alg }) {
    const algorithm = {
      ES256: { name: 'ECDSA', namedCurve: 'P-256' },
      Ed25519: { name: 'Ed25519' },
      RS256: {
        name: 'RSASSA-PKCS1-v1_5',
        hash: 'SHA-256',
        modulusLength: 2048,
        publicExponent: new Uint8Array([1, 0, 1]),
      },
    }[alg];
    const { subtle } = crypto.webcrypto;
    const { publicKey, privateKey } =
      await subtle.generateKey(algorithm, true, ['sign', 'verify']);
    return {
      publicJwk: await subtle.exportKey('jwk', publicKey),
      privateJwk: await subtle.exportKey('jwk', privateKey),
    };
  },

  sign({ alg, header, payload, privateJwk }) {
    const input = [JSON.stringify({ ...header, alg }), payload]
      .map((part) => Buffer.from(part).toString('base64url')).join('.');
    const signature = alg.startsWith('HS')
      ? hmac(alg, input, privateJwk)
      : crypto.sign(digest(alg), Buffer.from(input), {
        key: crypto.createPrivateKey({ key: privateJwk, format: 'jwk' }),
        ...options(alg),
      });
    return `${input}.${signature.toString('base64url')}`;
  },

  verify({ jws, alg, jwk }) {
    const [input, signature] = split(jws);
    if (alg.startsWith('HS')) {
      return hmac(alg, input, jwk).equals(signature);
    }
    return crypto.verify(digest(alg), input, {
      key: crypto.createPublicKey({ key: jwk, format: 'jwk' }),
      ...options(alg),
    }, signature);
  },
});
