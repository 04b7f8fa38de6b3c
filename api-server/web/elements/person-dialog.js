// Somebody: who they are, how they stand, writing to them, contact, block.

import { avatar } from "../lib/avatar.js";
import { confirmed, openDialog, toast } from "../lib/dialog.js";
import { el, fill } from "../lib/el.js";
import { presence, problem } from "../lib/format.js";
import { muteSwitch } from "./room-dialog.js";

/** @param {any} [room] Where one came from; of a direct room its notifications are here, too. */
export async function openPerson(client, directory, userId, room) {
  const body = el("div.panel");
  const dialog = openDialog({ title: "About", body, className: "small" });
  try {
    await draw();
  } catch (error) {
    fill(body, el("p.error", { role: "alert" }, problem(error)));
  }

  async function draw() {
    const [user, contacts, requests, blocks] = await Promise.all([
      client.people.get(userId),
      client.people.contacts(),
      client.people.requests().catch(() => ({ outgoing: [], incoming: [] })),
      client.people.blocks(),
    ]);
    directory.learn(user);
    const has = (list) => list.some((one) => one.id === userId);
    const name = user.displayName || user.username;
    const url = user.avatarUrl && client.files.address(user.avatarUrl);
    const watched = client.presence.of(userId) ?? user;
    dialog.querySelector("h2").textContent = `About ${name}`;
    fill(
      body,
      el(
        "section.card",
        {},
        avatar({ id: userId, name, url, big: true }),
        el("h3", {}, name),
        el("p.note", {}, `@${user.username}${user.guest ? " · guest" : ""}`),
        el("p.note", {}, presence(watched)),
        user.bio && el("p.bio", {}, user.bio),
      ),
      userId !== client.user?.id && actions({ isContact: has(contacts), isAsked: has(requests.outgoing), isBlocked: has(blocks), name }),
      room?.info.type === "direct" && el("section", {}, el("h3", {}, "Notifications"), muteSwitch(client, room)),
    );
  }

  function actions({ isContact, isAsked, isBlocked, name }) {
    const button = (label, act, kind = "button") => el(kind, { type: "button", onclick: () => void run(act) }, label);
    const write = async () => {
      const direct = await client.openDirect(userId);
      dialog.close();
      location.hash = `#/room/${direct.id}`;
    };
    const block = async () => {
      const text = "Neither of you can write to the other then, and you look offline to them.";
      if (await confirmed({ title: `Block ${name}?`, text, action: "Block" })) await client.people.block(userId);
    };
    return el(
      "section.card-actions",
      {},
      room?.info.type !== "direct" && button("Write a message", write, "button.button.primary"),
      isContact
        ? button("Remove contact", () => client.people.removeContact(userId), "button.button")
        : isAsked
          ? button("Take back the request", () => client.people.dropRequest(userId), "button.button")
          : button("Add contact", () => client.people.addContact(userId), "button.button"),
      isBlocked
        ? button("Unblock", () => client.people.unblock(userId), "button.button")
        : button("Block", block, "button.button.danger"),
    );
  }

  async function run(act) {
    try {
      await act();
      if (dialog.open) await draw();
    } catch (error) {
      toast(problem(error));
    }
  }
}
