// The page of the tests of clients/web: makes a client from the attributes of <body>, and
// puts what the tests call into the global object.

import { AnonAuth, AnonAuthError, MemoryStore } from './src/index.js';

const { client, issuer, origins } = document.body.dataset;
const key = `${issuer} ${client}`;
const options = { issuer, clientId: client, origins: origins === '' ? [] : [origins] };

function storedAt(mode, action) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open('anon-auth');

    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const request = action(database.transaction('records', mode).objectStore('records'));

      request.onsuccess = () => {
        database.close();
        resolve(request.result);
      };
      request.onerror = () => reject(request.error);
    };
  });
}

const record = () => storedAt('readonly', (store) => store.get(key));
const putRecord = (value) => storedAt('readwrite', (store) => store.put(value, key));

Object.assign(globalThis, {
  AnonAuth,
  MemoryStore,
  options,
  auth: new AnonAuth(options),
  changes: 0,
  record,
  putRecord,

  // The result of an action, or its error, as data.
  async attempt(action) {
    try {
      return { value: await action() };
    } catch (error) {
      const { name, code, message, status, serverCode, sqlState, retryAfter, detail } = error;

      return {
        error: {
          name,
          code,
          message,
          status,
          serverCode,
          sqlState,
          retryAfter,
          detail,
          isOurs: error instanceof AnonAuthError,
        },
      };
    }
  },

  // Makes the stored access token look expired, so that the next use refreshes it.
  async expire() {
    const stored = await record();

    await putRecord({ ...stored, session: { ...stored.session, expiresAt: 0 } });
  },

  // The user clears the data of the site.
  clear() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.deleteDatabase('anon-auth');

      request.onsuccess = resolve;
      request.onerror = () => reject(request.error);
    });
  },

  async notes() {
    const response = await auth.fetch(`${issuer}/rest/notes?select=body&order=id`);

    return response.ok ? (await response.json()).map(({ body }) => body).join() : `status ${response.status}`;
  },

  async addNote(body) {
    const headers = { 'Content-Type': 'application/json' };

    return (await auth.fetch(`${issuer}/rest/notes`, { method: 'POST', headers, body: JSON.stringify({ body }) }))
      .status;
  },
});

auth.addEventListener('change', () => changes++);
document.body.dataset.ready = 'true';
