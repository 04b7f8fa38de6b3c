/** @import { Receipt } from "./types.js" */
export class Receipts {
    /** Somebody else has all up to here. */
    deliveredSeq: number;
    /** Somebody else has read all up to here. */
    readSeq: number;
    /**
     * Members who are known to have come somewhere, of the others.
     * @returns {Receipt[]}
     */
    get all(): Receipt[];
    /**
     * @param {Receipt[]} receipts Of others; marks only move forward.
     * @returns {boolean} Whether something changed.
     */
    raise(receipts: Receipt[]): boolean;
    /** They have left. @param {string} userId */
    forget(userId: string): void;
    /** @param {number} seq @returns {{ delivered: string[], read: string[] }} The ids of those who have the message. */
    of(seq: number): {
        delivered: string[];
        read: string[];
    };
    #private;
}
import type { Receipt } from "./types.js";
