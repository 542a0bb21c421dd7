/** The folder of calls that are still up: one folder per call, with its state and its tracks. What a crash left is found here. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "@earshot/platform/config/settings.ts";
import type { Log } from "@earshot/platform/log/log.ts";

const legState = z.object({
  index: z.number().int().min(0),
  /** The next chunk, and what of the audio before it is settled. */
  settledToMs: z.number().min(0),
  /** Chunks from this offset of its partition on have to be read again. */
  replayOffset: z.number().int().min(0),
  partition: z.number().int().min(-1),
  speech: z.array(z.number()),
  words: z.number(),
});

const savedCall = z.object({
  version: z.literal(1),
  tenantId: z.string().min(1),
  callId: z.string().min(1),
  traceparent: z.string(),
  startedAtMs: z.number(),
  legs: z.array(z.object({ index: z.number().int(), speaker: z.number().int() })),
  segments: z.number(),
  failedSegments: z.number(),
  metricsCount: z.number(),
  ended: z.boolean(),
  endedAtMs: z.number().min(0),
  restarts: z.number().int().min(0),
  streams: z.array(legState),
});

/** What of a call must outlive the process. */
export type SavedCall = z.infer<typeof savedCall>;

const stateName = "call.json";

/** Ids come from the network: nothing in them may leave the folder. */
export function folderName(tenantId: string, callId: string): string {
  const safe = (text: string): string => encodeURIComponent(text).replaceAll(".", "%2E").slice(0, 120);
  return `${safe(tenantId)}~${safe(callId)}`;
}

export async function saveCall(folder: string, call: SavedCall): Promise<void> {
  const path = join(folder, stateName);
  await writeFile(`${path}.new`, JSON.stringify(call));
  await rename(`${path}.new`, path);
}

/** @returns calls that an earlier run did not finish; folders without readable state are removed and logged */
export async function findCalls(spoolDir: string, log: Log): Promise<{ folder: string; call: SavedCall }[]> {
  await mkdir(spoolDir, { recursive: true });
  const found: { folder: string; call: SavedCall }[] = [];
  for (const entry of await readdir(spoolDir, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const folder = join(spoolDir, entry.name);
    try {
      found.push({ folder, call: savedCall.parse(JSON.parse(await readFile(join(folder, stateName), "utf8"))) });
    } catch (error) {
      const names = await readdir(folder);
      if (names.some((name) => name.endsWith(".pcm"))) {
        log.error({ err: error, folder: entry.name }, "a call in the spool has no readable state; its audio is left where it is");
      } else await rm(folder, { recursive: true, force: true });
    }
  }
  return found;
}
