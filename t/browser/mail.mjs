// The messages that the worker of examples/worker has sent, and what people and programs do
// with their links.

import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { is } from './browser.mjs';

const { MAILBOX: mailbox } = process.env;

const taken = new Set();

// The next message to an address: its code and its link.
export async function messageTo(address) {
  const end = Date.now() + 1000 * Number(process.env.TIMEOUT ?? 60);

  while (Date.now() < end) {
    for (const name of (await readdir(mailbox)).filter((entry) => entry.endsWith('.json')).sort()) {
      const mail = JSON.parse(await readFile(`${mailbox}/${name}`, 'utf8'));

      if (!taken.has(name) && mail.to[0].toLowerCase() === address.toLowerCase()) {
        taken.add(name);
        return {
          code: /\b\d{6}\b/.exec(mail.text)?.[0],
          resetCode: /\b[0-9A-Z]{5}-?[0-9A-Z]{5}\b/.exec(mail.text)?.[0],
          link: /^http\S+$/m.exec(mail.text)?.[0],
          text: mail.text,
        };
      }
    }
    await sleep(50);
  }
  throw new Error(`no message to ${address}`);
}

// A click in a mail program: a navigation from another site, in a new tab.
export async function openLink(context, link) {
  const page = await context.newPage();

  await page.goto(`data:text/html,<a href="${link.replaceAll('&', '%26amp;')}">link</a>`);
  await Promise.all([page.waitForURL(/code_link/), page.click('a')]);
  await page.waitForSelector('h1');
  return page;
}

// What a mail scanner does with a link.
export async function scan(link) {
  for (const method of ['HEAD', 'GET', 'GET']) {
    const answer = await fetch(link, { method, redirect: 'manual', headers: { 'User-Agent': 'scanner' } });

    is(`a scanner's ${method} is answered`, answer.status, 200);
    is(`a scanner's ${method} gets no cookie`, answer.headers.get('set-cookie'), null);
    await answer.text();
  }
}
