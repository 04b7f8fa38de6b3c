// Logins: renewed by one at a time, over all tabs, and over when the server says so.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ChatError, MemoryStorage } from "../chatapp.js";
import { Http } from "../src/http.js";
import { Rest } from "../src/rest.js";
import { Session } from "../src/session.js";
import { account, client, person, roomOf, until } from "./support/people.js";
import { Server } from "./support/server.js";

let server;
before(async () => {
  // So short that the client renews before each call.
  server = await Server.embedded({ AUTH__ACCESS_TOKEN_SECONDS: "10" });
});
after(() => server.stop());

/** Counts calls by their path. */
function counting() {
  const calls = [];
  return { calls, fetch: (url, init) => (calls.push(new URL(url).pathname), fetch(url, init)) };
}

test("parallel calls renew the token once, and tabs that share a storage never use an old one", async (t) => {
  const storage = new MemoryStorage();
  const { calls, fetch } = counting();
  const tabs = [1, 2, 3].map(() => client(t, server, { storage, fetch }));
  await tabs[0].signUp(account("many"));
  for (const tab of tabs) await tab.restore();
  const refreshes = () => calls.filter((path) => path === "/api/token/refresh").length;
  await Promise.all(Array.from({ length: 10 }, () => tabs[0].account.profile()));
  assert.equal(refreshes(), 1);
  for (let n = 0; n < 5; n++) {
    await Promise.all(tabs.flatMap((tab) => [tab.account.profile(), tab.people.contacts()]));
  }
  assert.ok(refreshes() <= 1 + 15, `${refreshes()} refreshes`);
  const [login] = await tabs[2].account.logins();
  assert.equal(login.current, true, "the login still stands");
});

test("a login that is ended elsewhere is over: the session says so, and the connection stays closed", async (t) => {
  const alice = await person(t, server, "alice");
  const elsewhere = client(t, server);
  const { username } = alice.user;
  await elsewhere.logIn({ username, password: "correct horse" });
  const other = (await elsewhere.account.logins()).find((login) => !login.current);
  const over = alice.once("session");
  await elsewhere.account.endLogin(other.id);
  const { user, error } = await over;
  assert.deepEqual([user, error.code], [undefined, "SESSION_ENDED"]);
  await until(alice, ["connection"], () => alice.connection.state === "closed");
  await assert.rejects(alice.account.profile(), { code: "NOT_SIGNED_IN" });
  assert.equal(await alice.storage.get("session"), undefined);
});

test("logging out forgets everything, and another user may come", async (t) => {
  const alice = await person(t, server, "alice");
  const first = alice.user.id;
  const [room] = await roomOf(alice);
  alice.stop();
  room.send("not sent").catch(() => {});
  await alice.logOut();
  assert.deepEqual([alice.user, alice.rooms.size, await alice.storage.list("")], [undefined, 0, []]);
  await alice.guest();
  assert.notEqual(alice.user.id, first);
  await alice.start();
  assert.equal(alice.rooms.size, 0);
});

test("an answer that was lost is asked for again, with the same token", async (t) => {
  let lose = 1;
  const unsteady = async (url, init) => {
    const answer = await fetch(url, init);
    if (url.endsWith("/api/token/refresh") && lose-- > 0) throw new TypeError("fetch failed");
    return answer;
  };
  const one = client(t, server, { fetch: unsteady });
  await one.signUp(account("unsteady"));
  assert.equal((await one.account.profile()).id, one.user.id);
  assert.equal((await one.account.profile()).id, one.user.id, "and the pair it got is the good one");
});

/** A session and its calls over a fetch that answers as told. */
function scripted(answers, token) {
  const asked = [];
  const http = new Http({
    api: "http://chat.test",
    fetch: async (url, init) => {
      asked.push([init.method, new URL(url).pathname, init.headers]);
      const { status = 200, body, headers } = answers.shift() ?? {};
      return new Response(body === undefined ? null : JSON.stringify(body), { status, headers });
    },
  });
  const session = new Session({ http, storage: new MemoryStorage(), token });
  return { asked, session, rest: new Rest({ http, session, backoff: { base: 0 } }) };
}

const problem = (status, code, headers = {}) => ({ status, headers, body: { status, code, detail: "no" } });

test("a host product gives the tokens, and another one where one was refused", async () => {
  const why = [];
  const exp = (seconds) => btoa(JSON.stringify({ exp: Date.now() / 1000 + seconds }));
  const token = (asked) => {
    why.push(asked.refused);
    return `${why.length}.${exp(600)}.s`;
  };
  const { asked, rest, session } = scripted([{ body: {} }, { body: {} }, problem(401, "UNAUTHORIZED"), { body: 7 }], token);
  await Promise.all([rest.get("/a"), rest.get("/b")]);
  assert.deepEqual(why, [undefined], "asked once, and kept until it nearly ends");
  assert.equal(await rest.get("/c"), 7);
  assert.deepEqual(why, [undefined, asked[0][2].authorization.slice(7)]);
  assert.notEqual(asked[3][2].authorization, asked[2][2].authorization);
  await assert.rejects(session.begin("login", {}), { code: "FORBIDDEN" });
});

test("a rate limit is obeyed, and told where it is too long", async () => {
  const limited = (seconds) => problem(429, "RATE_LIMIT_EXCEEDED", { "retry-after": String(seconds) });
  const { asked, rest } = scripted([limited(0.02), { body: 1 }, limited(60)], () => "t");
  const began = performance.now();
  assert.equal(await rest.post("/a"), 1);
  assert.ok(performance.now() - began >= 19);
  await assert.rejects(rest.post("/b"), { code: "RATE_LIMIT_EXCEEDED", status: 429, retryAfter: 60_000 });
  assert.equal(asked.length, 3);
});

test("what may be repeated is, what may not is not", async () => {
  const away = problem(503, "UNAVAILABLE");
  const { asked, rest } = scripted([away, away, { body: 1 }, away, away, { body: 2 }, away, away, away, away], () => "t");
  assert.equal(await rest.get("/a"), 1);
  await assert.rejects(rest.post("/b"), { code: "UNAVAILABLE", isTemporary: true });
  assert.equal(await rest.post("/c", {}, "key"), 2);
  assert.equal(asked[5][2]["idempotency-key"], "key");
  await assert.rejects(rest.get("/d"), ChatError);
  assert.equal(asked.length, 10, "four tries at most");
});

test("an answer that is no problem+json is an error all the same", async () => {
  const { rest } = scripted([{ status: 418 }, { status: 200, body: undefined }], () => "t");
  await assert.rejects(rest.post("/a"), { code: "SERVER_ERROR", status: 418 });
  assert.equal(await rest.get("/b"), undefined);
});
