/** A name that nobody else has given (RFC 9562, version 4); no secret. `crypto.randomUUID` is there by https alone. */
export function uuid(): string;
export class SendQueue {
    /** @param {QueueOptions} options */
    constructor(options: QueueOptions);
    /** Takes up what was left by an earlier client. */
    load(): Promise<void>;
    /** Messages that wait, in any state. */
    get size(): number;
    /**
     * Those of a room, in order of sending.
     * @param {string} roomId
     */
    of(roomId: string): Item[];
    /**
     * Takes a message; throws at once where it cannot be one.
     * @param {string} roomId
     * @param {Draft} draft
     * @returns {Promise<Ack>} It is stored; a ChatError where it failed. Need not be waited for.
     */
    add(roomId: string, { content, type, replyTo, attachments, files, clientMessageId }: Draft): Promise<Ack>;
    /**
     * Sends a message that failed once more, behind what waits now.
     * @param {string} id
     * @returns {Promise<Ack>}
     */
    retry(id: string): Promise<Ack>;
    /**
     * Takes a message back that is not under way.
     * @param {string} id
     * @returns {boolean} `false`: there is no such message, or it may have been sent.
     */
    discard(id: string): boolean;
    /**
     * One is no longer in a room: nothing can be said there.
     * @param {string} roomId
     */
    dropRoom(roomId: string): void;
    /**
     * The message is in the room: its event has come, or a page that has it.
     * @param {Message} message
     */
    confirm(message: Message): void;
    /** There is a connection: sends what waits. */
    open(): void;
    /** There is none. */
    shut(): void;
    /**
     * The connection ended, probably because of what was sent on it: that is not sent again by itself.
     */
    blame(): void;
    /** Forgets everything, in the storage too: the login has ended. */
    clear(): Promise<void>;
    /** Ends all timers; nothing is sent any more. */
    close(): void;
    #private;
}
/**
 * What is kept of a message.
 */
export type Kept = {
    /**
     * Its `clientMessageId`.
     */
    id: string;
    roomId: string;
    content: string;
    type?: MessageType | undefined;
    replyTo?: string | undefined;
    attachments: Attachment[];
    /**
     * Not uploaded yet.
     */
    files: (File | Blob)[];
    createdAt: number;
    failed?: {
        code: string;
        message: string;
    } | undefined;
};
export type Item = {
    kept: Kept;
    /**
     * In the storage, in order of sending.
     */
    key: string;
    /**
     * `sent`: acknowledged; its event has not come yet.
     */
    state: "sending" | "failed" | "sent";
    error?: ChatError | undefined;
    ack?: Ack | undefined;
    busy: boolean;
    /**
     * That were refused for the moment.
     */
    attempts: number;
    notBefore: number;
    backoff: Backoff;
    stored: Promise<void>;
    outcome: Promise<Ack>;
    resolve: (ack: Ack) => void;
    reject: (error: ChatError) => void;
};
export type QueueOptions = {
    storage: Storage;
    /**
     * Whose messages they are: the id of a user.
     */
    owner: string;
    send: (kept: Kept) => Promise<Ack>;
    upload: (file: File | Blob) => Promise<Attachment>;
    /**
     * Something of the room's messages on their way has changed.
     */
    changed: (roomId: string) => void;
    /**
     * The storage does not keep what it is given; sending goes on.
     */
    trouble?: ((error: ChatError) => void) | undefined;
    /**
     * Messages that may wait, failed ones too.
     */
    limit?: number | undefined;
    /**
     * Of the files that may wait.
     */
    limitBytes?: number | undefined;
    /**
     * That may be refused for the moment, until a message counts as failed.
     */
    attempts?: number | undefined;
    backoff?: {
        base?: number;
        cap?: number;
    } | undefined;
};
import type { Draft } from "./types.js";
import type { Ack } from "./types.js";
import type { Message } from "./types.js";
import type { MessageType } from "./types.js";
import type { Attachment } from "./types.js";
import { ChatError } from "./errors.js";
import { Backoff } from "./backoff.js";
import type { Storage } from "./storage.js";
