// Requests that other sites send with a user's cookies.
//
// All hosts are names below localhost, on one port with https:
//
//   auth.app.localhost    the site: requests go on to nginx
//   evil.app.localhost    a sibling: another host of the same site
//   other.localhost       another site
//   client.localhost      the application that redirect URIs lead to

import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { close, done, is, ok, origin as upstream, person, sql, test } from './browser.mjs';

const directory = process.env.TLS;
const pages = new Map();
const redirects = new Map();
const forwarded = new EventEmitter();

// ---------------------------------------------------------------------------
// The sites
// ---------------------------------------------------------------------------

function forward(request, response) {
  const onward = http.request(
    new URL(request.url, upstream),
    { method: request.method, headers: { ...request.headers, 'x-forwarded-proto': 'https' } },
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
      answer.on('end', () => forwarded.emit(request.headers['sec-purpose'] ? 'prefetch' : 'request', request.url));
    },
  );

  onward.on('error', (error) => response.writeHead(502).end(String(error)));
  request.pipe(onward);
}

const server = https.createServer(
  { key: await readFile(`${directory}/key.pem`), cert: await readFile(`${directory}/certificate.pem`) },
  (request, response) => {
    const host = request.headers.host ?? '';

    if (host.startsWith('auth.') && request.url !== '/blank') {
      forward(request, response);
      return;
    }
    if (redirects.has(request.url)) {
      response.writeHead(302, { Location: redirects.get(request.url) }).end();
      return;
    }
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><title>page</title>${pages.get(request.url) ?? ''}`);
  },
);

await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address();
const [site, sibling, other, app] = ['auth.app', 'evil.app', 'other', 'client'].map(
  (name) => `https://${name}.localhost:${port}`,
);
const bye = `${app}/bye`;

await sql(`UPDATE anon_auth.settings SET issuer = '${site}'`);
await sql(`SELECT anon_auth.create_client('site', 'traditional_webapp', name => 'Notebook',
    redirect_uris => '{${app}/home}', post_logout_redirect_uris => '{${bye}}'),
  anon_auth.create_client('tokens', 'spa', '{${app}/cb}', post_logout_redirect_uris => '{${bye}}', id_token => 'always'),
  anon_auth.create_client('partner', 'third_party_app', '{${sibling}/cb}')`);

// ---------------------------------------------------------------------------
// Helpers
// ---------------------------------------------------------------------------

const encode = (parameters) => new URLSearchParams(parameters).toString();
const endSession = (parameters = {}) => `${site}/oauth2/end_session?${encode(parameters)}`;

// The path of a page that sends a form as soon as it is loaded.
let count = 0;
function formPage(action, fields = {}) {
  const path = `/form${++count}`;
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${name}" value="${value.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}">`,
  );

  pages.set(path, `<form method="post" action="${action}">${inputs.join('')}</form><script>document.forms[0].submit()</script>`);
  return path;
}

const visitor = () => person({ ignoreHTTPSErrors: true });

async function blank(context) {
  const page = await context.newPage();

  await page.goto(`${site}/blank`);
  return page;
}

// Sends JSON from a page of the site, and returns the decoded answer.
async function api(context, path, body) {
  const page = await blank(context);
  const answer = await page.evaluate(
    async ([to, data]) => {
      const response = await fetch(to, {
        method: data ? 'POST' : 'GET',
        headers: data ? { 'Content-Type': 'application/json' } : {},
        body: data ? JSON.stringify(data) : undefined,
      });

      return { status: response.status, json: await response.json() };
    },
    [path, body],
  );

  await page.close();
  return answer;
}

async function guest() {
  const context = await visitor();

  await api(context, '/api/anonymous_user/signup', { session_type: 'cookie', client_id: 'site' });
  return context;
}

const sub = async (context) => (await api(context, '/oauth2/userinfo')).json.sub;

const sessionCookie = async (context) =>
  (await context.cookies(site)).find(({ name, domain }) => /session$/.test(name) && domain === new URL(site).hostname)?.value;

const asks = async (page) => (await page.locator('main > form[method="post"] [type="submit"]:not([name])').count()) === 1;

// The address of the authorization request for a new guest with tokens, or with
// a given promotion code.
async function promotion(code, parameters = {}) {
  const proof =
    code ??
    (await sql(`SELECT promotion_code FROM anon_auth.create_promotion_code(
      (SELECT refresh_token FROM anon_auth.authenticate_anonymously('tokens')))`));

  return {
    client_id: 'tokens',
    redirect_uri: `${app}/cb`,
    response_type: 'code',
    scope: 'openid offline_access',
    state: 's',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    login_hint: `https://authgear.com/login_hint?${encode({ type: 'anonymous', promotion_code: proof })}`,
    ...parameters,
  };
}

const authorize = (parameters) => `${site}/oauth2/authorize?${encode(parameters)}`;
const withCookie = { client_id: 'site', redirect_uri: `${app}/home`, response_type: 'none' };
const cookieCode = async (context) =>
  (await api(context, '/api/anonymous_user/promotion_code', { session_type: 'cookie' })).json.result.promotion_code;

async function submit(page, email) {
  await page.fill('input[name="login_id"]', email);
  await page.fill('input[name="password"]', 'correct horse battery');
  await page.locator('main > form [type="submit"]:not([name])').click();
  await page.waitForURL(`${app}/**`);
}

const hasForm = async (page) => (await page.locator('input[name="password"]').count()) === 1;

// ---------------------------------------------------------------------------
// Logout
// ---------------------------------------------------------------------------

async function logoutByForm(name, from) {
  const context = await guest();
  const user = await sub(context);
  const cookie = await sessionCookie(context);
  const page = await context.newPage();

  await page.goto(from + formPage(`${site}/oauth2/end_session`, { post_logout_redirect_uri: bye, state: 'a&b' }));
  await page.waitForURL(`${site}/oauth2/end_session*`);
  ok(`a form of ${name} leads to a question`, await asks(page), await page.content());
  is(`a form of ${name} leaves the session cookie`, await sessionCookie(context), cookie);
  is(`a form of ${name} leaves the session`, await sub(context), user);

  await page.locator('main > form [type="submit"]:not([name])').click();
  await page.waitForURL(`${app}/**`);
  is(`the logout that a form of ${name} asked for ends at the client after the confirmation`, page.url(), `${bye}?state=a%26b`);
  is(`the confirmation deletes the cookie (${name})`, await sessionCookie(context), undefined);
  is(`the confirmation ends the session (${name})`,
    await sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${user}'`), '0');
  await context.close();
}

async function logoutByLink(name, from) {
  const context = await guest();
  const user = await sub(context);
  const page = await context.newPage();

  pages.set('/link', `<a href="${endSession({ post_logout_redirect_uri: bye })}">link</a>`);
  await page.goto(`${from}/link`);
  await page.click('a');
  await page.waitForURL(`${site}/oauth2/end_session*`);
  ok(`a link of ${name} to end_session leads to a question`, await asks(page), await page.content());
  is(`a link of ${name} to end_session leaves the session`, await sub(context), user);
  await context.close();
}

async function logoutByImage(name, from) {
  const context = await guest();
  const user = await sub(context);
  const cookie = await sessionCookie(context);
  const page = await context.newPage();

  pages.set('/image', `<img src="${endSession()}" onerror="document.title = 'loaded'" onload="document.title = 'loaded'">`);
  await page.goto(`${from}/image`);
  await page.waitForFunction(() => document.title === 'loaded');
  is(`an image of ${name} leaves the session cookie`, await sessionCookie(context), cookie);
  is(`an image of ${name} leaves the session`, await sub(context), user);
  await context.close();
}

// The page of a sibling lets Chromium fetch the logout before anybody clicks.
async function logoutBySpeculation(action) {
  const context = await guest();
  const user = await sub(context);
  const cookie = await sessionCookie(context);
  const page = await context.newPage();
  const rule = { source: 'list', urls: [endSession({ post_logout_redirect_uri: bye })], eagerness: 'immediate' };
  const fetched = once(forwarded, 'prefetch', { signal: AbortSignal.timeout(30_000) });

  pages.set('/speculation', `<script type="speculationrules">${JSON.stringify({ [action]: [rule] })}</script>`);
  await page.goto(`${sibling}/speculation`);
  ok(`Chromium follows the rule (${action})`, new URL((await fetched)[0], site).pathname === '/oauth2/end_session');
  is(`speculation rules (${action}) of a sibling leave the session cookie`, await sessionCookie(context), cookie);
  is(`speculation rules (${action}) of a sibling leave the session`, await sub(context), user);
  await context.close();
}

async function logoutByAddress(name, address) {
  const context = await guest();
  const user = await sub(context);
  const page = await context.newPage();

  await page.goto(address);
  ok(`${name} leads to a question`, await asks(page), await page.content());
  is(`${name} leaves the session`, await sub(context), user);
  await page.locator('main > form [type="submit"]:not([name])').click();
  await page.waitForURL(`${app}/**`);
  is(`the confirmation ends the session (${name})`, await sessionCookie(context), undefined);
  await context.close();
}

async function logoutByOwnPage() {
  const context = await guest();
  const page = await blank(context);

  await page.evaluate((to) => location.assign(to), endSession({ post_logout_redirect_uri: bye }));
  await page.waitForURL(bye);
  is('a page of the site logs out without a question', await sessionCookie(context), undefined);
  await context.close();
}

async function logoutWithHint() {
  const [user, token] = (
    await sql(`SELECT sub || ' ' || id_token FROM anon_auth.authenticate_anonymously('tokens')`)
  ).split(' ');
  const alive = () => sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${user}'`);
  const context = await visitor();
  const page = await context.newPage();

  pages.set('/hint', `<a href="${endSession({ post_logout_redirect_uri: bye, id_token_hint: `${token}x` })}">link</a>`);
  await page.goto(`${app}/hint`);
  await page.click('a');
  await page.waitForURL(`${app}/**`);
  is('a forged id_token_hint ends no session', await alive(), '1');

  pages.set('/hint', `<a href="${endSession({ post_logout_redirect_uri: bye, id_token_hint: token })}">link</a>`);
  await page.goto(`${app}/hint`);
  await page.click('a');
  await page.waitForURL(bye);
  is('a link with id_token_hint ends the session of the token', await alive(), '0');
  await context.close();
}

async function logoutWithHintAndCookie(method) {
  const [user, token] = (
    await sql(`SELECT sub || ' ' || id_token FROM anon_auth.authenticate_anonymously('tokens')`)
  ).split(' ');
  const context = await guest();
  const other = await sub(context);
  const page = await context.newPage();
  const parameters = { post_logout_redirect_uri: bye, id_token_hint: token };

  pages.set('/hint', `<a href="${endSession(parameters)}">link</a>`);
  await page.goto(app + (method === 'GET' ? '/hint' : formPage(`${site}/oauth2/end_session`, parameters)));
  if (method === 'GET') {
    await page.click('a');
  }
  await page.waitForURL(`${site}/oauth2/end_session*`);
  await page.waitForSelector('form');
  is(`${method} with id_token_hint ends the session of the token at once`,
    await sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${user}'`), '0');
  ok(`${method} with id_token_hint asks about the session of the cookie`, await asks(page));
  is(`${method} with id_token_hint leaves the session of the cookie`, await sub(context), other);
  await context.close();
}

// ---------------------------------------------------------------------------
// Cookies that a sibling sets
// ---------------------------------------------------------------------------

async function toss(context, cookies) {
  const page = await context.newPage();

  await page.goto(`${sibling}/blank`);
  await page.evaluate((all) => {
    for (const [name, value] of all) {
      document.cookie = `${name}=${value}; Domain=app.localhost; Path=/; Secure`;
      document.cookie = `${name}=${value}; Domain=app.localhost; Path=/oauth2; Secure`;
      document.cookie = `${name}=${value}; Domain=app.localhost; Path=/rest; Secure`;
    }
  }, cookies);
  await page.close();
}

async function tossedSession() {
  const attacker = await guest();
  const context = await guest();
  const user = await sub(context);
  const value = await sessionCookie(attacker);

  await toss(context, [['session', value], ['__Host-session', value], ['__host-session', value]]);
  is('a session cookie from a sibling does not replace that of the site', await sub(context), user);

  const nobody = await visitor();

  await toss(nobody, [['session', value], ['__Host-session', value], ['__host-session', value]]);
  is('a session cookie from a sibling logs nobody in', (await api(nobody, '/oauth2/userinfo')).status, 401);
  await Promise.all([attacker, context, nobody].map((each) => each.close()));
}

// The attacker knows the value of the tossed cookie, and has read x_ref in a log.
async function tossedPromotion() {
  const known = 'k'.repeat(43);
  const cookies = [['promotion', known], ['__Host-promotion', known]];
  const context = await visitor();
  const attacker = await visitor();

  await toss(context, cookies);
  await toss(attacker, cookies);
  const page = await context.newPage();
  await page.goto(authorize(await promotion()));
  ok('a promotion cookie from a sibling does not hide the form', await hasForm(page));

  const theirs = await attacker.newPage();
  await theirs.goto(page.url());
  ok('a promotion cookie from a sibling does not give its sender the form', !(await hasForm(theirs)));
  await submit(page, 'tossed@example.com');
  is('the form leads to the client', new URL(page.url()).pathname, '/cb');
  await Promise.all([attacker, context].map((each) => each.close()));
}

// ---------------------------------------------------------------------------
// Promotion
// ---------------------------------------------------------------------------

async function foreignAuthorize() {
  const context = await visitor();
  const page = await context.newPage();
  const second = await context.newPage();

  await page.goto(authorize(await promotion()));
  await second.goto(other + formPage(`${site}/oauth2/authorize`, await promotion()));
  await second.waitForURL(`${site}/flows/**`);
  ok('an authorization request by a POST of another site shows the form', await hasForm(second));
  await page.reload();
  ok('a POST of another site to authorize does not expire an open form', await hasForm(page));
  await submit(page, 'open@example.com');
  is('the open form leads to the client', new URL(page.url()).pathname, '/cb');
  await context.close();
}

async function imageOfAuthorize() {
  const context = await visitor();
  const page = await context.newPage();

  pages.set('/image', `<img src="${authorize(await promotion()).replaceAll('&', '&amp;')}" onerror="document.title = 'loaded'">`);
  await page.goto(`${sibling}/image`);
  await page.waitForFunction(() => document.title === 'loaded');
  is('an image of a sibling sets no cookie at authorize', (await context.cookies(site)).length, 0);
  await context.close();
}

async function twoTabs() {
  const context = await visitor();
  const tabs = [await context.newPage(), await context.newPage()];
  const values = [];
  const value = async () => (await context.cookies(site)).find(({ name }) => /promotion$/.test(name))?.value;

  for (const tab of tabs) {
    await tab.goto(authorize(await promotion()));
    values.push(await value());
  }
  ok('a second tab gets its own secret', values[0] !== values[1]);
  await tabs[0].reload();
  ok('the form of the first tab remains when a second tab has one', await hasForm(tabs[0]));
  await submit(tabs[1], 'second@example.com');
  ok('the end of a flow changes the cookie', (await value()) !== values[1]);
  await submit(tabs[0], 'first@example.com');
  is('both tabs promote their guests',
    await sql(`SELECT count(*) FROM anon_auth.login_ids WHERE value IN ('first@example.com', 'second@example.com')`), '2');
  await context.close();
}

// Somebody sends the link that promotes a guest of theirs.
async function sentLink() {
  const attacker = await guest();
  const victim = await guest();
  const nobody = await visitor();
  const link = authorize(await promotion(await cookieCode(attacker), withCookie));

  for (const [name, context] of [['with', victim], ['without', nobody]]) {
    const page = await context.newPage();

    await page.goto(link);
    ok(`a browser ${name} its own session does not open the promotion of another browser's guest`,
      page.url().startsWith(`${app}/home?error=invalid_request`), page.url());
  }
  const own = await attacker.newPage();

  await own.goto(other + formPage(`${site}/oauth2/authorize`, await promotion(await cookieCode(attacker), withCookie)));
  await own.waitForURL(`${site}/flows/**`);
  ok('the browser of the guest opens its promotion, also by a POST of another site', await hasForm(own));
  await submit(own, 'own@example.com');
  is("the promotion in the guest's own browser ends at the client", own.url(),
    `${app}/home?state=s&iss=${encodeURIComponent(site)}`);
  await Promise.all([attacker, victim, nobody].map((each) => each.close()));
}

// ---------------------------------------------------------------------------
// Writes through PostgREST
// ---------------------------------------------------------------------------

async function foreignWrite(name, from) {
  const context = await guest();
  const user = await sub(context);
  const page = await context.newPage();

  await page.goto(from + formPage(`${site}/rest/notes`, { body: 'forged' }));
  await page.waitForURL(`${site}/rest/notes`);
  is(`a form of ${name} cannot write with the session cookie`,
    await sql(`SELECT count(*) FROM api.notes WHERE user_id = '${user}'`), '0');
  await context.close();
}

// ---------------------------------------------------------------------------

for (const [name, from] of [['another site', other], ['a sibling', sibling]]) {
  await test(`logout by a form of ${name}`, () => logoutByForm(name, from));
  await test(`logout by a link of ${name}`, () => logoutByLink(name, from));
  await test(`logout by an image of ${name}`, () => logoutByImage(name, from));
}
for (const action of ['prefetch', 'prerender']) {
  await test(`logout by speculation rules (${action})`, () => logoutBySpeculation(action));
}
redirects.set('/redirect', endSession({ post_logout_redirect_uri: bye }));
await test('logout by a typed address', () => logoutByAddress('a typed address', redirects.get('/redirect')));
await test('logout by a redirect from a typed address', () => logoutByAddress('a redirect from a typed address', `${sibling}/redirect`));
await test('logout by a page of the site', logoutByOwnPage);
await test('logout with id_token_hint', logoutWithHint);
await test('logout with id_token_hint and a cookie (GET)', () => logoutWithHintAndCookie('GET'));
await test('logout with id_token_hint and a cookie (POST)', () => logoutWithHintAndCookie('POST'));
await test('a tossed session cookie', tossedSession);
await test('a tossed promotion cookie', tossedPromotion);
await test('a POST of another site to authorize', foreignAuthorize);
await test('an image of authorize', imageOfAuthorize);
await test('promotions in two tabs', twoTabs);
await test('a link that somebody sent', sentLink);
await test('a write by the page of a third-party client', () => foreignWrite('a third-party client', sibling));
await test('a write by another site', () => foreignWrite('another site', other));
await close();
server.close();
server.closeAllConnections();
done();
