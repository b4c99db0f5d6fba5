// What the programs of this directory share: results, the person at the browser,
// and the database. Each result is one line of JSON.

export const { ORIGIN: origin, DRIVER: driver } = process.env;
export const redirectUri = `${driver}/callback`;
export const logoutUri = `${driver}/logged-out`;
export const alice = 'alice@example.com';
export const bob = 'bob@example.com';
export const password = 'correct horse';

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

export async function logIn(url, loginId = alice, jar = undefined) {
  const { status, location, body } = await visit(url, loginId, password, jar);

  if (!location) {
    throw new Error(`no redirect to the client, but ${status}: ${body}`);
  }
  return new URL(location);
}

// The number of live sessions with this sid claim.
export const sessions = (sid) => sql(`SELECT count(*) FROM anon_auth.sessions WHERE id = '${sid}'`);

// A rotation of the signing key: the new key is published, and signs later.
export const publishKey = () => ask('/publish-key', '');
export const useKey = () => ask('/use-key', '');

const part = (jwt, index) => JSON.parse(Buffer.from(jwt.split('.')[index], 'base64url'));

export const claims = (jwt) => part(jwt, 1);
export const kid = (jwt) => part(jwt, 0).kid;
