// Generates JWTs, valid ones and ones that are wrong in one or two ways, and
// determines whether the npm package jose accepts each. Reads { seed, count,
// issuer, audience } from standard input. Writes { keys, cases }: private JWKs,
// and { token, made, why } for each JWT. why is jose's reason, or null where
// jose accepts.

import crypto from 'node:crypto';
import { text } from 'node:stream/consumers';
import * as jose from 'jose';

globalThis.crypto ??= crypto.webcrypto; // Node.js 18

const { seed, count, issuer, audience } = JSON.parse(await text(process.stdin));

// A repeatable random number generator: xorshift32
let state = seed >>> 0 || 1;
function random(below) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}
const pick = (list) => list[random(list.length)];

// ---------------------------------------------------------------------------
// Keys
// ---------------------------------------------------------------------------

const pairs = {
  ES256: () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => crypto.generateKeyPairSync('ed25519'),
  RS256: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
const keys = Object.entries(pairs).map(([alg, generate], i) => {
  const { publicKey, privateKey } = generate();
  const names = { kid: `key-${i}-${seed}`, alg };
  return {
    alg,
    kid: names.kid,
    privateKey,
    publicKey,
    privateJwk: { ...privateKey.export({ format: 'jwk' }), ...names },
    publicJwk: { ...publicKey.export({ format: 'jwk' }), ...names, use: 'sig' },
  };
});
const keySet = jose.createLocalJWKSet({ keys: keys.map((key) => key.publicJwk) });

function sign(key, alg, input) {
  switch (alg) {
    case 'EdDSA':
      return crypto.sign(null, input, key.privateKey);
    case 'PS256':
      return crypto.sign('sha256', input, {
        key: key.privateKey,
        padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
        saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
      });
    case 'ES256':
      return crypto.sign('sha256', input, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
    default:
      return crypto.sign('sha256', input, key.privateKey);
  }
}

// ---------------------------------------------------------------------------
// Changes that make a token wrong
// ---------------------------------------------------------------------------

const now = Math.floor(Date.now() / 1000);
const oddities = [
  null, true, false, 0, -1, 1.5, 1e20, '', 'x', '0', [], {}, [[]], now - 5000, now + 5000, `${now + 5000}`,
  now + 5000.5, -(now + 5000), issuer, audience, [audience], ['other', audience], ['other'], [audience, 1], { a: audience },
];
const headerNames = ['alg', 'kid', 'typ', 'crit', 'b64', 'cty', 'jwk', 'jku', 'x5c', 'zip', 'enc', 'Alg', 'ALG'];
const headerOddities = [
  ...oddities, 'none', 'NONE', 'HS256', 'ES256', 'EdDSA', 'RS256', 'PS256', 'ES384', 'es256', ['b64'], ['exp'], ['alg'],
  ...keys.map((key) => key.kid),
];
const claimNames = ['exp', 'nbf', 'iat', 'iss', 'aud', 'sub', 'jti', 'sid', 'x'];

// Changes to the JSON text of a part.
const textChanges = {
  'a member twice': (json) => `{${json.slice(1, json.indexOf(','))},${json.slice(1)}`,
  'an escaped name': (json) => json.replace(/"(.)/, (_, c) => `"\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'white space': (json) => ` ${json.replaceAll(':', ' :\t')}\r\n`,
  'more after the end': (json) => json + pick(['{}', ' x', '\0', ',', ']', '}']),
  'a byte order mark': (json) => `\ufeff${json}`,
  'no object': () => pick(['[]', '"x"', '1', 'null', '', '{', '}', '[{}]', '{"a"}', "{'a':1}", '{"a":1,}', '{a:1}']),
  'a control character': (json) => json.replace('":"', '":"\u0001'),
  'a NUL escape': (json) => json.replace('":"', '":"\\u0000'),
  'half a surrogate pair': (json) => json.replace('":"', '":"\\ud800'),
  'an emoji': (json) => json.replace(/}$/, ',"e":"\\ud83d\\ude00😀"}'),
  'a deep array': (json) => json.replace(/}$/, `,"d":${'['.repeat(20)}${']'.repeat(20)}}`),
  'a number as text may be': (json) => json.replace(/}$/, `,"n":${pick(['01', '1.', '.5', '+1', '1e5', '-0', 'NaN', '0x10', '1E400', '1e-7'])}}`),
  'cut off': (json) => json.slice(0, random(json.length)),
  'a changed character': (json) => {
    const at = random(json.length);
    return json.slice(0, at) + String.fromCharCode(random(128)) + json.slice(at + 1);
  },
};

// Changes to bytes before they are encoded.
const byteChanges = {
  'bytes that are no UTF-8': (bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.from(',"u":"'), Buffer.from(pick([[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80]])), Buffer.from('"}')]),
};

// Changes to the finished token.
const tokenChanges = {
  'a changed character': (token) => {
    const at = random(token.length);
    return token.slice(0, at) + pick([...'ABCxyz019-_.+/= \n']) + token.slice(at + 1);
  },
  'the last character': (token) => token.slice(0, -1) + pick([...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']),
  padding: (token) => token + pick(['=', '==', ' ', '\n', '.', '\t']),
  'white space before': (token) => pick([' ', '\n']) + token,
  'padding inside': (token) => token.replace('.', pick(['=.', '==.', ' .', '..'])),
  'no signature': (token) => token.slice(0, token.lastIndexOf('.') + random(2)),
  'a part less': (token) => token.slice(token.indexOf('.') + 1),
  'a part more': (token) => `${token}.${token.slice(0, 4)}`,
  'a shorter signature': (token) => token.slice(0, -4),
  'a longer signature': (token) => `${token}AAAA`,
  'no payload': (token) => token.replace(/\..*\./, '..'),
  'the classic alphabet': (token) => token.replaceAll('-', '+').replaceAll('_', '/'),
};

function makeToken() {
  const made = [];
  const key = pick(keys);
  let alg = key.alg;
  let signer = key;
  const header = { alg, kid: key.kid, typ: 'JWT' };
  const claims = { iss: issuer, aud: audience, sub: 'someone', exp: now + 5000, iat: now - 10 };
  const texts = [null, null];
  let change = null;

  for (let i = random(3); i > 0; i--) {
    switch (random(8)) {
      case 0: {
        const name = pick(headerNames);
        header[name] = pick(headerOddities);
        made.push(`header ${name}: ${JSON.stringify(header[name])}`);
        break;
      }
      case 1: {
        const name = pick(['alg', 'kid', 'typ']);
        delete header[name];
        made.push(`no header ${name}`);
        break;
      }
      case 2: {
        const name = pick(claimNames);
        claims[name] = pick(oddities);
        made.push(`claim ${name}: ${JSON.stringify(claims[name])}`);
        break;
      }
      case 3: {
        const name = pick(['exp', 'iat', 'sub', 'aud', 'iss']);
        delete claims[name];
        made.push(`no claim ${name}`);
        break;
      }
      case 4: {
        const part = random(2);
        const name = pick(Object.keys(textChanges));
        texts[part] = textChanges[name];
        made.push(`${part ? 'payload' : 'header'}: ${name}`);
        break;
      }
      case 5: {
        signer = pick(keys);
        alg = signer.alg;
        made.push(`signed by ${signer.alg}`);
        break;
      }
      case 6: {
        const name = pick(Object.keys(byteChanges));
        const part = random(2);
        texts[part] = (json) => byteChanges[name](Buffer.from(json));
        made.push(`${part ? 'payload' : 'header'}: ${name}`);
        break;
      }
      default: {
        const name = pick(Object.keys(tokenChanges));
        change = tokenChanges[name];
        made.push(`token: ${name}`);
      }
    }
  }
  const parts = [header, claims].map((part, i) => {
    const json = JSON.stringify(part);
    return Buffer.from(texts[i] ? texts[i](json) : json).toString('base64url');
  });
  const input = parts.join('.');
  const token = `${input}.${sign(signer, alg, Buffer.from(input)).toString('base64url')}`;
  return { token: change ? change(token) : token, made: made.join('; ') || 'nothing' };
}

// The reason why jose refuses a token: the claim and its problem, or the kind
// of error.
async function refusal(token) {
  try {
    await jose.jwtVerify(token, keySet, { issuer, audience });
    return null;
  } catch (error) {
    if (error instanceof jose.errors.JWTClaimValidationFailed) {
      return `${error.claim}: ${error.reason}`;
    }
    if ([jose.errors.JOSEError, TypeError, SyntaxError, DOMException].some((kind) => error instanceof kind)) {
      return error.code?.toString() ?? error.name;
    }
    throw error;
  }
}

const cases = [];
while (cases.length < count) {
  const one = makeToken();
  if (!one.token.includes('\0')) {
    cases.push({ ...one, why: await refusal(one.token) });
  }
}
process.stdout.write(JSON.stringify({ keys: keys.map((key) => key.privateJwk), cases }));
