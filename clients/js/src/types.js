// The objects of the protocol (docs/protocol.md, "Objects") and of this client, for editors and compilers.

/**
 * @typedef {{ field: string, problem: string }} FieldProblem
 * @typedef {{ rev: number, eventId: string }} Position How far a log has been seen.
 * @typedef {"online" | "away" | "busy" | "offline"} Status
 * @typedef {"online" | "away" | "busy" | "invisible"} OwnStatus
 */

/**
 * @typedef {object} User
 * @property {string} id
 * @property {string} username
 * @property {string} displayName
 * @property {string} [avatarUrl] A path on the API.
 * @property {string} [bio]
 * @property {Status} status
 * @property {string} [statusText]
 * @property {string} [lastSeen]
 * @property {string} createdAt
 * @property {boolean} [guest]
 * @property {string} [email] One's own only, as all below.
 * @property {boolean} [emailVerified]
 * @property {"everyone" | "contacts" | "nobody"} [lastSeenFor]
 */

/**
 * @typedef {{ maxAgeSeconds?: number, maxMessages?: number }} Retention
 * @typedef {"member" | "admin" | "owner"} Role
 * @typedef {"public" | "private" | "direct"} RoomType
 * @typedef {"all" | "joined"} HistoryVisibility
 */

/**
 * @typedef {object} RoomInfo A room as the server tells it.
 * @property {string} id
 * @property {string} [handle]
 * @property {string} [name]
 * @property {string} [description]
 * @property {RoomType} type
 * @property {string} createdBy
 * @property {number} memberCount
 * @property {string} createdAt
 * @property {HistoryVisibility} historyVisibility
 * @property {Retention} [retention]
 * @property {Message} [lastMessage] For members only, as all below.
 * @property {Role} [role]
 * @property {number} [unread]
 * @property {number} [mentions]
 * @property {number} [lastReadSeq]
 * @property {Position} [position]
 */

/**
 * @typedef {{ emoji: string, count: number, userIds: string[], me?: boolean }} Reaction
 * `userIds`: the first 50.
 * @typedef {"text" | "image" | "file" | "encrypted"} MessageType
 */

/**
 * @typedef {object} Attachment
 * @property {string} id
 * @property {string} url A path on the API, as `thumbnailUrl`: `client.files.blob(url)`.
 * @property {string} name
 * @property {string} mime
 * @property {number} size
 * @property {number} [width]
 * @property {number} [height]
 * @property {string} [thumbnailUrl]
 */

/**
 * @typedef {object} Message A message; never changed, but replaced by another object.
 * @property {string} id Of one that is `pending`: its `clientMessageId`.
 * @property {string} roomId
 * @property {number} seq Its number in the room; 0 while it is not stored.
 * @property {string} userId
 * @property {string} username
 * @property {string} content
 * @property {MessageType} type
 * @property {string} timestamp
 * @property {string} [clientMessageId]
 * @property {string} [replyTo]
 * @property {number} [replyCount]
 * @property {string[]} [mentions]
 * @property {boolean} [mentionAll]
 * @property {Attachment[]} [attachments]
 * @property {Reaction[]} [reactions]
 * @property {string} [editedAt]
 * @property {string} [deletedAt]
 * @property {Pending} [pending] It is one's own and not in the room yet.
 */

/**
 * @typedef {object} Pending What becomes of a message that is on its way.
 * @property {"sending" | "failed" | "sent"} state
 * @property {import("./errors.js").ChatError} [error] Why it failed.
 * @property {(File | Blob)[]} files Those that are not uploaded yet.
 */

/**
 * @typedef {object} Draft What one wants to say.
 * @property {string} [content]
 * @property {MessageType} [type]
 * @property {string} [replyTo] The id of a message.
 * @property {Attachment[]} [attachments] Uploads of one's own.
 * @property {(File | Blob)[]} [files] Uploaded before it is sent.
 * @property {string} [clientMessageId] Names it: what is sent twice under the same name is one message. Default: a UUID.
 */

/**
 * @typedef {{ id: string, roomId: string, seq: number, timestamp: string, duplicate?: boolean }} Ack It is stored.
 * @typedef {{ roomId: string, userId: string, deliveredSeq: number, readSeq: number }} Receipt
 * @typedef {{ userId: string, username: string, displayName: string, role: Role, joinedAt: string }} Member
 * @typedef {{ userId: string, username: string }} Typist
 */

/**
 * @typedef {object} UserPresence
 * @property {string} userId
 * @property {string} username
 * @property {Status} status
 * @property {string} [statusText]
 * @property {string} [lastSeen]
 * @property {number} [devices]
 */

/**
 * @typedef {object} Notification An item of the inbox.
 * @property {string} id
 * @property {string} title
 * @property {string} body
 * @property {any} [data]
 * @property {string} [category]
 * @property {string} [roomId]
 * @property {string} createdAt
 * @property {string} [readAt]
 */

/**
 * @typedef {object} NotificationSettings
 * @property {Record<string, boolean>} [channels]
 * @property {Record<string, { muted?: boolean, mentionsOnly?: boolean }>} [rooms]
 * @property {{ from: string, to: string, timeZone: string }} [dnd]
 */

/**
 * @template T
 * @typedef {{ items: T[], nextCursor?: string }} Page
 */

/**
 * @typedef {{ items: Message[], hasMore: boolean, position: Position }} HistoryPage
 * @typedef {{ before?: number, after?: number, around?: number, limit?: number }} HistoryQuery
 * @typedef {{ cursor?: string, limit?: number }} PageQuery
 * @typedef {{ id: string, code?: string, createdBy: string, createdAt: string, expiresAt: string, maxUses?: number, uses: number }} Invite
 * @typedef {{ id: string, current: boolean, createdAt: string, lastUsedAt: string, expiresAt: string, agent?: string, address?: string }} Login
 */

/**
 * @typedef {object} ConnectionState How the connection stands.
 * @property {"idle" | "connecting" | "online" | "waiting" | "closed"} state `waiting`: it was lost, and the next attempt
 *   is at `retryAt`; `closed`: it does not come back by itself.
 * @property {import("./errors.js").ChatError} [error] Why it was lost.
 * @property {number} [retryAt] Milliseconds since 1970.
 */

/**
 * @typedef {object} Frame
 * @property {string} type
 * @property {any} payload
 * @property {string} [requestId]
 */

export {};
