// One exchange over HTTP: a request in, its JSON out, and whatever goes wrong as a ChatError.

import { ChatError } from "./errors.js";

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
  constructor({ api, fetch = globalThis.fetch, timeout = 30_000 }) {
    this.base = baseUrl(api);
    this.timeout = timeout;
    // Browsers want it called as a method of nothing.
    this.fetch = (/** @type {string} */ url, /** @type {RequestInit} */ init) => fetch(url, init);
  }

  /**
   * @param {string} method
   * @param {string} path From `/`, encoded.
   * @param {Request} [request]
   * @returns {Promise<any>} The answer; `undefined` where it has no body.
   */
  async exchange(method, path, { query = {}, body, headers = {}, token, as = "json", signal } = {}) {
    const url = `${this.base}${path}${queryString(query)}`;
    const json = body !== undefined && !isRaw(body);
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), this.timeout);
    const abort = () => limit.abort();
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      const answer = await this.fetch(url, {
        method,
        headers: {
          ...(json && { "content-type": "application/json" }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...headers,
        },
        body: json ? JSON.stringify(body) : body,
        signal: limit.signal,
        credentials: "omit",
      });
      if (!answer.ok) throw await problem(answer);
      if (as === "blob") return await answer.blob();
      const text = await answer.text();
      return text === "" ? undefined : JSON.parse(text);
    } catch (cause) {
      if (cause instanceof ChatError) throw cause;
      if (signal?.aborted) throw new ChatError("CLOSED", "the request was aborted", { cause });
      if (limit.signal.aborted) throw new ChatError("TIMEOUT", `no answer in ${this.timeout} ms`, { cause });
      throw new ChatError("NETWORK", `${method} ${path}: no answer`, { cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }
}

/** @param {any} body */
function isRaw(body) {
  return body instanceof FormData || body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body);
}

/** @param {Record<string, string | number | boolean | undefined>} query */
function queryString(query) {
  const pairs = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs)}`;
}

/**
 * An answer that is no 2xx: problem+json (RFC 9457), or what a proxy says.
 * @param {Response} answer
 */
async function problem(answer) {
  const body = await answer.json().catch(() => ({}));
  const seconds = Number(answer.headers.get("retry-after") ?? Number.NaN);
  return new ChatError(
    typeof body.code === "string" ? body.code : answer.status >= 500 ? "UNAVAILABLE" : "SERVER_ERROR",
    body.detail ?? body.title ?? `HTTP ${answer.status}`,
    {
      status: answer.status,
      details: Array.isArray(body.details) ? body.details : [],
      retryAfter: Number.isFinite(seconds) ? seconds * 1000 : undefined,
      requestId: body.requestId ?? answer.headers.get("x-request-id") ?? undefined,
    },
  );
}

/**
 * Checks where the API is, and takes the slash from its end.
 * @param {string} api
 */
function baseUrl(api) {
  let url;
  try {
    url = new URL(api);
  } catch (cause) {
    throw new TypeError(`api: ${JSON.stringify(api)} is no URL`, { cause });
  }
  if (!["http:", "https:"].includes(url.protocol)) throw new TypeError(`api: expected http or https, not ${api}`);
  return api.replace(/\/+$/, "");
}
