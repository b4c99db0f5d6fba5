// Access to the database, and the reporting of results.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export const { ORIGIN: origin, DATABASE: database } = process.env;

// ---------------------------------------------------------------------------
// Results
// ---------------------------------------------------------------------------

const tell = (result) => process.stdout.write(`${JSON.stringify(result)}\n`);

export const ok = (name, condition, why) => tell({ name, ok: Boolean(condition), why });

export const is = (name, actual, expected) =>
  ok(name, actual === expected, `got ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);

export const done = () => tell({ done: true });

// Runs a test. An exception counts as one failure; the next test still runs.
export async function test(name, action) {
  try {
    await action();
  } catch (error) {
    ok(name, false, error.stack);
  }
}

// ---------------------------------------------------------------------------
// The database
// ---------------------------------------------------------------------------

export async function sql(text) {
  const { stdout } = await promisify(execFile)('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', text]);

  return stdout.trim();
}
