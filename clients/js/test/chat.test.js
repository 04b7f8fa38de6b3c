// What a user of the client sees, against a running server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ChatClient, MemoryStorage } from "../chatapp.js";
import { Door } from "./support/door.js";
import { account, client, eventually, person, roomOf, until } from "./support/people.js";
import { Server } from "./support/server.js";

let server;
before(async () => {
  server = await Server.embedded();
});
after(() => server.stop());

/** Another device of somebody, started: the same login, and the same storage, as two tabs have. */
async function device(t, of, options = {}) {
  const made = client(t, server, { storage: of.storage, ...options });
  await made.start();
  return made;
}

/** Somebody behind a door. */
async function behindDoor(t, name) {
  const door = await Door.to(server.addresses.chat);
  t.after(() => door.close());
  return [await person(t, server, name, { chatUrl: `ws://${door.address}` }), door];
}

async function away(one, door) {
  door.isOpen = false;
  door.cut();
  await until(one, ["connection"], () => one.connection.state !== "online");
}

async function back(one, door) {
  door.isOpen = true;
  await until(one, ["connection"], () => one.connection.state === "online");
}

test("a message is shown at once, and is sent, delivered and read", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  const direct = await alice.openDirect(bob.user.id);
  const states = [];
  direct.on("messages", () => states.push(direct.statusOf(direct.messages.at(-1))));
  direct.on("receipts", () => states.push(direct.statusOf(direct.messages.at(-1))));
  const outcome = direct.send("hello");
  assert.equal(direct.messages.at(-1).content, "hello");
  assert.equal(direct.statusOf(direct.lastMessage), "sending");
  const { id, seq } = await outcome;
  assert.equal(seq, 1);
  const theirs = await until(bob, ["room", "message"], () => bob.rooms.get(direct.id));
  await until(theirs, ["message"], () => theirs.lastMessage?.id === id);
  assert.deepEqual([theirs.unread, bob.unread, theirs.statusOf(theirs.lastMessage)], [1, 1, "received"]);
  await until(direct, ["receipts"], () => direct.statusOf(direct.lastMessage) === "delivered");
  theirs.markRead();
  assert.equal(bob.unread, 0, "at once");
  await until(direct, ["receipts"], () => direct.statusOf(direct.lastMessage) === "read");
  assert.deepEqual(direct.seenBy(direct.lastMessage), { delivered: [bob.user.id], read: [bob.user.id] });
  assert.equal(direct.messages.filter((message) => message.content === "hello").length, 1);
  const order = ["sending", "sent", "delivered", "read"];
  assert.deepEqual([...new Set(states)], order.filter((state) => states.includes(state)));
});

test("what is refused has failed, says why, and can be sent again or taken back", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  const direct = await alice.openDirect(bob.user.id);
  await bob.people.block(alice.user.id);
  await assert.rejects(direct.send("are you there?"), { code: "BLOCKED" });
  const failed = direct.lastMessage;
  assert.deepEqual([direct.statusOf(failed), failed.pending.error.code], ["failed", "BLOCKED"]);
  await bob.people.unblock(alice.user.id);
  await direct.retry(failed);
  await until(direct, ["messages"], () => direct.statusOf(direct.lastMessage) === "sent" && !direct.lastMessage.pending);
  await assert.rejects(direct.send({ content: "x".repeat(8001) }), { code: "INVALID_MESSAGE" });
  assert.equal(direct.discard(direct.lastMessage), true);
  await assert.rejects(direct.send("x".repeat(70_000)), { code: "PAYLOAD_TOO_LARGE" });
  assert.throws(() => direct.send(" "), { code: "INVALID_MESSAGE" });
  assert.deepEqual(direct.messages.map((message) => message.pending?.state), [undefined, "failed"]);
});

test("counts of what is unread are the server's, on all devices", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  const [room, phone] = await roomOf(alice, bob);
  const tablet = (await device(t, bob)).rooms.get(room.id);
  const acks = [];
  for (const text of ["1", `@${bob.user.username} 2`, "3", "@all 4"]) acks.push(await room.send(text));
  for (const one of [phone, tablet]) await until(one, ["unread"], () => one.unread === 4 && one.mentions === 2);
  await room.edit({ id: acks[0].id }, `@${bob.user.username}`);
  await room.delete({ id: acks[3].id });
  for (const one of [phone, tablet]) await until(one, ["unread"], () => one.unread === 3 && one.mentions === 2);
  phone.markRead(2);
  assert.deepEqual([phone.unread, phone.mentions], [1, 0]);
  await until(tablet, ["unread"], () => tablet.unread === 1 && tablet.mentions === 0);
  const later = await device(t, bob);
  assert.deepEqual([later.unread, later.rooms.get(room.id).lastReadSeq], [1, 2]);
  await later.rooms.get(room.id).send("an answer");
  for (const one of [phone, tablet]) await until(one, ["unread"], () => one.unread === 0);
});

test("history comes in pages, in order and without a hole, also for who came late", async (t) => {
  const alice = await person(t, server, "alice");
  const [room] = await roomOf(alice);
  for (let n = 1; n <= 120; n++) room.send(`${n}`);
  await until(room, ["messages"], () => room.messages.length === 120 && !room.messages.at(-1).pending);
  const late = (await device(t, alice)).rooms.get(room.id);
  assert.deepEqual(late.messages.map((message) => message.content), ["120"]);
  await late.open();
  assert.equal(late.messages.length, 51);
  await Promise.all([late.loadOlder(), late.loadOlder()]);
  assert.equal(late.messages.length, 101, "one page at a time");
  await late.loadOlder();
  assert.equal(late.hasOlder, false);
  await late.loadOlder();
  assert.deepEqual(late.messages.map((message) => message.content), Array.from({ length: 120 }, (_, n) => `${n + 1}`));
  const around = await late.history({ around: 60, limit: 5 });
  assert.ok(around.items.some((message) => message.seq === 60));
  const { items } = await late.search("11");
  assert.ok(items.length > 0 && items.every((message) => message.content.includes("11")));
});

test("replies, reactions, edits and deletions are seen by everybody, once", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  const [room, theirs] = await roomOf(alice, bob);
  const first = await room.send("first");
  const reply = await bob.rooms.get(room.id).send({ content: "reply", replyTo: first.id });
  await until(room, ["messages"], () => room.messages[0].replyCount === 1);
  await theirs.react({ id: first.id }, "👍");
  await room.react({ id: first.id }, "👍");
  const shown = (one) => one.messages[0].reactions?.map(({ emoji, count, me }) => [emoji, count, me === true]);
  for (const one of [room, theirs]) await until(one, ["messages"], () => shown(one)?.[0][1] === 2);
  assert.deepEqual([shown(room), shown(theirs)], [[["👍", 2, true]], [["👍", 2, true]]]);
  await theirs.react({ id: first.id }, "👍", false);
  await room.edit({ id: first.id }, "edited");
  for (const one of [room, theirs]) await until(one, ["messages"], () => one.messages[0].content === "edited");
  assert.deepEqual([shown(room), shown(theirs)], [[["👍", 1, true]], [["👍", 1, false]]]);
  assert.equal((await room.replies({ id: first.id })).items[0].id, reply.id);
  await theirs.delete({ id: reply.id });
  await until(room, ["messages"], () => room.messages[1].deletedAt !== undefined);
  assert.deepEqual([room.messages[1].content, room.messages[0].replyCount], ["", undefined]);
  await assert.rejects(theirs.edit({ id: first.id }, "not mine"), { code: "FORBIDDEN", status: 403 });
});

test("who is taken out and comes back while away has the room anew; what was left and joined is right", async (t) => {
  const alice = await person(t, server, "alice");
  const [bob, door] = await behindDoor(t, "bob");
  const [again, theirs] = await roomOf(alice, bob);
  const [gone] = await roomOf(alice, bob);
  for (let n = 0; n < 5; n++) await again.send(`${n}`);
  await theirs.open();
  await until(theirs, ["messages"], () => theirs.messages.length === 5);
  const reasons = [];
  theirs.on("messages", ({ reason }) => reasons.push(reason));
  const removed = [];
  bob.on("room", ({ room, change }) => change === "removed" && removed.push(room.id));
  await away(bob, door);
  await again.moderation.remove(bob.user.id);
  await again.send("not for bob to miss");
  const { code } = await again.moderation.invite();
  await bob.call("POST", `/api/invites/${code}`);
  await again.send("welcome back");
  await gone.moderation.remove(bob.user.id);
  const fresh = await alice.createRoom({ type: "private", name: "New" });
  await bob.call("POST", `/api/invites/${(await fresh.moderation.invite()).code}`);
  await back(bob, door);
  await until(theirs, ["messages"], () => reasons.includes("reset") && theirs.lastMessage?.content === "welcome back");
  assert.equal(bob.rooms.get(again.id), theirs, "the same room");
  assert.deepEqual(theirs.messages.map((message) => message.seq), (await theirs.history()).items.map((message) => message.seq).reverse());
  assert.ok(!bob.rooms.has(gone.id) && removed.includes(gone.id));
  const joined = await until(bob, ["room"], () => bob.rooms.get(fresh.id));
  await fresh.send("hello");
  await until(joined, ["message"], () => joined.lastMessage?.content === "hello");
  await eventually(async () => theirs.unread === (await bob.call("GET", `/api/rooms/${again.id}`)).unread);
});

test("a server that stops and comes back is found again, and nothing is lost between", async (t) => {
  const own = await Server.embedded();
  t.after(() => own.stop());
  const alice = await person(t, own, "alice");
  const bob = await person(t, own, "bob");
  const [room, theirs] = await roomOf(alice, bob);
  const heard = [];
  theirs.on("message", ({ message }) => heard.push(message.content));
  await room.send("before");
  const ended = own.end("chatapp");
  const waiting = room.send("meanwhile");
  await until(alice, ["connection"], () => alice.connection.state === "waiting");
  await ended;
  room.send("still away");
  await own.start("chatapp", ["api", "chat", "presence", "notification"]);
  await waiting;
  await until(theirs, ["message"], () => heard.length === 3);
  assert.deepEqual(heard, ["before", "meanwhile", "still away"]);
});

test("who types is shown to the others until the message comes", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  const [room, theirs] = await roomOf(alice, bob);
  // Bob's connection follows the room from now on.
  await room.send("are you there?");
  await until(theirs, ["message"], () => theirs.messages.length === 1);
  room.typing();
  await until(theirs, ["typing"], () => theirs.typists.length === 1);
  assert.deepEqual(theirs.typists, [{ userId: alice.user.id, username: alice.user.username }]);
  await room.send("done");
  await until(theirs, ["typing"], () => theirs.typists.length === 0);
  room.typing();
  await until(theirs, ["typing"], () => theirs.typists.length === 1);
  room.stopTyping();
  await until(theirs, ["typing"], () => theirs.typists.length === 0);
  assert.deepEqual(room.typists, []);
});

test("files are sent with a message, and read by its readers", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  const [room, theirs] = await roomOf(alice, bob);
  const note = Object.assign(new Blob(["what I meant"]), { name: "note.txt" });
  const outcome = room.send({ files: [note] });
  assert.equal(room.lastMessage.pending.files[0], note, "shown while it is uploaded");
  await outcome;
  const message = await until(theirs, ["message"], () => theirs.messages.find((one) => one.attachments));
  const [attachment] = message.attachments;
  assert.deepEqual([attachment.name, attachment.size, message.type], ["note.txt", 12, "file"]);
  assert.equal(await (await bob.files.blob(attachment.url)).text(), "what I meant");
  const upload = await alice.files.upload(new Blob(["x"]), "x.txt");
  await room.send({ content: "with words", attachments: [upload] });
});

test("rooms are made, found, joined, changed, left and deleted", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  const handle = `tea${Date.now()}`;
  const room = await alice.createRoom({ type: "public", name: handle, handle });
  assert.equal((await bob.publicRooms(handle)).items[0].id, room.id);
  const theirs = await bob.joinRoom({ handle });
  assert.equal(bob.rooms.get(room.id), theirs);
  assert.equal(await bob.joinRoom({ id: room.id }), theirs, "one is in it");
  await until(room, ["room"], () => room.info.memberCount === 2);
  await room.moderation.update({ name: "Tea and cake" });
  await until(theirs, ["room"], () => theirs.info.name === "Tea and cake");
  await room.moderation.setRole(bob.user.id, "admin");
  await until(theirs, ["room"], () => theirs.info.role === "admin");
  assert.equal((await theirs.members()).items.length, 2);
  await theirs.leave();
  await until(bob, ["room"], () => !bob.rooms.has(room.id));
  await until(room, ["room"], () => room.info.memberCount === 1);
  assert.equal((await bob.joinRoom({ id: room.id })).id, room.id);
  await room.moderation.ban(bob.user.id);
  await until(bob, ["room"], () => !bob.rooms.has(room.id));
  assert.equal((await room.moderation.bans()).items[0].userId, bob.user.id);
  await assert.rejects(bob.joinRoom({ id: room.id }), { code: "FORBIDDEN" });
  await room.moderation.deleteRoom();
  await until(alice, ["room"], () => !alice.rooms.has(room.id));
});

test("people are found, become contacts, are blocked, and each device is told", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = await person(t, server, "bob");
  const told = [];
  alice.on("contact", ({ userId, added }) => told.push([userId, added]));
  alice.on("block", ({ userId, blocked }) => told.push([userId, blocked]));
  const { items } = await alice.people.search(bob.user.username);
  assert.deepEqual(items.map((user) => user.id), [bob.user.id]);
  assert.deepEqual(await alice.people.addContact(bob.user.id), { pending: false });
  assert.equal((await alice.people.contacts())[0].id, bob.user.id);
  await alice.people.removeContact(bob.user.id);
  await alice.people.block(bob.user.id);
  assert.equal((await alice.people.blocks())[0].id, bob.user.id);
  const { id } = bob.user;
  await until(alice, ["contact", "block"], () => told.length === 3);
  assert.deepEqual(told, [[id, true], [id, false], [id, true]]);
  assert.equal((await alice.account.update({ displayName: "Alice" })).displayName, "Alice");
});

test("who is away finds what was said in the inbox, and says what to be told of", async (t) => {
  const alice = await person(t, server, "alice");
  const bob = client(t, server);
  await bob.signUp(account("bob"));
  const direct = await alice.openDirect(bob.user.id);
  await direct.send("where are you?");
  await eventually(async () => (await bob.notifications.list()).items.length === 1);
  const [item] = (await bob.notifications.list()).items;
  assert.equal(item.body, "where are you?");
  const told = [];
  bob.on("notificationRead", ({ id, unread }) => told.push([id, unread]));
  bob.on("notificationSettings", () => told.push("settings"));
  await bob.start();
  await bob.notifications.markRead(item.id);
  await until(bob, ["notificationRead"], () => told.length === 1);
  assert.equal((await bob.notifications.list()).unread, 0);
  await bob.notifications.markAllRead();
  await bob.notifications.setSettings({ rooms: { [direct.id]: { muted: true } } });
  await until(bob, ["notificationSettings"], () => told.includes("settings"));
  assert.deepEqual(told[0], [item.id, 0]);
  assert.equal((await bob.notifications.settings()).rooms[direct.id].muted, true);
  assert.deepEqual(await bob.notifications.subscriptions(), []);
});

test("presence is watched over reconnects, and one's own is set", async (t) => {
  const door = await Door.to(server.addresses.presence);
  t.after(() => door.close());
  const alice = await person(t, server, "alice", { presence: true, presenceUrl: `ws://${door.address}` });
  const bob = await person(t, server, "bob", { presence: true });
  const watches = alice.presence;
  await until(watches.connection, ["state"], () => watches.connection.isOnline);
  await until(bob.presence.connection, ["state"], () => bob.presence.connection.isOnline);
  await bob.people.addContact(alice.user.id);
  await watches.watch([bob.user.id]);
  await until(alice, ["presence"], () => watches.of(bob.user.id)?.status === "online");
  await bob.presence.setStatus("busy", "in a meeting");
  await until(alice, ["presence"], () => watches.of(bob.user.id)?.status === "busy");
  assert.equal(watches.of(bob.user.id).statusText, "in a meeting");
  door.isOpen = false;
  door.cut();
  await until(watches.connection, ["state"], () => !watches.connection.isOnline);
  await bob.presence.setStatus("away");
  door.isOpen = true;
  await until(alice, ["presence"], () => watches.of(bob.user.id)?.status === "away");
  await bob.presence.focus(true);
  await assert.rejects(bob.presence.setStatus("asleep"), { code: "INVALID_MESSAGE" });
  await watches.unwatch([bob.user.id]);
  assert.equal(watches.of(bob.user.id), undefined);
  assert.equal((await alice.people.presence([bob.user.id]))[0].status, "away");
});

test("bad input and what cannot be are clear errors", async (t) => {
  for (const api of ["", "chat.example.org", "ftp://chat.example.org"]) {
    assert.throws(() => new ChatClient({ api }), TypeError);
  }
  assert.throws(() => new ChatClient(), TypeError, "there is no page here");
  assert.throws(() => new ChatClient({ api: server.api, token: "ey.x.y" }), TypeError);
  const nobody = client(t, server);
  await assert.rejects(nobody.start(), { code: "NOT_SIGNED_IN" });
  await assert.rejects(nobody.people.contacts(), { code: "NOT_SIGNED_IN" });
  await assert.rejects(nobody.logIn({ username: "nobody", password: "is this" }), { code: "UNAUTHORIZED", status: 401 });
  await assert.rejects(nobody.signUp({ username: "a b", email: "x", password: "1" }), (error) => {
    assert.deepEqual([error.code, error.status, error.name], ["INVALID_MESSAGE", 400, "ChatError"]);
    assert.ok(error.details.some(({ field }) => field === "username") && error.requestId);
    return true;
  });
  const deaf = client(t, server, { WebSocket: undefined });
  if (!globalThis.WebSocket) {
    await deaf.guest();
    await assert.rejects(deaf.start(), { code: "UNSUPPORTED" });
  }
  const nowhere = new ChatClient({ api: "http://127.0.0.1:9", storage: new MemoryStorage() });
  await assert.rejects(nowhere.guest(), { code: "NETWORK" });
});
