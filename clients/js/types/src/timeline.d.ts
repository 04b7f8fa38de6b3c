/** @import { Message } from "./types.js" */
/** @typedef {{ message: Message, rev: number }} Entry */
export class Timeline {
    /** There may be older messages. */
    hasOlder: boolean;
    get size(): number;
    get first(): Message;
    get last(): Message | undefined;
    /** @returns {Message[]} */
    get messages(): Message[];
    /**
     * @param {number} seq
     * @returns {Message | undefined}
     */
    at(seq: number): Message | undefined;
    /**
     * Looks for a message by its id, the newest first.
     * @param {string} id
     */
    byId(id: string): Message | undefined;
    /** Messages with a larger `seq`, oldest first. @param {number} seq */
    after(seq: number): Message[];
    /**
     * Puts a message where it belongs, unless what is there is as new.
     * @param {Message} message
     * @param {number} rev What it is current to.
     * @returns {boolean} Whether something changed.
     */
    put(message: Message, rev: number): boolean;
    /**
     * Changes a message that is here, unless it is as new.
     * @param {number} seq
     * @param {number} rev What it is current to then.
     * @param {(message: Message) => Message} change
     * @returns {Message | undefined} As it is now; none where nothing changed.
     */
    change(seq: number, rev: number, change: (message: Message) => Message): Message | undefined;
    /** Forgets everything: what follows may not be what was. */
    clear(): void;
    /**
     * Forgets the oldest; they can be loaded again.
     * @param {number} size What stays, at most.
     */
    trim(size: number): void;
    #private;
}
export type Entry = {
    message: Message;
    rev: number;
};
import type { Message } from "./types.js";
