/** Builds the web UI when its sources are not those built last. */
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
export const uiDirectory = `${root}admin-ui/dist`;
const mark = `${root}node_modules/.earshot-ui-built`;

/** @param say tells the operator that a build is under way; it takes some seconds */
export async function buildUi(say: (line: string) => void): Promise<void> {
  const hash = createHash("sha256");
  for (const file of globSync(["admin-ui/{src,public}/**/*", "admin-ui/*.{html,ts,json}", "proto/api/*.ts", "pnpm-lock.yaml"], {
    cwd: root,
    withFileTypes: true,
  })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .sort())
    hash.update(file.slice(root.length)).update(readFileSync(file));
  const state = hash.digest("hex");
  if (existsSync(`${uiDirectory}/index.html`) && existsSync(mark) && readFileSync(mark, "utf8") === state) return;
  say("Building the web UI (some seconds, once) ...");
  // Vite belongs to admin-ui's packages, not to this one's.
  const vite = createRequire(`${root}admin-ui/package.json`).resolve("vite");
  const { build } = (await import(pathToFileURL(vite).href)) as { build(options: object): Promise<unknown> };
  await build({ configFile: `${root}admin-ui/vite.config.ts`, root: `${root}admin-ui`, logLevel: "warn" });
  mkdirSync(`${root}node_modules`, { recursive: true });
  writeFileSync(mark, state);
}
