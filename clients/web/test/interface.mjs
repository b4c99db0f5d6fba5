// Prints where the types and the module differ: names of exports, methods and error codes.
// Run it where the package is installed.

import { readdir, readFile } from 'node:fs/promises';
import * as module from 'anon-auth';

const source = new URL('../src/', import.meta.resolve('anon-auth'));
const types = await readFile(new URL('index.d.ts', source), 'utf8');
const names = (await readdir(source)).filter((name) => name.endsWith('.js'));
const code = (await Promise.all(names.map((name) => readFile(new URL(name, source), 'utf8')))).join('\n');

const matches = (text, pattern) => new Set([...text.matchAll(pattern)].map(([, name]) => name));
const compare = (what, left, right) => {
  for (const name of left) {
    if (!right.has(name)) {
      console.log(`${what} without its type: ${name}`);
    }
  }
  for (const name of right) {
    if (!left.has(name)) {
      console.log(`type without its ${what}: ${name}`);
    }
  }
};

compare('export', new Set(Object.keys(module)), matches(types, /^export class (\w+)/gm));
for (const [name, value] of Object.entries(module)) {
  const body = types.match(new RegExp(`^export class ${name} [^{]*\\{\\n([^]*?)^\\}`, 'm'))[1];
  const own = Object.getOwnPropertyNames(value.prototype).filter((each) => each !== 'constructor');
  // Those of EventTarget, with the name of the event.
  const inherited = ['addEventListener', 'removeEventListener'];

  compare(
    `method of ${name}`,
    new Set(own),
    new Set(
      [...matches(body, /^  (\w+)(?:<T>)?(?:\(|: \()/gm)].filter(
        (each) => each !== 'constructor' && !inherited.includes(each),
      ),
    ),
  );
}

const table = code.match(/const codes = \{([^]*?)\n\};/)[1];

compare(
  'error code',
  new Set([
    ...matches(code, /new AnonAuthError\(\s*'(\w+)'/g),
    ...matches(code, /return '(\w+)';/g),
    ...matches(code, /\? '(server_error)' : 'unavailable'/g),
    ...matches(table, /: '(\w+)'/g),
    ...matches(code, /access_denied: '(\w+)'/g),
  ]),
  matches(types, /^  \| '(\w+)'/gm),
);
