// Who is there: one's own status and attention, and other people's, over `/presence`. What was set and watched is set and
// watched again on each connection.

import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { ChatError, asChatError } from "./errors.js";

/** @import { ConnectionOptions } from "./connection.js" */
/** @import { Frame, OwnStatus, UserPresence } from "./types.js" */

/** Users one connection watches; the server's own bound is the same. */
const MAX_WATCHED = 1000;

/** @extends {Emitter<{ presence: UserPresence }>} */
export class Presence extends Emitter {
  /** What is known of those who are watched. @type {Map<string, UserPresence>} */
  #users = new Map();
  /** @type {Set<string>} */
  #watched = new Set();
  #contacts = false;
  /** @type {{ status: OwnStatus, text?: string } | undefined} */
  #status;
  /** @type {boolean | undefined} */
  #focused;

  /** @param {Omit<ConnectionOptions, "service" | "restore" | "receive" | "lost">} options */
  constructor(options) {
    super();
    this.connection = new Connection({
      ...options,
      service: "presence",
      restore: () => this.#restore(),
      receive: (frame) => this.#receive(frame),
    });
  }

  /**
   * How somebody who is watched stands; `undefined`: nothing is known.
   * @param {string} userId
   */
  of(userId) {
    return this.#users.get(userId);
  }

  /**
   * Watches these users; default: one's contacts. Resolves once it is known how they stand, or at once without a connection:
   * then it is told as soon as there is one.
   * @param {string[]} [userIds]
   */
  async watch(userIds) {
    if (userIds === undefined) this.#contacts = true;
    else {
      const all = new Set([...this.#watched, ...userIds]);
      if (all.size > MAX_WATCHED) throw new ChatError("INVALID_MESSAGE", `at most ${MAX_WATCHED} users are watched`);
      this.#watched = all;
    }
    await this.#say("SUBSCRIBE", userIds === undefined ? {} : { userIds });
  }

  /** @param {string[]} userIds */
  async unwatch(userIds) {
    for (const id of userIds) {
      this.#watched.delete(id);
      this.#users.delete(id);
    }
    await this.#say("UNSUBSCRIBE", { userIds });
  }

  /**
   * Sets how one looks to others, on all devices, for as long as one is connected.
   * @param {OwnStatus} status
   * @param {string} [text] Up to 100 characters.
   */
  async setStatus(status, text) {
    const before = this.#status;
    this.#status = { status, ...(text !== undefined && { text }) };
    try {
      await this.#say("SET_STATUS", this.#status);
    } catch (error) {
      this.#status = before;
      throw error;
    }
  }

  /** Whether the user looks here: decides about notifications and `away`. @param {boolean} focused */
  async focus(focused) {
    if (this.#focused === focused) return;
    this.#focused = focused;
    await this.#say("FOCUS", { focused });
  }

  /** @param {string} type @param {object} payload */
  async #say(type, payload) {
    if (!this.connection.isOnline) return;
    try {
      await this.connection.call(type, payload);
    } catch (thrown) {
      const error = asChatError(thrown);
      // The next connection begins with it.
      if (error.code !== "NETWORK") throw error;
    }
  }

  async #restore() {
    const { connection } = this;
    if (this.#status) await connection.call("SET_STATUS", this.#status);
    if (this.#focused !== undefined) await connection.call("FOCUS", { focused: this.#focused });
    if (this.#contacts) await connection.call("SUBSCRIBE", {});
    if (this.#watched.size > 0) await connection.call("SUBSCRIBE", { userIds: [...this.#watched] });
  }

  /** @param {Frame} frame */
  #receive({ type, payload }) {
    if (type === "PRESENCE_UPDATE") this.#update(payload);
    if (type === "PRESENCE_SNAPSHOT") for (const user of payload.users) this.#update(user);
  }

  /** @param {UserPresence} user */
  #update(user) {
    this.#users.set(user.userId, user);
    this.emit("presence", user);
  }
}
