/** @import { HistoryPage, HistoryQuery, Member, Message, Page, PageQuery, Receipt, Typist } from "./types.js" */
/** @import { Marks } from "./marks.js" */
/** @import { SendQueue } from "./queue.js" */
/** @import { Rest } from "./rest.js" */
/** @import { Room } from "./room.js" */
/**
 * What a room tells; the client tells the same with `room` beside it.
 * @typedef {object} RoomEvents
 * @property {{ message: Message }} message A new one has come, once and in order, one's own too.
 * @property {{ reason: "new" | "changed" | "pending" | "loaded" | "reset", message?: Message }} messages `room.messages`
 *   is another one. `reset`: it cannot be proven that nothing was missed, so it was fetched anew.
 * @property {{ change: "added" | "changed" | "removed" }} room
 * @property {{ unread: number, mentions: number }} unread
 * @property {{ typists: Typist[] }} typing
 * @property {{ receipts: Receipt[] }} receipts
 * @property {{ userId: string, username?: string, change: "joined" | "left" | "role", role?: string }} member
 */
/**
 * What a room needs of the client around it.
 * @typedef {object} RoomContext
 * @property {{ id: string, username: string }} me
 * @property {Rest} rest
 * @property {SendQueue} queue
 * @property {Marks} marks
 * @property {(type: string, payload: object) => boolean} tell
 * @property {(room: Room, name: string, detail: any) => void} emit
 */
/** @extends {Emitter<RoomEvents>} */
export class RoomCalls extends Emitter<RoomEvents> {
    /**
     * @param {Rest} rest
     * @param {string} id Of the room.
     * @param {{ id: string, username: string }} me
     */
    constructor(rest: Rest, id: string, me: {
        id: string;
        username: string;
    });
    /** @protected */
    protected rest: Rest;
    id: string;
    /** @protected */
    protected me: {
        id: string;
        username: string;
    };
    /** What the owner and admins may do. */
    moderation: Moderation;
    /** @param {Message} message @param {string} content */
    edit(message: Message, content: string): Promise<void>;
    /** @param {Message} message */
    delete(message: Message): Promise<void>;
    /** Gives a message an emoji, or takes it back. @param {Message} message @param {string} emoji @param {boolean} [add] */
    react(message: Message, emoji: string, add?: boolean): Promise<void>;
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
    /** What became of a message of one's own, for each member. @param {Message} message @param {PageQuery} [page] */
    delivery(message: Message, page?: PageQuery): Promise<any>;
    /** @param {PageQuery} [page] @returns {Promise<Page<Member>>} */
    members(page?: PageQuery): Promise<Page<Member>>;
    /** Leaves; what one has not sent yet is taken back. */
    leave(): Promise<void>;
}
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
/**
 * What a room needs of the client around it.
 */
export type RoomContext = {
    me: {
        id: string;
        username: string;
    };
    rest: Rest;
    queue: SendQueue;
    marks: Marks;
    tell: (type: string, payload: object) => boolean;
    emit: (room: Room, name: string, detail: any) => void;
};
import { Emitter } from "./emitter.js";
import type { Rest } from "./rest.js";
import { Moderation } from "./moderation.js";
import type { Message } from "./types.js";
import type { HistoryQuery } from "./types.js";
import type { HistoryPage } from "./types.js";
import type { PageQuery } from "./types.js";
import type { Member } from "./types.js";
import type { Page } from "./types.js";
import type { Typist } from "./types.js";
import type { Receipt } from "./types.js";
import type { SendQueue } from "./queue.js";
import type { Marks } from "./marks.js";
import type { Room } from "./room.js";
