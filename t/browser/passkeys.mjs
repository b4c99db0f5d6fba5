// Drives Chromium for 129_passkeys_in_browser.pl, and prints each result as a line of JSON.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import { Authenticator } from './authenticator.mjs';
import { close, complaints, done, is, ok, origin, person, sql, test } from './browser.mjs';
import { continueAsGuest, password, settled, startPromotion, sub } from './notebook.mjs';
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
async function withPasskey(address, { autofills = false, ...contextOptions } = {}) {
  const context = await person({ locale: 'en-GB', ...contextOptions });

  // A virtual authenticator that acts also chooses what autofill offers.
  if (!autofills) {
    await context.addInitScript(() => {
      if (window.PublicKeyCredential) {
        PublicKeyCredential.isConditionalMediationAvailable = async () => false;
      }
    });
  }
  const page = await context.newPage();
  const authenticator = await Authenticator.add(page);
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
async function apiWithLibrary() {
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
  const { context, page, authenticator, user } = await withPasskey('button@example.com', { autofills: true });

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

const alert = (page) => page.locator('[role=alert]:not(:empty)');
const press = (page) => Promise.all([page.waitForNavigation(), passkeyButton(page).click()]);
const loggedIn = async (page) => {
  await page.waitForURL('**/app/**');
  await settled(page);
  return sub(page);
};

// Autofill: the browser has a passkey, and its user chooses it without the button.
async function autofill() {
  const { context, page, authenticator, user } = await withPasskey('autofill@example.com', { autofills: true });

  await authenticator.act(true);
  await openLogIn(page);
  is('a passkey that autofill offers logs in', await loggedIn(page), user.user);
  await context.close();
}

// Autofill waits while the user types a password.
async function passwordInstead() {
  const { context, page, user } = await withPasskey('password@example.com', { autofills: true });

  await openLogIn(page);
  await page.waitForSelector('#login_id[autocomplete="username webauthn"]');
  await page.fill('#login_id', user.address);
  await page.fill('#password', password);
  await page.keyboard.press('Enter');
  is('Enter sends the password', await loggedIn(page), user.user);
  await context.close();
}

// The passkey was removed from the account, and the authenticator still has it.
async function removed() {
  for (const locale of ['en-GB', 'de', 'zh-Hant']) {
    const { context, page, authenticator, user } = await withPasskey(`removed.${locale.toLowerCase()}@example.com`, { locale });
    const [{ credentialId }] = await authenticator.credentials();

    await sql(`SELECT anon_auth.remove_passkey((SELECT credential_id FROM anon_auth.list_passkeys('${user.token}')), access_token => '${user.token}')`);
    await page.addInitScript(() => {
      const signal = window.PublicKeyCredential?.signalUnknownCredential?.bind(PublicKeyCredential);

      if (signal) {
        PublicKeyCredential.signalUnknownCredential = (unknown) => {
          window.forgotten = unknown;
          return signal(unknown);
        };
      }
    });
    await openLogIn(page);
    ok(`${locale}: the button is shown`, await passkeyButton(page).isVisible());
    await authenticator.act(true);
    await press(page);
    await authenticator.act(false);
    ok(`${locale}: the page says that the passkey is not valid`, await alert(page).count(), await main(page));
    if (locale === 'en-GB') {
      ok('... in words', /no longer valid here/.test(await alert(page).textContent()));
      const forgotten = await page.evaluate(() => window.forgotten ?? null);

      ok('the browser is told to forget it', forgotten && Buffer.from(forgotten.credentialId, 'base64url').equals(Buffer.from(credentialId, 'base64')), JSON.stringify(forgotten));
      is('... for this site', forgotten?.rpId, 'localhost');
    }
    await inspect(page, `log-in-passkey-removed-${locale}`);
    await page.fill('#login_id', user.address);
    await page.fill('#password', password);
    await page.keyboard.press('Enter');
    is(`${locale}: the password works`, await loggedIn(page), user.user);
    await context.close();
  }
}

// Somebody has a copy of the passkey, with a counter that is behind.
async function brokenCounter() {
  const { context, page, authenticator, user } = await withPasskey('copied@example.com');

  await sql(`UPDATE anon_auth.passkeys SET sign_count = 1000 WHERE user_id = '${user.user}'`);
  await authenticator.change({ signCount: 10 });
  await openLogIn(page);
  await authenticator.act(true);
  await press(page);
  await authenticator.act(false);
  ok('a passkey whose counter is behind is refused', /was not accepted/.test(await alert(page).textContent()));
  is('... with an event', await sql(`SELECT count(*) FROM anon_auth.events WHERE type = 'passkey.counter_not_increased' AND user_id = '${user.user}'`), '1');
  await authenticator.change({ signCount: 2000 });
  await openLogIn(page);
  await authenticator.act(true);
  await passkeyButton(page).click();
  is('the one that is ahead logs in', await loggedIn(page), user.user);
  await context.close();
}

// The user cancels, or is not verified: the browser tells a page only that.
async function cancelled() {
  const { context, page, authenticator, user } = await withPasskey('cancelled@example.com');

  await settings(`passkey_user_verification = 'required'`);
  await openLogIn(page);
  await authenticator.verify(false);
  await authenticator.act(true);
  await page.evaluate(() => {
    const get = navigator.credentials.get.bind(navigator.credentials);

    window.refusals = [];
    navigator.credentials.get = (request) => get(request).catch((error) => {
      window.refusals.push(error.name);
      throw error;
    });
  });
  await passkeyButton(page).click();
  await page.waitForFunction(() => window.refusals.includes('NotAllowedError'));
  is('the page stays quiet', await alert(page).count(), 0);
  ok('the button can be used again', await passkeyButton(page).isEnabled());
  await authenticator.verify(true);
  await passkeyButton(page).click();
  is('the next try logs in', await loggedIn(page), user.user);
  await settings(`passkey_user_verification = 'preferred'`);
  await context.close();
}

// The browser refuses the options: those of another site.
async function refusedByBrowser() {
  for (const [locale, text] of [['en-GB', 'did not work'], ['de', 'nicht geklappt'], ['zh-Hant', '無法使用']]) {
    const { context, page } = await withPasskey(`refused.${locale.toLowerCase()}@example.com`, { locale });

    await openLogIn(page);
    await page.evaluate(() => {
      const part = document.querySelector('.passkey');

      part.dataset.options = JSON.stringify({ ...JSON.parse(part.dataset.options), rpId: 'example.com' });
    });
    await passkeyButton(page).click();
    await alert(page).waitFor();
    ok(`${locale}: the page says that it did not work`, (await alert(page).textContent()).includes(text), await alert(page).textContent());
    await inspect(page, `log-in-passkey-refused-${locale}`);
    await context.close();
  }
}

// A page that stays open gets new options before the challenge expires.
async function openForHours() {
  const { context, page, authenticator, user } = await withPasskey('hours@example.com', { autofills: true });

  await page.clock.install();
  await openLogIn(page);
  await page.waitForSelector('#login_id[autocomplete="username webauthn"]');
  await page.fill('#login_id', 'half typed');
  const former = await options(page);
  const changed = () => page.waitForFunction((text) => document.querySelector('.passkey').dataset.options !== text, former);

  await page.clock.fastForward('03:00');
  is('after three minutes, the options are the same', await options(page), former);
  await page.clock.fastForward('02:00');
  await changed();
  is('what the user has typed stays', await page.inputValue('#login_id'), 'half typed');
  ok('the options are for the same site', JSON.parse(await options(page)).rpId === 'localhost');
  await authenticator.act(true);
  await passkeyButton(page).click();
  is('the passkey then logs in', await loggedIn(page), user.user);
  await context.close();
}

// A computer that slept: no timer has run, and the button asks for new options first.
async function afterSleep() {
  const { context, page, authenticator, user } = await withPasskey('sleep@example.com');

  await openLogIn(page);
  const former = await options(page);

  await page.evaluate(() => {
    const { now } = Date;

    Date.now = () => now() + 3600000;
  });
  await authenticator.act(true);
  const sent = page.waitForRequest((request) => request.method() === 'POST' && request.url().includes('/flows/login'));

  await passkeyButton(page).click();
  const form = new URLSearchParams((await sent).postData());
  const { challenge } = JSON.parse(Buffer.from(JSON.parse(form.get('passkey_response')).response.clientDataJSON, 'base64url'));

  ok('the response is for new options', challenge !== JSON.parse(former).challenge);
  is('it logs in', await loggedIn(page), user.user);
  await context.close();
}

// The server refuses a challenge that has expired or was used, and the page goes on.
async function expired() {
  const { context, page, authenticator, user } = await withPasskey('expired@example.com');

  await openLogIn(page);
  await page.fill('#login_id', user.address);
  await page.evaluate(() => {
    const part = document.querySelector('.passkey');
    const json = JSON.parse(part.dataset.options);

    part.dataset.options = JSON.stringify({ ...json, challenge: json.challenge.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')) });
  });
  await authenticator.act(true);
  await press(page);
  await authenticator.act(false);
  ok('the page says that it took too long', /took too long/.test(await alert(page).textContent()));
  is('what the user has typed stays', await page.inputValue('#login_id'), user.address);
  await authenticator.act(true);
  await passkeyButton(page).click();
  is('the next try logs in', await loggedIn(page), user.user);
  await context.close();
}

// Without scripts there is no button, and everything else works.
async function withoutScripts() {
  const user = await account('scriptless@example.com');
  const context = await person({ locale: 'en-GB', javaScriptEnabled: false });
  const page = await context.newPage();

  await openLogIn(page);
  ok('without scripts, there is no button', !(await passkeyButton(page).isVisible()));
  await page.fill('#login_id', user.address);
  await page.fill('#password', password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/app/**');
  ok('the password logs in', true);
  await context.close();
}

// A browser without WebAuthn, or with a script that another one has stopped.
async function withoutWebAuthn() {
  const context = await person({ locale: 'en-GB' });

  await context.addInitScript(() => {
    delete window.PublicKeyCredential;
  });
  const page = await context.newPage();

  await openLogIn(page);
  ok('without WebAuthn, there is no button', !(await passkeyButton(page).isVisible()));
  await context.close();
}

// Logging in again, with a passkey beside a password, and with nothing else.
async function again() {
  const { context, page, authenticator, user } = await withPasskey('again@example.com');
  const stale = () => sql(`UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 day' WHERE user_id = '${user.user}'`);
  const recent = () => sql(`SELECT max(authenticated_at) > now() - interval '1 minute' FROM anon_auth.sessions WHERE user_id = '${user.user}'`);

  await openLogIn(page);
  await authenticator.act(true);
  await passkeyButton(page).click();
  await loggedIn(page);
  await authenticator.act(false);
  await stale();
  await page.goto(`${origin}/settings/reauthenticate?x_next=${encodeURIComponent('/settings/profile')}`);
  ok('a passkey is offered beside the password', await passkeyButton(page).isVisible() && await page.locator('#password').isVisible());
  await inspect(page, 'log-in-again-passkey');
  await authenticator.act(true);
  await passkeyButton(page).click();
  await page.waitForURL('**/settings/profile');
  is('it is a recent login', await recent(), 't');
  await authenticator.act(false);

  await sql(`DELETE FROM anon_auth.passwords WHERE user_id = '${user.user}'; UPDATE anon_auth.users SET has_password = false WHERE id = '${user.user}'`);
  await stale();
  await page.goto(`${origin}/settings/reauthenticate?x_next=${encodeURIComponent('/settings/profile')}`);
  is('it is the only way', await page.locator('form button').count(), 1);
  is('no text says that the browser cannot', await page.locator('.passkey-unavailable').count(), 0);
  await inspect(page, 'log-in-again-only-passkey');
  await authenticator.act(true);
  await passkeyButton(page).click();
  await page.waitForURL('**/settings/profile');
  is('it is a recent login again', await recent(), 't');

  const scriptless = await context.browser().newContext({ javaScriptEnabled: false, storageState: await context.storageState(), locale: 'en-GB' });
  const plain = await scriptless.newPage();

  await plain.goto(`${origin}/settings/reauthenticate`);
  ok('without scripts, the page says that a passkey is needed', /need a passkey/.test(await main(plain)), await main(plain));
  await scriptless.close();
  await context.close();
}

// A guest asks for the address of an account, whose passkey then proves it.
async function logInInstead() {
  const { context, page, authenticator, user } = await withPasskey('instead@example.com');

  await page.goto(`${origin}/app/?session=cookie`);
  await settled(page);
  await continueAsGuest(page);
  await startPromotion(page);
  await page.fill('#login_id', user.address);
  await page.fill('#password', password);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  await Promise.all([page.waitForNavigation(), page.getByRole('button', { name: 'Log in to that account' }).click()]);
  ok('the log-in to that account offers a passkey', await passkeyButton(page).isVisible());
  await inspect(page, 'log-in-instead-passkey');
  await authenticator.act(true);
  await passkeyButton(page).click();
  is('it logs in', await loggedIn(page), user.user);
  await context.close();
}

for (const action of [apiWithLibrary, button, autofill, passwordInstead, removed, brokenCounter, cancelled, refusedByBrowser,
  openForHours, afterSleep, expired, withoutScripts, withoutWebAuthn, again, logInInstead]) {
  await test(action.name, action);
}
is('no page breaks its policy or throws', complaints(), '');
await close();
done();
