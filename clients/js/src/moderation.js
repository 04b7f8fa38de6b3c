// What a room's owner and admins may do there, and who may do what (docs/roles.md) the server says.

import { path } from "./rest.js";
import { uuid } from "./queue.js";

/** @import { HistoryVisibility, Invite, Page, PageQuery, Retention, Role, RoomInfo } from "./types.js" */
/** @import { Rest } from "./rest.js" */

export class Moderation {
  #rest;
  #roomId;

  /** @param {Rest} rest @param {string} roomId */
  constructor(rest, roomId) {
    this.#rest = rest;
    this.#roomId = roomId;
  }

  /**
   * Changes what is given.
   * @param {{ name?: string, description?: string, historyVisibility?: HistoryVisibility, retention?: Retention }} changes
   * @returns {Promise<RoomInfo>}
   */
  update(changes) {
    return this.#rest.call("PATCH", path`/api/rooms/${this.#roomId}`, { body: changes });
  }

  /** The room is gone for everybody, with all that was in it. */
  async deleteRoom() {
    await this.#rest.delete(path`/api/rooms/${this.#roomId}`);
  }

  /** @param {string} userId @param {Role} role */
  async setRole(userId, role) {
    await this.#rest.put(path`/api/rooms/${this.#roomId}/members/${userId}`, { role });
  }

  /** They may come back where they could come before. @param {string} userId */
  async remove(userId) {
    await this.#rest.delete(path`/api/rooms/${this.#roomId}/members/${userId}`);
  }

  /** Takes them out and keeps them out. @param {string} userId */
  async ban(userId) {
    await this.#rest.put(path`/api/rooms/${this.#roomId}/bans/${userId}`);
  }

  /** @param {string} userId */
  async unban(userId) {
    await this.#rest.delete(path`/api/rooms/${this.#roomId}/bans/${userId}`);
  }

  /**
   * @param {PageQuery} [page]
   * @returns {Promise<Page<{ userId: string, username: string, bannedBy: string, bannedAt: string }>>}
   */
  bans(page = {}) {
    return this.#rest.get(path`/api/rooms/${this.#roomId}/bans`, page);
  }

  /**
   * Whoever has the `code` may join; it is told this once.
   * @param {{ expiresIn?: number, maxUses?: number }} [limits] `expiresIn` in seconds; a week if not given.
   * @returns {Promise<Invite & { code: string }>}
   */
  invite(limits = {}) {
    return this.#rest.post(path`/api/rooms/${this.#roomId}/invites`, limits, uuid());
  }

  /** @returns {Promise<Page<Invite>>} Without codes. */
  invites() {
    return this.#rest.get(path`/api/rooms/${this.#roomId}/invites`);
  }

  /** @param {string} inviteId */
  async withdraw(inviteId) {
    await this.#rest.delete(path`/api/rooms/${this.#roomId}/invites/${inviteId}`);
  }
}
