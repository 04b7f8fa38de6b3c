// How long to wait before the next attempt: exponential with full jitter, so that the clients of a server that went away
// do not come back all at once.

export class Backoff {
  #attempt = 0;

  /**
   * @param {{ base?: number, cap?: number, random?: () => number }} [options] Milliseconds: the first delay is at most
   *   `base`, none is more than `cap`.
   */
  constructor({ base = 250, cap = 15_000, random = Math.random } = {}) {
    this.base = base;
    this.cap = cap;
    this.random = random;
  }

  /** The next delay in milliseconds, uniform from 0 to `min(cap, base · 2ⁿ)`. */
  next() {
    const ceiling = Math.min(this.cap, this.base * 2 ** Math.min(this.#attempt, 40));
    this.#attempt += 1;
    return ceiling * this.random();
  }

  /** Begins anew: an attempt succeeded. */
  reset() {
    this.#attempt = 0;
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} [signal] Ends the wait early, without an error.
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}
