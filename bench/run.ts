/** `npm run bench -- <name> [options]`: runs one benchmark; without a name, lists them. Each prints ratios against a peer or a limit of the same run. */
import { readdirSync } from "node:fs";

const own = new Set(["run.ts"]);
const names = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".ts") && !own.has(file) && !file.endsWith(".test.ts"))
  .map((file) => file.slice(0, -".ts".length))
  .sort();
const [name] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.log(`npm run bench -- <name> [options]\n\n${names.map((known) => `  ${known}`).join("\n")}`);
  process.exit(name === undefined ? 0 : 2);
}
const { run } = (await import(new URL(`${name}.ts`, import.meta.url).href)) as { run(): Promise<void> };
await run();
// Native engines and servers keep handles open; the figures are out.
process.exit(0);
