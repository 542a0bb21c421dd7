/** What every object store adapter must do; the same list runs against deliberately broken ones, which must fail it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type Category, EarshotError } from "@earshot/proto/errors.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import { describe, test } from "vitest";
import type { ObjectInfo, ObjectStore } from "./port.ts";

export const objectStoreLimits = { maxObjectBytes: 1024 * 1024 } as const;
export type ObjectStoreHarness = { readonly store: ObjectStore; dispose(): Promise<void> };
export type MakeObjectStore = () => Promise<ObjectStoreHarness>;
export type ObjectStoreCheck = { readonly name: string; run(make: MakeObjectStore): Promise<void> };

const acme = tenantId("acme");
const other = tenantId("other");
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function all(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

async function names(listing: AsyncIterable<ObjectInfo>): Promise<string[]> {
  const out: string[] = [];
  for await (const info of listing) out.push(info.key);
  return out.sort();
}

function rejects(work: Promise<unknown>, category: Category, code: string): Promise<void> {
  return assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof EarshotError, `an EarshotError, not ${String(error)}`);
    assert.deepEqual([error.category, error.code], [category, code]);
    return true;
  });
}

function check(name: string, run: (store: ObjectStore) => Promise<void>): ObjectStoreCheck {
  return {
    name,
    async run(make) {
      const harness = await make();
      try {
        await run(harness.store);
      } finally {
        await harness.dispose();
      }
    },
  };
}

export const objectStoreChecks: readonly ObjectStoreCheck[] = [
  check("gives back what was put, with its size and SHA-256", async (store) => {
    const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) & 255);
    const sha256 = createHash("sha256").update(content).digest("hex");
    const info = await store.put(acme, "recordings/call-1.wav", content);
    assert.deepEqual([info.key, info.bytes, info.sha256], ["tenants/acme/recordings/call-1.wav", 300_000, sha256]);
    assert.ok(Buffer.from(content).equals(await all(await store.get(acme, "recordings/call-1.wav"))));
    const stat = await store.stat(acme, "recordings/call-1.wav");
    assert.deepEqual([stat?.key, stat?.bytes, stat?.sha256], [info.key, info.bytes, info.sha256]);
  }),

  check("takes a stream, and an empty object", async (store) => {
    async function* parts() {
      yield bytes("one ");
      yield bytes("two");
    }
    assert.equal((await store.put(acme, "streamed", parts())).bytes, 7);
    assert.equal((await all(await store.get(acme, "streamed"))).toString(), "one two");
    await store.put(acme, "empty", new Uint8Array(0));
    assert.equal((await all(await store.get(acme, "empty"))).length, 0);
  }),

  check("ranges are inclusive, as in HTTP, and refused outside the object", async (store) => {
    await store.put(acme, "digits", bytes("0123456789"));
    assert.equal((await all(await store.get(acme, "digits", { start: 0, end: 0 }))).toString(), "0");
    assert.equal((await all(await store.get(acme, "digits", { start: 3, end: 6 }))).toString(), "3456");
    assert.equal((await all(await store.get(acme, "digits", { start: 9, end: 9 }))).toString(), "9");
    for (const range of [
      { start: 0, end: 10 },
      { start: -1, end: 2 },
      { start: 5, end: 4 },
      { start: 0.5, end: 2 },
    ])
      await rejects(store.get(acme, "digits", range), "invalid_request", "object_range_invalid");
  }),

  check("a put that fails leaves the older object whole, and nothing where there was none", async (store) => {
    async function* failing() {
      yield bytes("half");
      throw new Error("the source broke off");
    }
    await store.put(acme, "kept", bytes("older"));
    await assert.rejects(store.put(acme, "kept", failing()));
    await assert.rejects(store.put(acme, "never", failing()));
    assert.equal((await all(await store.get(acme, "kept"))).toString(), "older");
    assert.equal(await store.stat(acme, "never"), undefined);
    assert.deepEqual(await names(store.list(acme, "")), ["tenants/acme/kept"]);
  }),

  check("a put replaces, also while the older object is being read", async (store) => {
    await store.put(acme, "o", new Uint8Array(500_000).fill(1));
    const reading = await store.get(acme, "o");
    await store.put(acme, "o", new Uint8Array(500_000).fill(2));
    const old = await all(reading);
    assert.equal(old.length, 500_000);
    assert.equal(new Set(old).size, 1, "never a mixture");
    assert.equal((await all(await store.get(acme, "o")))[0], 2);
  }),

  check("a missing object: not_found to get, undefined to stat, no error to delete", async (store) => {
    await rejects(store.get(acme, "nothing"), "not_found", "object_not_found");
    await rejects(store.get(acme, "not/here"), "not_found", "object_not_found");
    assert.equal(await store.stat(acme, "nothing"), undefined);
    await store.delete(acme, "nothing");
    await store.put(acme, "something", bytes("x"));
    await store.delete(acme, "something");
    await rejects(store.get(acme, "something"), "not_found", "object_not_found");
    assert.equal(await store.stat(acme, "something"), undefined);
  }),

  check("one tenant sees nothing of another", async (store) => {
    await store.put(acme, "recordings/a", bytes("acme"));
    await store.put(other, "recordings/a", bytes("other"));
    await store.put(tenantId("acme2"), "recordings/b", bytes("acme2"));
    assert.equal((await all(await store.get(acme, "recordings/a"))).toString(), "acme");
    assert.deepEqual(await names(store.list(acme, "")), ["tenants/acme/recordings/a"]);
    await store.delete(acme, "recordings/a");
    assert.equal((await all(await store.get(other, "recordings/a"))).toString(), "other");
  }),

  check("lists by prefix", async (store) => {
    for (const name of ["recordings/1", "recordings/2", "recordings-old/1", "exports/1"]) await store.put(acme, name, bytes(name));
    const keys = (list: string[]) => list.map((name) => `tenants/acme/${name}`);
    assert.deepEqual(await names(store.list(acme, "recordings/")), keys(["recordings/1", "recordings/2"]));
    assert.deepEqual(await names(store.list(acme, "recordings")), keys(["recordings-old/1", "recordings/1", "recordings/2"]));
    assert.deepEqual(await names(store.list(acme, "nothing/")), []);
  }),

  check("names that could lead elsewhere are refused by every call", async (store) => {
    const bad = [
      "",
      "..",
      "../other/recordings/a",
      "a/../../other/x",
      "/etc/passwd",
      "a//b",
      "a/",
      ".hidden",
      "a/.b",
      "a\0b",
      "a\\b",
      "a b",
      "%2e%2e",
      "x".repeat(300),
    ];
    for (const name of bad) {
      const what = `the name ${JSON.stringify(name).slice(0, 30)}`;
      await rejects(store.put(acme, name, bytes("x")), "invalid_request", "object_name_invalid").catch((error) =>
        assert.fail(`${what}: put ${error.message}`),
      );
      await rejects(store.get(acme, name), "invalid_request", "object_name_invalid").catch((error) =>
        assert.fail(`${what}: get ${error.message}`),
      );
      await rejects(store.stat(acme, name), "invalid_request", "object_name_invalid");
      await rejects(store.delete(acme, name), "invalid_request", "object_name_invalid");
    }
    for (const tenant of ["", "..", "a/b", "."])
      await rejects(store.put(tenantId(tenant), "x", bytes("x")), "invalid_request", "object_name_invalid");
    await rejects(names(store.list(acme, "../")), "invalid_request", "object_name_invalid");
  }),

  check("an object over the limit is refused, and nothing of it stays", async (store) => {
    async function* endless() {
      for (;;) yield new Uint8Array(100_000);
    }
    await rejects(store.put(acme, "big", endless()), "invalid_request", "object_too_large");
    assert.equal(await store.stat(acme, "big"), undefined);
    await store.put(acme, "fits", new Uint8Array(objectStoreLimits.maxObjectBytes));
  }),
];

export function objectStoreContract(name: string, make: MakeObjectStore): void {
  describe(`object store contract: ${name}`, () => {
    for (const one of objectStoreChecks) test(one.name, () => one.run(make));
  });
}
