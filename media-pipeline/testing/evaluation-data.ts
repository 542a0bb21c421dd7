/** Where the evaluation recordings lie, beside the repository; tests that need them skip where they are absent. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @returns the path of one evaluation file, or undefined where the data is not on this machine */
export function evaluationFile(name: string): string | undefined {
  const path = fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));
  return existsSync(path) ? path : undefined;
}
