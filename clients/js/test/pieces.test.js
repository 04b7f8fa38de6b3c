// The pieces by themselves: no server, no socket, no time that passes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { deleted, reacted, readMessage, replied, updated } from "../src/apply.js";
import { Backoff } from "../src/backoff.js";
import { Counts } from "../src/counts.js";
import { verdict } from "../src/disconnect.js";
import { Emitter } from "../src/emitter.js";
import { Marks } from "../src/marks.js";
import { Place, resumeFrames } from "../src/positions.js";
import { uuid } from "../src/queue.js";
import { Receipts } from "../src/receipts.js";
import { Timeline } from "../src/timeline.js";
import { Typing } from "../src/typing.js";
import { clock } from "./support/clock.js";

test("delays double up to the cap, take the whole range down to zero, and begin anew", () => {
  const ceilings = new Backoff({ base: 250, cap: 15_000, random: () => 1 });
  assert.deepEqual(Array.from({ length: 8 }, () => ceilings.next()), [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  for (let n = 0; n < 2000; n++) assert.equal(ceilings.next(), 15_000);
  ceilings.reset();
  assert.equal(ceilings.next(), 250);
  assert.equal(new Backoff({ random: () => 0 }).next(), 0);
  const delays = new Set(Array.from({ length: 50 }, () => new Backoff().next()));
  assert.ok(delays.size > 40, "they differ between clients");
});

test("close codes mean what the protocol says, and the standard ones their meaning", () => {
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4000, 4400, 4408, 4409, 4499]) {
    assert.equal(verdict(code), "reconnect", `${code}`);
  }
  for (const code of [999, 1002, 1003, 1007, 1008, 1010, 3000, 4500, 4503, 4999, 5000]) assert.equal(verdict(code), "stop");
  assert.equal(verdict(4401), "refresh");
  assert.equal(verdict(1009), "afresh");
});

const at = (rev, eventId = `e${rev}`) => ({ rev, eventId });

test("a log goes on with the next change, sees doubles and holes, and goes on from there", () => {
  const place = new Place(at(5));
  assert.equal(place.take(at(6)), "next");
  assert.equal(place.take(at(6)), "duplicate");
  assert.equal(place.take(at(3)), "duplicate");
  assert.equal(place.take(at(8)), "gap");
  assert.deepEqual(place.position, at(8));
  assert.equal(place.take(at(9)), "next");
  assert.equal(new Place().take(at(7)), "next", "nothing was known before");
});

test("on a new connection a log that lost writes goes back, and one that did not has no doubles", () => {
  const place = new Place(at(9));
  place.reconnect();
  assert.equal(place.take(at(9)), "duplicate");
  assert.equal(place.take(at(7, "other")), "gap", "another log by now");
  assert.deepEqual(place.position, at(7, "other"));
  assert.equal(place.take(at(6)), "duplicate", "from here on only forward");
  place.stand(at(4));
  assert.deepEqual(place.position, at(7, "other"), "RESUMED names where the room began to flow");
  place.reconnect();
  place.stand(at(4));
  assert.deepEqual(place.position, at(4), "what the server names first holds");
});

test("positions of many rooms go into several frames, all but the last with more", () => {
  const rooms = Array.from({ length: 5 }, (_, n) => [`r${n}`, at(n)]);
  const frames = resumeFrames(at(1), rooms, 2);
  assert.deepEqual(frames.map((frame) => [Object.keys(frame.rooms), frame.more]), [
    [["r0", "r1"], true],
    [["r2", "r3"], true],
    [["r4"], undefined],
  ]);
  assert.deepEqual(resumeFrames(at(1), []), [{ user: at(1), rooms: {} }]);
});

const message = (seq, more = {}) => ({ id: `m${seq}`, seq, content: `${seq}`, userId: "bob", ...more });

test("messages stand in order of seq, whatever order they come in, and once", () => {
  const timeline = new Timeline();
  for (const seq of [5, 3, 9, 4, 9, 1]) timeline.put(message(seq), seq);
  assert.deepEqual(timeline.messages.map((one) => one.seq), [1, 3, 4, 5, 9]);
  assert.equal(timeline.at(4)?.id, "m4");
  assert.equal(timeline.at(2), undefined);
  assert.equal(timeline.byId("m3")?.seq, 3);
  assert.deepEqual(timeline.after(4).map((one) => one.seq), [5, 9]);
  timeline.hasOlder = false;
  timeline.trim(2);
  assert.deepEqual([timeline.size, timeline.first?.seq, timeline.hasOlder], [2, 5, true]);
});

test("what a page has shown is not undone by an older event", () => {
  const timeline = new Timeline();
  timeline.put(message(1, { content: "edited twice" }), 7);
  assert.equal(timeline.change(1, 6, (one) => ({ ...one, content: "edited once" })), undefined);
  assert.equal(timeline.put(message(1, { content: "as it was" }), 3), false);
  assert.equal(timeline.at(1)?.content, "edited twice");
  assert.equal(timeline.change(1, 8, (one) => ({ ...one, content: "thrice" }))?.content, "thrice");
  assert.equal(timeline.change(2, 8, () => assert.fail("it is not there")), undefined);
});

test("counts are the server's, and what has come since on top", () => {
  const counts = new Counts();
  counts.set({ unread: 2, mentions: 1, lastReadSeq: 10 }, 20);
  counts.add({ rev: 21, seq: 13, unread: 1, mentions: 1 });
  counts.add({ rev: 22, seq: 14, unread: 1, mentions: 0 });
  counts.add({ rev: 23, seq: 9, unread: -1, mentions: 0 });
  assert.deepEqual([counts.unread, counts.mentions], [4, 2], "what is read does not count");
  assert.ok(counts.set({ unread: 3, mentions: 2, lastReadSeq: 10 }, 21), "current to before the last");
  assert.deepEqual([counts.unread, counts.mentions], [4, 2]);
  counts.read(13, 1, 0);
  assert.equal(counts.set({ unread: 3, mentions: 2, lastReadSeq: 10 }, 22), false, "older than the mark");
  assert.deepEqual([counts.unread, counts.lastReadSeq], [1, 13]);
  for (let n = 0; n < 300; n++) counts.add({ rev: 30 + n, seq: 30 + n, unread: 1, mentions: 0 });
  assert.equal(counts.set({ unread: 1, lastReadSeq: 13 }, 25), false, "too much has come since");
  assert.ok(counts.set({ unread: 1, lastReadSeq: 13 }, 325));
  assert.equal(counts.unread, 1 + 4);
});

test("events make of a message what the server makes of it", () => {
  const told = { ...message(1), rev: 4, eventId: "e", reactions: [{ emoji: "👍", count: 60, userIds: ["x"] }] };
  const before = message(1, { reactions: [{ emoji: "👍", count: 59, userIds: ["x"], me: true }] });
  const read = readMessage(told, "me", before);
  assert.equal(read.reactions[0].me, true, "an event does not say which reactions are one's own");
  assert.ok(!("rev" in read || "eventId" in read));
  const more = reacted(message(1), { userId: "me", emoji: "🎉", added: true, count: 1 }, "me");
  assert.deepEqual(more.reactions, [{ emoji: "🎉", count: 1, userIds: ["me"], me: true }]);
  const twice = reacted(more, { userId: "bob", emoji: "🎉", added: true, count: 2 }, "me");
  assert.deepEqual(twice.reactions, [{ emoji: "🎉", count: 2, userIds: ["me", "bob"], me: true }]);
  const less = reacted(twice, { userId: "me", emoji: "🎉", added: false, count: 1 }, "me");
  assert.deepEqual(less.reactions, [{ emoji: "🎉", count: 1, userIds: ["bob"] }]);
  assert.ok(!("reactions" in reacted(less, { userId: "bob", emoji: "🎉", added: false, count: 0 }, "me")));
  assert.equal(replied(message(1), 1).replyCount, 1);
  assert.ok(!("replyCount" in replied(replied(message(1), 1), -1)));
  const gone = deleted(message(1, { mentions: ["me"], attachments: [{}], replyTo: "m0" }), "now");
  assert.deepEqual(gone, { id: "m1", seq: 1, userId: "bob", content: "", replyTo: "m0", deletedAt: "now" });
  const room = updated({ id: "r", name: "a", description: "b" }, { name: "c", historyVisibility: "all" });
  assert.deepEqual(room, { id: "r", name: "c", historyVisibility: "all" });
});

test("receipts only move forward, and what is read has been delivered", () => {
  const receipts = new Receipts();
  const of = (userId, deliveredSeq, readSeq) => ({ roomId: "r", userId, deliveredSeq, readSeq });
  assert.ok(receipts.raise([of("a", 5, 2), of("b", 0, 3)]));
  assert.deepEqual([receipts.deliveredSeq, receipts.readSeq], [5, 3]);
  assert.equal(receipts.raise([of("a", 4, 1)]), false);
  assert.deepEqual(receipts.of(3), { delivered: ["a", "b"], read: ["b"] });
  receipts.forget("b");
  assert.equal(receipts.readSeq, 2);
});

test("marks are collected, only move forward, and are said again on the next connection until they are confirmed", (t) => {
  const time = clock(t);
  const said = [];
  let isOnline = true;
  const marks = new Marks((type, { roomId, seq }) => isOnline && said.push(`${type} ${roomId} ${seq}`) > 0, 300);
  for (const seq of [1, 2, 5, 3]) marks.read("r", seq);
  marks.delivered("r", 6);
  assert.deepEqual(said, []);
  time.pass(300);
  assert.deepEqual(said.splice(0), ["MARK_READ r 5", "MARK_DELIVERED r 6"]);
  marks.read("r", 4);
  time.pass(1000);
  assert.deepEqual(said, []);
  isOnline = false;
  marks.read("r", 7);
  time.pass(300);
  isOnline = true;
  marks.reconnect();
  assert.deepEqual(said.splice(0), ["MARK_READ r 7", "MARK_DELIVERED r 6"]);
  marks.confirm("r", 6);
  assert.equal(marks.wanted("r"), 7);
  marks.confirm("r", 7);
  marks.forget("r");
  marks.reconnect();
  assert.deepEqual(said, []);
});

test("typing is said at once, again every few seconds, and ends by itself", (t) => {
  const time = clock(t);
  const said = [];
  const typing = new Typing((isTyping) => said.push(isTyping), () => {});
  for (let n = 0; n < 10; n++) {
    typing.pressed();
    time.pass(500);
  }
  assert.deepEqual(said.splice(0), [true, true], "ten keys in five seconds");
  time.pass(5000);
  assert.deepEqual(said.splice(0), [false]);
  typing.pressed();
  typing.sent();
  time.pass(20_000);
  assert.deepEqual(said.splice(0), [true], "the message ended it");
  typing.pressed();
  assert.deepEqual(said.splice(0), [true], "and the next word is said at once");
  typing.stopped();
  typing.stopped();
  assert.deepEqual(said, [false]);
  assert.equal(time.waiting, 0);
});

test("who types is shown until they stop, or are heard of no more", (t) => {
  const time = clock(t);
  let changes = 0;
  const typing = new Typing(() => {}, () => changes++);
  const hear = (userId, isTyping) => typing.hear({ userId, username: userId, isTyping });
  hear("a", true);
  time.pass(4000);
  hear("a", true);
  hear("b", true);
  hear("b", false);
  hear("c", false);
  assert.deepEqual(typing.others, [{ userId: "a", username: "a" }]);
  assert.equal(changes, 3);
  time.pass(7999);
  assert.equal(typing.others.length, 1);
  time.pass(1);
  assert.equal(typing.others.length, 0);
  hear("a", true);
  typing.clear();
  assert.deepEqual([typing.others.length, time.waiting], [0, 0]);
});

test("listeners are told in order, and can be taken back while they are told", () => {
  const emitter = new Emitter();
  const heard = [];
  const off = emitter.on("x", (n) => {
    heard.push(`first ${n}`);
    off();
  });
  emitter.on("x", (n) => heard.push(`second ${n}`));
  emitter.emit("x", 1);
  emitter.emit("x", 2);
  assert.deepEqual(heard, ["first 1", "second 1", "second 2"]);
});

test("names are UUIDs and differ", () => {
  const names = new Set(Array.from({ length: 100 }, uuid));
  assert.equal(names.size, 100);
  for (const name of names) assert.match(name, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
