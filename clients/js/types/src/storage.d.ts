/**
 * IndexedDB where there is one, else memory.
 * @returns {Storage}
 */
export function defaultStorage(): Storage;
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
export class MemoryStorage implements Storage {
    /** @param {string} key */
    get(key: string): Promise<any>;
    /** @param {string} key @param {any} value */
    set(key: string, value: any): Promise<void>;
    /** @param {string} key */
    delete(key: string): Promise<void>;
    /** @param {string} prefix @returns {Promise<[string, any][]>} */
    list(prefix: string): Promise<[string, any][]>;
    /**
     * @template T
     * @param {string} name @param {() => Promise<T>} work
     * @returns {Promise<T>}
     */
    lock<T>(name: string, work: () => Promise<T>): Promise<T>;
    #private;
}
/**
 * Keeps things in the browser, for all tabs of the page's origin. Where the browser refuses (private windows of some),
 * it keeps them as long as the page lives, and `isPersistent` is false.
 * @implements {Storage}
 */
export class IndexedDbStorage implements Storage {
    /** @param {string} [name] Of the database. */
    constructor(name?: string);
    isPersistent: boolean;
    name: string;
    /** @param {string} key */
    get(key: string): Promise<any>;
    /** @param {string} key @param {any} value */
    set(key: string, value: any): Promise<void>;
    /** @param {string} key */
    delete(key: string): Promise<void>;
    /** @param {string} prefix @returns {Promise<[string, any][]>} */
    list(prefix: string): Promise<[string, any][]>;
    /**
     * Over all tabs where the browser has Web Locks (all of 2022 and later), else within this one.
     * @template T
     * @param {string} name @param {() => Promise<T>} work
     * @returns {Promise<T>}
     */
    lock<T>(name: string, work: () => Promise<T>): Promise<T>;
    #private;
}
/**
 * What the client needs of a place to keep things; anything with these methods will do. Values are what
 * `structuredClone` takes (plain objects; with files in a message, `Blob`s).
 */
export type Storage = {
    /**
     * `undefined` where there is none.
     */
    get: (key: string) => Promise<any>;
    /**
     * Resolves once it is kept.
     */
    set: (key: string, value: any) => Promise<void>;
    delete: (key: string) => Promise<void>;
    /**
     * What has a key that begins so, in order of keys.
     */
    list: (prefix: string) => Promise<[string, any][]>;
    /**
     * Does `work` while nobody else who shares this
     * storage does anything under this name.
     */
    lock: <T>(name: string, work: () => Promise<T>) => Promise<T>;
};
