/** An object store in memory, for tests of the pipeline alone. */
import type { ByteRange, ObjectInfo, ObjectStore } from "@earshot/platform/object-store/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";

export class MemoryObjectStore implements ObjectStore {
  readonly name = "memory-object-store";
  readonly objects = new Map<string, Uint8Array>();
  failing = false;

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  async put(tenant: TenantId, name: string, content: AsyncIterable<Uint8Array> | Uint8Array): Promise<ObjectInfo> {
    if (this.failing) throw new EarshotError("unavailable", "store_down", "The object store is down.");
    const parts: Uint8Array[] = [];
    if (content instanceof Uint8Array) parts.push(content);
    else for await (const part of content) parts.push(part.slice());
    const bytes = new Uint8Array(Buffer.concat(parts));
    this.objects.set(`tenants/${tenant}/${name}`, bytes);
    return this.#info(`tenants/${tenant}/${name}`, bytes);
  }

  async get(tenant: TenantId, name: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const bytes = this.objects.get(`tenants/${tenant}/${name}`);
    if (bytes === undefined) throw new EarshotError("not_found", "object_not_found", "There is no such object.");
    const part = range === undefined ? bytes : bytes.subarray(range.start, range.end + 1);
    return (async function* () {
      yield part;
    })();
  }

  async stat(tenant: TenantId, name: string): Promise<ObjectInfo | undefined> {
    const bytes = this.objects.get(`tenants/${tenant}/${name}`);
    return bytes === undefined ? undefined : this.#info(name, bytes);
  }

  async delete(tenant: TenantId, name: string): Promise<void> {
    this.objects.delete(`tenants/${tenant}/${name}`);
  }

  async *list(tenant: TenantId, prefix: string): AsyncIterable<ObjectInfo> {
    for (const [key, bytes] of this.objects) if (key.startsWith(`tenants/${tenant}/${prefix}`)) yield this.#info(key, bytes);
  }

  #info(key: string, bytes: Uint8Array): ObjectInfo {
    return { key, bytes: bytes.length, modifiedAtMs: 0, sha256: "0".repeat(64) };
  }
}
