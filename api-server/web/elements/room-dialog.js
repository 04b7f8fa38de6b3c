// A room's details: what it is, who is in it, invites, notifications, leaving.

import { confirmed, openDialog, openMenu, toast } from "../lib/dialog.js";
import { el, field, fill, icon, iconButton } from "../lib/el.js";
import { act, person } from "../lib/entries.js";
import { moment, problem } from "../lib/format.js";
import { form } from "./find-dialog.js";
import { openPerson } from "./person-dialog.js";

/** Members of a page. */
const PAGE = 100;

export function openRoom(client, directory, room) {
  const { info } = room;
  const canManage = ["owner", "admin"].includes(info.role);
  const body = el(
    "div.panel",
    {},
    el("section", {}, about(room, canManage)),
    el("section", {}, el("h3", {}, "Notifications"), muteSwitch(client, room)),
    canManage && invites(room),
    members(client, directory, room),
    el("section", {}, leaving(room, () => dialog.close())),
  );
  const dialog = openDialog({ title: info.name ?? "Room", body });
}

function about(room, canManage) {
  const { info } = room;
  const kind = info.type === "private" ? "Private room" : `Public room${info.handle ? ` · ${info.handle}` : ""}`;
  const text = [el("p.note", {}, `${kind} · since ${moment(info.createdAt)}`), info.description && el("p", {}, info.description)];
  if (!canManage) return text;
  const name = field("Name", { maxlength: 100, value: info.name ?? "" });
  const description = field("Description", { maxlength: 500, value: info.description ?? "" });
  const save = async () => {
    await room.moderation.update({ name: name.input.value.trim(), description: description.input.value.trim() });
    toast("Saved");
  };
  return [text[0], form([name.row, description.row], "Save", save)];
}

/** Which notifications a room gives. */
export function muteSwitch(client, room) {
  const kinds = { all: "Every message", mentions: "Only what mentions me", none: "Nothing" };
  const name = `mute-${room.id}`;
  const choose = async (kind) => {
    try {
      const settings = await client.notifications.settings();
      const own = { all: undefined, mentions: { muted: false, mentionsOnly: true }, none: { muted: true, mentionsOnly: false } }[kind];
      const rooms = { ...settings.rooms, [room.id]: own };
      if (own === undefined) delete rooms[room.id];
      await client.notifications.setSettings({ ...settings, rooms });
    } catch (error) {
      toast(problem(error));
    }
  };
  const inputs = Object.keys(kinds).map((kind) => el("input", { type: "radio", name, value: kind, onchange: () => void choose(kind) }));
  client.notifications.settings().then(
    ({ rooms }) => {
      const own = rooms?.[room.id];
      inputs[own?.muted ? 2 : own?.mentionsOnly ? 1 : 0].checked = true;
    },
    () => {},
  );
  const labels = Object.values(kinds);
  return el("div", { role: "radiogroup", "aria-label": "Notifications of this conversation" }, inputs.map((input, at) => el("label.choice", {}, input, labels[at])));
}

function invites(room) {
  const list = el("ul.entries", { role: "list" });
  const draw = async () => {
    const { items } = await room.moderation.invites();
    fill(
      list,
      items.map((invite) => {
        const about = `${invite.uses}${invite.maxUses ? ` of ${invite.maxUses}` : ""} used, until ${moment(invite.expiresAt)}`;
        const withdraw = act("Withdraw", about, () => room.moderation.withdraw(invite.id).then(draw, failed));
        return el("li.entry", {}, icon("link"), el("span.names", {}, el("small.wrap", {}, about)), withdraw);
      }),
    );
  };
  const made = el("div", { role: "status" });
  const make = async () => {
    try {
      const { code } = await room.moderation.invite();
      const link = `${location.origin}/#/invite/${code}`;
      const shown = el("input", { readonly: true, value: link, "aria-label": "Link of the invite" });
      const copy = async () => {
        await navigator.clipboard.writeText(link);
        toast("Copied");
      };
      fill(made, el("p.note", {}, "Shown this once. Good for a week."), el("div.code", {}, shown, navigator.clipboard && el("button.button", { type: "button", onclick: copy }, "Copy")));
      shown.select();
      await draw();
    } catch (error) {
      failed(error);
    }
  };
  draw().catch(() => {});
  return el("section", {}, el("h3", {}, "Invites"), el("button.button", { type: "button", onclick: make }, "Make a link"), made, list);
}

function members(client, directory, room) {
  const list = el("ul.entries", { role: "list" });
  const more = el("button.button.small", { type: "button", hidden: true, onclick: () => void load(more.dataset.cursor) }, "More");
  const load = async (cursor) => {
    try {
      const page = await room.members({ cursor, limit: PAGE });
      if (!cursor) fill(list);
      list.append(...page.items.map((member) => entry(member)));
      more.hidden = page.nextCursor === undefined;
      more.dataset.cursor = page.nextCursor ?? "";
    } catch (error) {
      failed(error);
    }
  };
  const entry = (member) => {
    const name = member.displayName || member.username;
    const known = directory.user(member.userId);
    const note = member.role === "member" ? `@${member.username}` : `@${member.username} · ${member.role}`;
    const options = choices(client, directory, room, member, () => void load());
    const menu = iconButton("more", `What to do with ${name}`, () => openMenu(menu, options), { "aria-haspopup": "menu" });
    return person(client, { ...member, avatarUrl: known?.avatarUrl }, { note, actions: options.length > 0 && menu });
  };
  void load();
  return el("section", {}, el("h3", {}, `Members (${room.info.memberCount})`), list, more);
}

/** What one may do with a member: the server decides, this only leaves out what is never allowed. */
function choices(client, directory, room, member, done) {
  if (member.userId === client.user?.id) return [];
  const { role } = room.info;
  const run = (work) => () => void work().then(done, failed);
  const all = [{ label: "About", icon: icon("info"), act: () => void openPerson(client, directory, member.userId) }];
  if (role === "owner") {
    const other = member.role === "admin" ? "member" : "admin";
    all.push({ label: other === "admin" ? "Make admin" : "Admin no more", icon: icon("people"), act: run(() => room.moderation.setRole(member.userId, other)) });
  }
  if (role === "owner" || (role === "admin" && member.role === "member")) {
    all.push(
      { label: "Remove", icon: icon("leave"), danger: true, act: run(() => room.moderation.remove(member.userId)) },
      { label: "Ban", icon: icon("block"), danger: true, act: run(() => room.moderation.ban(member.userId)) },
    );
  }
  return all;
}

function leaving(room, done) {
  const isOwner = room.info.role === "owner";
  const leave = async () => {
    const text = isOwner ? "Somebody else becomes its owner." : "You can come back where you could come before.";
    if (!(await confirmed({ title: "Leave this room?", text, action: "Leave" }))) return;
    await room.leave().then(done, failed);
  };
  const remove = async () => {
    const text = "It is gone for everybody, with all that was said in it.";
    if (!(await confirmed({ title: "Delete this room?", text, action: "Delete" }))) return;
    await room.moderation.deleteRoom().then(done, failed);
  };
  return el(
    "div.button-row",
    {},
    el("button.button", { type: "button", onclick: leave }, icon("leave"), " Leave"),
    isOwner && el("button.button.danger", { type: "button", onclick: remove }, "Delete the room"),
  );
}

function failed(error) {
  toast(problem(error));
}
