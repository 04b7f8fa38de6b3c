// Sockets that are cut at random: each message arrives once and in order, and what was acknowledged is there.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Door, random } from "./support/door.js";
import { client, eventually, person, roomOf, until } from "./support/people.js";
import { Server } from "./support/server.js";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

let server;
before(async () => {
  console.log(`SEED=${SEED}`);
  server = await Server.embedded();
});
after(() => server.stop());

/** All that is stored of a room, oldest first. */
export async function stored(one, room) {
  const items = [];
  let page;
  do {
    page = await room.history({ after: items.at(-1)?.seq ?? 0, limit: 200 });
    items.push(...page.items);
  } while (page.hasMore);
  return items;
}

/** Notes what a client is told of new messages in a room. */
function listen(room) {
  const heard = [];
  room.on("message", ({ message }) => heard.push(message));
  return heard;
}

test("two who are cut at random tell each other hundreds of messages, each once and in order", async (t) => {
  const dice = random(SEED);
  const doors = [await Door.to(server.addresses.chat), await Door.to(server.addresses.chat)];
  t.after(() => Promise.all(doors.map((door) => door.close())));
  const people = [];
  for (const door of doors) people.push(await person(t, server, "cut", { chatUrl: `ws://${door.address}` }));
  const rooms = await roomOf(...people);
  const heard = rooms.map(listen);

  for (const door of doors) door.lifetime = () => 4 + Math.floor(dice() * 60);
  for (const door of doors) door.cut();
  const acks = [];
  for (let n = 0; n < 150; n++) {
    for (const [who, room] of rooms.entries()) acks.push(room.send({ content: `${who}:${n}` }));
    // Not all at once, so that some are written on connections that are about to end.
    if (n % 5 === 4) await Promise.race(acks.slice(-2));
  }
  const results = await Promise.all(acks);
  for (const [who, room] of rooms.entries()) {
    await until(room, ["message"], () => heard[who].length >= 300 && heard[who]);
  }
  for (const door of doors) door.lifetime = () => Infinity;

  const items = await stored(people[0], rooms[0]);
  assert.equal(items.length, 300);
  assert.equal(new Set(results.map((ack) => ack.id)).size, 300, "each acknowledgement is of a message of its own");
  assert.ok(results.every((ack) => items[ack.seq - 1].id === ack.id), "what was acknowledged is there");
  const said = (who, list) => list.map((message) => message.content).filter((text) => text.startsWith(`${who}:`));
  for (const who of [0, 1]) {
    const inOrder = Array.from({ length: 150 }, (_, n) => `${who}:${n}`);
    assert.deepEqual(said(who, items), inOrder, "as it was said");
  }
  for (const [who, room] of rooms.entries()) {
    assert.deepEqual(heard[who].map((message) => message.id), items.map((message) => message.id), "heard once, in order");
    const shown = room.messages;
    assert.equal(shown.filter((message) => message.pending).length, 0, "nothing is on its way any more");
    assert.deepEqual(shown.map((message) => message.seq), items.slice(-shown.length).map((message) => message.seq));
  }
  assert.ok(doors[0].cuts > 5 && doors[1].cuts > 5, `it was cut ${doors.map((door) => door.cuts)} times`);
});

test("edits, deletions, reactions and counts are right after cuts", async (t) => {
  const dice = random(SEED + 1);
  const door = await Door.to(server.addresses.chat);
  t.after(() => door.close());
  const writer = await person(t, server, "writer");
  const reader = await person(t, server, "reader", { chatUrl: `ws://${door.address}` });
  const [room, seen] = await roomOf(writer, reader);
  await seen.open();
  door.lifetime = () => 3 + Math.floor(dice() * 12);
  door.cut();
  for (let n = 0; n < 40; n++) {
    const ack = await room.send(n % 4 === 0 ? `@${reader.user.username} ${n}` : `${n}`);
    const message = { id: ack.id };
    if (n % 5 === 1) await room.edit(message, `${n}, edited for @all`);
    if (n % 5 === 2) await room.delete(message);
    if (n % 5 === 3) await room.react(message, "👍");
    if (n === 20) seen.markRead(10);
  }
  const items = await stored(writer, room);
  const last = items.at(-1);
  await room.edit(last, "the end");
  await until(seen, ["messages"], () => seen.messages.at(-1)?.content === "the end");
  const plain = ({ deletedAt, reactions = [], ...message }) => ({
    ...message,
    isDeleted: deletedAt !== undefined,
    reactions: reactions.map(({ emoji, count, userIds }) => ({ emoji, count, userIds })),
  });
  const now = await stored(writer, room);
  assert.deepEqual(seen.messages.map(plain), now.map(plain));
  door.lifetime = () => Infinity;
  await eventually(async () => {
    const { lastReadSeq, unread, mentions } = await reader.call("GET", `/api/rooms/${seen.id}`);
    return lastReadSeq === 10 && unread === seen.unread && mentions === seen.mentions;
  });
});

test("a reload sends what waited, each message once and in order", async (t) => {
  const door = await Door.to(server.addresses.chat);
  t.after(() => door.close());
  const before = await person(t, server, "reload", { chatUrl: `ws://${door.address}` });
  const other = await person(t, server, "other");
  const [room, theirs] = await roomOf(before, other);
  const heard = listen(theirs);
  await room.send("0");
  door.isOpen = false;
  door.cut();
  await until(before, ["connection"], () => before.connection.state === "waiting");
  for (let n = 1; n <= 20; n++) room.send(`${n}`);
  assert.deepEqual(room.messages.slice(-20).map((message) => room.statusOf(message)), Array(20).fill("sending"));
  const kept = before.storage;
  await until(before, ["messages"], () => true);
  await eventually(async () => (await kept.list("queue/")).length === 20);
  before.stop(); // The page is gone.

  door.isOpen = true;
  const reloaded = client(t, server, { storage: kept });
  assert.equal((await reloaded.restore())?.id, before.user.id);
  await reloaded.start();
  const again = reloaded.rooms.get(room.id);
  await until(theirs, ["message"], () => heard.length === 21);
  assert.deepEqual(heard.map((message) => message.content), Array.from({ length: 21 }, (_, n) => `${n}`));
  await until(again, ["messages"], () => !again.messages.some((message) => message.pending));
  assert.deepEqual(await kept.list("queue/"), []);
  assert.equal((await stored(other, theirs)).length, 21);
});

test("a reload in the middle of sending doubles nothing", async (t) => {
  const dice = random(SEED + 2);
  const other = await person(t, server, "listener");
  let now = await person(t, server, "restless");
  const [room, theirs] = await roomOf(now, other);
  const { id } = room;
  const heard = listen(theirs);
  for (let n = 0; n < 60; n++) {
    now.rooms.get(id).send(`${n}`);
    if (dice() < 0.2) {
      const { storage } = now;
      await eventually(async () => (await storage.list("queue/")).some(([, kept]) => kept.content === `${n}`) || heard.length > n);
      now.stop();
      now = client(t, server, { storage });
      await now.start();
    }
  }
  await until(theirs, ["message"], () => heard.length >= 60);
  const last = now.rooms.get(id);
  await until(last, ["messages"], () => !last.messages.some((message) => message.pending));
  assert.deepEqual(heard.map((message) => message.content), Array.from({ length: 60 }, (_, n) => `${n}`));
});
