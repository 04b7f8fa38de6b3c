/**
 * A path with its parts encoded: path`/api/rooms/${id}`.
 * @param {TemplateStringsArray} fixed
 * @param {string[]} parts
 */
export function path(fixed: TemplateStringsArray, ...parts: string[]): string;
export class Rest {
    /**
     * @param {{ http: Http, session: Session, patience?: number, backoff?: { base?: number, cap?: number } }} options
     *   `patience`: the longest `Retry-After`, in milliseconds, that a call waits for; where it is longer, the call fails
     *   and says so in `retryAfter`.
     */
    constructor({ http, session, patience, backoff }: {
        http: Http;
        session: Session;
        patience?: number;
        backoff?: {
            base?: number;
            cap?: number;
        };
    });
    http: Http;
    patience: number;
    backoff: {
        base?: number;
        cap?: number;
    };
    /**
     * @param {string} method
     * @param {string} path From `/`, encoded.
     * @param {Request & { once?: string }} [request] `once`: an `Idempotency-Key`, with which a `POST` may be repeated.
     * @returns {Promise<any>}
     */
    call(method: string, path: string, { once, headers, ...request }?: Request & {
        once?: string;
    }): Promise<any>;
    /** @param {string} path @param {Request["query"]} [query] */
    get(path: string, query?: Request["query"]): Promise<any>;
    /** @param {string} path @param {any} [body] @param {string} [once] */
    post(path: string, body?: any, once?: string): Promise<any>;
    /** @param {string} path @param {any} [body] */
    put(path: string, body?: any): Promise<any>;
    /** @param {string} path @param {any} [body] */
    delete(path: string, body?: any): Promise<any>;
    #private;
}
import type { Http } from "./http.js";
import type { Request } from "./http.js";
import type { Session } from "./session.js";
