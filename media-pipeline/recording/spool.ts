/** The folder of calls that are still up: one folder per call, with its tracks and, where the log is not shared, its state. */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "@earshot/platform/log/log.ts";
import { type CallState, decodeCallState, encodeCallState } from "../call/call-state.ts";

const stateName = "call.state";

/** Ids come from the network: nothing in them may leave the folder. */
export function folderName(tenantId: string, callId: string): string {
  const safe = (text: string): string => encodeURIComponent(text).replaceAll(".", "%2E").slice(0, 120);
  return `${safe(tenantId)}~${safe(callId)}`;
}

export async function saveCall(folder: string, state: CallState): Promise<void> {
  const path = join(folder, stateName);
  await writeFile(`${path}.new`, encodeCallState(state, 0));
  await rename(`${path}.new`, path);
}

/** @returns calls that an earlier run did not finish; folders without readable state are removed and logged */
export async function findCalls(spoolDir: string, log: Log): Promise<CallState[]> {
  await mkdir(spoolDir, { recursive: true });
  const found: CallState[] = [];
  for (const entry of await readdir(spoolDir, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const folder = join(spoolDir, entry.name);
    try {
      const state = decodeCallState(new Uint8Array(await readFile(join(folder, stateName))));
      if (state === undefined) throw new Error("not a call's state");
      found.push(state);
    } catch (error) {
      const names = await readdir(folder);
      if (names.some((name) => name.endsWith(".pcm"))) {
        log.error({ err: error, folder: entry.name }, "a call in the spool has no readable state; its audio is left where it is");
      } else await rm(folder, { recursive: true, force: true });
    }
  }
  return found;
}

/** Removes what was left of calls that others have finished long ago. */
export async function sweepSpool(spoolDir: string, isStale: (modifiedAtMs: number) => boolean): Promise<void> {
  await mkdir(spoolDir, { recursive: true });
  for (const entry of await readdir(spoolDir, { withFileTypes: true })) {
    const folder = join(spoolDir, entry.name);
    if (entry.isDirectory() && isStale((await stat(folder)).mtimeMs)) await rm(folder, { recursive: true, force: true });
  }
}
