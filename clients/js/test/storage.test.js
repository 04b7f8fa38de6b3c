// Storages: what is kept is there for the next client, of memory and of a browser.

import "fake-indexeddb/auto";

import assert from "node:assert/strict";
import { test } from "node:test";

import { IndexedDbStorage, MemoryStorage } from "../chatapp.js";
import { defaultStorage } from "../src/storage.js";

for (const [name, make] of [
  ["memory", () => new MemoryStorage()],
  ["IndexedDB", () => new IndexedDbStorage(`test-${Math.random()}`)],
]) {
  test(`${name} keeps values, lists them in order of keys, and forgets them`, async () => {
    const storage = make();
    await storage.set("a/2", { n: 2 });
    await storage.set("a/1", { n: 1 });
    await storage.set("b/1", "other");
    assert.deepEqual(await storage.get("a/2"), { n: 2 });
    assert.equal(await storage.get("none"), undefined);
    assert.deepEqual(await storage.list("a/"), [["a/1", { n: 1 }], ["a/2", { n: 2 }]]);
    await storage.set("a/1", { n: 3 });
    await storage.delete("a/2");
    await storage.delete("none");
    assert.deepEqual(await storage.list("a/"), [["a/1", { n: 3 }]]);
  });

  test(`${name} has one at a time do what has a name, also after one has failed`, async () => {
    const storage = make();
    const did = [];
    const work = (n) => async () => {
      did.push(`${n} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      did.push(`${n} ends`);
      if (n === 1) throw new Error("it failed");
      return n;
    };
    const [one, two, other] = await Promise.allSettled([
      storage.lock("x", work(1)),
      storage.lock("x", work(2)),
      storage.lock("y", async () => did.push("y")),
    ]);
    assert.deepEqual([one.status, two.value, other.status], ["rejected", 2, "fulfilled"]);
    assert.deepEqual(did.filter((step) => step !== "y"), ["1 begins", "1 ends", "2 begins", "2 ends"]);
    assert.ok(did.indexOf("y") < did.indexOf("2 begins"), "another name waits for nobody");
  });
}

test("what one tab keeps in IndexedDB is there in the next, files too", async () => {
  const name = `test-${Math.random()}`;
  await new IndexedDbStorage(name).set("k", { text: "kept", bytes: new Uint8Array([1, 2]) });
  assert.deepEqual(await new IndexedDbStorage(name).get("k"), { text: "kept", bytes: new Uint8Array([1, 2]) });
  assert.ok(defaultStorage() instanceof IndexedDbStorage);
});

test("a browser that refuses IndexedDB keeps things as long as the page lives", async (t) => {
  const { open } = indexedDB;
  t.after(() => (indexedDB.open = open));
  indexedDB.open = () => {
    throw new DOMException("not in a private window", "SecurityError");
  };
  const storage = new IndexedDbStorage("refused");
  await storage.set("k", 1);
  assert.deepEqual([await storage.get("k"), storage.isPersistent], [1, false]);
  await storage.delete("k");
  assert.deepEqual(await storage.list(""), []);
});
