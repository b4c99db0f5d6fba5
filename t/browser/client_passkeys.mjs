// clients/web: passkeys, in the virtual authenticator of Chromium's DevTools protocol.
//
// No passkey belongs to an IP address, so the pages are those of FOREIGN, which is localhost.

import { failure, is, ok, open, person, signUp, sql, until, value } from './client_person.mjs';

const { FOREIGN } = process.env;

async function authenticatorOf(page) {
  const session = await page.context().newCDPSession(page);

  await session.send('WebAuthn.enable');
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });

  return (method, details) => session.send(`WebAuthn.${method}`, { authenticatorId, ...details });
}

const credentialsOf = async (send) => (await send('getCredentials')).credentials;

export async function passkeys() {
  await sql(
    `UPDATE anon_auth.settings SET passkey_rp_id = 'localhost', passkey_origins = '{${FOREIGN}}', device_key_after_promotion = 'remove'`,
  );
  const context = await person();
  const page = await open(context, 'bound', FOREIGN);
  const send = await authenticatorOf(page);

  ok('the browser has passkeys', (await value(page, () => auth.passkeySupport())).passkeys);

  // A guest.
  const guest = await signUp(page);
  const id = await value(page, () => auth.addPasskey({ name: 'My phone' }));
  const [passkey] = await value(page, () => auth.account('list_passkeys'));

  is('a guest adds a passkey', `${passkey.credential_id} ${passkey.name}`, `${id} My phone`);
  is('a device has one passkey of a user', (await failure(page, () => auth.addPasskey())).code, 'passkey_exists');
  await value(page, () => auth.logOut({ forgetGuest: true }));
  is('a guest comes back with it', (await value(page, () => auth.logInWithPasskey())).id, guest.id);
  await sql(`SELECT anon_auth.revoke_sessions('${guest.id}')`);
  is(
    'without the key of the guest, the session ends as that of an account',
    (await failure(page, () => notes())).code,
    'session_ended',
  );

  // A guest whose passkey is in the authenticator keeps it.
  await value(page, () => auth.logInWithPasskey());
  const idsOf = async () => (await credentialsOf(send)).map(({ credentialId }) => credentialId).join(' ');
  const ids = await idsOf();

  is(
    'a guest with a passkey gets no second one on the device',
    (await failure(page, (loginId) => auth.promoteWithPasskey({ loginId }), 'passkey@example.com')).code,
    'passkey_exists',
  );
  is('the authenticator has the passkey', await idsOf(), ids);
  await value(page, () => auth.logOut());
  is('it still logs in to the guest', (await value(page, () => auth.logInWithPasskey())).isGuest, true);

  // Another device makes a new passkey.  If the server refuses it, only this one is forgotten.
  const [kept] = await credentialsOf(send);

  await send('clearCredentials');
  await sql(`SELECT anon_auth.create_user(email => 'taken@example.com')`);
  is(
    'the server refuses a login ID that somebody has',
    (await failure(page, () => auth.promoteWithPasskey({ loginId: 'taken@example.com' }))).code,
    'identity_exists',
  );
  await until(async () => (await credentialsOf(send)).length === 0, 'the browser forgets the refused passkey');
  ok('the browser forgets a passkey that the server refuses', true);
  is('it makes no account', (await value(page, () => auth.user())).isGuest, true);
  await value(page, () => auth.logOut());
  await send('addCredential', { credential: kept });
  is('the passkey of the guest still logs in', (await value(page, () => auth.logInWithPasskey())).id, guest.id);
  await send('clearCredentials');
  const account = await value(page, (loginId) => auth.promoteWithPasskey({ loginId }), 'passkey@example.com');

  is('a guest is promoted with a passkey', `${account.id} ${account.isGuest}`, `${guest.id} false`);
  await value(page, () => auth.logOut());
  is('it logs in', (await value(page, () => auth.logInWithPasskey())).id, guest.id);
  is('the session is bound to a key', (await value(page, () => record())).session.tokenType, 'DPoP');
  await value(page, () => auth.logOut());

  // Autofill.
  const controlled = page.evaluate(() =>
    attempt(() => {
      globalThis.controller = new AbortController();
      return auth.logInWithPasskey({ autofill: true, signal: controller.signal });
    }),
  );

  if ((await value(page, () => auth.passkeySupport())).autofill) {
    is('autofill logs in', (await controlled).value?.id, guest.id);
    await value(page, () => auth.logOut());
  } else {
    await until(() => page.evaluate(() => globalThis.controller !== undefined), 'autofill begins');
    await page.evaluate(() => controller.abort());
    is('the page can end autofill', (await controlled).error.name, 'AbortError');
  }

  // An account that was never a guest.
  await send('clearCredentials');
  const fresh = await value(page, () => auth.signUpWithPasskey({ displayName: 'Ada' }));

  ok('a passkey signs up without a login ID', fresh.isGuest === false && fresh.id !== guest.id);
  await value(page, () => auth.logOut());

  // What can go wrong.
  await send('setUserVerified', { isUserVerified: false });
  await sql(`UPDATE anon_auth.settings SET passkey_user_verification = 'required'`);
  is(
    'a user who is not verified has not logged in',
    (await failure(page, () => auth.logInWithPasskey())).code,
    'cancelled',
  );
  await send('setUserVerified', { isUserVerified: true });
  is('after the verification, the login works', (await value(page, () => auth.logInWithPasskey())).id, fresh.id);
  await sql(`SELECT anon_auth.delete_user('${fresh.id}')`);
  await value(page, () => auth.logOut());
  await page.evaluate(() => {
    globalThis.quiet = new AnonAuth({ ...options, passkeySignals: false });
  });
  is(
    'without signals, a removed passkey is told apart, too',
    (await failure(page, () => quiet.logInWithPasskey())).code,
    'passkey_removed',
  );
  is('and the browser keeps it', (await credentialsOf(send)).length, 1);
  is('a removed passkey is told apart', (await failure(page, () => auth.logInWithPasskey())).code, 'passkey_removed');
  await until(async () => (await credentialsOf(send)).length === 0, 'the browser forgets the passkey');
  ok('the browser forgets it', true);
  await sql(`UPDATE anon_auth.settings SET passkey_rp_id = 'example.com'`);
  const error = await failure(page, () => auth.logInWithPasskey());

  is('an RP ID of another site is a fault of the settings', error.code, 'passkey_unusable');
  ok('the message names the setting', error.message.includes('settings.passkey_rp_id'));
  await sql(
    `UPDATE anon_auth.settings SET passkey_rp_id = NULL, passkey_origins = NULL, passkey_user_verification = DEFAULT`,
  );
  await context.close();
}
