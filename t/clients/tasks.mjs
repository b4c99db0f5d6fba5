// Reads a JSON array of tasks from standard input and runs the function that
// each task names. Writes a JSON array of { result } or { error } to standard
// output.

import { text } from 'node:stream/consumers';

async function perform({ task, ...parameters }, functions) {
  try {
    return { result: (await functions[task](parameters)) ?? null };
  } catch (error) {
    return { error: error.code ?? error.message };
  }
}

export async function run(functions) {
  const tasks = JSON.parse(await text(process.stdin));
  const results = [];

  for (const task of tasks) {
    results.push(await perform(task, functions));
  }
  process.stdout.write(JSON.stringify(results));
}
