/** `npm run proto`: generates proto/gen from proto/schema. */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";

rmSync("proto/gen", { recursive: true, force: true });
process.exit(spawnSync("buf", ["generate"], { cwd: "proto", stdio: "inherit" }).status ?? 1);
