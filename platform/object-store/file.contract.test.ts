import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tenantId } from "@earshot/proto/ids.ts";
import { describe, expect, test } from "vitest";
import { systemClock } from "../clock/clock.ts";
import { silentLog } from "../log/log.ts";
import { type MakeObjectStore, objectStoreChecks, objectStoreContract, objectStoreLimits } from "./contract.ts";
import { createFileObjectStore } from "./file.ts";
import type { ObjectStore } from "./port.ts";

const makeIn = async (): Promise<{ directory: string; store: ObjectStore; dispose(): Promise<void> }> => {
  const directory = await mkdtemp(join(tmpdir(), "earshot-objects-"));
  const store = createFileObjectStore({ directory, clock: systemClock, log: silentLog, settings: objectStoreLimits });
  await store.start();
  return { directory, store, dispose: () => rm(directory, { recursive: true, force: true }) };
};

objectStoreContract("file", makeIn);

/** Adapters with one fault each. */
const broken: Record<string, (store: ObjectStore) => Partial<ObjectStore>> = {
  "shares one folder": (store) => ({
    put: (_tenant, name, content) => store.put(tenantId("all"), name, content),
    get: (_tenant, name, range) => store.get(tenantId("all"), name, range),
    stat: (_tenant, name) => store.stat(tenantId("all"), name),
    list: (_tenant, prefix) => store.list(tenantId("all"), prefix),
  }),
  "ends ranges before their last byte": (store) => ({
    get: (tenant, name, range) => store.get(tenant, name, range && { start: range.start, end: Math.max(range.start, range.end - 1) }),
  }),
  "ignores ranges": (store) => ({ get: (tenant, name) => store.get(tenant, name) }),
  "keeps what was half put": (store) => ({
    async put(tenant, name, content) {
      const parts: Uint8Array[] = [];
      try {
        for await (const part of content instanceof Uint8Array ? [content] : content) {
          parts.push(part);
          if (parts.length > 20) break;
        }
      } catch {}
      return store.put(tenant, name, Buffer.concat(parts));
    },
  }),
  "cleans names instead of refusing them": (store) => ({
    put: (tenant, name, content) => store.put(tenant, name.replace(/[^A-Za-z0-9]/g, "") || "x", content),
    get: (tenant, name, range) => store.get(tenant, name.replace(/[^A-Za-z0-9]/g, "") || "x", range),
  }),
  "does not delete": () => ({ delete: async () => {} }),
  "lists everything": (store) => ({ list: (tenant) => store.list(tenant, "") }),
  "never replaces": (store) => ({
    put: async (tenant, name, content) => (await store.stat(tenant, name)) ?? store.put(tenant, name, content),
  }),
  "answers a missing object with nothing": (store) => ({
    get: async (tenant, name, range) =>
      (await store.stat(tenant, name)) === undefined ? (async function* () {})() : store.get(tenant, name, range),
  }),
  "loses the ends of streams": (store) => ({
    async put(tenant, name, content) {
      if (content instanceof Uint8Array) return store.put(tenant, name, content);
      for await (const part of content) return store.put(tenant, name, part);
      throw new Error("empty");
    },
  }),
  "makes checksums up": (store) => ({
    put: async (tenant, name, content) => ({ ...(await store.put(tenant, name, content)), sha256: "0".repeat(64) }),
  }),
};

describe("the contract finds every fault of a broken object store", () => {
  const caught = new Set<string>();
  test.each(Object.keys(broken))("%s", async (fault) => {
    const make: MakeObjectStore = async () => {
      const { store, dispose } = await makeIn();
      const whole: ObjectStore = {
        name: store.name,
        start: () => store.start(),
        stop: (deadlineMs) => store.stop(deadlineMs),
        put: (...args) => store.put(...args),
        get: (...args) => store.get(...args),
        stat: (...args) => store.stat(...args),
        delete: (...args) => store.delete(...args),
        list: (...args) => store.list(...args),
      };
      return { store: { ...whole, ...broken[fault]!(store) }, dispose };
    };
    let failed = 0;
    for (const check of objectStoreChecks)
      await check.run(make).catch(() => {
        failed++;
        caught.add(check.name);
      });
    expect(failed).toBeGreaterThan(0);
  });

  test("every check finds some fault", () => {
    expect(objectStoreChecks.map((check) => check.name).filter((name) => !caught.has(name))).toEqual([]);
  });
});

describe("file object store", () => {
  test("what a crash left half written is gone after a later start, and what another process is writing stays", async () => {
    const { directory, store, dispose } = await makeIn();
    const leftOver = join(directory, "temporary", "left-over");
    await writeFile(leftOver, "half");
    await utimes(leftOver, new Date(), new Date(Date.now() - 2 * 3_600_000));
    const again = createFileObjectStore({ directory, clock: systemClock, log: silentLog, settings: objectStoreLimits });
    async function* slow(): AsyncIterable<Uint8Array> {
      yield new Uint8Array(10);
      await again.start();
      yield new Uint8Array(10);
    }
    const tenant = tenantId("acme");
    expect(await store.put(tenant, "o", slow())).toMatchObject({ bytes: 20 });
    expect((await store.stat(tenant, "o"))?.bytes).toBe(20);
    expect(await readdir(join(directory, "temporary"))).toEqual([]);
    await dispose();
  });

  test("a checksum that is not the object's is counted again", async () => {
    const { directory, store, dispose } = await makeIn();
    const tenant = tenantId("acme");
    const { sha256 } = await store.put(tenant, "o", new TextEncoder().encode("content"));
    await rm(join(directory, "checksums/tenants/acme/o"));
    expect((await store.stat(tenant, "o"))?.sha256).toBe(sha256);
    await dispose();
  });
});
