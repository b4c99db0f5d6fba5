// anon-auth: a browser client of anon_auth over HTTP.  README.md describes it, and
// index.d.ts has the types.

export { AnonAuth } from './client.js';
export { AnonAuthError } from './errors.js';
export { IndexedDBStore, MemoryStore } from './store.js';
