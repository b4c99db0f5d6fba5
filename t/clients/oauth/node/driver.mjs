// Stands in for the person at the browser and for the administrator, for the
// programs of every language in this directory.
//
//   POST /log-in   {url, login_id, password, jar}: opens the URL, fills in the form
//                  that follows, and answers {status, location, body} of the first
//                  response that leaves the site or that has no form to fill in.
//                  Cookies are kept by the name of the jar; without one, each call
//                  is a new browser. Without a password, no form is sent. With forms,
//                  a list of {name: value}, those are filled in, one on each page.
//   POST /sql      the result of the statement in the body
//   POST /publish-key, POST /use-key
//                  rotates the signing key, and lets its lead time pass
//   GET /...       a page for the programs that run in a browser, and the packages
//                  in node_modules
//
// It listens on 127.0.0.1:DRIVER_PORT.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { promisify } from 'node:util';

const { ORIGIN: origin, DATABASE: database, DRIVER_PORT: port } = process.env;
const jars = new Map();

function send(method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false }, (response) => {
      const chunks = [];

      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }),
      );
      response.on('error', reject);
    });

    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

// A navigation of the browser, as Chromium sends it. site is the relation of the
// page that starts it to the URL.
async function navigate(jar, url, site, form) {
  const headers = {
    Accept: 'text/html',
    'Sec-Fetch-Dest': 'document',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Site': site,
    'Sec-Fetch-User': '?1',
  };

  if (jar.size > 0) {
    headers.Cookie = [...jar].map((pair) => pair.join('=')).join('; ');
  }
  if (form) {
    headers['Content-Type'] = 'application/x-www-form-urlencoded';
    headers.Origin = origin;
  }
  const response = await send(form ? 'POST' : 'GET', url, headers, form?.toString());

  for (const line of response.headers['set-cookie'] ?? []) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);

    if (value === '' || /;\s*max-age=0/i.test(line)) {
      jar.delete(name);
    } else {
      jar.set(name, value);
    }
  }
  return response;
}

const unescape = (text) =>
  text
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code))
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

const attribute = (tag, name) => {
  const match = new RegExp(`\\s${name}="([^"]*)"`).exec(tag);

  return match ? unescape(match[1]) : undefined;
};

// The form of a page: {action, fields}, or undefined.
function formOf(page, url) {
  const match = /(<form\b[^>]*\bmethod="post"[^>]*>)([\s\S]*?)<\/form>/i.exec(page);

  if (!match) {
    return undefined;
  }
  const fields = new URLSearchParams();

  for (const [tag] of match[2].matchAll(/<input\b[^>]*>/gi)) {
    if (attribute(tag, 'name')) {
      fields.set(attribute(tag, 'name'), attribute(tag, 'value') ?? '');
    }
  }
  return { action: new URL(attribute(match[1], 'action') ?? '', url), fields };
}

// The values for the form of a login page.
function valuesOf(fields, loginId, password) {
  const values = { password: loginId === 'bob@example.com' ? 'another horse' : password };

  if (!fields.get('login_id')) {
    values.login_id = loginId;
  }
  return values;
}

async function logIn({ url: start, login_id: loginId, password, jar: name, forms }) {
  const jar = jars.get(name) ?? new Map();
  const pending = forms ?? (password === undefined ? [] : [(fields) => valuesOf(fields, loginId, password)]);
  let url = new URL(start);
  let site = 'cross-site';
  let form;

  if (name) {
    jars.set(name, jar);
  }
  for (let i = 0; i < 16; i++) {
    const response = await navigate(jar, url, site, form);

    site = 'same-origin';
    form = undefined;
    if (response.headers.location) {
      const next = new URL(response.headers.location, url);

      if (next.origin !== origin || !/^\/(oauth2\/|flows\/|settings(\/|$))/.test(next.pathname)) {
        return { status: response.status, location: next.href, body: '' };
      }
      url = next;
      continue;
    }
    const found = formOf(response.body, url);

    if (!found || pending.length === 0) {
      return { status: response.status, location: '', body: response.body };
    }
    ({ action: url, fields: form } = found);
    const values = pending.shift();

    for (const [field, value] of Object.entries(typeof values === 'function' ? values(form) : values)) {
      form.set(field, value);
    }
  }
  throw new Error(`too many redirects from ${start}`);
}

async function sql(text) {
  const { stdout } = await promisify(execFile)('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', text]);

  return stdout.trim();
}

const useKey = `UPDATE anon_auth.signing_keys SET signs_from = least(signs_from, now()),
  retiring_since = CASE WHEN retiring_since IS NOT NULL THEN least(retiring_since, now()) END`;
const types = { js: 'text/javascript', mjs: 'text/javascript', html: 'text/html' };

async function answer(incoming, body, outgoing) {
  const { pathname } = new URL(incoming.url, 'http://driver');

  if (pathname === '/log-in') {
    outgoing.setHeader('Content-Type', 'application/json');
    outgoing.end(JSON.stringify(await logIn(JSON.parse(body))));
  } else if (pathname === '/sql') {
    outgoing.end(await sql(body));
  } else if (pathname === '/publish-key') {
    outgoing.end(await sql('SELECT anon_auth.rotate_signing_key()'));
  } else if (pathname === '/use-key') {
    outgoing.end(await sql(useKey));
  } else if (/^\/node_modules\/[\w@./-]+\.m?js$/.test(pathname) && !pathname.includes('..')) {
    outgoing.setHeader('Content-Type', types[pathname.split('.').pop()]);
    outgoing.end(await readFile(new URL(`.${pathname}`, import.meta.url)));
  } else {
    outgoing.setHeader('Content-Type', 'text/html');
    outgoing.end('<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><title>A page</title>');
  }
}

createServer((incoming, outgoing) => {
  const chunks = [];

  incoming.on('data', (chunk) => chunks.push(chunk));
  incoming.on('end', () =>
    answer(incoming, Buffer.concat(chunks).toString(), outgoing).catch((error) => {
      outgoing.statusCode = 500;
      outgoing.end(String(error.stack));
    }),
  );
}).listen(Number(port), '127.0.0.1');
