export class Marks {
    /**
     * @param {(type: string, payload: { roomId: string, seq: number }) => boolean} tell `false`: there is no connection.
     * @param {number} [delay] Milliseconds in which marks are collected.
     */
    constructor(tell: (type: string, payload: {
        roomId: string;
        seq: number;
    }) => boolean, delay?: number);
    /** @param {string} roomId @param {number} seq */
    read(roomId: string, seq: number): void;
    /** @param {string} roomId @param {number} seq */
    delivered(roomId: string, seq: number): void;
    /** What is to be read up to, and was not confirmed yet. @param {string} roomId */
    wanted(roomId: string): number;
    /** The server has the read mark. @param {string} roomId @param {number} seq */
    confirm(roomId: string, seq: number): void;
    /** @param {string} roomId */
    forget(roomId: string): void;
    /** A connection is there: says what it has not heard. */
    reconnect(): void;
    /** Says what was collected, now. */
    flush(): void;
    close(): void;
    #private;
}
