// IndexedDBStore with a database that fails in the ways of a browser.  The real ones are
// tested in browsers.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { IndexedDBStore, MemoryStore } from '../src/index.js';

const soon = (action) => queueMicrotask(action);

// What the store uses of IndexedDB, with the faults of a test.
class FakeIndexedDB {
  records = new Map();
  opened = 0;
  refusal = null;
  isClosed = false;

  open() {
    const request = {};

    this.opened++;
    soon(() => {
      if (this.refusal) {
        request.error = this.refusal;
        request.onerror();
        return;
      }
      this.isClosed = false;
      request.result = { transaction: () => this.#transaction(), createObjectStore() {}, close() {} };
      this.database = request.result;
      request.onupgradeneeded();
      request.onsuccess();
    });
    return request;
  }

  #transaction() {
    if (this.isClosed) {
      throw new DOMException('closed', 'InvalidStateError');
    }
    const transaction = { error: this.fault };
    const answer = (result) => {
      const request = {};

      soon(() => {
        request.result = result;
        request.onsuccess();
        soon(() => (this.fault ? transaction.onabort() : transaction.oncomplete()));
      });
      return request;
    };

    transaction.objectStore = () => ({
      get: (key) => answer(this.records.get(key)),
      put: (record, key) => answer(this.records.set(key, record) && key),
    });
    return transaction;
  }
}

let database;
let store;

beforeEach(() => {
  database = new FakeIndexedDB();
  globalThis.indexedDB = database;
  store = new IndexedDBStore();
});

afterEach(() => {
  delete globalThis.indexedDB;
});

test('a record is written and read on one connection', async () => {
  await store.write('key', { value: 1 });
  assert.deepEqual(await store.read('key'), { value: 1 });
  assert.equal(database.opened, 1);
});

test('a connection that the browser has closed is opened again', async () => {
  await store.write('key', { value: 1 });
  database.isClosed = true;
  assert.deepEqual(await store.read('key'), { value: 1 });
  assert.equal(database.opened, 2);
});

test('after the event of a closed connection, the next call opens another one', async () => {
  for (const event of ['onclose', 'onversionchange']) {
    await store.read('key');
    const before = database.opened;

    database.database[event]();
    await store.read('key');
    assert.equal(database.opened, before + 1, event);
  }
});

test('a browser that refuses is storage_unavailable, and can be asked again', async () => {
  database.refusal = new DOMException('not here', 'SecurityError');
  await assert.rejects(() => store.read('key'), { code: 'storage_unavailable' });
  database.refusal = null;
  assert.equal(await store.read('key'), undefined);
  delete globalThis.indexedDB;
  await assert.rejects(() => new IndexedDBStore().read('key'), { code: 'storage_unavailable' });
});

test('a write that was not committed is an error', async () => {
  database.fault = new DOMException('full', 'QuotaExceededError');
  await assert.rejects(() => store.write('key', {}), { code: 'storage_unavailable' });
});

test('without Web Locks, the browser is unsupported', { skip: Boolean(globalThis.navigator?.locks) }, async () => {
  await assert.rejects(() => store.exclusive('key', async () => {}), { code: 'unsupported' });
});

test('MemoryStore runs one action of a key after the other, also after an error', async () => {
  const memory = new MemoryStore();
  const order = [];
  const slow = memory.exclusive('key', async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push('first');
    throw new Error('failed');
  });
  const next = memory.exclusive('key', async () => order.push('second'));
  const other = memory.exclusive('other', async () => order.push('other'));

  await assert.rejects(slow, { message: 'failed' });
  await Promise.all([next, other]);
  assert.deepEqual(order, ['other', 'first', 'second']);
});
