// Where the keys and tokens are.  A store has one record for each issuer and client.

import { AnonAuthError } from './errors.js';

const records = 'records';

const unavailable = (cause) =>
  new AnonAuthError('storage_unavailable', 'this browser does not let the page store keys', { cause });

function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// IndexedDB, shared by all tabs.  It stores CryptoKey objects as they are.
export class IndexedDBStore {
  #name;
  #opened;

  constructor(name = 'anon-auth') {
    this.#name = name;
  }

  async read(key) {
    return this.#with('readonly', (store) => store.get(key));
  }

  async write(key, record) {
    await this.#with('readwrite', (store) => store.put(record, key));
  }

  // Calls action while no other tab is in exclusive() with the same key.
  async exclusive(key, action) {
    if (!globalThis.navigator?.locks) {
      throw new AnonAuthError('unsupported', 'this browser has no Web Locks');
    }
    return navigator.locks.request(`${this.#name} ${key}`, action);
  }

  async #with(mode, action) {
    try {
      return await this.#attempt(mode, action);
    } catch (error) {
      // The browser closes the connection when the user clears the site's data.
      if (error?.name !== 'InvalidStateError') {
        throw unavailable(error);
      }
    }
    this.#opened = undefined;
    try {
      return await this.#attempt(mode, action);
    } catch (error) {
      throw unavailable(error);
    }
  }

  async #attempt(mode, action) {
    const database = await (this.#opened ??= this.#open());
    // What was written is on the disk before a request to the server depends on it.
    const transaction = database.transaction(records, mode, { durability: 'strict' });
    const committed = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([finished(action(transaction.objectStore(records))), committed]);

    return result;
  }

  async #open() {
    try {
      const request = indexedDB.open(this.#name, 1);

      request.onupgradeneeded = () => request.result.createObjectStore(records);
      const database = await finished(request);
      const forget = () => {
        this.#opened = undefined;
      };

      database.onclose = forget;
      database.onversionchange = () => {
        database.close();
        forget();
      };
      return database;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }
}

// For pages whose browser has no IndexedDB, and for tests: the record ends with the page.
export class MemoryStore {
  #records = new Map();
  #queues = new Map();

  async read(key) {
    return structuredClone(this.#records.get(key));
  }

  async write(key, record) {
    this.#records.set(key, structuredClone(record));
  }

  async exclusive(key, action) {
    const former = this.#queues.get(key) ?? Promise.resolve();
    const current = former.then(action);

    this.#queues.set(
      key,
      current.catch(() => {}),
    );
    return current;
  }

  clear() {
    this.#records.clear();
  }
}
