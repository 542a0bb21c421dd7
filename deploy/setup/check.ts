/** `npm run check`: types, lint and format, as CI runs them. */
import { spawnSync } from "node:child_process";

let failed = false;
for (const [tool, ...args] of [
  ["tsc", "-p", "tsconfig.json"],
  ["tsc", "-p", "admin-ui/tsconfig.json"],
  ["biome", "check", "."],
] as const) {
  console.log(`> ${tool} ${args.join(" ")}`);
  if (spawnSync(tool, args, { stdio: "inherit" }).status !== 0) failed = true;
}
process.exit(failed ? 1 : 0);
