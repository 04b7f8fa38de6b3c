export class Chat {
    /** @param {ChatOptions} options */
    constructor(options: ChatOptions);
    /** Those one is in, by id. @type {Map<string, Room>} */
    rooms: Map<string, Room>;
    connection: Connection;
    queue: SendQueue;
    marks: Marks;
    /** What is unread in all rooms. */
    get unread(): number;
    /** Ends all that goes on. */
    close(): void;
    /**
     * The room of this answer to a call, as one is in it now.
     * @param {RoomInfo} info
     * @returns {Room}
     */
    enter(info: RoomInfo): Room;
    /** One has left. @param {string} roomId */
    leave(roomId: string): void;
    #private;
}
export type ChatOptions = {
    connection: Omit<ConnectionOptions, "service" | "restore" | "receive" | "lost">;
    me: {
        id: string;
        username: string;
    };
    storage: Storage;
    upload: (file: File | Blob) => Promise<Attachment>;
    emit: (name: string, detail: any) => void;
    queueLimit?: number | undefined;
};
import { Room } from "./room.js";
import { Connection } from "./connection.js";
import { SendQueue } from "./queue.js";
import { Marks } from "./marks.js";
import type { RoomInfo } from "./types.js";
import type { ConnectionOptions } from "./connection.js";
import type { Storage } from "./storage.js";
import type { Attachment } from "./types.js";
