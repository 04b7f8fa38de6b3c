// What one does with a room and its messages by REST, and what a room tells.

import { readMessage } from "./apply.js";
import { Emitter } from "./emitter.js";
import { Moderation } from "./moderation.js";
import { path } from "./rest.js";

/** @import { HistoryPage, HistoryQuery, Member, Message, Page, PageQuery, Receipt, Typist } from "./types.js" */
/** @import { Marks } from "./marks.js" */
/** @import { SendQueue } from "./queue.js" */
/** @import { Rest } from "./rest.js" */
/** @import { Room } from "./room.js" */

/**
 * What a room tells; the client tells the same with `room` beside it.
 * @typedef {object} RoomEvents
 * @property {{ message: Message }} message A new one has come, once and in order, one's own too.
 * @property {{ reason: "new" | "changed" | "pending" | "loaded" | "reset", message?: Message }} messages `room.messages`
 *   is another one. `reset`: it cannot be proven that nothing was missed, so it was fetched anew.
 * @property {{ change: "added" | "changed" | "removed" }} room
 * @property {{ unread: number, mentions: number }} unread
 * @property {{ typists: Typist[] }} typing
 * @property {{ receipts: Receipt[] }} receipts
 * @property {{ userId: string, username?: string, change: "joined" | "left" | "role", role?: string }} member
 */

/**
 * What a room needs of the client around it.
 * @typedef {object} RoomContext
 * @property {{ id: string, username: string }} me
 * @property {Rest} rest
 * @property {SendQueue} queue
 * @property {Marks} marks
 * @property {(type: string, payload: object) => boolean} tell
 * @property {(room: Room, name: string, detail: any) => void} emit
 */

/** @extends {Emitter<RoomEvents>} */
export class RoomCalls extends Emitter {
  /**
   * @param {Rest} rest
   * @param {string} id Of the room.
   * @param {{ id: string, username: string }} me
   */
  constructor(rest, id, me) {
    super();
    /** @protected */
    this.rest = rest;
    this.id = id;
    /** @protected */
    this.me = me;
    /** What the owner and admins may do. */
    this.moderation = new Moderation(rest, id);
  }

  /** @param {Message} message @param {string} content */
  async edit(message, content) {
    await this.rest.call("PATCH", path`/api/messages/${message.id}`, { body: { content } });
  }

  /** @param {Message} message */
  async delete(message) {
    await this.rest.delete(path`/api/messages/${message.id}`);
  }

  /** Gives a message an emoji, or takes it back. @param {Message} message @param {string} emoji @param {boolean} [add] */
  async react(message, emoji, add = true) {
    await this.rest.call(add ? "PUT" : "DELETE", path`/api/messages/${message.id}/reactions/${emoji}`);
  }

  /**
   * A part of the history that does not become part of `messages`, as around a message that was searched for.
   * @param {HistoryQuery} [query]
   * @returns {Promise<HistoryPage>} Newest first; with `after`, oldest first.
   */
  async history(query = {}) {
    const page = await this.rest.get(path`/api/rooms/${this.id}/messages`, query);
    return { ...page, items: page.items.map((/** @type {any} */ item) => readMessage(item, this.me.id)) };
  }

  /**
   * Messages that hold a text, newest first. While there is a `nextBefore` there may be more, also after an empty page.
   * @param {string} query @param {{ before?: number, limit?: number }} [page]
   * @returns {Promise<{ items: Message[], nextBefore?: number }>}
   */
  search(query, page = {}) {
    return this.rest.get(path`/api/rooms/${this.id}/search`, { query, ...page });
  }

  /**
   * @param {Message} message @param {{ after?: number, limit?: number }} [page]
   * @returns {Promise<{ items: Message[], hasMore: boolean }>} Oldest first.
   */
  replies(message, page = {}) {
    return this.rest.get(path`/api/messages/${message.id}/replies`, page);
  }

  /** What became of a message of one's own, for each member. @param {Message} message @param {PageQuery} [page] */
  delivery(message, page = {}) {
    return this.rest.get(path`/api/messages/${message.id}/delivery`, page);
  }

  /** @param {PageQuery} [page] @returns {Promise<Page<Member>>} */
  members(page = {}) {
    return this.rest.get(path`/api/rooms/${this.id}/members`, page);
  }

  /** Leaves; what one has not sent yet is taken back. */
  async leave() {
    await this.rest.delete(path`/api/rooms/${this.id}/leave`);
  }
}
