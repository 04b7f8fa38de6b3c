/**
 * The payloads of `RESUME`: all but the last say that there is more.
 * @param {Position} user
 * @param {[roomId: string, Position][]} rooms
 * @param {number} [perFrame]
 */
export function resumeFrames(user: Position, rooms: [roomId: string, Position][], perFrame?: number): {
    more?: true | undefined;
    user: Position;
    rooms: {
        [k: string]: Position;
    };
}[];
/** @import { Position } from "./types.js" */
export class Place {
    /** @param {Position} [position] */
    constructor(position?: Position);
    /** The last change that was seen; what to resume from. */
    get position(): Position | undefined;
    /** Its number; 0: none. */
    get rev(): number;
    /** A new connection begins: a store that lost writes may go back behind what was seen. */
    reconnect(): void;
    /**
     * The server names where the log stands. The first on a connection holds as it is; later ones only forward, because
     * `RESUMED` names where a room began to flow, and its events may come before.
     * @param {Position} position
     */
    stand({ rev, eventId }: Position): void;
    /**
     * An event of the log has come.
     * @param {Position} position
     * @returns {"next" | "duplicate" | "gap"} `duplicate`: it was seen; `gap`: what came before it was not, or the log is
     *   another one by now. After a `gap` the log goes on from here.
     */
    take({ rev, eventId }: Position): "next" | "duplicate" | "gap";
    #private;
}
import type { Position } from "./types.js";
