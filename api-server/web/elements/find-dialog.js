// Finding people and public rooms, making a room, coming in by an invite.

import { openDialog } from "../lib/dialog.js";
import { el, field, icon } from "../lib/el.js";
import { person, searchBox } from "../lib/entries.js";
import { problem } from "../lib/format.js";
import { tabs } from "../lib/tabs.js";

export function openFind(client, directory) {
  const enter = (room) => {
    dialog.close();
    location.hash = `#/room/${room.id}`;
  };
  const body = tabs("What to find", [
    { name: "People", make: () => people(client, directory, enter) },
    { name: "Rooms", make: () => rooms(client, enter) },
    { name: "New room", make: () => newRoom(client, enter) },
    { name: "Invite", make: () => invite(client, enter) },
  ]);
  const dialog = openDialog({ title: "Find people and rooms", body });
  dialog.querySelector("input")?.focus();
}

function people(client, directory, enter) {
  const search = async (query) => {
    const found = query === "" ? await client.people.contacts() : (await client.people.search(query)).items;
    return found
      .filter((user) => user.id !== client.user?.id)
      .map((user) => {
        directory.learn(user);
        return person(client, user, { onclick: async () => enter(await client.openDirect(user.id)) });
      });
  };
  const box = searchBox({ label: "The beginning of a username", search, none: "Nobody of this name." });
  void box.again();
  return box;
}

function rooms(client, enter) {
  const search = async (query) => {
    const { items } = await client.publicRooms(query || undefined, { limit: 50 });
    return items.map((room) => {
      const isMember = client.rooms.has(room.id);
      const about = [`${room.memberCount} ${room.memberCount === 1 ? "member" : "members"}`, isMember && "joined", room.description].filter(Boolean).join(" · ");
      const onclick = async () => enter(await client.joinRoom({ id: room.id }));
      const names = el("span.names", {}, el("strong", {}, room.name), el("small", {}, about));
      return el("li", {}, el("button.entry", { type: "button", onclick }, el("span.avatar.room-icon", {}, icon("hash")), names));
    });
  };
  const box = searchBox({ label: "The beginning of a room's name", search, none: "No public room of this name." });
  void box.again();
  return box;
}

function newRoom(client, enter) {
  const name = field("Name", { name: "name", required: true, maxlength: 100 });
  const about = field("Description (optional)", { name: "description", maxlength: 500 });
  const handle = field("Handle (optional)", { name: "handle", maxlength: 32, autocapitalize: "none" }, "By which the room is found; it stays.");
  const isPrivate = el("input", { type: "checkbox", name: "private", onchange: () => (handle.row.hidden = isPrivate.checked) });
  const make = () =>
    client.createRoom({
      type: isPrivate.checked ? "private" : "public",
      name: name.input.value.trim(),
      description: about.input.value.trim() || undefined,
      handle: isPrivate.checked ? undefined : handle.input.value.trim() || undefined,
    });
  const secret = el("label.choice", {}, isPrivate, el("span", {}, "Private: who has an invite comes in, and nobody finds it"));
  return form([name.row, about.row, secret, handle.row], "Make the room", async () => enter(await make()));
}

function invite(client, enter) {
  const code = field("Invite", { name: "code", required: true, autocomplete: "off" }, "The link or the code that somebody gave you.");
  const redeem = () => client.redeemInvite(code.input.value.trim().split("/").at(-1) ?? "");
  return form([code.row], "Come in", async () => enter(await redeem()));
}

/** A form that says what went wrong. */
export function form(rows, label, submit) {
  const error = el("p.error", { role: "alert" });
  const button = el("button.button.primary", { type: "submit" }, label);
  const onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    error.textContent = "";
    try {
      await submit();
    } catch (thrown) {
      error.textContent = problem(thrown);
    }
    button.disabled = false;
  };
  return el("form", { onsubmit, novalidate: true }, rows, error, el("div.button-row", {}, button));
}
