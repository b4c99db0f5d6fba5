// Creates and verifies tokens with the public interface of the npm package
// jose.

import { webcrypto } from 'node:crypto';
import * as jose from 'jose';
import { run } from './tasks.mjs';

globalThis.crypto ??= webcrypto; // Node.js 18

await run({
  async generate({ alg }) {
    if (alg.startsWith('HS')) {
      const secret = await jose.generateSecret(alg, { extractable: true });
      return { privateJwk: await jose.exportJWK(secret) };
    }
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    return {
      publicJwk: await jose.exportJWK(publicKey),
      privateJwk: await jose.exportJWK(privateKey),
    };
  },

  async sign({ alg, header, payload, privateJwk }) {
    return new jose.CompactSign(new TextEncoder().encode(payload))
      .setProtectedHeader({ ...header, alg })
      .sign(await jose.importJWK(privateJwk, alg));
  },

  async verify({ jws, alg, jwk }) {
    try {
      await jose.compactVerify(jws, await jose.importJWK(jwk, alg), { algorithms: [alg] });
      return true;
    } catch (error) {
      if (error instanceof jose.errors.JOSEError) {
        return false;
      }
      throw error;
    }
  },

  // Uses the key set as an application does after it fetched it.
  async verifyJwt({ token, jwks, ...options }) {
    const { payload, protectedHeader } =
      await jose.jwtVerify(token, jose.createLocalJWKSet(jwks), options);
    return { payload, protectedHeader };
  },

  async verifyJwtWithSecret({ token, jwk, ...options }) {
    const { payload } =
      await jose.jwtVerify(token, await jose.importJWK(jwk, options.algorithms[0]), options);
    return { payload };
  },

  async thumbprint({ jwk }) {
    return jose.calculateJwkThumbprint(jwk);
  },
});
