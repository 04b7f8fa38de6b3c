// One message as a row of the list.

import { avatar } from "../lib/avatar.js";
import { content, isJumbo } from "../lib/content.js";
import { el, hiddenText, icon } from "../lib/el.js";
import { clock, dayKey, dayName, moment, problem } from "../lib/format.js";
import { attachments } from "./attachments.js";

/** What one says within so long is one thing. */
const TOGETHER_MS = 5 * 60_000;

const STATES = {
  sending: ["clock", "Sending"],
  sent: ["check", "Sent"],
  delivered: ["checks", "Delivered"],
  read: ["checks", "Read"],
  failed: ["alert", "Not sent"],
};

/** The same before and after it is stored. */
export function keyOf({ id, clientMessageId, userId }) {
  return clientMessageId ? `${userId}/${clientMessageId}` : id;
}

/** What a row shows beside its message. */
export function signatureOf({ room, directory, newFrom }, message, before) {
  const parent = message.replyTo && parentOf(room, message);
  return [
    room.statusOf(message),
    message.pending?.error?.code,
    follows(message, before),
    startsDay(message, before),
    isFirstNew(newFrom, message, before),
    directory.nameOf(message.userId, message.username),
    directory.user(message.userId)?.avatarUrl,
    parent && `${parent.content} ${parent.deletedAt}`,
  ].join("\n");
}

/** @returns {HTMLElement} */
export function makeRow(context, message, before) {
  const { client, directory, room, newFrom } = context;
  const own = message.userId === client.user?.id;
  const grouped = follows(message, before) && !message.replyTo;
  const name = directory.nameOf(message.userId, message.username);
  const url = directory.user(message.userId)?.avatarUrl;
  const named = own ? false : (message.mentions ?? []).includes(client.user?.id) || message.mentionAll;
  const row = el(
    "li.message",
    { tabindex: -1, "data-id": message.id, "data-seq": message.seq },
    startsDay(message, before) && el("div.divider", {}, el("span", {}, dayName(message.timestamp))),
    isFirstNew(newFrom, message, before) && el("div.divider.new", {}, el("span", {}, "New")),
    el(
      "article.bubble-row",
      { "aria-label": `${name}, ${clock(message.timestamp)}` },
      !own && (grouped ? el("span.gutter") : face(context, message, name, url && client.files.address(url))),
      el(
        "div.bubble",
        {},
        !grouped && el("div.byline", {}, !own && el("strong", {}, name), el("time", { datetime: message.timestamp, title: moment(message.timestamp) }, clock(message.timestamp))),
        message.replyTo && !message.deletedAt && quote(context, message),
        body(context, message),
        message.editedAt && !message.deletedAt && el("small.edited", { title: moment(message.editedAt) }, "edited"),
        reactions(context, message),
        own && message.pending?.state === "failed" && failure(context, message),
      ),
      own && !message.deletedAt && state(room.statusOf(message)),
    ),
  );
  if (grouped) row.classList.add("grouped");
  if (own) row.classList.add("own");
  if (named) row.classList.add("named");
  if (message.pending) row.classList.add(message.pending.state);
  return row;
}

function face({ act }, message, name, url) {
  const open = () => act("person", message);
  return el("button.face", { type: "button", tabindex: -1, "aria-label": `About ${name}`, onclick: open }, avatar({ id: message.userId, name, url }));
}

function body({ client, room }, message) {
  if (message.deletedAt) return el("p.text.deleted", {}, "Message deleted");
  if (message.type === "encrypted") return el("p.text.deleted", {}, "Encrypted message");
  const text = message.content && el(isJumbo(message.content) ? "p.text.jumbo" : "p.text", {}, content(message.content, client.user?.username ?? ""));
  return [text, attachments(client, room, message)];
}

function parentOf(room, { replyTo }) {
  return room.messages.find((one) => one.id === replyTo);
}

function quote({ room, directory, jump }, message) {
  const parent = parentOf(room, message);
  const text = parent?.deletedAt ? "Message deleted" : parent?.content || (parent ? "A file" : "An earlier message");
  const name = parent && directory.nameOf(parent.userId, parent.username);
  return el("button.quote", { type: "button", tabindex: -1, onclick: () => jump(message.replyTo) }, hiddenText("In reply to "), name && el("strong", {}, name), el("span", {}, text));
}

function reactions({ act, directory }, message) {
  if (!message.reactions?.length) return undefined;
  const buttons = message.reactions.map(({ emoji, count, me, userIds }) => {
    const who = userIds.slice(0, 5).map((id) => directory.nameOf(id, "somebody")).join(", ");
    const label = `${emoji} ${count}${me ? ", yours too" : ""}`;
    const onclick = () => act("react", message, { emoji, add: !me });
    return el("button.reaction", { type: "button", tabindex: -1, "aria-pressed": String(me === true), "aria-label": label, title: who, onclick }, emoji, el("span", {}, count));
  });
  return el("div.reactions", {}, buttons);
}

function failure({ act }, message) {
  const retry = el("button.link", { type: "button", onclick: () => act("retry", message) }, icon("retry"), "Try again");
  const discard = el("button.link.danger", { type: "button", onclick: () => act("discard", message) }, "Delete");
  return el("p.failure", {}, problem(message.pending.error), " ", retry, discard);
}

function state(status) {
  const [sign, text] = STATES[status] ?? STATES.sent;
  return el(`span.state.${status}`, { title: text }, icon(sign), hiddenText(text));
}

/** It goes on with what the same one said just before. */
function follows(message, before) {
  return (
    before !== undefined &&
    before.userId === message.userId &&
    !before.deletedAt === !message.deletedAt &&
    Date.parse(message.timestamp) - Date.parse(before.timestamp) < TOGETHER_MS &&
    dayKey(message.timestamp) === dayKey(before.timestamp)
  );
}

function startsDay(message, before) {
  return !before || dayKey(message.timestamp) !== dayKey(before.timestamp);
}

function isFirstNew(newFrom, message, before) {
  return message.seq > newFrom && (before?.seq ?? 0) <= newFrom;
}
