// One's own account.

import { path } from "./rest.js";

/** @import { Login, User } from "./types.js" */
/** @import { Rest } from "./rest.js" */

export class Account {
  #rest;

  /** @param {Rest} rest */
  constructor(rest) {
    this.#rest = rest;
  }

  /** @returns {Promise<User>} */
  profile() {
    return this.#rest.get("/api/profile");
  }

  /**
   * Changes what is given.
   * @param {{ displayName?: string, bio?: string, lastSeenFor?: "everyone" | "contacts" | "nobody" }} changes
   * @returns {Promise<User>}
   */
  update(changes) {
    return this.#rest.call("PATCH", "/api/profile", { body: changes });
  }

  /** @param {Blob} picture @returns {Promise<User>} */
  setAvatar(picture) {
    return this.#rest.put("/api/profile/avatar", picture);
  }

  async removeAvatar() {
    await this.#rest.delete("/api/profile/avatar");
  }

  /** Ends all other logins. @param {string} old @param {string} password */
  async changePassword(old, password) {
    await this.#rest.post("/api/password", { old, new: password });
  }

  /** Deletes the account, for good. @param {string} [password] Of who has one. */
  async delete(password) {
    await this.#rest.delete("/api/profile", password === undefined ? undefined : { password });
  }

  /** Where one is logged in. @returns {Promise<Login[]>} */
  async logins() {
    return (await this.#rest.get("/api/sessions")).items;
  }

  /** @param {string} id */
  async endLogin(id) {
    await this.#rest.delete(path`/api/sessions/${id}`);
  }

  /** Has a letter sent to whoever has the address, or to nobody. Needs no login. @param {string} email */
  async forgotPassword(email) {
    await this.#rest.http.exchange("POST", "/api/password/forgot", { body: { email } });
  }

  /** With the token of that letter. Needs no login. @param {string} token @param {string} password */
  async resetPassword(token, password) {
    await this.#rest.http.exchange("POST", "/api/password/reset", { body: { token, password } });
  }

  /** With the token of a letter. Needs no login. @param {string} token */
  async verifyEmail(token) {
    await this.#rest.http.exchange("POST", "/api/email/verify", { body: { token } });
  }

  /** Has that letter sent once more. */
  async askForVerification() {
    await this.#rest.post("/api/email/verification");
  }
}
