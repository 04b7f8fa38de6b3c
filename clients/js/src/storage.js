// Where a client keeps what is to survive a reload: its login, and what was not sent yet. Nothing else is kept.

/**
 * What the client needs of a place to keep things; anything with these methods will do. Values are what
 * `structuredClone` takes (plain objects; with files in a message, `Blob`s).
 *
 * @typedef {object} Storage
 * @property {(key: string) => Promise<any>} get `undefined` where there is none.
 * @property {(key: string, value: any) => Promise<void>} set Resolves once it is kept.
 * @property {(key: string) => Promise<void>} delete
 * @property {(prefix: string) => Promise<[string, any][]>} list What has a key that begins so, in order of keys.
 * @property {<T>(name: string, work: () => Promise<T>) => Promise<T>} lock Does `work` while nobody else who shares this
 *   storage does anything under this name.
 */

/**
 * Keeps things as long as the process lives. Clients that share one share its login.
 * @implements {Storage}
 */
export class MemoryStorage {
  /** @type {Map<string, any>} */
  #values = new Map();
  /** @type {Map<string, Promise<unknown>>} */
  #locks = new Map();

  /** @param {string} key */
  async get(key) {
    return this.#values.get(key);
  }

  /** @param {string} key @param {any} value */
  async set(key, value) {
    this.#values.set(key, value);
  }

  /** @param {string} key */
  async delete(key) {
    this.#values.delete(key);
  }

  /** @param {string} prefix @returns {Promise<[string, any][]>} */
  async list(prefix) {
    const found = [...this.#values].filter(([key]) => key.startsWith(prefix));
    return found.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /**
   * @template T
   * @param {string} name @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async lock(name, work) {
    const before = this.#locks.get(name) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#locks.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#locks.get(name) === mine) this.#locks.delete(name);
    }
  }
}

const TABLE = "kept";

/**
 * Keeps things in the browser, for all tabs of the page's origin. Where the browser refuses (private windows of some),
 * it keeps them as long as the page lives, and `isPersistent` is false.
 * @implements {Storage}
 */
export class IndexedDbStorage {
  #memory = new MemoryStorage();
  /** @type {Promise<IDBDatabase | undefined> | undefined} */
  #opening;
  isPersistent = true;

  /** @param {string} [name] Of the database. */
  constructor(name = "chatapp") {
    this.name = name;
  }

  /** @param {string} key */
  async get(key) {
    const database = await this.#open();
    return database ? settled(database.transaction(TABLE).objectStore(TABLE).get(key)) : this.#memory.get(key);
  }

  /** @param {string} key @param {any} value */
  async set(key, value) {
    const database = await this.#open();
    if (!database) return this.#memory.set(key, value);
    await this.#write(database, (table) => table.put(value, key));
  }

  /** @param {string} key */
  async delete(key) {
    const database = await this.#open();
    if (!database) return this.#memory.delete(key);
    await this.#write(database, (table) => table.delete(key));
  }

  /** @param {string} prefix @returns {Promise<[string, any][]>} */
  async list(prefix) {
    const database = await this.#open();
    if (!database) return this.#memory.list(prefix);
    const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
    const table = database.transaction(TABLE).objectStore(TABLE);
    const [keys, values] = await Promise.all([settled(table.getAllKeys(range)), settled(table.getAll(range))]);
    return keys.map((key, n) => [String(key), values[n]]);
  }

  /**
   * Over all tabs where the browser has Web Locks (all of 2022 and later), else within this one.
   * @template T
   * @param {string} name @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async lock(name, work) {
    const locks = globalThis.navigator?.locks;
    return locks ? await locks.request(`${this.name}/${name}`, work) : await this.#memory.lock(name, work);
  }

  /** @param {IDBDatabase} database @param {(table: IDBObjectStore) => IDBRequest} change @returns {Promise<void>} */
  #write(database, change) {
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(TABLE, "readwrite");
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was aborted"));
      change(transaction.objectStore(TABLE));
    });
  }

  #open() {
    this.#opening ??= new Promise((resolve) => {
      const refused = () => {
        this.isPersistent = false;
        resolve(undefined);
      };
      try {
        const request = indexedDB.open(this.name, 1);
        request.onupgradeneeded = () => void request.result.createObjectStore(TABLE);
        request.onerror = refused;
        request.onsuccess = () => {
          const database = request.result;
          // Another tab brings a newer version, or the browser closed it: opened anew when next needed.
          database.onversionchange = () => database.close();
          database.onclose = () => (this.#opening = undefined);
          resolve(database);
        };
      } catch {
        refused();
      }
    });
    return this.#opening;
  }
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * IndexedDB where there is one, else memory.
 * @returns {Storage}
 */
export function defaultStorage() {
  return typeof indexedDB === "undefined" ? new MemoryStorage() : new IndexedDbStorage();
}
