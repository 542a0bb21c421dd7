import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { statementsOf } from "./migrate.ts";
import { olderStatement } from "./older-schema.ts";
import { replicatedStatement } from "./replicated-schema.ts";
import { termsIndex } from "./word-search.ts";

const folder = join(import.meta.dirname, "migrations");
const statements = readdirSync(folder).flatMap((name) => statementsOf(readFileSync(join(folder, name), "utf8")));
const older = statements.flatMap((statement) => olderStatement(statement) ?? []);

it.each([
  ["newest", statements],
  ["older", older],
])("replicates the %s schema: engine, place, two settings and the index that was replaced differ, and nothing else", (_, all) => {
  expect(all.length).toBeGreaterThan(10);
  for (const statement of all) {
    const replicated = replicatedStatement(statement, "main");
    expect(replicated).toContain(" ON CLUSTER 'main'");
    if (statement.startsWith("CREATE"))
      expect(replicated).toMatch(
        /\nENGINE = Replicated(Replacing)?MergeTree\('\/clickhouse\/tables\/\{shard\}\/\{database\}\/\{table\}', '\{replica\}'(, \w+)?\)\n/,
      );
    const back = replicated
      .replace(" ON CLUSTER 'main'", "")
      .replace(/Replicated(\w+)\('[^']*', '\{replica\}'(?:, (\w+))?\)/, (_, engine, version) => `${engine}${version ? `(${version})` : ""}`)
      .replace(/(, |\nSETTINGS )replicated_deduplication_window = 0, replicated_deduplication_window_for_async_inserts = 0$/, "");
    expect(back).toBe(statement.replace(/INDEX words said TYPE text\(.*\)(?=,\n)/, () => termsIndex));
  }
});

it("makes calls on a replica that joins later with the index that the others were given", () => {
  expect(statements).toContain(`ALTER TABLE calls ADD ${termsIndex.replace("INDEX", "INDEX IF NOT EXISTS")}`);
  const made = replicatedStatement(statements.find((statement) => statement.includes("EXISTS calls\n"))!, "main");
  expect(made).toContain(termsIndex);
  expect(made).not.toContain("INDEX words");
});

it("refuses a statement that would run on one replica alone", () => {
  for (const statement of ["DROP TABLE calls", "CREATE TABLE IF NOT EXISTS extra (a String) ENGINE = Memory", "INSERT INTO calls SELECT 1"])
    expect(() => replicatedStatement(statement, "main")).toThrow(expect.objectContaining({ category: "bug" }));
});
