/** The object store that EARSHOT_OBJECT_STORE names. */
import { join, resolve } from "node:path";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { PlatformSettings } from "../settings.ts";
import { createFileObjectStore } from "./file.ts";
import type { ObjectStore } from "./port.ts";
import { createS3ObjectStore } from "./s3/s3.ts";

/** Not started. @param dataDir where `file:` alone puts its folder */
export function openObjectStore(options: { settings: PlatformSettings; dataDir: string; clock: Clock; log: Log }): ObjectStore {
  const { settings, dataDir, clock, log } = options;
  const url = settings.objectStore;
  if (url.startsWith("s3:")) return createS3ObjectStore({ url, clock, log, settings });
  const folder = url.slice("file:".length);
  return createFileObjectStore({ directory: folder === "" ? join(dataDir, "objects") : resolve(folder), clock, log, settings });
}
