// What is on its way: messages that survive reconnects and reloads, are sent in order in each room, and never twice.
//
// One message of a room is under way at a time: where several are, the server may refuse one and store those behind it.
// A message is kept before it is sent, and let go when its acknowledgement or its event has come.

import { Backoff } from "./backoff.js";
import { ChatError, asChatError, invalid } from "./errors.js";

/** @import { Ack, Attachment, Draft, Message, MessageType } from "./types.js" */
/** @import { Storage } from "./storage.js" */

/**
 * @typedef {object} Kept What is kept of a message.
 * @property {string} id Its `clientMessageId`.
 * @property {string} roomId
 * @property {string} content
 * @property {MessageType} [type]
 * @property {string} [replyTo]
 * @property {Attachment[]} attachments
 * @property {(File | Blob)[]} files Not uploaded yet.
 * @property {number} createdAt
 * @property {{ code: string, message: string }} [failed]
 */

/**
 * @typedef {object} Item
 * @property {Kept} kept
 * @property {string} key In the storage, in order of sending.
 * @property {"sending" | "failed" | "sent"} state `sent`: acknowledged; its event has not come yet.
 * @property {ChatError} [error]
 * @property {Ack} [ack]
 * @property {boolean} busy
 * @property {number} attempts That were refused for the moment.
 * @property {number} notBefore
 * @property {Backoff} backoff
 * @property {Promise<void>} stored
 * @property {Promise<Ack>} outcome
 * @property {(ack: Ack) => void} resolve
 * @property {(error: ChatError) => void} reject
 */

/**
 * @typedef {object} QueueOptions
 * @property {Storage} storage
 * @property {string} owner Whose messages they are: the id of a user.
 * @property {(kept: Kept) => Promise<Ack>} send
 * @property {(file: File | Blob) => Promise<Attachment>} upload
 * @property {(roomId: string) => void} changed Something of the room's messages on their way has changed.
 * @property {(error: ChatError) => void} [trouble] The storage does not keep what it is given; sending goes on.
 * @property {number} [limit] Messages that may wait, failed ones too.
 * @property {number} [limitBytes] Of the files that may wait.
 * @property {number} [attempts] That may be refused for the moment, until a message counts as failed.
 * @property {{ base?: number, cap?: number }} [backoff]
 */

/** Messages under way at once, of all rooms; the server takes 32. */
const WIDTH = 8;

/** The server knows a `clientMessageId` for 24 h. What is older is not sent again without asking: it could be doubled. */
const FRESH_MS = 23 * 3600 * 1000;

export class SendQueue {
  #options;
  /** In order of sending. @type {Map<string, Item>} */
  #items = new Map();
  #isOpen = false;
  #count = 0;
  /** The rate was exceeded: nothing is sent before. */
  #pausedUntil = 0;
  /** @type {any} */
  #timer;

  /** @param {QueueOptions} options */
  constructor(options) {
    this.#options = { limit: 500, limitBytes: 64 * 1024 * 1024, attempts: 6, trouble: () => {}, ...options };
  }

  /** Takes up what was left by an earlier client. */
  async load() {
    for (const [key, kept] of await this.#options.storage.list(this.#prefix)) {
      if (this.#items.has(kept.id)) continue;
      const item = this.#item(key, kept);
      if (kept.failed) this.#mark(item, new ChatError(kept.failed.code, kept.failed.message));
      else if (Date.now() - kept.createdAt > FRESH_MS) {
        this.#mark(item, new ChatError("EXPIRED", "it waited for a day; send it again by hand"));
      }
      this.#items.set(kept.id, item);
    }
  }

  /** Messages that wait, in any state. */
  get size() {
    return this.#items.size;
  }

  /**
   * Those of a room, in order of sending.
   * @param {string} roomId
   */
  of(roomId) {
    return [...this.#items.values()].filter((item) => item.kept.roomId === roomId);
  }

  /**
   * Takes a message; throws at once where it cannot be one.
   * @param {string} roomId
   * @param {Draft} draft
   * @returns {Promise<Ack>} It is stored; a ChatError where it failed. Need not be waited for.
   */
  add(roomId, { content = "", type, replyTo, attachments = [], files = [], clientMessageId = uuid() }) {
    if (typeof content !== "string") throw invalid("content", "expected text");
    if (content.trim() === "" && attachments.length + files.length === 0) throw invalid("content", "is blank");
    const before = this.#items.get(clientMessageId);
    if (before) return before.outcome;
    const waiting = [...this.#items.values()].flatMap((item) => item.kept.files);
    const bytes = [...waiting, ...files].reduce((sum, file) => sum + file.size, 0);
    if (this.#items.size >= this.#options.limit || bytes > this.#options.limitBytes) {
      throw new ChatError("QUEUE_FULL", "too much waits to be sent");
    }
    const kept = { id: clientMessageId, roomId, content, type, replyTo, attachments, files, createdAt: Date.now() };
    const item = this.#item(this.#key(kept), kept);
    this.#items.set(kept.id, item);
    item.stored = this.#store(item);
    this.#changed(item);
    return item.outcome;
  }

  /**
   * Sends a message that failed once more, behind what waits now.
   * @param {string} id
   * @returns {Promise<Ack>}
   */
  retry(id) {
    const item = this.#items.get(id);
    if (!item) throw new ChatError("NOT_FOUND", "no such message waits");
    if (item.state !== "failed") return item.outcome;
    this.#items.delete(id);
    void this.#forget(item);
    const kept = { ...item.kept, createdAt: Date.now() };
    delete kept.failed;
    const again = this.#item(this.#key(kept), kept);
    this.#items.set(id, again);
    again.stored = this.#store(again);
    this.#changed(again);
    return again.outcome;
  }

  /**
   * Takes a message back that is not under way.
   * @param {string} id
   * @returns {boolean} `false`: there is no such message, or it may have been sent.
   */
  discard(id) {
    const item = this.#items.get(id);
    if (!item || item.busy || item.state === "sent") return false;
    this.#drop(item, new ChatError("DISCARDED", "the message was taken back"));
    return true;
  }

  /**
   * One is no longer in a room: nothing can be said there.
   * @param {string} roomId
   */
  dropRoom(roomId) {
    for (const item of this.of(roomId)) this.#drop(item, new ChatError("ROOM_NOT_FOUND", "no longer in the room"));
  }

  /**
   * The message is in the room: its event has come, or a page that has it.
   * @param {Message} message
   */
  confirm(message) {
    const item = this.#items.get(message.clientMessageId ?? "");
    if (!item || item.kept.roomId !== message.roomId) return;
    const { id, roomId, seq, timestamp } = message;
    this.#items.delete(item.kept.id);
    void this.#forget(item);
    item.resolve({ id, roomId, seq, timestamp });
    this.#changed(item);
  }

  /** There is a connection: sends what waits. */
  open() {
    this.#isOpen = true;
    this.#pump();
  }

  /** There is none. */
  shut() {
    this.#isOpen = false;
  }

  /**
   * The connection ended, probably because of what was sent on it: that is not sent again by itself.
   */
  blame() {
    for (const item of this.#items.values()) {
      if (item.busy) item.attempts = this.#options.attempts;
    }
  }

  /** Forgets everything, in the storage too: the login has ended. */
  async clear() {
    for (const item of [...this.#items.values()]) this.#drop(item, new ChatError("SESSION_ENDED", "the login has ended"));
    for (const [key] of await this.#options.storage.list(this.#prefix)) await this.#options.storage.delete(key);
  }

  /** Ends all timers; nothing is sent any more. */
  close() {
    this.shut();
    clearTimeout(this.#timer);
  }

  get #prefix() {
    return `queue/${this.#options.owner}/`;
  }

  /** In order of time, also over reloads. @param {Kept} kept */
  #key(kept) {
    const order = `${String(kept.createdAt).padStart(15, "0")}.${String(this.#count++).padStart(9, "0")}`;
    return `${this.#prefix}${order}/${kept.id}`;
  }

  /** @param {string} key @param {Kept} kept @returns {Item} */
  #item(key, kept) {
    /** @type {any} */
    const deferred = {};
    const outcome = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }));
    // Whoever sends and does not wait is told by the message's state.
    outcome.catch(() => {});
    const backoff = new Backoff(this.#options.backoff);
    const stored = Promise.resolve();
    return { kept, key, state: "sending", busy: false, attempts: 0, notBefore: 0, backoff, stored, outcome, ...deferred };
  }

  #pump() {
    clearTimeout(this.#timer);
    if (!this.#isOpen) return;
    const now = Date.now();
    const rooms = new Set();
    let busy = [...this.#items.values()].filter((item) => item.busy).length;
    let next = Infinity;
    for (const item of this.#items.values()) {
      // Only the first of each room that is not done with.
      if (item.state !== "sending" || rooms.has(item.kept.roomId)) continue;
      rooms.add(item.kept.roomId);
      const due = Math.max(item.notBefore, this.#pausedUntil);
      if (item.busy) continue;
      if (due > now) next = Math.min(next, due);
      else if (busy < WIDTH) {
        busy += 1;
        item.busy = true;
        void this.#run(item);
      }
    }
    if (next < Infinity) this.#timer = setTimeout(() => this.#pump(), next - now);
  }

  /** @param {Item} item */
  async #run(item) {
    try {
      await item.stored;
      for (let file; (file = item.kept.files[0]); ) {
        const attachment = await this.#options.upload(file);
        item.kept.attachments = [...item.kept.attachments, attachment];
        item.kept.files = item.kept.files.slice(1);
        await this.#store(item);
      }
      this.#acknowledge(item, await this.#options.send(item.kept));
    } catch (error) {
      this.#refuse(item, asChatError(error));
    }
    item.busy = false;
    this.#pump();
  }

  /** @param {Item} item @param {Ack} ack */
  #acknowledge(item, ack) {
    if (this.#items.get(item.kept.id) !== item) return; // Confirmed by its event.
    item.state = "sent";
    item.ack = ack;
    void this.#forget(item);
    item.resolve(ack);
    this.#changed(item);
  }

  /** @param {Item} item @param {ChatError} error */
  #refuse(item, error) {
    if (this.#items.get(item.kept.id) !== item) return;
    const blamed = item.attempts >= this.#options.attempts;
    // Lost with the connection: it waits for the next one.
    if (["NETWORK", "CLOSED", "SESSION_ENDED", "NOT_SIGNED_IN"].includes(error.code) && !blamed) {
      if (this.#isOpen) item.notBefore = Date.now() + item.backoff.next(); // A file could not be uploaded.
      return;
    }
    if (error.code === "RATE_LIMIT_EXCEEDED" && !blamed) {
      // The rate is the user's, in all rooms.
      this.#pausedUntil = Date.now() + (error.retryAfter ?? 1000);
      return;
    }
    item.attempts += 1;
    if (error.isTemporary && item.attempts < this.#options.attempts) {
      item.notBefore = Date.now() + Math.max(item.backoff.next(), error.retryAfter ?? 0);
      return;
    }
    this.#mark(item, error);
    item.kept.failed = { code: error.code, message: error.message };
    void this.#store(item);
    this.#changed(item);
  }

  /** @param {Item} item @param {ChatError} error */
  #mark(item, error) {
    item.state = "failed";
    item.error = error;
    item.reject(error);
  }

  /** @param {Item} item @param {ChatError} error */
  #drop(item, error) {
    this.#items.delete(item.kept.id);
    void this.#forget(item);
    item.reject(error);
    this.#changed(item);
  }

  /** @param {Item} item */
  #changed(item) {
    this.#options.changed(item.kept.roomId);
    this.#pump();
  }

  /** @param {Item} item */
  async #store(item) {
    try {
      await this.#options.storage.set(item.key, { ...item.kept });
      // Done with while it was written.
      if (this.#items.get(item.kept.id) !== item || item.state === "sent") await this.#options.storage.delete(item.key);
    } catch (cause) {
      this.#options.trouble(new ChatError("STORAGE", "what waits to be sent would not survive a reload", { cause }));
    }
  }

  /** @param {Item} item */
  async #forget(item) {
    try {
      await item.stored;
      await this.#options.storage.delete(item.key);
    } catch (cause) {
      this.#options.trouble(new ChatError("STORAGE", "what was sent is kept, and sent again after a reload", { cause }));
    }
  }
}

/** A name that nobody else has given (RFC 9562, version 4); no secret. `crypto.randomUUID` is there by https alone. */
export function uuid() {
  const bytes = Uint8Array.from({ length: 16 }, () => Math.random() * 256);
  globalThis.crypto?.getRandomValues(bytes);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
