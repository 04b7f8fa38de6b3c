// The JavaScript client of ChatApp. This is all there is to import; README.md beside it says how.

export { ChatClient } from "./src/client.js";
export { ChatError } from "./src/errors.js";
export { IndexedDbStorage, MemoryStorage } from "./src/storage.js";
export { Room } from "./src/room.js";

/**
 * @typedef {import("./src/client.js").ClientEvents} ClientEvents
 * @typedef {import("./src/client.js").ClientOptions} ClientOptions
 * @typedef {import("./src/room.js").RoomEvents} RoomEvents
 * @typedef {import("./src/session.js").TokenSource} TokenSource
 * @typedef {import("./src/storage.js").Storage} Storage
 * @typedef {import("./src/types.js").Ack} Ack
 * @typedef {import("./src/types.js").Attachment} Attachment
 * @typedef {import("./src/types.js").ConnectionState} ConnectionState
 * @typedef {import("./src/types.js").Draft} Draft
 * @typedef {import("./src/types.js").Message} Message
 * @typedef {import("./src/types.js").Notification} Notification
 * @typedef {import("./src/types.js").Receipt} Receipt
 * @typedef {import("./src/types.js").RoomInfo} RoomInfo
 * @typedef {import("./src/types.js").User} User
 * @typedef {import("./src/types.js").UserPresence} UserPresence
 */
