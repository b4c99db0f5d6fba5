// The pages on which a code is asked for and typed, with the notebook of the example.

import { is, ok, person, sql } from './browser.mjs';
import {
  becomes, continueAsGuest, description, isInvalid, openNotebook, password, startLogin, startPromotion, sub, who,
} from './notebook.mjs';
import { errorsLeadToFields, inspect } from './pages.mjs';

const settings = (change) => sql(`UPDATE anon_auth.settings SET ${change}; SELECT anon_auth.reset_counters()`);

// The six digits of the last message to an address.
const codeFor = (address) =>
  sql(`SELECT code FROM anon_auth.take_outbox_messages() WHERE recipient = '${address}' ORDER BY created_at DESC LIMIT 1`);

// Press a button, and wait for the page that answers.
async function press(page, button) {
  await Promise.all([page.waitForResponse((response) => response.request().method() === 'POST'), button.click()]);
  await page.waitForLoadState('load');
}

const next = (page) => press(page, page.locator('main form:not(.box form) .button:not(.plain)'));
const button = (page, name) => page.getByRole('button', { name });

async function askForCode(page, address) {
  await page.fill('#login_id', address);
  await next(page);
  await page.waitForSelector('#code');
}

async function guestPage(options, type = 'refresh_token') {
  const context = await person(options);
  const page = await openNotebook(context, type);

  await continueAsGuest(page);
  const guest = await sub(page);

  await startPromotion(page);
  return { context, page, guest };
}

async function backInNotebook(page) {
  await page.waitForURL('**/app/**');
  await becomes(page, 'account');
}

export async function promotionWithCode() {
  await settings(`page_login_methods = '{code}', promotion_conflict = 'error'`);
  const { context, page, guest } = await guestPage();

  ok('the sign-up page has no password field', !(await page.locator('input[type=password]').count()));
  await inspect(page, 'code-sign-up');
  await askForCode(page, 'coded@example.com');
  is('the field for the code has the focus', await page.evaluate(() => document.activeElement.name), 'code');
  await inspect(page, 'code-page');
  await page.fill('#code', '1');
  await next(page);
  ok('a wrong code is marked', await isInvalid(page, 'code'));
  ok('the message about the code is beside the field', /wrong/.test(await description(page, 'code')));
  await errorsLeadToFields(page, 'a wrong code', ['code']);
  await inspect(page, 'code-wrong');
  await press(page, button(page, 'Send another code'));
  ok('the page says that a code was sent a short while ago', /short while ago/.test(await page.textContent('[role=alert]')));
  await inspect(page, 'code-wait');
  const code = await codeFor('coded@example.com');

  await page.fill('#code', `${code.slice(0, 3)} ${code.slice(3)}`);
  await page.keyboard.press('Enter');
  await backInNotebook(page);
  is('the code promotes the guest', await sub(page), guest);
  is('the notebook shows the address', await who(page), 'coded@example.com');
  await context.close();
}

// Two clicks on the button send one form.
export async function twiceWithCode() {
  const { context, page, guest } = await guestPage({}, 'cookie');

  await askForCode(page, 'twice.code@example.com');
  await page.fill('#code', await codeFor('twice.code@example.com'));
  await button(page, 'Create account').dblclick({ noWaitAfter: true });
  await backInNotebook(page);
  is('a double click with a code promotes once', await sub(page), guest);
  await context.close();
}

export async function conflictsWithCode() {
  await sql(`UPDATE anon_auth.login_ids SET verified_at = now() WHERE value = 'taken@example.com';
    UPDATE anon_auth.users SET is_verified = true WHERE id = (SELECT user_id FROM anon_auth.login_ids WHERE value = 'taken@example.com')`);
  for (const policy of ['error', 'merge']) {
    await settings(`page_login_methods = '{code,password}', promotion_conflict = '${policy}'`);
    const { context, page } = await guestPage();

    await inspect(page, `code-or-password-${policy}`);
    await askForCode(page, 'taken@example.com');
    await page.fill('#code', await codeFor('taken@example.com'));
    await next(page);
    ok(`${policy}: the page asks before it logs in`, await page.getByRole('heading', { name: 'This is your account' }).isVisible());
    await inspect(page, `code-proven-${policy}`);
    await button(page, 'Log in').focus();
    await page.keyboard.press('Enter');
    await backInNotebook(page);
    is(`${policy}: the code logs in to the existing account`, await who(page), 'taken@example.com');
    await context.close();
  }
  await settings(`page_login_methods = '{password,code}', promotion_conflict = 'login'`);
  const { context, page } = await guestPage();

  await page.fill('#login_id', 'taken@example.com');
  await page.fill('#password', 'long enough');
  await next(page);
  await inspect(page, 'code-taken');
  await press(page, button(page, 'Use a code instead'));
  await page.waitForSelector('#code');
  await inspect(page, 'code-log-in-instead');
  await context.close();
}

// Addresses must be proven, and accounts have passwords.
export async function codeAndPassword() {
  await settings(`page_login_methods = '{password,code}', login_id_verification = 'required'`);
  const { context, page, guest } = await guestPage();

  await askForCode(page, 'strict@example.com');
  await inspect(page, 'code-and-password');
  await page.fill('#password', 'short');
  await next(page);
  await errorsLeadToFields(page, 'a form with a code and a password', ['code', 'password']);
  await inspect(page, 'code-and-password-errors');
  await page.fill('#code', await codeFor('strict@example.com'));
  await page.fill('#password', password);
  await next(page);
  await backInNotebook(page);
  is('code and password promote the guest', await sub(page), guest);
  await settings(`login_id_verification = 'optional'`);
  await context.close();
}

export async function logInWithCode() {
  for (const [locale, javaScriptEnabled] of [['en', true], ['de', true], ['zh-TW', true], ['en', false]]) {
    await settings(`page_login_methods = '{code}'`);
    const named = (name) => `${locale}${javaScriptEnabled ? '' : ' without JavaScript'}: ${name}`;
    const context = await person({ locale });
    let page = await openNotebook(context, 'refresh_token');

    await startLogin(page);
    if (!javaScriptEnabled) {
      const plain = await person({ locale, javaScriptEnabled });

      await plain.addCookies(await context.cookies());
      const form = await plain.newPage();

      await form.goto(page.url());
      page = form;
    }
    if (javaScriptEnabled) {
      await inspect(page, `code-log-in-${locale}`);
    }
    await askForCode(page, 'taken@example.com');
    if (javaScriptEnabled) {
      await inspect(page, `code-log-in-page-${locale}`);
    }
    await page.fill('#code', 'x');
    await next(page);
    ok(named('a wrong code is marked'), await isInvalid(page, 'code'));
    await page.fill('#code', await codeFor('taken@example.com'));
    const [back] = await Promise.all([page.waitForRequest(/\/app\/\?/), page.keyboard.press('Enter')]);

    ok(named('the code logs in'), new URL(back.url()).searchParams.has('code'));
    await page.context().close();
    await context.close();
  }
  await settings(`page_login_methods = DEFAULT, promotion_conflict = 'error'`);
}
