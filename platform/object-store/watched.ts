/** An object store that says of itself how it is: by what became of the last writes, and of a question every few seconds while nobody uses it. */
import { categoryOf } from "@earshot/proto/errors.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import type { Clock } from "../clock/clock.ts";
import { watchStore } from "../operations/watch.ts";
import type { ObjectStore } from "./port.ts";

export type WatchedObjectStore = ObjectStore & {
  /** Why objects cannot be stored or read now; undefined where they can. */
  readonly fault: string | undefined;
};

/** Never a tenant's: ids of tenants are lower case. */
const nobody = tenantId("WATCH");
const probe = "probe";

/**
 * Reading is asked for while all is well. A store that refused to write (its disk is full, its key may no longer) still answers that: from
 * then on a byte is written, until it is taken.
 * @param store started and stopped with what is returned
 */
export function watchObjectStore(store: ObjectStore, clock: Clock): WatchedObjectStore {
  let refused: string | undefined;
  const watch = watchStore("object store", clock, async () => {
    if (refused === undefined) return store.stat(nobody, probe);
    await store.put(nobody, probe, new Uint8Array(1));
    refused = undefined;
    await store.delete(nobody, probe);
  });
  return {
    name: store.name,
    get fault() {
      return watch.fault ?? refused;
    },
    async start() {
      await store.start();
      await watch.start();
    },
    async stop(deadlineMs) {
      await watch.stop(0);
      await store.stop(deadlineMs);
    },
    async put(tenant, name, content) {
      try {
        const info = await store.put(tenant, name, content);
        refused = undefined;
        return info;
      } catch (error) {
        // Anything else is the fault of what was to be stored.
        if (categoryOf(error) === "unavailable") refused = (error as Error).message;
        throw error;
      }
    },
    get: (...args) => store.get(...args),
    stat: (...args) => store.stat(...args),
    delete: (...args) => store.delete(...args),
    list: (...args) => store.list(...args),
  };
}
