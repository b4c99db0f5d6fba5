// Verifies tokens with one remote key set of the npm package jose, which caches
// the keys as an application's does. Reads a JSON object per line from standard
// input and answers each with a line { result } on standard output.

import { createInterface } from 'node:readline';
import { webcrypto } from 'node:crypto';
import * as jose from 'jose';

globalThis.crypto ??= webcrypto; // Node.js 18

let fetches = 0;
const keys = jose.createRemoteJWKSet(new URL(process.argv[2]), {
  [jose.customFetch]: (...args) => {
    fetches++;
    return fetch(...args);
  },
});

async function answer(request) {
  if (request.token === undefined) {
    return fetches;
  }
  try {
    await jose.jwtVerify(request.token, keys);
    return 'verified';
  } catch (error) {
    return error.code ?? error.message;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ result: await answer(JSON.parse(line)) }));
}
