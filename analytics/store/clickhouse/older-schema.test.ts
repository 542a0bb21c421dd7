import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newerNames } from "./engine-version.ts";
import { statementsOf } from "./migrate.ts";
import { olderStatement } from "./older-schema.ts";

const folder = join(import.meta.dirname, "migrations");
const statements = readdirSync(folder).flatMap((name) => statementsOf(readFileSync(join(folder, name), "utf8")));
const older = statements.flatMap((statement) => olderStatement(statement) ?? []);

/** Table settings that server 24.8 documents: https://clickhouse.com/docs/operations/settings/merge-tree-settings */
const tableSettings = new Set([
  "index_granularity",
  "min_age_to_force_merge_seconds",
  "min_compress_block_size",
  "max_compress_block_size",
]);
const indexTypes = new Set(["bloom_filter", "tokenbf_v1"]);
const engines = new Set(["MergeTree", "ReplacingMergeTree"]);
const types = new Set("String UInt8 UInt16 UInt32 UInt64 Int64 Float32 DateTime64 Nullable LowCardinality Array".split(" "));
const codecs = new Set(["Delta", "LZ4", "ZSTD", "NONE"]);

it("names nothing that server 24.8 does not know", () => {
  const sql = older.join(";\n");
  for (const name of newerNames) expect(sql).not.toContain(name);
  const named = (pattern: RegExp) => [...sql.matchAll(pattern)].map((match) => match[1]!);
  expect(named(/\bTYPE (\w+)/g).filter((name) => !indexTypes.has(name))).toEqual([]);
  expect(named(/ENGINE = (\w+)/g).filter((name) => !engines.has(name))).toEqual([]);
  const settings = named(/\bSETTINGS ([^;]*)/g).flatMap((list) => list.split(",").map((one) => one.split("=")[0]!.trim()));
  expect(settings.length).toBeGreaterThan(3);
  expect(settings.filter((name) => !tableSettings.has(name))).toEqual([]);
  const columns = named(/^ {4}[a-z_]+ ((?:[A-Z]\w+).*)$/gm).map((line) => line.replace(/'[^']*'/g, ""));
  expect(columns.length).toBeGreaterThan(100);
  const words = columns.flatMap((line) => line.replace(/\bDEFAULT sipHash64\(call_id\)/, "").match(/[A-Za-z]\w*/g) ?? []);
  expect([...new Set(words)].filter((word) => word !== "CODEC" && !types.has(word) && !codecs.has(word))).toEqual([]);
});

it("differs in how calls are found and summed alone", () => {
  const made = older.find((statement) => statement.includes("EXISTS calls\n"))!;
  expect(made).toMatch(/INDEX words lowerUTF8\(said\) TYPE tokenbf_v1\(32768, 4, 0\) GRANULARITY 1\n\)\nENGINE = MergeTree\n/);
  expect(made).not.toContain("PROJECTION");
  expect(made.endsWith("SETTINGS index_granularity = 512, min_age_to_force_merge_seconds = 86400")).toBe(true);
  expect(
    statements.filter((statement) => olderStatement(statement) === undefined).map((statement) => statement.split(" ", 5).join(" ")),
  ).toEqual([
    "ALTER TABLE calls MODIFY SETTING",
    "ALTER TABLE calls DROP INDEX",
    "ALTER TABLE calls ADD INDEX",
    "ALTER TABLE calls MATERIALIZE INDEX",
    "ALTER TABLE calls REWRITE PARTS",
  ]);
  expect(older.filter((statement) => !statements.includes(statement))).toEqual([made]);
});
