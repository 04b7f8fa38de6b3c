// Settings: one's profile, how it looks, notifications, people, where one is logged in.

import { avatar } from "../lib/avatar.js";
import { confirmed, openDialog, toast } from "../lib/dialog.js";
import { el, field, fill } from "../lib/el.js";
import { act, person } from "../lib/entries.js";
import { ago, problem, program } from "../lib/format.js";
import { tabs } from "../lib/tabs.js";
import { applyTheme, theme } from "../lib/theme.js";
import { form } from "./find-dialog.js";
import { notifications } from "./notification-settings.js";

export function openSettings(client, directory) {
  const body = tabs("Settings", [
    { name: "Profile", make: () => profile(client, directory) },
    { name: "Notifications", make: () => notifications(client) },
    { name: "People", make: () => people(client) },
    { name: "Logins", make: () => logins(client) },
  ]);
  openDialog({ title: "Settings", body });
}

function profile(client, directory) {
  const place = el("div");
  const look = radios("Look", "theme", { system: "As the system", light: "Light", dark: "Dark" }, theme(), applyTheme);
  const draw = async () => {
    const me = await client.account.profile();
    directory.learn(me);
    fill(place, face(client, me, draw), about(client, directory, me));
  };
  draw().catch((error) => fill(place, el("p.error", { role: "alert" }, problem(error))));
  return [el("section", {}, place), el("section", {}, look)];
}

function face(client, me, draw) {
  const url = me.avatarUrl && client.files.address(me.avatarUrl);
  const run = (work) => work().then(draw, failed);
  const chooser = el("input", { type: "file", accept: "image/*", hidden: true, tabindex: -1, "aria-hidden": "true" });
  chooser.onchange = () => chooser.files[0] && void run(() => client.account.setAvatar(chooser.files[0]));
  const choose = el("button.button.small", { type: "button", onclick: () => chooser.click() }, "Choose a picture");
  const remove = url && el("button.button.small", { type: "button", onclick: () => void run(() => client.account.removeAvatar()) }, "Remove it");
  const name = me.displayName || me.username;
  return el("div.profile", {}, avatar({ id: me.id, name, url, big: true }), el("div", {}, el("p", {}, `@${me.username}`), el("div.card-actions", {}, choose, remove, chooser)));
}

function about(client, directory, me) {
  const name = field("Name", { name: "displayName", maxlength: 50, value: me.displayName ?? "" });
  const bio = field("About you", { name: "bio", rows: 2, maxlength: 500 });
  bio.input.value = me.bio ?? "";
  const seen = el(
    "select",
    { id: "last-seen" },
    Object.entries({ everyone: "Everybody who sees my status", contacts: "My contacts", nobody: "Nobody" }).map(([value, label]) =>
      el("option", { value, selected: value === (me.lastSeenFor ?? "everyone") }, label),
    ),
  );
  const row = el("div.field", {}, el("label", { for: "last-seen" }, "Who sees when I was last here"), seen);
  const save = async () => {
    const changes = { displayName: name.input.value.trim(), bio: bio.input.value.trim(), lastSeenFor: seen.value };
    directory.learn(await client.account.update(changes));
    toast("Saved");
  };
  return form([name.row, bio.row, row], "Save", save);
}

/** One of a few. */
function radios(label, name, choices, chosen, choose) {
  const inputs = Object.entries(choices).map(([value, text]) => {
    const input = el("input", { type: "radio", name, value, checked: value === chosen, onchange: () => choose(value) });
    return el("label.choice", {}, input, text);
  });
  return el("div", { role: "radiogroup", "aria-label": label }, el("h3", {}, label), inputs);
}

function people(client) {
  const place = el("div");
  const draw = async () => {
    const [contacts, { incoming, outgoing }, blocks] = await Promise.all([client.people.contacts(), client.people.requests(), client.people.blocks()]);
    const run = (work) => work().then(draw, failed);
    const row = (user, ...actions) =>
      person(client, user, { actions: actions.map(([label, work, kind]) => act(label, user.displayName || user.username, () => run(() => work(user.id)), kind)) });
    const list = (title, users, none, ...actions) => el("section", {}, el("h3", {}, title), users.length === 0 ? el("p.empty", {}, none) : el("ul.entries", { role: "list" }, users.map((user) => row(user, ...actions))));
    const { people } = client;
    fill(
      place,
      incoming.length > 0 && list("They ask to be your contact", incoming, "", ["Accept", (id) => people.addContact(id)], ["Decline", (id) => people.dropRequest(id)]),
      outgoing.length > 0 && list("You have asked", outgoing, "", ["Take back", (id) => people.dropRequest(id)]),
      list("Contacts", contacts, "None yet: find people and add them.", ["Remove", (id) => people.removeContact(id)]),
      list("Blocked", blocks, "Nobody.", ["Unblock", (id) => people.unblock(id)]),
    );
  };
  draw().catch((error) => fill(place, el("p.error", { role: "alert" }, problem(error))));
  return place;
}

function logins(client) {
  const list = el("ul.entries", { role: "list" });
  const draw = async () => {
    const all = await client.account.logins();
    fill(
      list,
      all.map((login) => {
        const name = login.agent ? program(login.agent) : "A program";
        const end = !login.current && act("End", name, () => client.account.endLogin(login.id).then(draw, failed), "danger");
        const note = [login.current ? "this one" : `used ${ago(login.lastUsedAt)}`, login.address].filter(Boolean).join(" · ");
        return el("li.entry", {}, el("span.names", {}, el("strong.wrap", { title: login.agent }, name), el("small", {}, note)), end);
      }),
    );
  };
  draw().catch(failed);
  const logOut = async () => {
    const waiting = [...client.rooms.values()].flatMap((room) => room.messages).filter((message) => message.pending?.state === "sending").length;
    const text = `${waiting} messages are not sent yet and would be lost.`;
    if (waiting > 0 && !(await confirmed({ title: "Log out?", text, action: "Log out" }))) return;
    await client.logOut().catch(failed);
  };
  const old = field("Password now", { type: "password", autocomplete: "current-password", required: true });
  const next = field("New password", { type: "password", autocomplete: "new-password", required: true }, "All other logins end.");
  const change = async () => {
    await client.account.changePassword(old.input.value, next.input.value);
    old.input.value = next.input.value = "";
    toast("The password is changed");
    await draw();
  };
  const password = !client.user?.guest && el("section", {}, el("h3", {}, "Password"), form([old.row, next.row], "Change it", change));
  return [el("section", {}, el("h3", {}, "Where you are logged in"), list), password, el("section", {}, el("button.button.danger", { type: "button", onclick: logOut }, "Log out here"))];
}

function failed(error) {
  toast(problem(error));
}
