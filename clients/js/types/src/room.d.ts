/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter<RoomEvents> {
    /** @param {RoomContext} context @param {string} id */
    constructor(context: RoomContext, id: string);
    /** How far its log has been seen. */
    place: Place;
    /** Part of its log was missed, and it was not fetched anew yet. */
    isStale: boolean;
    id: string;
    /** What the owner and admins may do. */
    moderation: Moderation;
    /** The room as the server tells it. Counts and the last message are those of `unread`, `mentions`, `lastMessage`. */
    get info(): RoomInfo;
    /** False for the moment between the first event of a room and its details; such a room is not shown. */
    get isKnown(): boolean;
    /** Messages of others that one has not read. */
    get unread(): number;
    /** Those of them that name one. */
    get mentions(): number;
    /** All up to here has been read. */
    get lastReadSeq(): number;
    /** The newest messages that are here, oldest first; at the end one's own that are on their way. Never changed in place. */
    get messages(): Message[];
    /** The newest one, on its way or not. */
    get lastMessage(): Message | undefined;
    /** There may be older messages than `messages` has: `loadOlder`. */
    get hasOlder(): boolean;
    /** Who types, oneself left out. */
    get typists(): Typist[];
    /** How far others have come, of those who are known to. */
    get receipts(): Receipt[];
    /**
     * How a message stands: one of one's own is `sending`, `failed`, `sent`, `delivered` to somebody or `read` by somebody
     * (in a direct room: by the other one); one of somebody else `received`.
     * @param {Message} message
     * @returns {"sending" | "failed" | "sent" | "delivered" | "read" | "received"}
     */
    statusOf(message: Message): "sending" | "failed" | "sent" | "delivered" | "read" | "received";
    /** Who has a message, of those who are known to. @param {Message} message */
    seenBy(message: Message): {
        delivered: string[];
        read: string[];
    };
    /**
     * Says something. It is shown at once, kept over reconnects and reloads, and sent once, after what was said before it.
     * Throws at once where it cannot be a message, or too many wait.
     * @param {string | Draft} draft
     * @returns {Promise<Ack>} It is stored; a ChatError where it failed. Need not be waited for: its state tells the same.
     */
    send(draft: string | Draft): Promise<Ack>;
    /** Sends a message that failed once more. @param {Message} message @returns {Promise<Ack>} */
    retry(message: Message): Promise<Ack>;
    /** Takes back a message that waits or failed. @param {Message} message @returns {boolean} `false`: it may have been sent. */
    discard(message: Message): boolean;
    /** @param {Message} message @param {string} content */
    edit(message: Message, content: string): Promise<void>;
    /** @param {Message} message */
    delete(message: Message): Promise<void>;
    /** Gives a message an emoji, or takes it back. @param {Message} message @param {string} emoji @param {boolean} [add] */
    react(message: Message, emoji: string, add?: boolean): Promise<void>;
    /** A key was pressed: call it with each. The rest is done here. */
    typing(): void;
    /** The text was emptied, or left. */
    stopTyping(): void;
    /** All up to `seq` has been read; default: all there is. */
    markRead(seq?: number): void;
    /**
     * Somebody looks at the room: its newest messages are loaded and kept, and how far others have come.
     * Each `open` wants a `close`.
     */
    open(): Promise<void>;
    close(): void;
    get isOpen(): boolean;
    /**
     * Loads messages before those that are here, until there are none. One at a time.
     * @param {number} [limit] Up to 200.
     */
    loadOlder(limit?: number): Promise<void>;
    /**
     * A part of the history that does not become part of `messages`, as around a message that was searched for.
     * @param {HistoryQuery} [query]
     * @returns {Promise<HistoryPage>} Newest first; with `after`, oldest first.
     */
    history(query?: HistoryQuery): Promise<HistoryPage>;
    /**
     * Messages that hold a text, newest first. While there is a `nextBefore` there may be more, also after an empty page.
     * @param {string} query @param {{ before?: number, limit?: number }} [page]
     * @returns {Promise<{ items: Message[], nextBefore?: number }>}
     */
    search(query: string, page?: {
        before?: number;
        limit?: number;
    }): Promise<{
        items: Message[];
        nextBefore?: number;
    }>;
    /**
     * @param {Message} message @param {{ after?: number, limit?: number }} [page]
     * @returns {Promise<{ items: Message[], hasMore: boolean }>} Oldest first.
     */
    replies(message: Message, page?: {
        after?: number;
        limit?: number;
    }): Promise<{
        items: Message[];
        hasMore: boolean;
    }>;
    /** What became of a message of one's own, for each member. @param {Message} message @param {import("./types.js").PageQuery} [page] */
    delivery(message: Message, page?: import("./types.js").PageQuery): Promise<any>;
    /** @param {import("./types.js").PageQuery} [page] @returns {Promise<import("./types.js").Page<import("./types.js").Member>>} */
    members(page?: import("./types.js").PageQuery): Promise<import("./types.js").Page<import("./types.js").Member>>;
    /** Leaves; what one has not sent yet is taken back. */
    leave(): Promise<void>;
    /**
     * The server tells what the room is.
     * @param {RoomInfo} info
     */
    describe(info: RoomInfo): void;
    /**
     * The server tells what is unread.
     * @param {{ unread?: number, mentions?: number, lastReadSeq?: number }} told
     * @param {number} rev What that is current to.
     */
    recount(told: {
        unread?: number;
        mentions?: number;
        lastReadSeq?: number;
    }, rev: number): void;
    /** @param {{ seq: number, unread: number, mentions: number }} mark `READ_MARK` */
    readMark({ seq, unread, mentions }: {
        seq: number;
        unread: number;
        mentions: number;
    }): void;
    /**
     * An event of the room's log.
     * @param {string} type
     * @param {any} event
     * @returns {"next" | "duplicate" | "gap"}
     */
    apply(type: string, event: any): "next" | "duplicate" | "gap";
    /** @param {{ userId: string, username: string, isTyping: boolean }} told */
    hearTyping(told: {
        userId: string;
        username: string;
        isTyping: boolean;
    }): void;
    /** @param {Receipt[]} receipts */
    hearReceipts(receipts: Receipt[]): void;
    /** The connection was lost: what is in no log is not known any more. */
    disconnect(): void;
    /** There is one again: asks for what is in no log. */
    reconnect(): void;
    /** Something of one's own is on its way, or not any more. */
    pendingChanged(): void;
    /** Part of the log was missed: what is here is worth nothing, and `refetch` is due. */
    forget(): void;
    /** Fetches anew what is shown of it. */
    refetch(): Promise<void>;
    /** It is no more, or one is out of it. */
    end(): void;
    #private;
}
/**
 * What a room needs of the client around it.
 */
export type RoomContext = {
    me: () => {
        id: string;
        username: string;
    };
    rest: Rest;
    queue: SendQueue;
    marks: Marks;
    tell: (type: string, payload: object) => boolean;
    emit: (room: Room, name: string, detail: any) => void;
};
/**
 * What a room tells; the client tells the same with `room` beside it.
 */
export type RoomEvents = {
    /**
     * A new one has come, once and in order, one's own too.
     */
    message: {
        message: Message;
    };
    /**
     * `room.messages`
     * is another one. `reset`: it cannot be proven that nothing was missed, so it was fetched anew.
     */
    messages: {
        reason: "new" | "changed" | "pending" | "loaded" | "reset";
        message?: Message;
    };
    room: {
        change: "added" | "changed" | "removed";
    };
    unread: {
        unread: number;
        mentions: number;
    };
    typing: {
        typists: Typist[];
    };
    receipts: {
        receipts: Receipt[];
    };
    member: {
        userId: string;
        username?: string;
        change: "joined" | "left" | "role";
        role?: string;
    };
};
import { Emitter } from "./emitter.js";
import { Place } from "./positions.js";
import { Moderation } from "./moderation.js";
import type { RoomInfo } from "./types.js";
import type { Message } from "./types.js";
import type { Typist } from "./types.js";
import type { Receipt } from "./types.js";
import type { Draft } from "./types.js";
import type { Ack } from "./types.js";
import type { HistoryQuery } from "./types.js";
import type { HistoryPage } from "./types.js";
import type { Rest } from "./rest.js";
import type { SendQueue } from "./queue.js";
import type { Marks } from "./marks.js";
