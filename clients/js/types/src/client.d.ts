/** @import { ConnectionState, HistoryVisibility, Message, Notification, Page, PageQuery, Receipt, Retention, RoomInfo, Typist, User, UserPresence } from "./types.js" */
/** @import { Room } from "./room.js" */
/** @import { TokenSource } from "./session.js" */
/** @import { Storage } from "./storage.js" */
/**
 * @typedef {object} ClientOptions
 * @property {string} [api] Where api-server is, as `https://chat.example.org`. Default: where the page is from.
 * @property {TokenSource} [token] Gives the tokens of a host product, in place of a login here.
 * @property {Storage} [storage] What survives a reload. Default: IndexedDB where there is one, else memory.
 * @property {any} [WebSocket] The class of sockets. Default: the global one; before Node 22 there is none: that of `ws`.
 * @property {typeof globalThis.fetch} [fetch]
 * @property {string} [chatUrl] Always this chat-server, as behind one proxy. Default: the registry says which.
 * @property {string} [presenceUrl] The same of presence-server.
 * @property {boolean} [presence] `false`: without a connection to presence-server. Default: with one.
 * @property {{ base?: number, cap?: number }} [backoff] Milliseconds between attempts: at most `base` at first, never more
 *   than `cap`. Default: 250 and 15,000.
 * @property {number} [queueLimit] Messages that may wait to be sent. Default: 500.
 */
/**
 * What a client tells. What is about a room is told by the room, too, without `room`.
 * @typedef {object} ClientEvents
 * @property {ConnectionState} connection How the connection to the chat stands.
 * @property {{ user: User | undefined, error?: ChatError }} session Who is logged in; with `error`, the login has ended.
 * @property {{ room: Room, message: Message }} message A new message has come, once and in order of its room.
 * @property {{ room: Room, reason: "new" | "changed" | "pending" | "loaded" | "reset", message?: Message }} messages
 *   `room.messages` is another one.
 * @property {{ room: Room, change: "added" | "changed" | "removed" }} room
 * @property {{ room?: Room, unread?: number, mentions?: number, total: number }} unread
 * @property {{ room: Room, typists: Typist[] }} typing
 * @property {{ room: Room, receipts: Receipt[] }} receipts
 * @property {{ room: Room, userId: string, username?: string, change: "joined" | "left" | "role", role?: string }} member
 * @property {UserPresence} presence Somebody who is watched stands so.
 * @property {{ userId: string, added: boolean }} contact
 * @property {{ userId: string, direction: "incoming" | "outgoing", pending: boolean }} contactRequest
 * @property {{ userId: string, blocked: boolean }} block
 * @property {Notification} notification A new item of the inbox.
 * @property {{}} reset What concerns one alone may have been missed: fetch contacts, blocks and the inbox again. Rooms
 *   are done.
 * @property {{ error: ChatError }} trouble The storage does not keep what it is given; all else goes on.
 */
/** @extends {Emitter<ClientEvents>} */
export class ChatClient extends Emitter<ClientEvents> {
    /** @param {ClientOptions} [options] */
    constructor(options?: ClientOptions);
    /** Where the login and what is not sent yet are kept. */
    storage: Storage;
    account: Account;
    people: People;
    notifications: Notifications;
    files: Files;
    /** Who is logged in; of a host product's user, once it has started. */
    get user(): User | undefined;
    /**
     * Takes up the login that the storage has.
     * @returns {Promise<User | undefined>} None: log in, sign up, or be a guest.
     */
    restore(): Promise<User | undefined>;
    /** @param {{ username: string, email: string, password: string, displayName?: string }} account @returns {Promise<User>} */
    signUp(account: {
        username: string;
        email: string;
        password: string;
        displayName?: string;
    }): Promise<User>;
    /** @param {{ username?: string, email?: string, password: string }} credentials @returns {Promise<User>} */
    logIn(credentials: {
        username?: string;
        email?: string;
        password: string;
    }): Promise<User>;
    /** @param {{ username?: string }} [wish] @returns {Promise<User>} */
    guest(wish?: {
        username?: string;
    }): Promise<User>;
    /** Ends the login and forgets what it has kept, unsent messages too. */
    logOut(): Promise<void>;
    /**
     * Connects, and stays so until it is stopped. Resolves once the rooms are known; without a network it waits for one.
     * Rejects where it is closed for good.
     */
    start(): Promise<void>;
    /** Disconnects. What is not sent yet waits for the next `start`. */
    stop(): void;
    /** How the connection to the chat stands. @returns {ConnectionState} */
    get connection(): ConnectionState;
    /** Something has changed that may bring the network back: tries at once. Browsers are listened to. */
    nudge(): void;
    /** Those one is in, by id; empty before `start`. @returns {ReadonlyMap<string, Room>} */
    get rooms(): ReadonlyMap<string, Room>;
    /** Unread messages in all rooms. */
    get unread(): number;
    /**
     * @param {{ type: "public" | "private", name: string, handle?: string, description?: string, historyVisibility?: HistoryVisibility, retention?: Retention }} room
     * @returns {Promise<Room>}
     */
    createRoom(room: {
        type: "public" | "private";
        name: string;
        handle?: string;
        description?: string;
        historyVisibility?: HistoryVisibility;
        retention?: Retention;
    }): Promise<Room>;
    /**
     * Joins a public room, or goes back into one that one is in.
     * @param {{ id: string } | { handle: string }} room
     * @returns {Promise<Room>}
     */
    joinRoom(room: {
        id: string;
    } | {
        handle: string;
    }): Promise<Room>;
    /** Joins by the code of an invite. @param {string} code @returns {Promise<Room>} */
    redeemInvite(code: string): Promise<Room>;
    /** The room with one other user, made where it is not there. @param {string} userId @returns {Promise<Room>} */
    openDirect(userId: string): Promise<Room>;
    /** Public rooms in order of name. @param {string} [query] The beginning of a name. @param {PageQuery} [page] @returns {Promise<Page<RoomInfo>>} */
    publicRooms(query?: string, page?: PageQuery): Promise<Page<RoomInfo>>;
    /** @param {string} id @returns {Promise<Message>} */
    message(id: string): Promise<Message>;
    /** One's own status and attention, and other people's. */
    get presence(): Presence;
    /**
     * Any other call of `/openapi.json`, as this user.
     * @param {string} method @param {string} route @param {import("./http.js").Request} [request]
     */
    call(method: string, route: string, request?: import("./http.js").Request): Promise<any>;
    #private;
}
export type ClientOptions = {
    /**
     * Where api-server is, as `https://chat.example.org`. Default: where the page is from.
     */
    api?: string | undefined;
    /**
     * Gives the tokens of a host product, in place of a login here.
     */
    token?: TokenSource | undefined;
    /**
     * What survives a reload. Default: IndexedDB where there is one, else memory.
     */
    storage?: Storage | undefined;
    /**
     * The class of sockets. Default: the global one; before Node 22 there is none: that of `ws`.
     */
    WebSocket?: any;
    fetch?: typeof fetch | undefined;
    /**
     * Always this chat-server, as behind one proxy. Default: the registry says which.
     */
    chatUrl?: string | undefined;
    /**
     * The same of presence-server.
     */
    presenceUrl?: string | undefined;
    /**
     * `false`: without a connection to presence-server. Default: with one.
     */
    presence?: boolean | undefined;
    /**
     * Milliseconds between attempts: at most `base` at first, never more
     * than `cap`. Default: 250 and 15,000.
     */
    backoff?: {
        base?: number;
        cap?: number;
    } | undefined;
    /**
     * Messages that may wait to be sent. Default: 500.
     */
    queueLimit?: number | undefined;
};
/**
 * What a client tells. What is about a room is told by the room, too, without `room`.
 */
export type ClientEvents = {
    /**
     * How the connection to the chat stands.
     */
    connection: ConnectionState;
    /**
     * Who is logged in; with `error`, the login has ended.
     */
    session: {
        user: User | undefined;
        error?: ChatError;
    };
    /**
     * A new message has come, once and in order of its room.
     */
    message: {
        room: Room;
        message: Message;
    };
    /**
     *   `room.messages` is another one.
     */
    messages: {
        room: Room;
        reason: "new" | "changed" | "pending" | "loaded" | "reset";
        message?: Message;
    };
    room: {
        room: Room;
        change: "added" | "changed" | "removed";
    };
    unread: {
        room?: Room;
        unread?: number;
        mentions?: number;
        total: number;
    };
    typing: {
        room: Room;
        typists: Typist[];
    };
    receipts: {
        room: Room;
        receipts: Receipt[];
    };
    member: {
        room: Room;
        userId: string;
        username?: string;
        change: "joined" | "left" | "role";
        role?: string;
    };
    /**
     * Somebody who is watched stands so.
     */
    presence: UserPresence;
    contact: {
        userId: string;
        added: boolean;
    };
    contactRequest: {
        userId: string;
        direction: "incoming" | "outgoing";
        pending: boolean;
    };
    block: {
        userId: string;
        blocked: boolean;
    };
    /**
     * A new item of the inbox.
     */
    notification: Notification;
    /**
     * What concerns one alone may have been missed: fetch contacts, blocks and the inbox again. Rooms
     * are done.
     */
    reset: {};
    /**
     * The storage does not keep what it is given; all else goes on.
     */
    trouble: {
        error: ChatError;
    };
};
import { Emitter } from "./emitter.js";
import type { Storage } from "./storage.js";
import { Account } from "./account.js";
import { People } from "./people.js";
import { Notifications } from "./notifications.js";
import { Files } from "./files.js";
import type { User } from "./types.js";
import type { ConnectionState } from "./types.js";
import type { Room } from "./room.js";
import type { HistoryVisibility } from "./types.js";
import type { Retention } from "./types.js";
import type { PageQuery } from "./types.js";
import type { RoomInfo } from "./types.js";
import type { Page } from "./types.js";
import type { Message } from "./types.js";
import { Presence } from "./presence.js";
import type { TokenSource } from "./session.js";
import { ChatError } from "./errors.js";
import type { Typist } from "./types.js";
import type { Receipt } from "./types.js";
import type { UserPresence } from "./types.js";
import type { Notification } from "./types.js";
