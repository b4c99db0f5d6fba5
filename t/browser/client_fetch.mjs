// clients/web: clocks, fetch(), and pages of another origin.

import { readFile } from 'node:fs/promises';
import http from 'node:http';
import {
  before,
  failure,
  is,
  network,
  ok,
  open,
  origin,
  person,
  promote,
  ready,
  sessionsOf,
  signUp,
  sql,
  tokenRequests,
  value,
} from './client_person.mjs';

const { FOREIGN, PAGES } = process.env;

// ---------------------------------------------------------------------------
// Clocks
// ---------------------------------------------------------------------------

function shiftClock(shift) {
  const RealDate = Date;

  globalThis.Date = class extends RealDate {
    constructor(...values) {
      super(...(values.length === 0 ? [RealDate.now() + shift] : values));
    }

    static now() {
      return RealDate.now() + shift;
    }
  };
}

export async function wrongClock(hours, client) {
  const named = (name) => `${client}, a clock that is ${hours} hours off: ${name}`;
  const context = await person();

  await before(context, shiftClock, hours * 3_600_000);
  const page = await open(context, client);
  const distance = await page.evaluate(() => Date.now());

  ok(named('the page has it'), Math.abs(distance - Date.now() - hours * 3_600_000) < 60_000);
  const { id } = await signUp(page);

  tokenRequests();
  is(named('fetch() works'), await value(page, () => addNote('Buy figs')), 201);
  is(named('without a refresh'), tokenRequests(), 0);
  await value(page, () => expire());
  is(named('a refresh works'), await value(page, () => notes()), 'Buy figs');
  await sql(`SELECT anon_auth.revoke_sessions('${id}')`);
  is(named('a login by the key works'), await value(page, () => notes()), 'Buy figs');
  tokenRequests();
  await page.reload();
  await ready(page);
  is(named('after a reload, fetch() works'), await value(page, () => notes()), 'Buy figs');
  is(named('after a reload, no refresh was needed'), tokenRequests(), 0);
  is(named('a promotion works'), (await promote(page, `clock${hours + 10}.${client}@example.com`, client)).user.id, id);
  await context.close();
}

// ---------------------------------------------------------------------------
// fetch()
// ---------------------------------------------------------------------------

export async function fetching() {
  const context = await person();
  const page = await open(context);

  await signUp(page);
  network.take('/rest/notes');
  const error = await failure(page, (url) => auth.fetch(`${url}/rest/notes`), FOREIGN);

  is('no token is sent to another origin', error.code, 'origin_not_allowed');
  is('nothing is sent there', received.length, 0);
  is(
    'a host whose name begins with the same letters is another origin',
    (await failure(page, () => auth.fetch('http://127.0.0.1.evil.example/'))).code,
    'origin_not_allowed',
  );
  is(
    'another port is another origin',
    (await failure(page, () => auth.fetch('http://127.0.0.1:1/'))).code,
    'origin_not_allowed',
  );
  is(
    'a user name that looks like the origin is refused',
    (await failure(page, (url) => auth.fetch(url), `${origin}@evil.example/`)).name,
    'TypeError',
  );

  const corrupt = () =>
    value(page, async () => {
      const stored = await record();

      await putRecord({ ...stored, session: { ...stored.session, accessToken: `${stored.session.accessToken}x` } });
    });

  await corrupt();
  is(
    'a Request with a body is sent again after a refresh',
    await value(page, async () => {
      const request = new Request('/rest/notes', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Prefer: 'return=representation' },
        body: '{"body":"Buy kale"}',
      });
      const response = await auth.fetch(request);

      return `${response.status} ${(await response.json())[0].body}`;
    }),
    '201 Buy kale',
  );
  is('it was sent twice', network.take('/rest/notes').length, 2);
  await corrupt();
  is(
    'so is a body that is a Blob',
    await value(
      page,
      async () =>
        (
          await auth.fetch('/rest/notes', {
            method: 'POST',
            body: new Blob(['{"body":"Buy leek"}'], { type: 'application/json' }),
          })
        ).status,
    ),
    201,
  );
  is('no row was written twice', await value(page, () => notes()), 'Buy kale,Buy leek');

  is(
    'init replaces what a Request says',
    await value(page, async () => (await auth.fetch(new Request('/rest/notes'), { method: 'HEAD' })).status),
    200,
  );
  is(
    'a token of the page itself is replaced',
    await value(page, async () => (await auth.fetch('/rest/notes', { headers: { Authorization: 'Bearer x' } })).status),
    200,
  );
  is(
    'fetch can be passed to a library',
    await value(page, async () => {
      const { fetch: passed } = auth;

      return (await passed('/rest/notes')).status;
    }),
    200,
  );
  is(
    'an aborted request is an AbortError',
    (
      await failure(page, () => {
        const controller = new AbortController();

        controller.abort();
        return auth.fetch('/rest/notes', { signal: controller.signal });
      })
    ).name,
    'AbortError',
  );
  is(
    "the response of a refused request is the server's",
    await value(page, async () => (await auth.fetch('/rest/nothing')).status),
    404,
  );
  await context.close();
}

// ---------------------------------------------------------------------------
// Other origins
// ---------------------------------------------------------------------------

// A page of another origin.  It cannot read the header Date of the issuer.
const received = [];
export const elsewhere = http.createServer(async (request, response) => {
  const name = new URL(request.url, FOREIGN).pathname.replace('/app/', '');

  if (!/^(?:\w+\.html|page\.js|src\/\w+\.js)$/.test(name)) {
    received.push(request.url);
    response.writeHead(404).end();
    return;
  }
  response.setHeader('Content-Type', name.endsWith('.js') ? 'text/javascript' : 'text/html');
  response.end(await readFile(`${PAGES}/${name}`));
});

export async function otherOrigin(hours, client) {
  const named = (name) => `${client}, a page of another origin, ${hours} hours off: ${name}`;
  const context = await person();

  await before(context, shiftClock, hours * 3_600_000);
  const page = await open(context, client, FOREIGN);
  const { id } = await signUp(page);

  is(named('fetch() works'), await value(page, () => addNote('Buy nuts')), 201);
  await value(page, () => expire());
  is(named('a refresh works'), await value(page, () => notes()), 'Buy nuts');
  is(named('userInfo() works'), (await value(page, () => auth.userInfo())).sub, id);
  is(
    named('a promotion works'),
    (await promote(page, `foreign${hours}.${client}@example.com`, client, FOREIGN)).user.id,
    id,
  );
  is(named('it keeps the rows'), await value(page, () => notes()), 'Buy nuts');
  await value(page, () => auth.logOut());
  is(named('a logout ends the session'), await sessionsOf(id), '0');
  await context.close();
}

await new Promise((resolve) => elsewhere.listen(new URL(FOREIGN).port, 'localhost', resolve));
