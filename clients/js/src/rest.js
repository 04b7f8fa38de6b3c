// REST calls as the user of a session: tokens are renewed, rate limits obeyed, and what may be repeated is.

import { Backoff, sleep } from "./backoff.js";
import { asChatError } from "./errors.js";

/** @import { Http, Request } from "./http.js" */
/** @import { Session } from "./session.js" */

/** Attempts of one call. */
const ATTEMPTS = 4;

/** Twice is once. */
const REPEATABLE = ["GET", "PUT", "DELETE"];

export class Rest {
  #session;

  /**
   * @param {{ http: Http, session: Session, patience?: number, backoff?: { base?: number, cap?: number } }} options
   *   `patience`: the longest `Retry-After`, in milliseconds, that a call waits for; where it is longer, the call fails
   *   and says so in `retryAfter`.
   */
  constructor({ http, session, patience = 10_000, backoff = {} }) {
    this.http = http;
    this.#session = session;
    this.patience = patience;
    this.backoff = backoff;
  }

  /**
   * @param {string} method
   * @param {string} path From `/`, encoded.
   * @param {Request & { once?: string }} [request] `once`: an `Idempotency-Key`, with which a `POST` may be repeated.
   * @returns {Promise<any>}
   */
  async call(method, path, { once, headers = {}, ...request } = {}) {
    const backoff = new Backoff(this.backoff);
    const repeatable = REPEATABLE.includes(method) || once !== undefined;
    const keyed = once === undefined ? headers : { ...headers, "idempotency-key": once };
    /** @type {string | undefined} */
    let refused;
    for (let attempt = 1; ; attempt++) {
      const token = await this.#session.token(refused);
      try {
        return await this.http.exchange(method, path, { ...request, headers: keyed, token });
      } catch (thrown) {
        const error = asChatError(thrown);
        if (error.code === "UNAUTHORIZED" && refused === undefined) {
          refused = token;
          continue;
        }
        if (attempt >= ATTEMPTS || request.signal?.aborted) throw error;
        // A rate that was exceeded has done nothing; all else that passes may have.
        const limited = error.code === "RATE_LIMIT_EXCEEDED" && error.retryAfter !== undefined;
        if (!limited && !(repeatable && error.isTemporary)) throw error;
        if ((error.retryAfter ?? 0) > this.patience) throw error;
        await sleep(Math.max(error.retryAfter ?? 0, backoff.next()), request.signal);
      }
    }
  }

  /** @param {string} path @param {Request["query"]} [query] */
  get(path, query) {
    return this.call("GET", path, { query });
  }

  /** @param {string} path @param {any} [body] @param {string} [once] */
  post(path, body, once) {
    return this.call("POST", path, { body, once });
  }

  /** @param {string} path @param {any} [body] */
  put(path, body) {
    return this.call("PUT", path, { body });
  }

  /** @param {string} path @param {any} [body] */
  delete(path, body) {
    return this.call("DELETE", path, { body });
  }
}

/**
 * A path with its parts encoded: path`/api/rooms/${id}`.
 * @param {TemplateStringsArray} fixed
 * @param {string[]} parts
 */
export function path(fixed, ...parts) {
  return String.raw({ raw: fixed }, ...parts.map(encodeURIComponent));
}
