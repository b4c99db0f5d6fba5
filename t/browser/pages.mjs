// Every state of the pages: accessible in both color schemes, at the width of a
// phone and of a desktop, and without a sentence that is repeated needlessly.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import { is, ok, origin, person, screenshots, sql } from './browser.mjs';
import {
  becomes, continueAsGuest, description, isInvalid, openNotebook, password, settled, startLogin, startPromotion, state,
  sub, submit, submitInVain, who,
} from './notebook.mjs';

const settings = (change) => sql(`UPDATE anon_auth.settings SET ${change}; SELECT anon_auth.reset_counters()`);
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const standards = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

// How often the page shows the sentence that it shows most often.  The rows of a list repeat
// their labels.
const repetition = (page) =>
  page.evaluate(() => {
    const counts = new Map();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);

    while (walker.nextNode()) {
      if (walker.currentNode.parentElement.closest('script, style, .sr, .rows')) {
        continue;
      }
      for (const sentence of walker.currentNode.data.split(/[.。]/).map((text) => text.trim())) {
        if (/\S\s\S/.test(sentence)) {
          counts.set(sentence, (counts.get(sentence) ?? 0) + 1);
        }
      }
    }
    return Math.max(0, ...counts.values());
  });

// Check one state. The page must stay as it is: no script of the test may be left in it.
export async function inspect(page, name) {
  const before = page.viewportSize();

  ok(`${name}: no sentence is shown three times`, (await repetition(page)) < 3);
  await screenshots(page, name);
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [320, 1280]) {
      const named = (what) => `${name}, ${colorScheme}, ${width} pixels wide: ${what}`;

      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await page.evaluate(axe);
      const violations = await page.evaluate(
        (tags) => window.axe.run({ runOnly: tags }).then((result) =>
          result.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)),
        standards,
      );

      is(named('axe finds nothing'), violations.join('\n'), '');
      ok(named('nothing has to be scrolled sideways'),
        await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}

// Each item of the list of errors leads to the field that it is about.
export async function errorsLeadToFields(page, name, fields) {
  const links = page.locator('[role=alert] a');

  is(`${name}: the list has an error for each field`,
    (await links.evaluateAll((all) => all.map((link) => link.hash.slice(1)))).join(), fields.join());
  for (const [index, field] of fields.entries()) {
    await links.nth(index).click();
    is(`${name}: the error leads to the field ${field}`, await page.evaluate(() => document.activeElement.name), field);
    ok(`${name}: ${field} is marked and described`, (await isInvalid(page, field)) && (await description(page, field)));
  }
}

async function guestPage(options) {
  const context = await person(options);
  const page = await openNotebook(context, 'refresh_token');

  await continueAsGuest(page);
  const guest = await sub(page);

  await startPromotion(page);
  return { context, page, guest };
}

const isGuest = (user) => sql(`SELECT is_anonymous FROM anon_auth.users WHERE id = '${user}'`);

export async function signUpStates() {
  const { context, page, guest } = await guestPage({ locale: 'en-GB', timezoneId: 'Asia/Hong_Kong' });

  await sql(`UPDATE anon_auth.users SET created_at = '2026-02-03 23:05:06+00' WHERE id = '${guest}'`);
  await page.reload();
  ok('the sign-up page says since when there is this guest, in the time zone of the browser',
    /\b4 February 2026 at 07:05\b/.test(await page.textContent('main')));
  await inspect(page, 'sign-up');

  await settings(`password_require_digit = true, password_require_uppercase = true`);
  await submitInVain(page, 'nonsense', 'short');
  await errorsLeadToFields(page, 'a form with several errors', ['login_id', 'password']);
  is('the list of rules marks those that the password broke',
    (await page.locator('.rules .broken').evaluateAll((all) => all.map((item) => item.dataset.rule))).join(),
    'length,uppercase,digit');
  await inspect(page, 'all-errors');
  await page.fill('input[name="password"]', 'longer than before');
  is('while the user types, the list shows which rules are met',
    (await page.locator('.rules .met').evaluateAll((all) => all.map((item) => item.dataset.rule))).join(), 'length');
  is('while the user types, no rule is marked as broken', await page.locator('.rules .broken').count(), 0);
  await settings(`password_require_digit = false, password_require_uppercase = false`);
  await context.close();
}

// With the keyboard alone, from a taken login ID to the existing account.
export async function logInInstead() {
  const { context, page, guest } = await guestPage();

  await settings(`promotion_conflict = 'error'`);
  await submitInVain(page, 'taken@example.com', password);
  ok('a taken address is marked', await isInvalid(page, 'login_id'));
  const offer = await page.getByRole('button', { name: 'Log in to that account' }).boundingBox();

  ok('the offer to log in instead can be seen without scrolling', offer.y >= 0 && offer.y + offer.height <= page.viewportSize().height);
  is('a screen reader begins at the errors', await page.evaluate(() => document.activeElement.getAttribute('role')), 'alert');
  await inspect(page, 'taken-error');
  await page.getByRole('button', { name: 'Log in to that account' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('#login_id[readonly]');
  is('the log-in form has the login ID', await page.inputValue('#login_id'), 'taken@example.com');
  is('the password has the focus', await page.evaluate(() => document.activeElement.name), 'password');
  ok('the page says what will happen to the data of the guest', /will not be moved/.test(await page.textContent('main')));
  await inspect(page, 'log-in-instead');
  await page.keyboard.type('wrong horse');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  ok('a wrong password is marked', await isInvalid(page, 'password'));
  await inspect(page, 'log-in-instead-wrong');
  await page.keyboard.type(password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/app/**');
  await settled(page);
  is('the right password logs in to the existing account', await who(page), 'taken@example.com');
  is('the guest is left unchanged', await isGuest(guest), 't');
  await context.close();
}

export async function conflictStates() {
  for (const policy of ['login', 'merge']) {
    const { context, page } = await guestPage();

    await settings(`promotion_conflict = '${policy}'`);
    await page.reload();
    await inspect(page, `sign-up-${policy}`);
    await submitInVain(page, 'taken@example.com', password);
    await inspect(page, `taken-${policy}`);
    await context.close();
  }
  await settings(`promotion_conflict = 'error'`);
}

export async function logInStates() {
  const context = await person();
  const page = await openNotebook(context, 'cookie');

  await settings(`login_id_types = '{username,email}'`);
  await startLogin(page);
  is('the log-in form names only enabled kinds of login ID', await page.textContent('label[for=login_id]'),
    'Email address or username');
  await settings(`login_id_types = '{email,phone_number,username}'`);
  await page.reload();
  await inspect(page, 'log-in');
  await submitInVain(page, '', '');
  await errorsLeadToFields(page, 'an empty log-in form', ['login_id', 'password']);
  await submitInVain(page, 'taken@example.com', 'wrong horse');
  await inspect(page, 'log-in-wrong');
  await settings(`password_attempts_per_minute_per_user = 1`);
  await submitInVain(page, 'taken@example.com', 'wrong horse');
  await submitInVain(page, 'taken@example.com', 'wrong horse');
  ok('the page says that there were too many attempts', /too many attempts/.test(await page.textContent('[role=alert]')));
  await inspect(page, 'rate-limited');
  await settings(`password_attempts_per_minute_per_user = DEFAULT`);

  await submit(page, 'taken@example.com', password);
  await page.waitForURL('**/app/**');
  await becomes(page, 'account');
  await page.goto(`data:text/html,<a href="${origin}/oauth2/end_session">Log out</a>`);
  await page.click('a');
  await submitButtonOfLogout(page).waitFor();
  await inspect(page, 'log-out');
  await submitButtonOfLogout(page).click();
  await page.getByRole('heading', { name: 'You are logged out' }).waitFor();
  await inspect(page, 'logged-out');
  await page.goto(`${origin}/app/?session=cookie`);
  await settled(page);
  is('the confirmed logout ends the session', await state(page), 'out');
  await context.close();
}

// A guest is warned by the application and by the page, and can create an account.
export async function leavingGuest() {
  for (const locale of ['en', 'de', 'zh-Hant']) {
    const context = await person({ locale });
    const page = await openNotebook(context, 'cookie');

    await continueAsGuest(page);
    const guest = await sub(page);
    const asked = [];

    page.once('dialog', (dialog) => {
      asked.push(dialog.message());
      dialog.dismiss();
    });
    await page.click('#logout');
    ok(`${locale}: the notebook warns a guest who logs out`, /your notes are lost/.test(asked[0]), asked[0]);
    is(`${locale}: a guest who changes their mind stays`, await state(page), 'guest');
    await page.goto(`data:text/html,<a href="${origin}/oauth2/end_session?client_id=notebook-cookie">Log out</a>`);
    await page.click('a');
    await page.locator('.box.bad form button').waitFor();
    await inspect(page, `log-out-guest-${locale}`);
    await page.locator('.box.bad form button').click();
    await page.waitForURL('**/flows/promote_user?**');
    await submit(page, `stays.${locale}@example.com`.toLowerCase(), password);
    await page.waitForURL('**/app/**');
    await becomes(page, 'account');
    is(`${locale}: the account is that of the guest`, await sub(page), guest);
    await context.close();
  }
}

// While the server is down, the notebook does not offer to begin another session.
export async function outage() {
  const context = await person();
  const page = await openNotebook(context, 'cookie');

  await continueAsGuest(page);
  await context.route(/\/(oauth2|rest)\//, (route) => route.fulfill({ status: 503, contentType: 'application/json',
    body: '{"error":"temporarily_unavailable","error_description":"service unavailable"}' }));
  await page.reload();
  is('the notebook says that it cannot be reached', await settled(page), 'unreachable');
  ok('it does not offer to begin another session', !(await page.isVisible('#guest')) && !(await page.isVisible('#login')));
  await inspect(page, 'notebook-unreachable');
  await context.unroute(/\/(oauth2|rest)\//);
  await page.click('#again');
  await becomes(page, 'guest');
  ok('the guest is there again', true);
  await context.close();
}

// An application asks its user to log in again; somebody else does.
export async function reauthentication() {
  const context = await person();
  const page = await context.newPage();
  await sql(`UPDATE anon_auth.clients SET id_token = 'always' WHERE client_id = 'notebook'`);
  const hint = await sql(`SELECT id_token FROM anon_auth.authenticate('notebook', 'taken@example.com', '${password}')`);

  await page.goto(`${origin}/oauth2/authorize?${new URLSearchParams({
    client_id: 'notebook', redirect_uri: `${origin}/app/`, response_type: 'code', scope: 'openid', prompt: 'login',
    code_challenge: 'c'.repeat(43), code_challenge_method: 'S256', id_token_hint: hint,
  })}`);
  await inspect(page, 'log-in-again');
  ok('no other account can be chosen', (await page.locator('[name="login_id"]').count()) === 0);
  await submitInVain(page, '', 'not the password');
  ok('the page says that the password is wrong', (await page.locator('input[name="password"][aria-invalid="true"]').count()) === 1);
  await inspect(page, 'log-in-again-wrong-password');
  const [back] = await Promise.all([page.waitForRequest(/\/app\/\?/), submit(page, 'taken@example.com', password)]);

  ok('the same user can log in again', new URL(back.url()).searchParams.has('code'), back.url());
  await context.close();
}

const submitButtonOfLogout = (page) => page.getByRole('button', { name: 'Log out' });

// Requests without a client that the browser could be sent back to.
const refused = [
  ['unknown-client', '/oauth2/authorize?client_id=unknown&redirect_uri=https://other.example/', 'invalid client ID'],
  ['wrong-redirect-uri', '/oauth2/authorize?client_id=notebook&redirect_uri=https://other.example/', 'redirect URI is not allowed'],
  ['log-out-unknown-client', '/oauth2/end_session?client_id=unknown', 'invalid client ID'],
  ['expired', '/flows/login?x_ref=x'],
];

export async function messages() {
  for (const [locale, headings] of [
    ['en', ['This link does not work', 'This page has expired']],
    ['de', ['Dieser Link funktioniert nicht', 'Diese Seite ist abgelaufen']],
    ['zh-TW', ['這個連結無法使用', '此頁面已過期']],
  ]) {
    const context = await person({ locale });
    const page = await context.newPage();

    for (const [name, path, reason] of refused) {
      const state = `${name}-${locale}`;
      const answer = await page.goto(`${origin}${path}`);

      is(`${state}: the page has status 400`, answer.status(), 400);
      is(`${state}: the browser is not redirected`, page.url(), `${origin}${path}`);
      is(`${state}: the page is in the language of the browser`, await page.textContent('h1'), headings[reason ? 0 : 1]);
      ok(`${state}: the page is styled`, await page.evaluate(() => document.styleSheets.length));
      ok(`${state}: the page shows the reason in English`,
        !reason || (await page.textContent('main [lang=en]')).includes(reason));
      ok(`${state}: the page does not repeat addresses of the request`, !/other\.example/.test(await page.content()));
      await inspect(page, state);
    }
    await context.close();
  }
  const context = await person({ locale: 'en' });
  const page = await context.newPage();

  for (const [name, path, reason] of refused.filter((entry) => entry[2])) {
    await page.goto(`${origin}${path}&ui_locales=de`);
    is(`${name}: the page is in the language that the application asks for`, await page.textContent('h1'), 'Dieser Link funktioniert nicht');
  }
  await context.close();
}

// Other languages have other lengths of words, and other forms of a date.
export async function languages() {
  for (const [locale, heading] of [['de', 'Konto erstellen'], ['zh-TW', '建立帳號']]) {
    const { context, page } = await guestPage({ locale });

    ok(`${locale}: the page is in the language of the browser`,
      await page.getByRole('heading', { name: heading }).isVisible());
    await inspect(page, `sign-up-${locale}`);
    await submitInVain(page, 'taken@example.com', 'x');
    await inspect(page, `taken-${locale}`);
    await context.close();
  }
}
