// A person in front of the pages of clients/web, for web_client.mjs: opens pages, calls the
// module there, and fills in the pages of the server.

import { UnreliableNetwork } from './unreliable.mjs';

export const { before, close, complaints, done, is, ok, origin, person, product, sql, test } = await import(
  process.env.BROWSER ?? './browser.mjs'
);
export const password = 'correct horse';
export const network = new UnreliableNetwork(process.env.UPSTREAM);

await network.listen(new URL(origin).port);

export const addressOf = (client, base = origin) => `${base}/app/${client}.html`;

export async function until(condition, what) {
  const end = Date.now() + 1000 * Number(process.env.TIMEOUT ?? 60);

  while (!(await condition().catch(() => false))) {
    if (Date.now() > end) {
      throw new Error(`does not happen: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const ready = (page) =>
  until(() => page.evaluate(() => document.body.dataset.ready === 'true'), `${page.url()} is ready`);

export async function open(context, client = 'web', base = origin) {
  const page = await context.newPage();

  await page.goto(addressOf(client, base));
  await ready(page);
  return page;
}

export const attempt = (page, action, value) =>
  page.evaluate(`attempt(async () => (${action})(${value === undefined ? '' : JSON.stringify(value)}))`);

export async function value(page, action, argument) {
  const { value: result, error } = await attempt(page, action, argument);

  if (error) {
    throw new Error(`${error.code}: ${error.message} (${JSON.stringify(error)})`);
  }
  return result;
}

export const failure = async (page, action, argument) => {
  const { value: result, error } = await attempt(page, action, argument);

  return error ?? { code: `no error, but ${JSON.stringify(result)}` };
};

export const signUp = (page) => value(page, () => auth.continueAsGuest());
export const countOfUsers = () => sql('SELECT count(*) FROM anon_auth.users').then(Number);
export const sessionsOf = (user) => sql(`SELECT count(*) FROM anon_auth.sessions WHERE user_id = '${user}'`);
export const tokenRequests = () => network.take('/oauth2/token').filter(({ method }) => method === 'POST').length;
export const fill = (page, selector, text) => page.locator(selector).fill(text);

// Fills in the form of a page of the server, and sends it.
export async function submit(page, loginId) {
  await page.waitForSelector('input[name="password"]');
  await fill(page, '#login_id', loginId);
  await fill(page, 'input[name="password"]', password);
  await page.evaluate(() => document.querySelector('form:has(input[name="password"])').requestSubmit());
}

export async function navigate(page, method, client = 'web', base = origin) {
  const url = await value(page, `(redirectUri) => auth.${method}({ redirectUri })`, addressOf(client, base));

  await page.goto(url);
}

export async function back(page, client = 'web', base = origin) {
  await until(async () => page.url().startsWith(addressOf(client, base)), 'the redirect back');
  await ready(page);
}

export async function promote(page, loginId, client = 'web', base = origin) {
  await navigate(page, 'promotionUrl', client, base);
  await submit(page, loginId);
  await back(page, client, base);
  return value(page, () => auth.finishRedirect());
}

export async function logIn(page, loginId) {
  await navigate(page, 'loginUrl');
  await submit(page, loginId);
  await back(page);
  return value(page, () => auth.finishRedirect());
}

export async function codeFor(page, options) {
  await value(page, (details) => auth.requestCode(details).then((date) => date.getTime()), options);
  return sql(`SELECT code FROM anon_auth.take_outbox_messages() WHERE recipient = '${options.loginId}'`);
}
