// Who one is: a login of this server, kept over reloads and renewed by one at a time, or the tokens of a host product.

import { ChatError, asChatError } from "./errors.js";
import { Emitter } from "./emitter.js";
import { sleep } from "./backoff.js";

/** @import { User } from "./types.js" */
/** @import { Http } from "./http.js" */
/** @import { Storage } from "./storage.js" */

/**
 * @typedef {object} Tokens
 * @property {User} user
 * @property {string} token
 * @property {string} refreshToken
 * @property {number} expiresAt By this machine's clock.
 */

/**
 * Gives a token of the host product. Asked when one is needed and the last has nearly ended; with `refused`, the one the
 * server did not take, it must give another one, or throw.
 * @callback TokenSource
 * @param {{ refused?: string }} why
 * @returns {string | Promise<string>}
 */

/** A token is not used for so long before it ends, in milliseconds: it has to arrive, too. */
const MARGIN = 10_000;

/** The server gives another pair for the same token for 10 s: answers that got lost are asked for again. */
const REFRESH_RETRIES = [300, 1500];

const KEY = "session";

/** @extends {Emitter<{ changed: { user: User | undefined, error?: ChatError } }>} */
export class Session extends Emitter {
  #http;
  #storage;
  #source;
  /** @type {Tokens | undefined} */
  #tokens;
  /** The host product's. @type {{ token: string, expiresAt: number } | undefined} */
  #given;
  /** @type {Promise<string> | undefined} */
  #renewing;

  /** @param {{ http: Http, storage: Storage, token?: TokenSource }} options */
  constructor({ http, storage, token }) {
    super();
    this.#http = http;
    this.#storage = storage;
    this.#source = token;
  }

  /** Whose login it is, as they were when it began; of a host product's user nothing is known here. */
  get user() {
    return this.#tokens?.user;
  }

  /** Tokens come from a host product. */
  get isExternal() {
    return this.#source !== undefined;
  }

  /**
   * Takes up the login that the storage has, if any.
   * @returns {Promise<User | undefined>}
   */
  async restore() {
    if (!this.#tokens && !this.#source) this.#tokens = await this.#storage.get(KEY);
    return this.user;
  }

  /**
   * Begins a login: `POST /api/signup`, `/api/login` or `/api/guest`.
   * @param {"signup" | "login" | "guest"} how
   * @param {object} body
   * @returns {Promise<User>}
   */
  async begin(how, body) {
    if (this.#source) throw new ChatError("FORBIDDEN", "the host product gives the tokens; there is no login here");
    const answer = await this.#http.exchange("POST", `/api/${how}`, { body });
    await this.#keep(answer.user, answer);
    this.emit("changed", { user: answer.user });
    return answer.user;
  }

  /**
   * A token to show the server.
   * @param {string} [refused] One that it did not take: another one.
   * @returns {Promise<string>}
   */
  async token(refused) {
    const current = this.#source ? this.#given : this.#tokens;
    if (!current && !this.#source) throw new ChatError("NOT_SIGNED_IN", "there is no login: log in, or be a guest");
    if (current && current.token !== refused && current.expiresAt - MARGIN > Date.now()) return current.token;
    this.#renewing ??= (this.#source ? this.#ask(this.#source, refused) : this.#refresh()).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Ends the login, here and on the server. Where the server cannot be reached it ends there by itself, in time. */
  async end() {
    const tokens = this.#tokens;
    this.#tokens = undefined;
    await this.#storage.delete(KEY);
    if (tokens) {
      const token = await this.#http.exchange("POST", "/api/logout", { token: tokens.token }).catch(asChatError);
      if (token instanceof ChatError && token.code === "UNAUTHORIZED") {
        // The access token had ended; the login ends with the next one.
        const { refreshToken } = tokens;
        const next = await this.#http.exchange("POST", "/api/token/refresh", { body: { refreshToken } }).catch(asChatError);
        if (!(next instanceof ChatError)) {
          await this.#http.exchange("POST", "/api/logout", { token: next.token }).catch(asChatError);
        }
      }
    }
    this.emit("changed", { user: undefined });
  }

  /** @param {TokenSource} source @param {string} [refused] */
  async #ask(source, refused) {
    const token = await source(refused === undefined ? {} : { refused });
    if (typeof token !== "string" || token === "") throw new ChatError("NOT_SIGNED_IN", "the host product gave no token");
    this.#given = { token, expiresAt: expiry(token) };
    return token;
  }

  /** One at a time, over all tabs: using an old refresh token ends the login. */
  #refresh() {
    const mine = /** @type {Tokens} */ (this.#tokens);
    return this.#storage.lock("refresh", async () => {
      const kept = /** @type {Tokens | undefined} */ (await this.#storage.get(KEY));
      if (kept?.user.id !== mine.user.id) throw this.#over("the login was ended, or replaced, in another tab");
      if (kept.token !== mine.token && kept.expiresAt - MARGIN > Date.now()) {
        // Another tab has been here.
        this.#tokens = kept;
        return kept.token;
      }
      const answer = await this.#exchange(kept.refreshToken);
      await this.#keep(mine.user, answer);
      return answer.token;
    });
  }

  /**
   * @param {string} refreshToken
   * @returns {Promise<{ token: string, refreshToken: string, expiresIn: number }>}
   */
  async #exchange(refreshToken) {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#http.exchange("POST", "/api/token/refresh", { body: { refreshToken } });
      } catch (thrown) {
        const error = asChatError(thrown);
        if (error.code === "UNAUTHORIZED") {
          await this.#storage.delete(KEY);
          throw this.#over("the login has ended");
        }
        if (error.code !== "NETWORK" || attempt >= REFRESH_RETRIES.length) throw error;
        await sleep(REFRESH_RETRIES[attempt] ?? 0);
      }
    }
  }

  /** @param {User} user @param {{ token: string, refreshToken: string, expiresIn: number }} answer */
  async #keep(user, { token, refreshToken, expiresIn }) {
    this.#tokens = { user, token, refreshToken, expiresAt: Date.now() + expiresIn * 1000 };
    await this.#storage.set(KEY, this.#tokens);
  }

  /** @param {string} why */
  #over(why) {
    this.#tokens = undefined;
    const error = new ChatError("SESSION_ENDED", why);
    this.emit("changed", { user: undefined, error });
    return error;
  }
}

/**
 * When a JWT ends, in milliseconds; at once where it does not say so, so that its source is asked each time.
 * @param {string} token
 */
function expiry(token) {
  try {
    const claims = JSON.parse(atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/")));
    return typeof claims.exp === "number" ? claims.exp * 1000 : 0;
  } catch {
    return 0;
  }
}
