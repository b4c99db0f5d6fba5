// Drives Chromium for 130_new_passkeys_in_browser.pl, and prints each result as a line of JSON.

import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';

import { Authenticator } from './authenticator.mjs';
import { close, complaints, done, is, ok, origin, person, sql, test } from './browser.mjs';
import { continueAsGuest, openNotebook, password, settled, startPromotion, sub } from './notebook.mjs';
import { inspect } from './pages.mjs';

const settings = (change) => sql(`UPDATE anon_auth.settings SET ${change}; SELECT anon_auth.reset_counters()`);
const heading = (page) => page.locator('h1').textContent();
const notice = (page) => page.locator('[role=status]').first().textContent();
const alert = (page) => page.locator('[role=alert]').filter({ hasText: /./ }).first().textContent();
const link = (page, name) => page.getByRole('link', { name });
const button = (page, name) => page.getByRole('button', { name });
const userOf = (address) => sql(`SELECT user_id FROM anon_auth.login_ids WHERE value = '${address}'`);
const passkeysOf = (user) => sql(`SELECT count(*) FROM anon_auth.passkeys WHERE user_id = '${user}'`);

// Press a button, and wait for the page that answers.
async function press(page, target) {
  await Promise.all([page.waitForResponse((response) => response.request().method() === 'POST'), target.click()]);
  await page.waitForLoadState('load');
}

// A browser with an authenticator that confirms everything at once
async function withAuthenticator(options = {}) {
  const context = await person({ locale: 'en-GB', ...options });
  const page = await context.newPage();

  return { context, page, authenticator: await Authenticator.add(page) };
}

async function open(page, parameters = {}) {
  const client = parameters.client_id ?? 'notebook-cookie';

  await page.goto(`${origin}/oauth2/authorize?${new URLSearchParams({
    client_id: client,
    redirect_uri: await sql(`SELECT redirect_uris[1] FROM anon_auth.clients WHERE client_id = '${client}'`),
    response_type: 'none',
    scope: 'openid',
    ...parameters,
  })}`);
}

// Log in on the log-in page with the passkey of the browser's authenticator. It acts only when
// the button was pressed: it would answer the autofill at once.
async function logsIn(name, page, authenticator, user) {
  await page.context().clearCookies();
  await authenticator.act(false);
  await open(page);
  await page.waitForSelector('#login_id[autocomplete="username webauthn"]');
  await authenticator.act(true);
  await button(page, 'Log in with a passkey').click();
  await page.waitForURL('**/app/**');
  await settled(page);
  is(`${name}: the passkey logs in`, await sub(page), user);
}

// ---------------------------------------------------------------------------
// Sign-up and promotion
// ---------------------------------------------------------------------------

async function signUp() {
  const { context, page, authenticator } = await withAuthenticator();

  await open(page, { prompt: 'create' });
  await inspect(page, 'sign-up-with-passkey');
  await press(page, button(page, 'Use a passkey instead'));
  ok('the login ID is needed first', /Enter your email address/.test(await alert(page)));
  is('no passkey was made', (await authenticator.credentials()).length, 0);
  await page.fill('#login_id', 'ada@example.com');
  await press(page, button(page, 'Use a passkey instead'));
  is('the next page has the passkey made', await heading(page), 'Create your passkey');
  await inspect(page, 'create-passkey');
  await authenticator.verify(false);
  await settings(`passkey_user_verification = 'required'`);
  await page.reload();
  await button(page, 'Create passkey').click();
  await page.waitForFunction(() => !document.querySelector('.passkey button').disabled);
  is('a user who is not verified stays on the page', await heading(page), 'Create your passkey');
  await settings('passkey_user_verification = DEFAULT');
  await authenticator.verify(true);

  // The answer is lost.
  await page.reload();
  await page.route('**/flows/sign_up?**', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    await route.fetch({ maxRedirects: 0 });
    return route.abort();
  }, { times: 1 });
  await button(page, 'Create passkey').click();
  await page.waitForURL((url) => !/flows/.test(url.href) || url.href.startsWith('chrome-error:')).catch(() => {});
  ok('the account was made', /^[0-9a-f-]{36}$/.test(await userOf('ada@example.com')));
  await logsIn('sign-up', page, authenticator, await userOf('ada@example.com'));
  is('the authenticator names the account', (await authenticator.credentials())[0].userName, 'ada@example.com');
  await context.close();
}

// Wait until the authenticator has this many passkeys.
async function hasPasskeys(name, authenticator, count) {
  for (let i = 0; i < 50 && (await authenticator.credentials()).length !== count; i++) await new Promise((resolve) => setTimeout(resolve, 100));
  is(name, (await authenticator.credentials()).length, count);
}

// The address is taken while the passkey is made.
async function taken() {
  const { context, page, authenticator } = await withAuthenticator();

  await open(page, { prompt: 'create' });
  await page.fill('#login_id', 'taken@example.com');
  await press(page, button(page, 'Use a passkey instead'));
  await sql(`SELECT anon_auth.sign_up('notebook', email => 'taken@example.com', password => '${password}')`);
  await press(page, button(page, 'Create passkey'));
  ok('an account has the address meanwhile', /already an account/.test(await page.textContent('main')));
  if (await page.evaluate(() => 'signalUnknownCredential' in PublicKeyCredential))
    await hasPasskeys('the authenticator forgets the passkey', authenticator, 0);
  await context.close();
}

// Options of a page that was open for long
async function old() {
  const { context, page, authenticator } = await withAuthenticator();

  await page.clock.install();
  await open(page, { prompt: 'create' });
  await page.fill('#login_id', 'old@example.com');
  await press(page, button(page, 'Use a passkey instead'));
  const before = await page.getAttribute('.passkey', 'data-options');

  await page.clock.fastForward('10:00');
  await press(page, button(page, 'Create passkey'));
  is('a page with old options shows the form again', await heading(page), 'Create your passkey');
  ok('with new options', JSON.parse(await page.getAttribute('.passkey', 'data-options')).challenge !== JSON.parse(before).challenge);
  is('before a passkey was made', (await authenticator.credentials()).length, 0);
  await button(page, 'Create passkey').click();
  await page.waitForURL('**/app/**');
  is('which then works', await passkeysOf(await userOf('old@example.com')), '1');
  await context.close();
}

async function promotion() {
  const { context, page, authenticator } = await withAuthenticator();

  await page.goto(`${origin}/app/?session=cookie`);
  await settled(page);
  await continueAsGuest(page);
  const guest = await sub(page);

  await startPromotion(page);
  await page.fill('#login_id', 'grace@example.com');
  await press(page, button(page, 'Use a passkey instead'));
  await button(page, 'Create passkey').click();
  await page.waitForURL('**/app/**');
  await settled(page);
  is('a guest becomes an account', await sub(page), guest);
  is('with the address', await userOf('grace@example.com'), guest);
  await logsIn('promotion', page, authenticator, guest);
  await context.close();
}

async function promotionByLink() {
  const { context, page, authenticator } = await withAuthenticator();
  const [guest, code] = (await sql(`SELECT sub, promotion_code FROM anon_auth.authenticate_anonymously('notebook') AS t,
    LATERAL anon_auth.create_promotion_code(t.refresh_token) AS c`)).split('|');
  const open_ = () => open(page, {
    client_id: 'notebook', response_type: 'code', code_challenge: 'c'.repeat(43), code_challenge_method: 'S256',
    login_hint: `https://authgear.com/login_hint?type=anonymous&promotion_code=${encodeURIComponent(code)}`,
  });

  await settings(`login_id_verification = 'required', page_login_methods = '{password,code}'`);
  await open_();
  await page.fill('#login_id', 'joan@example.com');
  await press(page, button(page, 'Use a passkey instead'));
  is('the code comes first', await heading(page), 'Enter the code');
  await inspect(page, 'code-before-passkey');
  await page.fill('#code', await sql(`SELECT code FROM anon_auth.take_outbox_messages() WHERE recipient = 'joan@example.com' AND code IS NOT NULL LIMIT 1`));
  await press(page, button(page, 'Continue'));
  is('then the passkey', await heading(page), 'Create your passkey');
  const [back] = await Promise.all([page.waitForRequest(/\/app\/\?.*code=/), button(page, 'Create passkey').click()]);

  ok('the application gets a code', new URL(back.url()).searchParams.has('code'));
  is('the account is that of the guest', await userOf('joan@example.com'), guest);
  await settings(`login_id_verification = DEFAULT, page_login_methods = DEFAULT`);
  await logsIn('promotion by a link', page, authenticator, guest);
  is('the authenticator has one passkey', (await authenticator.credentials()).length, 1);
  await context.close();
}

async function withoutScript() {
  const context = await person({ javaScriptEnabled: false, locale: 'en-GB' });
  const page = await context.newPage();

  await open(page, { prompt: 'create' });
  is('without a script, sign-up offers no passkey', await button(page, 'Use a passkey instead').count(), 0);
  await page.fill('#login_id', 'plain@example.com');
  await page.fill('#password', password);
  await button(page, 'Create account').click();
  await page.waitForURL('**/app/**');
  ok('and works', await userOf('plain@example.com'));
  await page.goto(`${origin}/settings/passkeys`);
  is('the list works', await heading(page), 'Your passkeys');
  await link(page, 'Add a passkey').click();
  ok('the page that adds one says that this browser cannot', /cannot use one/.test(await page.textContent('main')));
  is('and has no button', await page.locator('main button:visible').count(), 0);
  await context.close();
}

// ---------------------------------------------------------------------------
// The settings pages
// ---------------------------------------------------------------------------

async function onSettings(address, options) {
  const opened = await withAuthenticator(options);

  await sql(`SELECT anon_auth.sign_up('notebook', email => '${address}', password => '${password}'); SELECT anon_auth.reset_counters()`);
  await open(opened.page);
  await opened.page.fill('#login_id', address);
  await opened.page.fill('#password', password);
  await opened.page.locator('form button[type=submit]').first().click();
  await opened.page.waitForURL('**/app/**');
  await opened.page.goto(`${origin}/settings`);
  return { ...opened, user: await userOf(address) };
}

async function settingsPages() {
  const { context, page, authenticator, user } = await onSettings('mary@example.com');

  await link(page, 'Show passkeys').click();
  is('the passkeys have a page', await heading(page), 'Your passkeys');
  await inspect(page, 'settings-passkeys-none');
  await link(page, 'Add a passkey').click();
  await inspect(page, 'settings-add-passkey');
  ok('a name is proposed', /^Chrome, Linux$/.test(await page.inputValue('#passkey_name')), await page.inputValue('#passkey_name'));
  await page.fill('#passkey_name', 'My laptop');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/settings/passkeys?**');
  is('the passkey is added', await notice(page), 'The passkey has been added. You can now log in with it.');
  await inspect(page, 'settings-passkeys');

  await link(page, 'Add a passkey').click();
  await button(page, 'Create passkey').click();
  ok('the same authenticator again', /already has a passkey|already a passkey|passkey for this account/.test(await page.locator('.passkey [role=alert] p').textContent()));
  await inspect(page, 'settings-passkey-exists');
  is('adds nothing', await passkeysOf(user), '1');

  await page.goto(`${origin}/settings/passkeys`);
  await link(page, 'Remove: My laptop').click();
  await inspect(page, 'settings-remove-passkey');
  await press(page, button(page, 'Remove'));
  await page.waitForURL('**/settings/passkeys?**');
  ok('the passkey is removed', /has been removed/.test(await notice(page)));
  is('from the account', await passkeysOf(user), '0');
  if (await page.evaluate(() => 'signalAllAcceptedCredentials' in PublicKeyCredential)) {
    for (let i = 0; i < 50 && (await authenticator.credentials()).length > 0; i++) await page.waitForTimeout(100);
    is('and from the authenticator', (await authenticator.credentials()).length, 0);
  }

  await link(page, 'Add a passkey').click();
  await button(page, 'Create passkey').click();
  await page.waitForURL('**/settings/passkeys?**');
  await logsIn('settings', page, authenticator, user);
  await context.close();
}

// The login becomes too old while the page is open.
async function oldLogin() {
  const { context, page, authenticator, user } = await onSettings('late@example.com');

  await page.goto(`${origin}/settings/passkeys/add`);
  await sql(`UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour' WHERE user_id = '${user}'`);
  await press(page, button(page, 'Create passkey'));
  await page.waitForURL('**/reauthenticate?**');
  is('the page asks for the login first', await page.inputValue('#password'), '');
  is('before a passkey was made', (await authenticator.credentials()).length, 0);
  await page.fill('#password', password);
  await page.locator('form button[type=submit]').first().click();
  await page.waitForURL('**/settings/passkeys/add**');
  await button(page, 'Create passkey').click();
  await page.waitForURL('**/settings/passkeys?**');
  is('which is then added', await passkeysOf(user), '1');
  await context.close();
}

// A guest comes back with a passkey.
async function guest() {
  const { context, page, authenticator } = await withAuthenticator();

  await page.goto(`${origin}/app/?session=cookie`);
  await settled(page);
  await continueAsGuest(page);
  const user = await sub(page);

  await page.goto(`${origin}/settings/passkeys`);
  await inspect(page, 'settings-passkeys-guest');
  await link(page, 'Add a passkey').click();
  await button(page, 'Create passkey').click();
  await page.waitForURL('**/settings/passkeys?**');
  is('a guest has a passkey', await passkeysOf(user), '1');

  const [before] = await authenticator.credentials();
  await page.goto(`${origin}/app/?session=cookie`);
  await settled(page);
  await startPromotion(page);
  await page.fill('#login_id', 'guest@example.com');
  await press(page, button(page, 'Use a passkey instead'));
  await button(page, 'Create passkey').click();
  ok('at a promotion, the same authenticator makes no other one', /already has your passkey as a guest/.test(await alert(page)));
  await inspect(page, 'create-passkey-of-guest');
  const [after] = await authenticator.credentials();
  is('and keeps the one that it has', after.credentialId, before.credentialId);
  await context.close();
}

async function languages() {
  for (const [locale, list, add] of [['de', 'Ihre Passkeys', 'Passkey hinzufügen'], ['zh-TW', '您的通行密鑰', '新增通行密鑰']]) {
    const { context, page } = await onSettings(`${locale.toLowerCase()}@example.com`, { locale });

    await page.goto(`${origin}/settings/passkeys`);
    is(`${locale}: the list`, await heading(page), list);
    await link(page, add).click();
    await inspect(page, `settings-add-passkey-${locale}`);
    await page.locator('.passkey button').click();
    await page.waitForURL('**/settings/passkeys?**');
    await inspect(page, `settings-passkeys-${locale}`);
    await page.locator('.rows .way').click();
    await inspect(page, `settings-remove-passkey-${locale}`);
    await page.goto(`${origin}/settings`);
    await inspect(page, `settings-overview-passkeys-${locale}`);
    await context.clearCookies();
    await open(page, { prompt: 'create' });
    await page.fill('#login_id', `new.${locale.toLowerCase()}@example.com`);
    await page.locator('.passkey-way button').click();
    await page.locator('.passkey button').waitFor();
    await inspect(page, `create-passkey-${locale}`);
    await context.close();
  }
}

// ---------------------------------------------------------------------------
// Device keys beside them
// ---------------------------------------------------------------------------

// Add a device key to an account, as the SDKs do.
async function addDeviceKey(address, name) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = await sql(`SELECT access_token FROM anon_auth.authenticate('notebook', '${address}', '${password}')`);
  const kid = `device-key-of-${address.replace(/\W/g, '-')}`;
  const now = Math.floor(Date.now() / 1000);
  const text = `${encode({ typ: 'vnd.authgear.biometric-request', alg: 'ES256', kid, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256' } })}.${
    encode({ challenge: await sql(`SELECT token FROM anon_auth.create_challenge('biometric_request')`), action: 'setup', iat: now, exp: now + 60 })}`;
  const signature = sign('sha256', Buffer.from(text), { key: createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })), dsaEncoding: 'ieee-p1363' });

  await sql(`SELECT anon_auth.add_device_key('${text}.${signature.toString('base64url')}', '${name}', '${token}')`);
}

async function deviceKeys() {
  for (const [locale, title, question] of [['en-GB', 'Devices that can log in by themselves', 'Remove this device?'],
    ['de', 'Geräte, die sich selbst anmelden können', 'Dieses Gerät entfernen?'], ['zh-TW', '', '']]) {
    const address = `keys.${locale.toLowerCase()}@example.com`;
    const { context, page } = await onSettings(address, { locale });

    await addDeviceKey(address, 'Pixel 9');
    await page.goto(`${origin}/settings/sessions`);
    const shown = await page.locator('h2').last().textContent();

    ok(`${locale}: the list of device keys has its title`, title === '' ? /[\u4e00-\u9fff]{4}/.test(shown) : shown === title, shown);
    await inspect(page, `settings-device-keys-${locale}`);
    await page.locator('.rows').last().locator('.way').click();
    const asked = await heading(page);

    ok(`${locale}: the page that removes one asks`, question === '' ? /[\u4e00-\u9fff]{4}/.test(asked) : asked === question, asked);
    await inspect(page, `settings-remove-device-key-${locale}`);
    await press(page, page.locator('main form button').first());
    is(`${locale}: the key is removed`, await sql(`SELECT count(*) FROM anon_auth.device_keys WHERE name = 'Pixel 9'`), '0');
    await context.close();
  }
}

// ONLY names some of the tests, for example ONLY=settings,guest.
const only = async (name, action) => {
  if (!process.env.ONLY || process.env.ONLY.split(',').includes(name)) await test(name, action);
};

await only('sign-up', signUp);
await only('taken', taken);
await only('old options', old);
await only('promotion', promotion);
await only('promotion by a link', promotionByLink);
await only('without a script', withoutScript);
await only('settings', settingsPages);
await only('old login', oldLogin);
await only('guest', guest);
await only('languages', languages);
await only('device keys', deviceKeys);
is('no page breaks its policy or throws', complaints(), '');
await close();
done();
