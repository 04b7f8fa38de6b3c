/** @import { Message, RoomInfo } from "./types.js" */
/**
 * A message as it comes in an event or a page. Events do not say which reactions are the reader's own.
 * @param {any} told
 * @param {string} me
 * @param {Message} [before] As it was here.
 * @returns {Message}
 */
export function readMessage({ rev: _, eventId: __, ...message }: any, me: string, before?: Message): Message;
/**
 * What is left of a deleted message.
 * @param {Message} message
 * @param {string} at
 * @returns {Message}
 */
export function deleted({ content: _, mentions: __, mentionAll: ___, attachments: ____, reactions: _____, ...rest }: Message, at: string): Message;
/**
 * @param {Message} message
 * @param {{ userId: string, emoji: string, added: boolean, count: number }} event
 * @param {string} me
 * @returns {Message}
 */
export function reacted(message: Message, { userId, emoji, added, count }: {
    userId: string;
    emoji: string;
    added: boolean;
    count: number;
}, me: string): Message;
/**
 * @param {Message} message
 * @param {number} by
 * @returns {Message}
 */
export function replied({ replyCount, ...rest }: Message, by: number): Message;
/** @param {Message} message @param {string} me */
export function names(message: Message, me: string): boolean;
/**
 * The room as `ROOM_UPDATED` says it is: what it does not name is not there any more.
 * @param {RoomInfo} info
 * @param {any} event
 * @returns {RoomInfo}
 */
export function updated({ name: _, description: __, retention: ___, ...rest }: RoomInfo, event: any): RoomInfo;
import type { Message } from "./types.js";
import type { RoomInfo } from "./types.js";
