/** `npm run bench -- <name> [options]`: runs one benchmark; without a name, lists them. Each prints ratios against a peer or a limit of the same run. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const names = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".ts") && file !== "run.ts" && !file.endsWith(".test.ts"))
  .map((file) => file.slice(0, -".ts".length))
  .sort();
const [name, ...options] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.log(`npm run bench -- <name> [options]\n\n${names.map((known) => `  ${known}`).join("\n")}`);
  process.exit(name === undefined ? 0 : 2);
}
const script = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
process.exit(spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", script, ...options], { stdio: "inherit" }).status ?? 1);
