// Other people: finding them, contacts, blocks.

import { path } from "./rest.js";

/** @import { Page, PageQuery, User, UserPresence } from "./types.js" */
/** @import { Rest } from "./rest.js" */

export class People {
  #rest;

  /** @param {Rest} rest */
  constructor(rest) {
    this.#rest = rest;
  }

  /**
   * Accounts whose username begins so, in order of name.
   * @param {string} query @param {PageQuery} [page] @returns {Promise<Page<User>>}
   */
  search(query, page = {}) {
    return this.#rest.get("/api/users", { query, ...page });
  }

  /** @param {string} userId @returns {Promise<User>} */
  get(userId) {
    return this.#rest.get(path`/api/users/${userId}`);
  }

  /** How they stand, without watching them. @param {string[]} userIds @returns {Promise<UserPresence[]>} */
  async presence(userIds) {
    const { users } = await this.#rest.get("/api/presence", { userIds: userIds.join(",") });
    return users;
  }

  /** All of them, in order of id. @returns {Promise<User[]>} */
  async contacts() {
    return (await this.#rest.get("/api/contacts")).items;
  }

  /**
   * Adds a contact, or asks them where they have to be asked.
   * @param {string} userId
   * @returns {Promise<{ pending: boolean }>} `pending`: they were asked.
   */
  async addContact(userId) {
    const answer = await this.#rest.put(path`/api/contacts/${userId}`);
    return { pending: answer?.pending === true };
  }

  /** @param {string} userId */
  async removeContact(userId) {
    await this.#rest.delete(path`/api/contacts/${userId}`);
  }

  /** Who asks one, and whom one asks. @returns {Promise<{ incoming: User[], outgoing: User[] }>} */
  requests() {
    return this.#rest.get("/api/contacts/requests");
  }

  /** Takes back what one asked, or declines; accepting is `addContact`. @param {string} userId */
  async dropRequest(userId) {
    await this.#rest.delete(path`/api/contacts/requests/${userId}`);
  }

  /** @returns {Promise<User[]>} */
  async blocks() {
    return (await this.#rest.get("/api/blocks")).items;
  }

  /** @param {string} userId */
  async block(userId) {
    await this.#rest.put(path`/api/blocks/${userId}`);
  }

  /** @param {string} userId */
  async unblock(userId) {
    await this.#rest.delete(path`/api/blocks/${userId}`);
  }
}
