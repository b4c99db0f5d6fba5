// clients/web: tokens that are bound to a key (RFC 9449).  The client "bound" requires it.

import {
  addressOf,
  back,
  failure,
  is,
  navigate,
  network,
  ok,
  open,
  person,
  promote,
  sessionsOf,
  signUp,
  sql,
  submit,
  tokenRequests,
  value,
} from './client_person.mjs';

const nonces = (isOn) => sql(`UPDATE anon_auth.settings SET dpop_nonce = ${isOn}`);

// What a thief does with a token.
const steal = (page, what) => value(page, `async () => (await record()).session.${what}`);

async function thiefOf(page) {
  const form = async (fields) => {
    const response = await fetch(`${process.env.UPSTREAM}/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams(fields),
    });

    return `${response.status} ${(await response.json()).error}`;
  };
  const read = async (scheme) => {
    const response = await fetch(`${process.env.UPSTREAM}/rest/notes`, {
      headers: { Authorization: `${scheme} ${await steal(page, 'accessToken')}` },
    });

    return response.status;
  };

  return { form, read };
}

async function story(name) {
  const named = (text) => `${name}: ${text}`;
  const context = await person();
  const page = await open(context, 'bound');
  const { id } = await signUp(page);

  is(named('the tokens are bound'), await steal(page, 'tokenType'), 'DPoP');
  is(named('fetch() writes'), await value(page, () => addNote('Buy milk')), 201);
  is(named('fetch() reads'), await value(page, () => notes()), 'Buy milk');
  network.take('/rest/notes');
  is(named('fetch() reads again'), await value(page, () => notes()), 'Buy milk');
  is(named('with one request'), network.take('/rest/notes').length, 1);
  is(named('userInfo() works'), (await value(page, () => auth.userInfo())).sub, id);
  is(named('account() works'), (await value(page, () => auth.account('list_sessions'))).length, 1);

  await value(page, () => expire());
  is(named('a refresh works'), await value(page, () => notes()), 'Buy milk');
  await value(page, async () => {
    const stored = await record();

    await putRecord({ ...stored, session: { ...stored.session, accessToken: `${stored.session.accessToken}x` } });
  });
  tokenRequests();
  is(named('a refused token is refreshed'), await value(page, () => addNote('Buy tea')), 201);
  ok(named('with a refresh'), tokenRequests() >= 1);
  await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
  is(named('a login by the key works'), await value(page, () => notes()), 'Buy milk,Buy tea');
  await value(page, () => expire());
  network.loseResponses('/oauth2/token', 1);
  is(named('a refresh whose response is lost is repeated'), await value(page, () => notes()), 'Buy milk,Buy tea');

  const second = await open(context, 'bound');

  is(named('another tab uses the same key'), await value(second, () => notes()), 'Buy milk,Buy tea');
  is(named('a promotion works'), (await promote(page, `${name}.bound@example.com`, 'bound')).user.id, id);
  is(named('the account has the rows'), await value(page, () => notes()), 'Buy milk,Buy tea');
  await page.goto(await value(page, () => auth.settingsUrl()));
  is(named('settingsUrl() opens the settings'), new URL(page.url()).pathname, '/settings');
  await page.goto(addressOf('bound'));
  await back(page, 'bound');
  await value(page, () => auth.logOut());
  is(named('a logout ends the session'), await sessionsOf(id), '0');

  const guest = await signUp(page);

  await value(page, () => addNote('Buy oats'));
  await navigate(page, 'loginUrl', 'bound');
  await submit(page, `${name}.bound@example.com`);
  await back(page, 'bound');
  is(named('a login works'), (await value(page, () => auth.finishRedirect())).user.id, id);
  await value(page, () => auth.claimGuest());
  is(named('the account claims the guest'), await value(page, () => notes()), 'Buy milk,Buy tea,Buy oats');
  is(named('the guest is merged'), await sql(`SELECT count(*) FROM anon_auth.users WHERE id = '${guest.id}'`), '0');
  await context.close();
}

export const bound = () => story('required');

export async function boundWithNonces() {
  await nonces(true);
  await story('nonces');
  await nonces(false);
}

export async function stolenTokens() {
  const context = await person();
  const page = await open(context, 'bound');

  await signUp(page);
  const { form, read } = await thiefOf(page);
  const stolen = { grant_type: 'refresh_token', client_id: 'bound', refresh_token: await steal(page, 'refreshToken') };

  is('a stolen refresh token is of no use', await form(stolen), '400 invalid_dpop_proof');
  is('nor is a stolen access token as DPoP', await read('DPoP'), 401);
  is('nor as Bearer', await read('Bearer'), 401);
  is('the page works', await value(page, () => notes()), '');

  const plain = await open(context, 'web');

  await signUp(plain);
  is('with "optional", the access token is not bound', await steal(plain, 'tokenType'), 'Bearer');
  is(
    'but the refresh token is',
    await form({ ...stolen, client_id: 'web', refresh_token: await steal(plain, 'refreshToken') }),
    '400 invalid_dpop_proof',
  );

  const without = await failure(page, () =>
    new AnonAuth({ ...options, store: new MemoryStore(), dpop: false }).continueAsGuest(),
  );

  is('without proofs, the client gets nothing', `${without.code} ${without.sqlState}`, 'dpop_rejected AA026');

  // An application that began without proofs.
  await value(plain, () => auth.logOut({ forgetGuest: true }));
  await value(plain, () => new AnonAuth({ ...options, dpop: false }).continueAsGuest());
  await sql(`UPDATE anon_auth.clients SET dpop = 'required' WHERE client_id = 'web'`);
  await value(plain, () => expire());
  is(
    'a session that began without a proof is bound when the client requires it',
    await value(plain, () => notes()),
    '',
  );
  is('it has a bound token', await steal(plain, 'tokenType'), 'DPoP');
  await sql(`UPDATE anon_auth.clients SET dpop = 'optional' WHERE client_id = 'web'`);
  await context.close();
}
