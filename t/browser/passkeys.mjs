// Drives Chromium for 127_passkeys_in_browser.pl, and prints each result as a line of JSON.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import { Authenticator } from './authenticator.mjs';
import { close, complaints, done, is, ok, origin, person, sql, test } from './browser.mjs';
import { password, settled, sub } from './notebook.mjs';
import { inspect } from './pages.mjs';

const library = await readFile(createRequire(import.meta.url).resolve('@simplewebauthn/browser').replace(/[^/]*$/, '../dist/bundle/index.umd.min.js'), 'utf8');
const settings = (change) => sql(`UPDATE anon_auth.settings SET ${change}; SELECT anon_auth.reset_counters()`);
const main = (page) => page.textContent('main').then((text) => text.replace(/\s+/g, ' '));
const passkeyButton = (page) => page.locator('button[value=passkey]');
const options = (page) => page.getAttribute('.passkey', 'data-options');

// An account with a password, and its tokens.
async function account(address) {
  const row = await sql(`SELECT sub, access_token FROM anon_auth.sign_up('notebook', email => '${address}', password => '${password}')`);
  const [user, token] = row.split('|');

  await sql('SELECT anon_auth.reset_counters()');
  return { address, user, token };
}

// What the endpoint answers to a page of the site.
const call = (page, path, body, token) => page.evaluate(async ([url, json, bearer]) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}) },
    body: JSON.stringify(json),
  });

  return response.json();
}, [`${origin}${path}`, body, token]);

// Add a passkey to an account, with @simplewebauthn/browser.
async function addPasskey(page, { token }) {
  await page.evaluate(library);
  const creation = await call(page, '/api/account/passkey_creation_options', {}, token);
  const response = await page.evaluate((optionsJSON) => window.SimpleWebAuthnBrowser.startRegistration({ optionsJSON }), creation.result);

  return call(page, '/api/account/add_passkey', { response, name: 'My phone' }, token);
}

// A browser with an authenticator that has a passkey of a new account.  It does not act yet.
async function withPasskey(address, contextOptions = {}, authenticatorOptions = {}) {
  const context = await person({ locale: 'en-GB', ...contextOptions });
  const page = await context.newPage();
  const authenticator = await Authenticator.add(page, authenticatorOptions);
  const user = await account(address);

  await page.goto(`${origin}/app/?session=cookie`);
  const added = await addPasskey(page, user);

  ok(`${address} has a passkey`, added.result, JSON.stringify(added));
  await authenticator.act(false);
  return { context, page, authenticator, user };
}

async function openLogIn(page, parameters = {}) {
  const query = new URLSearchParams({
    client_id: 'notebook-cookie',
    redirect_uri: await sql(`SELECT redirect_uris[1] FROM anon_auth.clients WHERE client_id = 'notebook-cookie'`),
    response_type: 'none',
    scope: 'openid',
    ...parameters,
  });

  await page.goto(`${origin}/oauth2/authorize?${query}`);
}

// The endpoints in JSON, with a library that knows nothing of them.
async function library_() {
  const { context, page, authenticator, user } = await withPasskey('library@example.com');

  await authenticator.act(true);
  const request = await call(page, '/api/passkey/request_options', { client_id: 'notebook' });
  const response = await page.evaluate((optionsJSON) => window.SimpleWebAuthnBrowser.startAuthentication({ optionsJSON }), request.result);
  const tokens = await page.evaluate(async ([url, passkey]) => (await fetch(url, {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'notebook', grant_type: 'urn:anon-auth:params:oauth:grant-type:passkey', passkey }),
  })).json(), [`${origin}/oauth2/token`, JSON.stringify(response)]);

  ok('the response of startAuthentication() gets tokens', tokens.access_token, JSON.stringify(tokens));
  is('for its user', await sql(`SELECT anon_auth.verify_jwt('${tokens.access_token}') ->> 'sub'`), user.user);
  await context.close();
}

async function button() {
  const { context, page, authenticator, user } = await withPasskey('button@example.com');

  await openLogIn(page);
  ok('the button is shown', await passkeyButton(page).isVisible());
  await page.waitForSelector('#login_id[autocomplete="username webauthn"]');
  await inspect(page, 'log-in-passkey');
  await authenticator.act(true);
  await passkeyButton(page).click();
  await page.waitForURL('**/app/**');
  await settled(page);
  is('a passkey logs in', await sub(page), user.user);
  await context.close();
}

await test('library', library_);
await test('button', button);
is('no page breaks its policy or throws', complaints(), '');
await close();
done();
