// What an event makes of a message, or of a room: pure, and never in place.

/** @import { Message, RoomInfo } from "./types.js" */

/**
 * A message as it comes in an event or a page. Events do not say which reactions are the reader's own.
 * @param {any} told
 * @param {string} me
 * @param {Message} [before] As it was here.
 * @returns {Message}
 */
export function readMessage({ rev: _, eventId: __, ...message }, me, before) {
  if (!message.reactions) return message;
  const had = new Set(before?.reactions?.filter((reaction) => reaction.me).map((reaction) => reaction.emoji));
  const reactions = message.reactions.map((/** @type {any} */ reaction) =>
    reaction.userIds.includes(me) || had.has(reaction.emoji) ? { ...reaction, me: true } : reaction,
  );
  return { ...message, reactions };
}

/**
 * What is left of a deleted message.
 * @param {Message} message
 * @param {string} at
 * @returns {Message}
 */
export function deleted({ content: _, mentions: __, mentionAll: ___, attachments: ____, reactions: _____, ...rest }, at) {
  return { ...rest, content: "", deletedAt: at };
}

/**
 * @param {Message} message
 * @param {{ userId: string, emoji: string, added: boolean, count: number }} event
 * @param {string} me
 * @returns {Message}
 */
export function reacted(message, { userId, emoji, added, count }, me) {
  const all = message.reactions ?? [];
  const before = all.find((reaction) => reaction.emoji === emoji);
  const others = (before?.userIds ?? []).filter((id) => id !== userId);
  const isMine = userId === me ? added : before?.me === true;
  const userIds = added && others.length < 50 ? [...others, userId] : others;
  const after = { emoji, count, userIds, ...(isMine && { me: true }) };
  const reactions = before ? all.map((reaction) => (reaction === before ? after : reaction)) : [...all, after];
  const { reactions: _, ...rest } = message;
  const left = reactions.filter((reaction) => reaction.count > 0);
  return left.length > 0 ? { ...rest, reactions: left } : rest;
}

/**
 * @param {Message} message
 * @param {number} by
 * @returns {Message}
 */
export function replied({ replyCount = 0, ...rest }, by) {
  const count = Math.max(0, replyCount + by);
  return count > 0 ? { ...rest, replyCount: count } : rest;
}

/** @param {Message} message @param {string} me */
export function names(message, me) {
  return message.mentionAll === true || (message.mentions ?? []).includes(me);
}

/**
 * The room as `ROOM_UPDATED` says it is: what it does not name is not there any more.
 * @param {RoomInfo} info
 * @param {any} event
 * @returns {RoomInfo}
 */
export function updated({ name: _, description: __, retention: ___, ...rest }, event) {
  const { name, description, historyVisibility, retention } = event;
  return {
    ...rest,
    historyVisibility,
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(retention !== undefined && { retention }),
  };
}
