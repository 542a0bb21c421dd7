import { EarshotError } from "@earshot/proto/errors.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import { expect, test } from "vitest";
import { ManualClock } from "../clock/manual-clock.ts";
import type { ObjectInfo, ObjectStore } from "./port.ts";
import { watchObjectStore } from "./watched.ts";

const acme = tenantId("acme");
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function storeOf(state: { away: boolean; full: boolean }) {
  const written: string[] = [];
  const away = (): void => {
    if (state.away) throw new EarshotError("unavailable", "object_store_failed", "The S3 server did not do what it was asked.");
  };
  const store: ObjectStore = {
    name: "object-store",
    start: async () => {},
    stop: async () => {},
    async put(tenant, name, content) {
      away();
      if (state.full) throw new EarshotError("unavailable", "object_store_failed", "The object store cannot use its disk.");
      if (!(content instanceof Uint8Array)) for await (const _ of content);
      written.push(`${tenant}/${name}`);
      return {} as ObjectInfo;
    },
    get: async () => (async function* () {})(),
    async stat() {
      away();
      return undefined;
    },
    async delete(tenant, name) {
      written.splice(written.indexOf(`${tenant}/${name}`), 1);
    },
    async *list() {},
  };
  return { store, written };
}

test("a store that is away, or takes nothing more, is told as such until it works again, whoever uses it", async () => {
  const clock = new ManualClock();
  const state = { away: false, full: false };
  const { store, written } = storeOf(state);
  const watched = watchObjectStore(store, clock);
  await watched.start();
  const pass = async (): Promise<string | undefined> => {
    clock.advance(2000);
    await settled();
    return watched.fault;
  };
  expect(await pass()).toBeUndefined();

  state.away = true;
  expect(await pass()).toBe("The S3 server did not do what it was asked.");
  state.away = false;
  expect(await pass()).toBeUndefined();

  // Reading works on a full disk: only a write shows it, and only a write shows that there is room again.
  state.full = true;
  expect(await pass()).toBeUndefined();
  await expect(watched.put(acme, "recording", new Uint8Array(9))).rejects.toThrow("its disk");
  expect(watched.fault).toBe("The object store cannot use its disk.");
  expect(await pass()).toBe("The object store cannot use its disk.");
  state.full = false;
  expect(await pass()).toBeUndefined();
  expect(written).toEqual([]);

  state.full = true;
  await expect(watched.put(acme, "recording", new Uint8Array(9))).rejects.toThrow();
  state.full = false;
  await watched.put(acme, "recording", new Uint8Array(9));
  expect(watched.fault).toBeUndefined();
  await watched.stop(0);
});

test("what is wrong with an object is no fault of the store", async () => {
  const { store } = storeOf({ away: false, full: false });
  const watched = watchObjectStore(store, new ManualClock());
  const broken = (async function* () {
    yield new Uint8Array(1);
    throw new Error("the source broke off");
  })();
  await expect(watched.put(acme, "recording", broken)).rejects.toThrow("broke off");
  expect(watched.fault).toBeUndefined();
});
