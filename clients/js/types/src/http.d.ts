/**
 * @typedef {object} Request
 * @property {Record<string, string | number | boolean | undefined>} [query] What is undefined is left out.
 * @property {any} [body] Sent as it is where it is a `FormData`, `Blob` or bytes, else as JSON.
 * @property {Record<string, string>} [headers]
 * @property {string} [token]
 * @property {"json" | "blob"} [as] How the answer is read. Default: JSON.
 * @property {AbortSignal} [signal]
 */
export class Http {
    /**
     * @param {{ api: string, fetch?: typeof globalThis.fetch, timeout?: number }} options `timeout` in milliseconds, of a
     *   whole exchange.
     */
    constructor({ api, fetch, timeout }: {
        api: string;
        fetch?: typeof globalThis.fetch;
        timeout?: number;
    });
    base: string;
    timeout: number;
    fetch: (url: string, init: RequestInit) => Promise<Response>;
    /**
     * @param {string} method
     * @param {string} path From `/`, encoded.
     * @param {Request} [request]
     * @returns {Promise<any>} The answer; `undefined` where it has no body.
     */
    exchange(method: string, path: string, { query, body, headers, token, as, signal }?: Request): Promise<any>;
}
export type Request = {
    /**
     * What is undefined is left out.
     */
    query?: Record<string, string | number | boolean | undefined> | undefined;
    /**
     * Sent as it is where it is a `FormData`, `Blob` or bytes, else as JSON.
     */
    body?: any;
    headers?: Record<string, string> | undefined;
    token?: string | undefined;
    /**
     * How the answer is read. Default: JSON.
     */
    as?: "blob" | "json" | undefined;
    signal?: AbortSignal | undefined;
};
