export type FieldProblem = {
    field: string;
    problem: string;
};
/**
 * How far a log has been seen.
 */
export type Position = {
    rev: number;
    eventId: string;
};
export type Status = "online" | "away" | "busy" | "offline";
export type OwnStatus = "online" | "away" | "busy" | "invisible";
export type User = {
    id: string;
    username: string;
    displayName: string;
    /**
     * A path on the API.
     */
    avatarUrl?: string | undefined;
    bio?: string | undefined;
    status: Status;
    statusText?: string | undefined;
    lastSeen?: string | undefined;
    createdAt: string;
    guest?: boolean | undefined;
    /**
     * One's own only, as all below.
     */
    email?: string | undefined;
    emailVerified?: boolean | undefined;
    lastSeenFor?: "everyone" | "contacts" | "nobody" | undefined;
};
export type Retention = {
    maxAgeSeconds?: number;
    maxMessages?: number;
};
export type Role = "member" | "admin" | "owner";
export type RoomType = "public" | "private" | "direct";
export type HistoryVisibility = "all" | "joined";
/**
 * A room as the server tells it.
 */
export type RoomInfo = {
    id: string;
    handle?: string | undefined;
    name?: string | undefined;
    description?: string | undefined;
    type: RoomType;
    createdBy: string;
    memberCount: number;
    createdAt: string;
    historyVisibility: HistoryVisibility;
    retention?: Retention | undefined;
    /**
     * For members only, as all below.
     */
    lastMessage?: Message | undefined;
    role?: Role | undefined;
    unread?: number | undefined;
    mentions?: number | undefined;
    lastReadSeq?: number | undefined;
    position?: Position | undefined;
};
/**
 * `userIds`: the first 50.
 */
export type Reaction = {
    emoji: string;
    count: number;
    userIds: string[];
    me?: boolean;
};
export type MessageType = "text" | "image" | "file" | "encrypted";
export type Attachment = {
    id: string;
    /**
     * A path on the API, as `thumbnailUrl`: `client.files.blob(url)`.
     */
    url: string;
    name: string;
    mime: string;
    size: number;
    width?: number | undefined;
    height?: number | undefined;
    thumbnailUrl?: string | undefined;
};
/**
 * A message; never changed, but replaced by another object.
 */
export type Message = {
    /**
     * Of one that is `pending`: its `clientMessageId`.
     */
    id: string;
    roomId: string;
    /**
     * Its number in the room; 0 while it is not stored.
     */
    seq: number;
    userId: string;
    username: string;
    content: string;
    type: MessageType;
    timestamp: string;
    clientMessageId?: string | undefined;
    replyTo?: string | undefined;
    replyCount?: number | undefined;
    mentions?: string[] | undefined;
    mentionAll?: boolean | undefined;
    attachments?: Attachment[] | undefined;
    reactions?: Reaction[] | undefined;
    editedAt?: string | undefined;
    deletedAt?: string | undefined;
    /**
     * It is one's own and not in the room yet.
     */
    pending?: Pending | undefined;
};
/**
 * What becomes of a message that is on its way.
 */
export type Pending = {
    state: "sending" | "failed" | "sent";
    /**
     * Why it failed.
     */
    error?: import("./errors.js").ChatError | undefined;
    /**
     * Those that are not uploaded yet.
     */
    files: (File | Blob)[];
};
/**
 * What one wants to say.
 */
export type Draft = {
    content?: string | undefined;
    type?: MessageType | undefined;
    /**
     * The id of a message.
     */
    replyTo?: string | undefined;
    /**
     * Uploads of one's own.
     */
    attachments?: Attachment[] | undefined;
    /**
     * Uploaded before it is sent.
     */
    files?: (Blob | File)[] | undefined;
    /**
     * Names it: what is sent twice under the same name is one message. Default: a UUID.
     */
    clientMessageId?: string | undefined;
};
/**
 * It is stored.
 */
export type Ack = {
    id: string;
    roomId: string;
    seq: number;
    timestamp: string;
    duplicate?: boolean;
};
export type Receipt = {
    roomId: string;
    userId: string;
    deliveredSeq: number;
    readSeq: number;
};
export type Member = {
    userId: string;
    username: string;
    displayName: string;
    role: Role;
    joinedAt: string;
};
export type Typist = {
    userId: string;
    username: string;
};
export type UserPresence = {
    userId: string;
    username: string;
    status: Status;
    statusText?: string | undefined;
    lastSeen?: string | undefined;
    devices?: number | undefined;
};
/**
 * An item of the inbox.
 */
export type Notification = {
    id: string;
    title: string;
    body: string;
    data?: any;
    category?: string | undefined;
    roomId?: string | undefined;
    createdAt: string;
    readAt?: string | undefined;
};
export type NotificationSettings = {
    channels?: Record<string, boolean> | undefined;
    rooms?: Record<string, {
        muted?: boolean;
        mentionsOnly?: boolean;
    }> | undefined;
    dnd?: {
        from: string;
        to: string;
        timeZone: string;
    } | undefined;
};
export type Page<T> = {
    items: T[];
    nextCursor?: string;
};
export type HistoryPage = {
    items: Message[];
    hasMore: boolean;
    position: Position;
};
export type HistoryQuery = {
    before?: number;
    after?: number;
    around?: number;
    limit?: number;
};
export type PageQuery = {
    cursor?: string;
    limit?: number;
};
export type Invite = {
    id: string;
    code?: string;
    createdBy: string;
    createdAt: string;
    expiresAt: string;
    maxUses?: number;
    uses: number;
};
export type Login = {
    id: string;
    current: boolean;
    createdAt: string;
    lastUsedAt: string;
    expiresAt: string;
    agent?: string;
    address?: string;
};
/**
 * How the connection stands.
 */
export type ConnectionState = {
    /**
     * `waiting`: it was lost, and the next attempt
     * is at `retryAt`; `closed`: it does not come back by itself.
     */
    state: "idle" | "connecting" | "online" | "waiting" | "closed";
    /**
     * Why it was lost.
     */
    error?: import("./errors.js").ChatError | undefined;
    /**
     * Milliseconds since 1970.
     */
    retryAt?: number | undefined;
};
export type Frame = {
    type: string;
    payload: any;
    requestId?: string | undefined;
};
