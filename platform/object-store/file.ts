/**
 * Objects as files under one folder: `DIR/objects/tenants/<tenant>/<name>`, its SHA-256 in the same place under `DIR/checksums`.
 * A put writes a temporary file, syncs it and renames it: a reader sees the old object or the new one, never a part.
 */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { PlatformSettings } from "../settings.ts";
import { objectKey, objectKeyPrefix } from "./object-name.ts";
import type { ByteRange, ObjectInfo, ObjectStore } from "./port.ts";

export type FileObjectStoreOptions = {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: Pick<PlatformSettings, "maxObjectBytes">;
};

export function createFileObjectStore(options: FileObjectStoreOptions): ObjectStore {
  return new FileObjectStore(options);
}

/** A put writes all the time: one that has not for this long is nobody's any more. */
const abandonedMs = 3_600_000;

class FileObjectStore implements ObjectStore {
  readonly name = "object-store";
  readonly #options: FileObjectStoreOptions;
  readonly #objects: string;
  readonly #checksums: string;
  readonly #temporary: string;

  constructor(options: FileObjectStoreOptions) {
    this.#options = options;
    this.#objects = join(options.directory, "objects");
    this.#checksums = join(options.directory, "checksums");
    this.#temporary = join(options.directory, "temporary");
  }

  async start(): Promise<void> {
    await mkdir(this.#objects, { recursive: true });
    await mkdir(this.#checksums, { recursive: true });
    await mkdir(this.#temporary, { recursive: true });
    // What a crash left half written, and not what another process on the same folder is writing.
    for (const name of await readdir(this.#temporary)) {
      const path = join(this.#temporary, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
      if (this.#options.clock.now() - mtimeMs > abandonedMs) await rm(path, { recursive: true, force: true });
    }
  }

  async stop(): Promise<void> {}

  async put(tenant: TenantId, name: string, content: AsyncIterable<Uint8Array> | Uint8Array): Promise<ObjectInfo> {
    const key = objectKey(tenant, name);
    const path = join(this.#objects, key);
    const checksumPath = join(this.#checksums, key);
    const temporary = join(this.#temporary, randomUUID());
    const hash = createHash("sha256");
    let bytes = 0;
    try {
      const file = await open(temporary, "wx", 0o640);
      try {
        for await (const part of content instanceof Uint8Array ? [content] : content) {
          bytes += part.length;
          if (bytes > this.#options.settings.maxObjectBytes)
            throw new EarshotError("invalid_request", "object_too_large", "An object is over the size limit.", {
              remedy: "Raise EARSHOT_OBJECT_STORE_MAX_BYTES, or store less at once.",
              details: { limit: this.#options.settings.maxObjectBytes },
            });
          hash.update(part);
          await writeAll(file, part);
        }
        await file.datasync();
      } finally {
        await file.close();
      }
      const sha256 = hash.digest("hex");
      await mkdir(dirname(path), { recursive: true });
      await mkdir(dirname(checksumPath), { recursive: true });
      const checksum = await open(`${temporary}.sha256`, "wx", 0o640);
      try {
        await checksum.writeFile(`${bytes} ${sha256}`);
        await checksum.datasync();
      } finally {
        await checksum.close();
      }
      await rename(`${temporary}.sha256`, checksumPath);
      await rename(temporary, path);
      await syncDirectory(dirname(path));
      return { key, bytes, modifiedAtMs: (await stat(path)).mtimeMs, sha256 };
    } catch (cause) {
      await rm(temporary, { force: true });
      await rm(`${temporary}.sha256`, { force: true });
      throw asStoreError(cause);
    }
  }

  async get(tenant: TenantId, name: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const path = join(this.#objects, objectKey(tenant, name));
    const { size } = await stat(path).catch((cause: unknown) => {
      throw asStoreError(cause);
    });
    if (range !== undefined) {
      const { start, end } = range;
      if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end >= size)
        throw new EarshotError("invalid_request", "object_range_invalid", "A byte range lies outside the object.", {
          details: { start, end, size },
        });
    }
    return size === 0 ? nothing() : bytesOf(path, range?.start ?? 0, range?.end ?? size - 1);
  }

  async stat(tenant: TenantId, name: string): Promise<ObjectInfo | undefined> {
    return this.#info(objectKey(tenant, name));
  }

  async #info(key: string): Promise<ObjectInfo | undefined> {
    const path = join(this.#objects, key);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || !found.isFile()) return undefined;
    const [bytes, sha256] = (await readFile(join(this.#checksums, key), "utf8").catch(() => "")).split(" ");
    // A crash between the two renames leaves the checksum of an object that never came to be: then count again.
    const isOfThis = Number(bytes) === found.size && sha256 !== undefined;
    return { key, bytes: found.size, modifiedAtMs: found.mtimeMs, sha256: isOfThis ? sha256 : await sha256Of(path) };
  }

  async delete(tenant: TenantId, name: string): Promise<void> {
    const key = objectKey(tenant, name);
    await rm(join(this.#objects, key), { force: true });
    await rm(join(this.#checksums, key), { force: true });
  }

  async *list(tenant: TenantId, prefix: string): AsyncIterable<ObjectInfo> {
    const keyPrefix = objectKeyPrefix(tenant, prefix);
    const directory = join(this.#objects, keyPrefix.slice(0, keyPrefix.lastIndexOf("/")));
    for await (const path of walk(directory)) {
      const key = relative(this.#objects, path).split(sep).join("/");
      if (!key.startsWith(keyPrefix)) continue;
      const info = await this.#info(key);
      if (info !== undefined) yield info;
    }
  }
}

async function* walk(directory: string): AsyncGenerator<string> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part as Uint8Array);
  return hash.digest("hex");
}

/** Makes a rename survive a power cut. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function asStoreError(cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException).code;
  if (cause instanceof EarshotError || code === undefined) return cause;
  if (code === "ENOENT" || code === "EISDIR" || code === "ENOTDIR")
    return new EarshotError("not_found", "object_not_found", "There is no such object.", { cause });
  return new EarshotError("unavailable", "object_store_failed", "The object store cannot use its disk.", {
    remedy: code === "ENOSPC" ? "Free space on the disk that holds EARSHOT_DATA_DIR." : "Check the disk that holds EARSHOT_DATA_DIR.",
    details: { errno: code },
    cause,
  });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Opened by the first read and closed by the last, or when the reader leaves: a stream that nobody reads holds no file. */
async function* bytesOf(path: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, "r").catch((cause: unknown) => {
    throw asStoreError(cause);
  });
  try {
    yield* file.createReadStream({ start, end, autoClose: false, highWaterMark: 256 * 1024 });
  } finally {
    await file.close();
  }
}
