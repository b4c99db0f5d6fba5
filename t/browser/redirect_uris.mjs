// Drives Chromium for 055_redirect_uris.pl, and prints each result as a line of JSON.

import { createServer } from 'node:http';
import { createHash, randomBytes } from 'node:crypto';
import { close, complaints, done, is, ok, person, sql, test, origin } from './browser.mjs';
import { password, submitButton } from './notebook.mjs';

// ---------------------------------------------------------------------------
// Spellings
// ---------------------------------------------------------------------------

// The browser's form of each URI; null if it is not a URL.
async function serialised(uris) {
  const context = await person();
  const page = await context.newPage();
  const forms = await page.evaluate(
    (texts) => texts.map((text) => (URL.canParse(text) ? new URL(text).href : null)),
    uris,
  );

  await context.close();
  return forms;
}

// What the database says to each URI: null, or an error with the normal form as its hint.
async function verdicts() {
  await sql(`CREATE FUNCTION verdict(uri text) RETURNS jsonb LANGUAGE plpgsql AS $$
    DECLARE
      hint text;
    BEGIN
      UPDATE anon_auth.clients SET redirect_uris = ARRAY[uri] WHERE client_id = 'cli';
      RETURN NULL;
    EXCEPTION WHEN invalid_parameter_value OR check_violation THEN
      GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
      RETURN jsonb_build_object('form', substring(hint FROM 'Use "(.*)"\\.$'));
    END $$`);
  return JSON.parse(
    await sql(`SELECT jsonb_agg(jsonb_build_object('uri', uri, 'error', verdict(uri)) ORDER BY n) FROM spellings`),
  );
}

async function spellings() {
  const rows = await verdicts();
  const accepted = rows.filter(({ error }) => error === null).map(({ uri }) => uri);
  const forms = await serialised(accepted);
  const changed = accepted.filter((uri, i) => forms[i] !== uri && forms[i] !== `${uri}/`);

  ok('some spellings are stored', accepted.length > 30, `${accepted.length}`);
  is('the browser sends each stored URI as it is, or adds the path "/"', changed.join('\n'), '');

  const hints = rows.filter(({ error }) => error?.form).map(({ uri, error: { form } }) => ({ uri, form }));
  const browsers = await serialised(hints.map(({ uri }) => uri));

  // Characters that browsers leave, but RFC 3986 does not allow, and the final dot of a host.
  const strict = (text) =>
    text
      ?.replace(/[[\]|^`{}]/g, (c) => (/^https?:\/\/\[/.test(text) ? c : encodeURIComponent(c)))
      .replace(/^(https?:\/\/[^/?]*)\.(?=[/?])/, '$1');
  const different = hints.filter(({ form }, i) => strict(browsers[i]) !== form && strict(browsers[i]) !== `${form}/`);

  ok('some spellings are refused with a hint', hints.length > 20, `${hints.length}`);
  is('a hint names the form that the browser sends', JSON.stringify(different), '[]');
}

// ---------------------------------------------------------------------------
// Logins
// ---------------------------------------------------------------------------

// An application that waits for the browser at a loopback address.
async function listen(host) {
  const requests = [];
  const server = createServer((request, response) => {
    requests.push(request.url);
    response.setHeader('Content-Type', 'text/html').end('<title>Done</title>');
  });

  await new Promise((resolve, reject) => server.on('error', reject).listen(0, host, resolve));
  return { port: server.address().port, close: () => server.close(), requests };
}

async function logIn(page, redirectUri, verifier) {
  const query = new URLSearchParams({
    client_id: 'cli',
    response_type: 'code',
    scope: 'openid offline_access',
    redirect_uri: redirectUri,
    code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    state: 's',
  });

  await page.goto(`${origin}/oauth2/authorize?${query}`);
  await page.fill('input[name="login_id"]', 'ada@example.com');
  await page.fill('input[name="password"]', password);
  await submitButton(page).click();
}

const exchange = (code, redirectUri, verifier) =>
  fetch(`${origin}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'cli',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
  });

async function loopback(host, address) {
  const application = await listen(host);
  const context = await person();
  const page = await context.newPage();
  const verifier = randomBytes(32).toString('base64url');
  const redirectUri = `http://${address}:${application.port}/cb`;

  try {
    await sql(`UPDATE anon_auth.clients SET redirect_uris = '{http://${address}/cb}' WHERE client_id = 'cli'`);
    await logIn(page, redirectUri, verifier);
    await page.waitForURL((url) => url.origin === new URL(redirectUri).origin, { timeout: 20000 });
    const { searchParams } = new URL(page.url());

    is(`${address}: a login on any port returns to the application`, searchParams.get('state'), 's');
    const other = await exchange(searchParams.get('code'), `http://${address}/cb`, verifier);

    is(`${address}: the code is not exchanged for the registered URI`, other.status, 400);
    const response = await exchange(searchParams.get('code'), redirectUri, verifier);

    is(`${address}: the code is exchanged for the URI of the request`, response.status, 200);
  } finally {
    await context.close();
    application.close();
  }
}

// Chromium has no application for the scheme.  It reports the navigation, though.
async function privateScheme(redirectUri) {
  const context = await person();
  const page = await context.newPage();

  await sql(`UPDATE anon_auth.clients SET redirect_uris = '{${redirectUri}}' WHERE client_id = 'cli'`);
  const answered = page.waitForResponse((response) => response.request().method() === 'POST');

  await logIn(page, redirectUri, randomBytes(32).toString('base64url'));
  const { location } = (await answered).headers();

  ok(`${redirectUri}: a login redirects to the application`, location?.startsWith(`${redirectUri}?code=`), location);
  await page.evaluate(() => document.title);
  await context.close();
}

await test('the database and the browser agree on spellings', spellings);
await test('127.0.0.1: a login works', () => loopback('127.0.0.1', '127.0.0.1'));
await test('[::1]: a login works', () => loopback('::1', '[::1]'));
await test('a scheme of an application works', () => privateScheme('com.example.app://host/path'));
await test('a scheme that begins with http works', () => privateScheme('http.example.app://host/path'));

is('no page violated its policy or threw an exception', complaints(), '');
await close();
done();
