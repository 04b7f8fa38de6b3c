export class Typing {
    /**
     * @param {(isTyping: boolean) => void} tell
     * @param {() => void} changed Others type, or type no more.
     */
    constructor(tell: (isTyping: boolean) => void, changed: () => void);
    tell: (isTyping: boolean) => void;
    changed: () => void;
    /** Who types, in order of beginning. @returns {Typist[]} */
    get others(): Typist[];
    /** One has pressed a key: say so with each. */
    pressed(): void;
    /** One types no more. */
    stopped(): void;
    /** One has sent the message: the server knows. */
    sent(): void;
    /** @param {{ userId: string, username: string, isTyping: boolean }} told */
    hear({ userId, username, isTyping }: {
        userId: string;
        username: string;
        isTyping: boolean;
    }): void;
    /** They have sent their message, or left. @param {string} userId */
    ended(userId: string): void;
    /** The connection was lost, or the room is no more: nothing is known. */
    clear(): void;
    #private;
}
import type { Typist } from "./types.js";
