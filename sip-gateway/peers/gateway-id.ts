/** The name under which a gateway is known on the event log, run after run. */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** @param configured EARSHOT_GATEWAY_ID; "" = the one kept under the data directory, made on the first start */
export function gatewayIdOf(configured: string, dataDir: string): string {
  if (configured !== "") return configured;
  const file = join(dataDir, "gateway-id");
  try {
    const kept = readFileSync(file, "utf8").trim();
    if (kept !== "") return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const made = `gateway-${randomUUID()}`;
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(file, `${made}\n`);
  return made;
}
