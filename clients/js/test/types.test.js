// The type declarations that are published are those of the code, and use themselves without an error.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = (...args) => promisify(execFile)(join(root, "node_modules/.bin/tsc"), args, { cwd: root });

/** All files of a directory, by their path in it. */
async function files(directory, path = "") {
  const entries = await readdir(join(directory, path), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const name = join(path, entry.name);
      return entry.isDirectory() ? files(directory, name) : [[name, await readFile(join(directory, name), "utf8")]];
    }),
  );
  return found.flat().sort(([a], [b]) => (a < b ? -1 : 1));
}

test("the code has the types it says, and the declarations are current: npm run types", async (t) => {
  const fresh = await mkdtemp(join(tmpdir(), "chatapp-types-"));
  t.after(() => rm(fresh, { recursive: true }));
  await tsc("--project", "tsconfig.json", "--outDir", fresh).catch((error) => assert.fail(error.stdout));
  assert.deepEqual(await files(join(root, "types")), await files(fresh));
});

test("a product in TypeScript compiles against them, strictly", async () => {
  const strict = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom,dom.iterable"];
  await tsc(...strict, "test/support/product.ts").catch((error) => assert.fail(error.stdout));
});
