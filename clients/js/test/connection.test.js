// The connection and what is said on it, with a server that says what a test wants.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ChatClient, MemoryStorage } from "../chatapp.js";
import { clock, settled } from "./support/clock.js";

const ME = { id: "me", username: "me", displayName: "Me", status: "online", createdAt: "t" };
const at = (rev) => ({ rev, eventId: `e${rev}` });

/** A client whose server is the test: `sockets` are those it has opened, `asked` its calls, `answers` what they get. */
function scripted(t, options = {}) {
  const sockets = [];
  class Socket {
    readyState = 0;
    sent = [];
    constructor(url) {
      this.url = url;
      sockets.push(this);
    }
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close(code) {
      this.readyState = 3;
      this.closedWith = code;
    }
    say(type, payload = {}, requestId) {
      this.onmessage?.({ data: JSON.stringify({ type, payload, requestId }) });
    }
    /** The last command of this type. */
    last(type) {
      return this.sent.findLast((frame) => frame.type === type);
    }
    reply(to, type, payload) {
      this.say(type, payload, this.last(to).requestId);
    }
    accept({ resuming = true } = {}) {
      this.readyState = 1;
      this.say("AUTH_SUCCESS", { userId: "me", username: "me", status: "online", heartbeatMs: 30_000, resuming });
    }
    end(code, reason = "") {
      this.readyState = 3;
      this.onclose?.({ code, reason });
    }
  }
  const asked = [];
  const answers = {
    "/api/profile": () => ME,
    "/api/ws-ticket": () => ({ ticket: `t${asked.length}`, expiresIn: 30 }),
    "/api/registry/chat": () => ({ url: "wss://one.test", instance: "i", load: 0 }),
    ...options.answers,
  };
  const fetch = async (url, { method }) => {
    const { pathname } = new URL(url);
    asked.push(`${method} ${pathname}`);
    const answer = answers[pathname]?.() ?? { status: 404, code: "NOT_FOUND" };
    const isProblem = typeof answer.status === "number";
    return new Response(JSON.stringify(answer), { status: isProblem ? answer.status : 200 });
  };
  const tokens = [];
  const client = new ChatClient({
    api: "https://chat.test",
    storage: new MemoryStorage(),
    WebSocket: Socket,
    presence: false,
    backoff: { base: 100, cap: 100 },
    fetch,
    token: ({ refused }) => {
      tokens.push(refused);
      return `token${tokens.length}.${btoa(JSON.stringify({ exp: 1e12 }))}`;
    },
    ...options.client,
  });
  t.after(() => client.stop());
  return { client, sockets, asked, answers, tokens };
}

const ROOM = { id: "r", name: "R", type: "private", createdBy: "me", memberCount: 2, createdAt: "t", historyVisibility: "all", role: "member", unread: 0, mentions: 0, lastReadSeq: 0 };
const room = (rev, more = {}) => ({ ...ROOM, position: at(rev), ...more });
const said = (seq, rev, more = {}) => ({ id: `m${seq}`, roomId: "r", seq, userId: "bob", username: "bob", content: `${seq}`, type: "text", timestamp: "t", ...at(rev), ...more });

/** A client that is online, in one room that stands at `rev` 5. */
async function online(t, options) {
  const script = scripted(t, options);
  script.client.start().catch(() => {});
  await settled();
  await settled();
  const [socket] = script.sockets;
  socket.accept();
  socket.reply("SYNC", "SYNCED", { user: at(1), rooms: [room(5)] });
  await settled();
  assert.equal(script.client.connection.state, "online");
  return { ...script, socket, room: script.client.rooms.get("r") };
}

/** The next socket, once the wait for it is over. */
async function next(script, time) {
  const count = script.sockets.length;
  await settled();
  time?.pass(100);
  for (let n = 0; n < 10 && script.sockets.length === count; n++) await settled();
  assert.equal(script.sockets.length, count + 1, "it has connected again");
  return script.sockets.at(-1);
}

test("a socket opens with a ticket of its own, on the instance that the registry names, and is held", async (t) => {
  const { socket, asked } = await online(t);
  assert.match(socket.url, /^wss:\/\/one\.test\/chat\?ticket=t\d+&hold=1$/);
  assert.deepEqual(asked, ["GET /api/profile", "GET /api/registry/chat", "POST /api/ws-ticket"]);
});

test("it resumes from what it has seen: doubles are dropped, holes are fetched, lost rooms are gone", async (t) => {
  const time = clock(t);
  const script = await online(t);
  const heard = [];
  script.client.on("message", ({ message }) => heard.push(message.seq));
  script.socket.say("NEW_MESSAGE", said(1, 6));
  script.socket.say("NEW_MESSAGE", said(1, 6));
  script.socket.end(1006);
  const socket = await next(script, time);
  assert.equal(socket.url.startsWith("wss://one.test/"), true, "the same instance, without asking");
  socket.accept();
  assert.deepEqual(socket.last("RESUME").payload, { user: at(1), rooms: { r: at(6) } });
  socket.say("NEW_MESSAGE", said(2, 7));
  const counts = { unread: 2, mentions: 0, lastReadSeq: 0 };
  socket.reply("RESUME", "RESUMED", { user: { status: "caught_up", ...at(1) }, rooms: { r: { status: "caught_up", ...at(7), ...counts } } });
  await settled();
  assert.deepEqual([heard, script.room.unread, script.client.connection.state], [[1, 2], 2, "online"]);
  // A hole, which a server never leaves, is not taken for nothing.
  script.answers["/api/rooms/r"] = () => room(9, { unread: 4, lastMessage: said(4, 9) });
  const reset = script.room.once("messages", ({ reason }) => reason === "reset");
  socket.say("NEW_MESSAGE", said(4, 9));
  await reset;
  assert.deepEqual([script.room.unread, script.room.messages.map((message) => message.seq)], [4, [4]]);
});

test("RESET on a live connection fetches the room anew, with what one looks at", async (t) => {
  const script = await online(t, { answers: {
    "/api/rooms/r": () => room(20, { unread: 0, lastMessage: said(9, 20) }),
    "/api/rooms/r/messages": () => ({ items: [said(9, 20), said(8, 19)], hasMore: false, position: at(20) }),
    "/api/rooms/r/receipts": () => ({ items: [] }),
  } });
  await script.room.open();
  script.socket.say("NEW_MESSAGE", said(1, 6));
  const reset = script.room.once("messages", ({ reason }) => reason === "reset");
  script.socket.say("RESET", { roomId: "r", position: at(20) });
  await reset;
  assert.deepEqual(script.room.messages.map((message) => message.seq), [8, 9]);
  script.socket.say("NEW_MESSAGE", said(10, 21));
  assert.deepEqual(script.room.messages.map((message) => message.seq), [8, 9, 10]);
});

test("rooms that are reset, gone and new when it resumes, and a reset of the user's own log", async (t) => {
  const time = clock(t);
  const script = await online(t);
  const told = [];
  script.client.on("room", ({ room: { id }, change }) => told.push(`${id} ${change}`));
  script.client.on("reset", () => told.push("reset"));
  script.answers["/api/rooms"] = () => ({ items: [room(8), { ...room(3), id: "new" }] });
  script.answers["/api/rooms/new"] = () => ({ ...room(3), id: "new" });
  script.socket.end(1012);
  const socket = await next(script, time);
  socket.accept();
  const rooms = { new: { status: "new", ...at(3), unread: 0, mentions: 0, lastReadSeq: 0 }, r: { status: "gone" } };
  socket.reply("RESUME", "RESUMED", { user: { status: "reset", ...at(90) }, rooms });
  await settled();
  await settled();
  assert.deepEqual([told[0], told.includes("new added"), told.includes("reset")], ["r removed", true, true]);
  socket.end(1006);
  const again = await next(script, time);
  again.accept();
  assert.deepEqual(again.last("RESUME").payload.user, at(90));
});

test("positions that the server cannot use are forgotten, and all is asked for", async (t) => {
  const time = clock(t);
  const script = await online(t);
  script.socket.end(1006);
  const socket = await next(script, time);
  socket.accept();
  socket.reply("RESUME", "ERROR", { code: "INVALID_MESSAGE", message: "too many" });
  await settled();
  const again = await next(script, time);
  again.accept();
  again.reply("SYNC", "SYNCED", { user: at(4), rooms: [] });
  await settled();
  assert.deepEqual([script.client.connection.state, script.client.rooms.size], ["online", 0]);
});

test("a store that is away is asked again on the same socket", async (t) => {
  const time = clock(t);
  const script = await online(t);
  script.socket.end(1006);
  const socket = await next(script, time);
  socket.accept();
  socket.reply("RESUME", "ERROR", { code: "UNAVAILABLE", message: "the store is away", retryAfterMs: 50 });
  await settled();
  time.pass(200);
  await settled();
  assert.equal(socket.sent.filter((frame) => frame.type === "RESUME").length, 2);
  assert.equal(script.sockets.length, 2);
});

test("RECONNECT is obeyed: after so long, to the instance it names, and never from TLS to plain text", async (t) => {
  const time = clock(t);
  const script = await online(t);
  script.socket.say("RECONNECT", { afterMs: 700, url: "wss://two.test" });
  time.pass(699);
  assert.equal(script.client.connection.state, "online");
  time.pass(1);
  assert.equal(script.socket.closedWith, 1000);
  await settled();
  const socket = await next(script, time);
  assert.match(socket.url, /^wss:\/\/two\.test\//);
  socket.accept();
  socket.reply("RESUME", "RESUMED", { user: { status: "caught_up", ...at(1) }, rooms: { r: { status: "caught_up", ...at(5) } } });
  await settled();
  socket.say("RECONNECT", { afterMs: 0, url: "ws://three.test" });
  time.pass(0);
  await settled();
  assert.match((await next(script, time)).url, /^wss:\/\/one\.test\//, "the registry was asked instead");
});

test("after 4500 and above it does not come back", async (t) => {
  const script = await online(t);
  script.socket.end(4503, "deleted");
  await settled();
  const { state, error } = script.client.connection;
  assert.deepEqual([state, error.code], ["closed", "CLOSED"]);
  assert.match(error.message, /4503, deleted/);
  assert.equal(script.sockets.length, 1);
});

test("after 4401 it shows another token, and gives up where none is taken", async (t) => {
  const time = clock(t);
  const script = await online(t);
  const first = script.tokens.length;
  for (let n = 0; n < 3; n++) {
    script.sockets.at(-1).end(4401);
    await settled();
    if (n < 2) (await next(script, time)).readyState = 1;
  }
  assert.match(script.tokens[first], /^token1\./, "not the one that was refused");
  const { state, error } = script.client.connection;
  assert.deepEqual([state, error.code], ["closed", "SESSION_ENDED"]);
});

test("a token that ends is followed by the next on the same socket", async (t) => {
  const script = await online(t);
  script.socket.say("TOKEN_EXPIRING", { inMs: 60_000 });
  await settled();
  const { payload } = script.socket.last("AUTHENTICATE");
  assert.match(payload.token, /^token2\./);
  script.socket.reply("AUTHENTICATE", "AUTH_SUCCESS", { userId: "me" });
  await settled();
  assert.deepEqual([script.client.connection.state, script.sockets.length], ["online", 1]);
});

test("a nudge asks for a sign of life; without one the connection is over, whatever the network believes", async (t) => {
  const time = clock(t);
  const script = await online(t);
  time.pass(1000);
  script.client.nudge();
  assert.ok(script.socket.last("PING"));
  script.socket.reply("PING", "PONG", { serverTime: "t" });
  await settled();
  time.pass(10_000);
  await settled();
  assert.equal(script.client.connection.state, "online");
  script.client.nudge();
  time.pass(10_000);
  assert.equal(script.client.connection.state, "online", "not known yet");
  await settled();
  assert.deepEqual([script.client.connection.state, script.client.connection.error.code], ["waiting", "TIMEOUT"]);
  script.client.nudge();
  await next(script);
});

test("what was marked while away is said when it is back, and again until the server has it", async (t) => {
  const time = clock(t);
  const script = await online(t);
  script.socket.say("NEW_MESSAGE", said(1, 6));
  script.socket.end(1006);
  script.room.markRead();
  assert.equal(script.room.unread, 0);
  const socket = await next(script, time);
  socket.accept();
  const counts = { unread: 1, mentions: 0, lastReadSeq: 0 };
  socket.reply("RESUME", "RESUMED", { user: { status: "caught_up", ...at(1) }, rooms: { r: { status: "caught_up", ...at(6), ...counts } } });
  await settled();
  assert.equal(script.room.unread, 0, "what one has read stays read");
  assert.deepEqual(socket.last("MARK_READ").payload, { roomId: "r", seq: 1 });
  socket.say("READ_MARK", { roomId: "r", seq: 1, unread: 0, mentions: 0, userPosition: at(2) });
  assert.deepEqual([script.room.unread, script.room.lastReadSeq], [0, 1]);
});

test("a frame that is not known changes nothing", async (t) => {
  const { client, socket } = await online(t);
  socket.say("SOMETHING_NEW", { roomId: "r" });
  socket.say("NEWER_STILL");
  assert.equal(client.connection.state, "online");
});
