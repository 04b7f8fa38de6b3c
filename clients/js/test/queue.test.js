// The send queue by itself: what happens to a message is what a test says.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MemoryStorage } from "../chatapp.js";
import { ChatError } from "../src/errors.js";
import { SendQueue } from "../src/queue.js";
import { clock, settled } from "./support/clock.js";

/** A queue whose sends wait in `sent` until the test answers them. */
function queue(options = {}) {
  const storage = options.storage ?? new MemoryStorage();
  const sent = [];
  const made = new SendQueue({
    storage,
    owner: "me",
    send: (kept) => new Promise((resolve, reject) => sent.push({ kept, resolve, reject })),
    upload: async (file) => ({ id: `up-${file.name}` }),
    changed: () => {},
    ...options,
  });
  const keys = async () => (await storage.list("queue/me/")).map(([, kept]) => kept.id);
  return { queue: made, sent, storage, keys };
}

const ack = (id) => ({ id, roomId: "r", seq: 1, timestamp: "t" });
const texts = (sent) => sent.map(({ kept }) => kept.content);

test("one message of a room is under way at a time, and rooms side by side", async () => {
  const { queue: one, sent } = queue();
  for (const text of ["a1", "a2", "b1"]) one.add(text[0], { content: text });
  await settled();
  assert.deepEqual(sent, [], "there is no connection");
  one.open();
  await settled();
  assert.deepEqual(texts(sent), ["a1", "b1"]);
  sent[0].resolve(ack("1"));
  await settled();
  assert.deepEqual(texts(sent), ["a1", "b1", "a2"]);
});

test("what was lost with the connection is sent again on the next, under its name and before what came later", async () => {
  const { queue: one, sent } = queue();
  one.open();
  const outcome = one.add("r", { content: "1" });
  one.add("r", { content: "2" });
  await settled();
  one.shut();
  sent[0].reject(new ChatError("NETWORK", "lost"));
  await settled();
  assert.equal(sent.length, 1);
  one.open();
  await settled();
  assert.deepEqual(texts(sent), ["1", "1"]);
  assert.equal(sent[0].kept.id, sent[1].kept.id);
  sent[1].resolve(ack("x"));
  assert.equal((await outcome).id, "x");
});

test("what is acknowledged is kept no more, and shown until its event has come", async () => {
  const { queue: one, sent, keys } = queue();
  const id = "mine";
  one.open();
  const outcome = one.add("r", { content: "1", clientMessageId: id });
  assert.equal(one.add("r", { content: "1", clientMessageId: id }), outcome, "the same message");
  await settled();
  assert.deepEqual(await keys(), [id]);
  sent[0].resolve(ack("x"));
  await outcome;
  await settled();
  assert.deepEqual([await keys(), one.of("r")[0].state], [[], "sent"]);
  one.confirm({ ...ack("x"), clientMessageId: id });
  assert.equal(one.size, 0);
});

test("an event is as good as an acknowledgement", async () => {
  const { queue: one, sent, keys } = queue();
  one.open();
  const outcome = one.add("r", { content: "1", clientMessageId: "mine" });
  await settled();
  one.confirm({ ...ack("x"), clientMessageId: "mine" });
  assert.equal((await outcome).id, "x");
  one.shut();
  sent[0].reject(new ChatError("NETWORK", "lost"));
  one.open();
  await settled();
  assert.deepEqual([sent.length, await keys()], [1, []]);
});

test("what is refused fails, lets the next one go, and is sent again when asked, behind the others", async () => {
  const { queue: one, sent, keys } = queue();
  one.open();
  const outcome = one.add("r", { content: "1", clientMessageId: "m1" });
  one.add("r", { content: "2" });
  await settled();
  sent[0].reject(new ChatError("BLOCKED", "no"));
  await assert.rejects(outcome, { code: "BLOCKED" });
  await settled();
  assert.deepEqual(texts(sent), ["1", "2"]);
  assert.equal(one.of("r")[0].state, "failed");
  assert.ok((await keys()).includes("m1"), "it survives a reload");
  const again = one.retry("m1");
  await settled();
  assert.equal(sent.length, 2, "behind the one that is under way");
  sent[1].resolve(ack("2"));
  await settled();
  sent[2].resolve(ack("1"));
  assert.equal((await again).id, "1");
});

test("a message that failed is failed after a reload, one that waited too long is not sent by itself", async () => {
  const storage = new MemoryStorage();
  const kept = (id, more) => ({ id, roomId: "r", content: id, attachments: [], files: [], createdAt: Date.now(), ...more });
  await storage.set("queue/me/1/a", kept("a", { failed: { code: "BLOCKED", message: "no" } }));
  await storage.set("queue/me/2/b", kept("b", { createdAt: Date.now() - 24 * 3600 * 1000 }));
  await storage.set("queue/me/3/c", kept("c"));
  await storage.set("queue/another/3/d", kept("d"));
  const { queue: one, sent } = queue({ storage });
  await one.load();
  one.open();
  await settled();
  assert.deepEqual(texts(sent), ["c"]);
  assert.deepEqual(one.of("r").map((item) => item.error?.code), ["BLOCKED", "EXPIRED", undefined]);
});

test("a rate that is exceeded stops all rooms for as long as the server says", async (t) => {
  const time = clock(t);
  const { queue: one, sent } = queue();
  one.open();
  one.add("a", { content: "a" });
  await settled();
  one.add("b", { content: "b" });
  await settled();
  sent[0].reject(new ChatError("RATE_LIMIT_EXCEEDED", "slow", { retryAfter: 700 }));
  sent[1].resolve(ack("b"));
  await settled();
  one.add("c", { content: "c" });
  await settled();
  time.pass(699);
  await settled();
  assert.equal(sent.length, 2);
  time.pass(1);
  await settled();
  assert.deepEqual(texts(sent), ["a", "b", "a", "c"]);
});

test("what is refused for the moment is tried again, before what came later, and fails in the end", async (t) => {
  const time = clock(t);
  const { queue: one, sent } = queue({ attempts: 3 });
  one.open();
  const outcome = one.add("r", { content: "1" });
  one.add("r", { content: "2" });
  for (let n = 0; n < 3; n++) {
    await settled();
    assert.deepEqual(texts(sent), Array(n + 1).fill("1"));
    sent[n].reject(new ChatError("UNAVAILABLE", "the store is away"));
    await settled();
    time.pass(20_000);
  }
  await assert.rejects(outcome, { code: "UNAVAILABLE" });
  await settled();
  assert.equal(texts(sent).at(-1), "2");
});

test("what ended the connection is not sent again by itself", async () => {
  const { queue: one, sent } = queue();
  one.open();
  const outcome = one.add("r", { content: "too large for this server" });
  await settled();
  one.blame();
  one.shut();
  sent[0].reject(new ChatError("NETWORK", "lost"));
  await assert.rejects(outcome, { code: "NETWORK" });
  one.open();
  await settled();
  assert.equal(sent.length, 1);
});

test("files are uploaded before their message, once each", async () => {
  const files = ["a", "b"].map((name) => Object.assign(new Blob([name]), { name }));
  const uploaded = [];
  const { queue: one, sent, storage } = queue({
    upload: async (file) => {
      uploaded.push(file.name);
      if (uploaded.length === 2) throw new ChatError("NETWORK", "lost");
      return { id: `up-${file.name}` };
    },
    backoff: { base: 0 },
  });
  one.open();
  one.add("r", { files });
  for (let n = 0; n < 50 && sent.length === 0; n++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(uploaded, ["a", "b", "b"]);
  assert.deepEqual(sent[0].kept.attachments, [{ id: "up-a" }, { id: "up-b" }]);
  assert.deepEqual((await storage.list("queue/"))[0][1].files, []);
});

test("bad input is refused at once, and what waits is bounded", () => {
  const { queue: one } = queue({ limit: 3, limitBytes: 10 });
  for (const draft of [{}, { content: "  \n" }, { content: 7 }]) {
    assert.throws(() => one.add("r", draft), { code: "INVALID_MESSAGE" });
  }
  assert.throws(() => one.add("r", { files: [new Blob(["01234567890"])] }), { code: "QUEUE_FULL" });
  for (let n = 0; n < 3; n++) one.add("r", { content: "x" });
  assert.throws(() => one.add("r", { content: "x" }), { code: "QUEUE_FULL" });
});

test("what waits can be taken back, what is under way cannot", async () => {
  const { queue: one, sent, keys } = queue();
  one.open();
  one.add("r", { content: "1", clientMessageId: "m1" });
  const second = one.add("r", { content: "2", clientMessageId: "m2" });
  await settled();
  assert.equal(one.discard("m1"), false);
  assert.equal(one.discard("m2"), true);
  assert.equal(one.discard("m3"), false);
  await assert.rejects(second, { code: "DISCARDED" });
  sent[0].resolve(ack("1"));
  await settled();
  assert.deepEqual([sent.length, await keys()], [1, []]);
});

test("a storage that refuses hinders nothing, and is told of", async () => {
  const storage = new MemoryStorage();
  storage.set = async () => {
    throw new Error("the disk is full");
  };
  const trouble = [];
  const { queue: one, sent } = queue({ storage, trouble: (error) => trouble.push(error.code) });
  one.open();
  one.add("r", { content: "1" });
  await settled();
  assert.deepEqual([texts(sent), trouble], [["1"], ["STORAGE"]]);
});

test("a login that ends takes with it what waits", async () => {
  const { queue: one, keys } = queue();
  const outcome = one.add("r", { content: "1" });
  await one.clear();
  await assert.rejects(outcome, { code: "SESSION_ENDED" });
  assert.deepEqual([one.size, await keys()], [0, []]);
});
