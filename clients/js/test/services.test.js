// Four services over Redis, two of them for the chat: one stops, and its clients go on at the other.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { person, roomOf, until } from "./support/people.js";
import { Server } from "./support/server.js";

let server;
before(async () => {
  server = await Server.overRedis();
});
after(() => server.stop());

test("an instance that drains sends its clients to the other one, and nothing is lost or doubled", async (t) => {
  const people = [];
  for (let n = 0; n < 4; n++) people.push(await person(t, server, "drained", { presence: true }));
  const rooms = await roomOf(...people);
  const heard = rooms.map((room) => {
    const list = [];
    room.on("message", ({ message }) => list.push(message.content));
    return list;
  });
  const lost = new Set();
  for (const [n, one] of people.entries()) one.on("connection", ({ state }) => state === "waiting" && lost.add(n));
  const acks = [];
  const say = (count) => {
    for (let n = 0; n < count; n++) for (const [who, room] of rooms.entries()) acks.push(room.send(`${who}:${acks.length}`));
  };
  say(10);
  await Promise.all(acks);
  say(10);
  const ended = server.end("chat-2");
  say(10);
  await ended;
  await Promise.all(acks);
  for (const [n, room] of rooms.entries()) await until(room, ["message"], () => heard[n].length >= 120);
  const order = rooms[0].messages.map((message) => message.content);
  assert.equal(new Set(order).size, 120);
  for (const list of heard) assert.deepEqual(list, order);
  assert.ok(lost.size > 0 && lost.size < 4, `${lost.size} of 4 were on the instance that stopped`);
  for (const one of people) assert.equal(one.connection.state, "online");
});

test("an instance that is killed is left for the other one", async (t) => {
  await server.start("chat-server", ["chat"], "chat-2");
  const people = [];
  for (let n = 0; n < 4; n++) people.push(await person(t, server, "killed"));
  const rooms = await roomOf(...people);
  await server.end("chat-2", "SIGKILL");
  for (const room of rooms) await room.send("still here");
  for (const room of rooms) {
    await until(room, ["messages"], () => room.messages.length === 4 && !room.messages.some((one) => one.pending));
  }
});
