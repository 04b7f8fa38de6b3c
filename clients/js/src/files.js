// Files of messages. A page cannot show them by their address, as they are asked for with a token: fetch them, and show
// `URL.createObjectURL(blob)`.

/** @import { Attachment } from "./types.js" */
/** @import { Rest } from "./rest.js" */

export class Files {
  #rest;

  /** @param {Rest} rest */
  constructor(rest) {
    this.#rest = rest;
  }

  /**
   * Uploads a file, to be named in a message. `room.send({ files })` does it by itself, also after a reload.
   * @param {File | Blob} file
   * @param {string} [name] Default: the file's own.
   * @returns {Promise<Attachment>}
   */
  upload(file, name = "name" in file ? file.name : "file") {
    const form = new FormData();
    form.append("file", file, name);
    return this.#rest.call("POST", "/api/attachments", { body: form });
  }

  /**
   * A file, or its thumbnail.
   * @param {string} url Of the attachment: `url` or `thumbnailUrl`.
   * @param {AbortSignal} [signal]
   * @returns {Promise<Blob>}
   */
  blob(url, signal) {
    return this.#rest.call("GET", url, { as: "blob", signal });
  }

  /** The whole address of an `avatarUrl`, which needs no token. @param {string} url */
  address(url) {
    return `${this.#rest.http.base}${url}`;
  }
}
