import { readSettings } from "@earshot/platform/config/settings.ts";
import { expect, test } from "vitest";
import { allSettings } from "../settings.ts";
import { roleFaults } from "./requirements.ts";
import { roleNames } from "./role.ts";

const settingsOf = (env: Record<string, string>) => readSettings(allSettings, env).values;

test.each(roleNames)("%s alone cannot stand on what one process keeps to itself, and is told what to set", (role) => {
  const faults = roleFaults(role, settingsOf({}));
  expect(faults.map(({ env }) => env)).toContain("EARSHOT_EVENT_LOG");
  for (const { problem, expects } of faults) {
    expect(problem).toContain(`(role ${role})`);
    expect(expects).toMatch(/^set it to \S+:/);
  }
});

test("a role is asked only for what it uses", () => {
  const envs = (role: (typeof roleNames)[number]) => roleFaults(role, settingsOf({})).map(({ env }) => env);
  expect(envs("sip-gateway")).toEqual(["EARSHOT_EVENT_LOG"]);
  expect(envs("media-pipeline")).toEqual(["EARSHOT_EVENT_LOG", "EARSHOT_OBJECT_STORE"]);
  expect(envs("analytics-ingest")).toEqual([
    "EARSHOT_EVENT_LOG",
    "EARSHOT_OBJECT_STORE",
    "EARSHOT_COLUMN_STORE",
    "EARSHOT_RELATIONAL_STORE",
  ]);
});

test("servers and a shared folder satisfy it", () => {
  const settings = settingsOf({
    EARSHOT_OBJECT_STORE: "file:/mnt/recordings",
    EARSHOT_COLUMN_STORE: "clickhouse://earshot:secret@clickhouse:8123/earshot",
    EARSHOT_RELATIONAL_STORE: "postgres://earshot:secret@postgres/earshot",
  });
  const faults = roleFaults("analytics-api", settings);
  expect(faults.map(({ env }) => env)).toEqual(["EARSHOT_EVENT_LOG"]);
  expect(JSON.stringify(faults)).not.toContain("secret");
});
