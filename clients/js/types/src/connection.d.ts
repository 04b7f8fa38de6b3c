/** @extends {Emitter<{ state: ConnectionState }>} */
export class Connection extends Emitter<{
    state: ConnectionState;
}> {
    /** @param {ConnectionOptions} options */
    constructor(options: ConnectionOptions);
    /** How it stands. */
    get state(): ConnectionState;
    get isOnline(): boolean;
    /** Begins to connect, and keeps at it until it is closed. */
    open(): void;
    /** Ends it, for good. */
    close(): void;
    /** Something has changed that may bring the network back, or has taken it: tries at once, or asks for a sign of life. */
    nudge(): void;
    /**
     * Sends a command and waits for its reply. What was lost with the connection is `NETWORK`: whether it was carried out
     * is not known.
     * @param {string} type
     * @param {object} payload
     * @returns {Promise<any>} The payload of the reply.
     */
    call(type: string, payload: object): Promise<any>;
    /**
     * Sends a command that has no reply.
     * @param {string} type
     * @param {object} payload
     * @returns {boolean} `false`: there is no connection, and it is dropped.
     */
    tell(type: string, payload: object): boolean;
    #private;
}
export type ConnectionOptions = {
    service: "chat" | "presence";
    rest: Rest;
    session: Session;
    WebSocket: typeof WebSocket;
    /**
     * Always this server, as `wss://chat.example.org`; default: the registry says which.
     */
    url?: string | undefined;
    backoff?: {
        base?: number;
        cap?: number;
    } | undefined;
    /**
     * Milliseconds from the socket to `AUTH_SUCCESS`, and for a sign of life that was asked for.
     */
    connectTimeout?: number | undefined;
    /**
     * Milliseconds for a reply.
     */
    callTimeout?: number | undefined;
    /**
     * What a new connection begins with; what it throws ends the connection. Online
     * is who comes back from it.
     */
    restore: () => Promise<void>;
    /**
     * Whatever the server says, replies too, in order.
     */
    receive: (frame: Frame) => void;
    /**
     * The connection ended; `afresh`: probably because of what was sent on it.
     */
    lost?: ((afresh: boolean) => void) | undefined;
};
export type Call = {
    resolve: (payload: any) => void;
    reject: (error: ChatError) => void;
    timer: any;
};
import type { ConnectionState } from "./types.js";
import { Emitter } from "./emitter.js";
import type { Rest } from "./rest.js";
import type { Session } from "./session.js";
import type { Frame } from "./types.js";
import { ChatError } from "./errors.js";
