// clients/web: promotions, logins and merges.

import {
  addressOf,
  back,
  codeFor,
  countOfUsers,
  failure,
  fill,
  is,
  logIn,
  navigate,
  network,
  ok,
  open,
  origin,
  password,
  person,
  promote,
  sessionsOf,
  signUp,
  sql,
  submit,
  until,
  value,
} from './client_person.mjs';

// ---------------------------------------------------------------------------
// Accounts
// ---------------------------------------------------------------------------

export async function promotion() {
  const context = await person();
  const page = await open(context);
  const second = await open(context);
  const { id } = await signUp(page);

  await value(page, () => addNote('Buy rice'));
  await until(() => second.evaluate(() => changes === 1), 'the event of the sign-up');

  await navigate(page, 'promotionUrl');
  await page.waitForSelector('a[href*="access_denied"]');
  await page.evaluate(() => document.querySelector('a[href*="access_denied"]').click());
  await back(page);
  is('a cancelled promotion is an error', (await failure(page, () => auth.finishRedirect())).code, 'cancelled');
  is('the address is clean after it', page.url(), addressOf('web'));
  ok('the guest is still a guest', (await value(page, () => auth.user())).isGuest);

  await navigate(page, 'promotionUrl');
  await submit(page, 'rice@example.com');
  await back(page);
  const address = page.url();

  network.down();
  is(
    'without network, the redirect cannot be finished',
    (await failure(page, () => auth.finishRedirect())).code,
    'network',
  );
  is('the address is kept for a second try', page.url(), address);
  network.up();
  const [first, again] = await value(page, () => Promise.all([auth.finishRedirect(), auth.finishRedirect()]));

  is('the promotion keeps the user id', first?.user.id, id);
  is('it says what has ended', first?.kind, 'promotion');
  ok('the user is no guest', first?.user.isGuest === false);
  is('a second call at the same time returns the same, or nothing', (again ?? first).user.id, id);
  is('the address has no code', page.url(), addressOf('web'));
  is('no redirect is left', await value(page, () => auth.finishRedirect()), null);
  is(
    'the same address once more returns the same',
    (await value(page, (url) => auth.finishRedirect(url), address)).user.id,
    id,
  );
  is("the account has the guest's rows", await value(page, () => notes()), 'Buy rice');
  is('the key is deleted', await value(page, () => auth.guest()), null);
  await until(() => second.evaluate(() => changes === 2), 'the event of the promotion');
  is('the other tab has the account', await value(second, () => notes()), 'Buy rice');
  is('and knows that it is no guest', (await value(second, () => auth.user())).isGuest, false);

  await value(page, () => auth.logOut());
  is('after the logout, nobody is logged in', await value(second, () => auth.user()), null);
  is('a login returns the same user', (await logIn(page, 'rice@example.com')).user.id, id);

  await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
  const error = await failure(page, () => notes());

  is(
    'if the session of an account has ended, fetch() says so',
    `${error.code} ${error.sqlState}`,
    'session_ended AA006',
  );
  is('then nobody is logged in', await value(page, () => auth.user()), null);
  is('and a second call says that', (await failure(page, () => notes())).code, 'no_session');
  await context.close();
}

export async function foreignRedirects() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);

  is(
    "another application's redirect is not ours",
    await value(page, (url) => auth.finishRedirect(url), `${origin}/app/web.html?code=x&state=y`),
    null,
  );
  is(
    'an answer of another issuer is not ours',
    await value(
      page,
      (url) => auth.finishRedirect(url),
      `${origin}/app/web.html?code=x&state=y&iss=https%3A%2F%2Fother.example`,
    ),
    null,
  );
  is(
    'a code that this browser has not asked for is refused',
    (
      await failure(
        page,
        (url) => auth.finishRedirect(url),
        `${origin}/app/web.html?code=x&state=constructor&iss=${encodeURIComponent(origin)}`,
      )
    ).code,
    'unknown_redirect',
  );
  is('the guest stays logged in', (await value(page, () => auth.user())).id, id);
  await context.close();
}

// The key of a guest who became an account elsewhere, or a restored backup.
export async function removedKey() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);

  // The page navigates, so another tab keeps the copy.
  const second = await open(context);

  await value(second, async () => {
    globalThis.backup = await record();
  });
  await promote(page, 'removed@example.com');
  await value(second, () => putRecord(backup));
  const count = await countOfUsers();
  const error = await failure(page, () => notes());

  is('the key of a promoted guest is guest_removed', error.code, 'guest_removed');
  is('the error has the SQLSTATE', error.sqlState, 'AA031');
  is('then nobody is logged in', await value(page, () => auth.user()), null);
  is('guest() says it', (await value(page, () => auth.guest())).state, 'removed');
  is(
    'continueAsGuest() makes no guest by itself',
    (await failure(page, () => auth.continueAsGuest())).code,
    'guest_removed',
  );
  is('no user was made', await countOfUsers(), count);
  is('a login finds the account', (await logIn(page, 'removed@example.com')).user.id, id);
  is('and deletes the key', await value(page, () => auth.guest()), null);
  await context.close();
}

export async function claiming() {
  const context = await person();
  const page = await open(context);
  const account = await signUp(page);

  await promote(page, 'claim@example.com');
  await value(page, () => auth.logOut());
  const guest = await signUp(page);

  await value(page, () => addNote('Buy oats'));
  is('a guest logs in to an account', (await logIn(page, 'claim@example.com')).user.id, account.id);
  is('its session has ended', await sessionsOf(guest.id), '0');
  is('the key of the guest is kept', (await value(page, () => auth.guest())).id, guest.id);
  is(
    'a dry run counts the rows',
    JSON.stringify(await value(page, () => auth.claimGuest({ dryRun: true }))),
    '[{"table":"api.notes","rows":1}]',
  );
  is('and changes nothing', await value(page, () => notes()), '');
  await value(page, () => auth.claimGuest());
  is('the account gets the rows', await value(page, () => notes()), 'Buy oats');
  is('the key is deleted', await value(page, () => auth.guest()), null);
  is('the server has no such guest', await sql(`SELECT count(*) FROM anon_auth.users WHERE id = '${guest.id}'`), '0');

  await value(page, () => auth.logOut());
  const gone = await signUp(page);

  await logIn(page, 'claim@example.com');
  is(
    'an account cannot be promoted',
    (await failure(page, () => auth.promotionUrl({ redirectUri: location.href }))).code,
    'no_guest',
  );
  await sql(`SELECT anon_auth.delete_user('${gone.id}')`);
  is('a guest that is gone cannot be claimed', (await failure(page, () => auth.claimGuest())).code, 'guest_unknown');
  is('its key is deleted', await value(page, () => auth.guest()), null);
  is('the account stays logged in', (await value(page, () => auth.user())).id, account.id);
  await context.close();
}

export async function codes() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);
  const loginId = 'codes@example.com';
  const promotionCode = await codeFor(page, { loginId, promotion: true });

  is(
    'a wrong code is refused',
    (
      await failure(page, (details) => auth.promote(details), {
        loginId,
        code: promotionCode === '000000' ? '000001' : '000000',
      })
    ).code,
    'invalid_credentials',
  );
  const account = await value(page, (details) => auth.promote(details), { loginId, code: promotionCode });

  is('a code promotes the guest', `${account.id} ${account.isGuest}`, `${id} false`);
  is('the key is deleted', await value(page, () => auth.guest()), null);
  is('an account manages itself', (await value(page, () => auth.account('list_sessions'))).length, 1);
  await value(page, () => auth.logOut());
  await sql(`UPDATE anon_auth.address_codes SET created_at = created_at - interval '2 minutes'`);
  await sql('SELECT anon_auth.reset_counters()');
  is(
    'a code logs in',
    (await value(page, (details) => auth.logIn(details), { loginId, code: await codeFor(page, { loginId }) })).id,
    id,
  );
  await value(page, () => auth.logOut());

  const other = { loginId: 'nobody@example.com' };
  const code = await codeFor(page, other);
  const error = await failure(page, (details) => auth.logIn(details), { ...other, code });

  is('a code for an address without account says so', `${error.code} ${error.sqlState}`, 'no_account AA030');
  ok(
    'the same code signs up',
    (await value(page, (details) => auth.signUp(details), { ...other, code })).isGuest === false,
  );
  await context.close();
}

// settings.device_key_after_promotion = 'keep'
export async function keptKey() {
  const context = await person();
  const page = await open(context);
  const loginId = 'kept@example.com';

  await sql(`UPDATE anon_auth.settings SET device_key_after_promotion = 'keep'`);
  const { id } = await signUp(page);
  const code = await codeFor(page, { loginId, promotion: true });

  await value(page, (details) => auth.promote(details), { loginId, code });
  await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
  await value(page, () => expire());
  is('a kept key logs in to the account when the session is gone', await value(page, () => notes()), '');
  const user = await value(page, () => auth.user());

  is('it is the same account', `${user.id} ${user.isGuest}`, `${id} false`);
  is('the server lists the key', (await value(page, () => auth.account('list_device_keys'))).length, 1);
  await value(page, () => auth.logOut());
  is('a logout removes it', await sql(`SELECT count(*) FROM anon_auth.device_keys WHERE user_id = '${id}'`), '0');
  is('nobody is logged in then', (await failure(page, () => notes())).code, 'no_session');
  await sql(`UPDATE anon_auth.settings SET device_key_after_promotion = DEFAULT`);
  await context.close();
}

export async function settingsAndReauthentication() {
  const context = await person();
  const page = await open(context);
  const { id } = await signUp(page);

  await promote(page, 'settings@example.com');
  const before = await value(page, () => record());
  const old = `UPDATE anon_auth.sessions SET authenticated_at = authenticated_at - interval '1 day' WHERE user_id = '${id}'`;

  await sql(old);
  await value(page, () => expire());
  is(
    'a sensitive change needs a recent login',
    (
      await failure(page, () =>
        auth.account('change_password', { old_password: 'correct horse', new_password: 'incorrect horse' }),
      )
    ).code,
    'login_required',
  );
  await navigate(page, 'reauthenticationUrl');
  await page.waitForSelector('input[name="password"]');
  await fill(page, 'input[name="password"]', password);
  await page.evaluate(() => document.querySelector('form:has(input[name="password"])').requestSubmit());
  await back(page);
  const redirect = await value(page, () => auth.finishRedirect());

  is('the user logs in again', `${redirect.kind} ${redirect.user.id}`, `reauthentication ${id}`);
  const after = await value(page, () => record());

  is(
    'the session and its refresh token stay',
    `${after.session.id} ${after.session.refreshToken}`,
    `${before.session.id} ${before.session.refreshToken}`,
  );
  is(
    'then the change is made',
    await value(page, () =>
      auth.account('change_password', { old_password: 'correct horse', new_password: 'incorrect horse' }),
    ),
    true,
  );
  await value(page, () => expire());
  await value(page, () => auth.accessToken());
  ok('the refresh token still works', true);

  await page.goto(await value(page, () => auth.settingsUrl()));
  is('settingsUrl() opens the settings', new URL(page.url()).pathname, '/settings');
  ok('of this account', (await page.evaluate(() => document.body.textContent)).includes('settings@example.com'));
  await context.close();
}
