/** Builds the web UI when its sources are not those built last. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EarshotError } from "@earshot/proto/errors.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
export const uiDirectory = `${root}admin-ui/dist`;
const mark = `${root}node_modules/.earshot-ui-built`;

/** @param say tells the operator that a build is under way; it takes some seconds */
export function buildUi(say: (line: string) => void): void {
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
  // Vite belongs to admin-ui's packages, not to this one's; a process of its own takes its memory along when it is done.
  const vite = join(dirname(createRequire(`${root}admin-ui/package.json`).resolve("vite/package.json")), "bin/vite.js");
  const built = spawnSync(process.execPath, [vite, "build", "--config", "vite.config.ts", "--logLevel", "warn"], {
    cwd: `${root}admin-ui`,
    encoding: "utf8",
  });
  if (built.status !== 0)
    throw new EarshotError("bug", "ui_build_failed", `The web UI could not be built.\n${built.stdout}${built.stderr}`, {
      remedy: "Are admin-ui's sources as they were checked out, and is the disk not full?",
    });
  mkdirSync(`${root}node_modules`, { recursive: true });
  writeFileSync(mark, state);
}
