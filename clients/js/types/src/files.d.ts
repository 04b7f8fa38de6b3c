/** @import { Attachment } from "./types.js" */
/** @import { Rest } from "./rest.js" */
export class Files {
    /** @param {Rest} rest */
    constructor(rest: Rest);
    /**
     * Uploads a file, to be named in a message. `room.send({ files })` does it by itself, also after a reload.
     * @param {File | Blob} file
     * @param {string} [name] Default: the file's own.
     * @returns {Promise<Attachment>}
     */
    upload(file: File | Blob, name?: string): Promise<Attachment>;
    /**
     * A file, or its thumbnail.
     * @param {string} url Of the attachment: `url` or `thumbnailUrl`.
     * @param {AbortSignal} [signal]
     * @returns {Promise<Blob>}
     */
    blob(url: string, signal?: AbortSignal): Promise<Blob>;
    /** The whole address of an `avatarUrl`, which needs no token. @param {string} url */
    address(url: string): string;
    #private;
}
import type { Attachment } from "./types.js";
import type { Rest } from "./rest.js";
