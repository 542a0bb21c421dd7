import { expect, it } from "vitest";
import type { ColumnStoreConnection } from "./column-store.ts";
import { keepReplacedParts } from "./replaced-parts.ts";

/** The statements that tables with these settings get. */
async function statements(settings: Record<string, string>, seconds: number): Promise<string[]> {
  const asked: string[] = [];
  await keepReplacedParts(
    {
      query: async () =>
        Object.entries(settings).map(([name, said]) => ({
          name,
          definition: `CREATE TABLE earshot.${name} (\`id\` String) ENGINE = MergeTree ORDER BY id SETTINGS index_granularity = 8192, ${said}`,
        })),
      command: async (sql: string) => void asked.push(sql),
    } as unknown as ColumnStoreConnection,
    seconds,
  );
  return asked;
}

it("changes a table whose value only begins with the wanted one, and none that has it", async () => {
  const [first] = await statements({ made_now: "index_granularity_bytes = 1" }, 1);
  const wanted = first!.slice(first!.indexOf("SETTING ") + "SETTING ".length);
  expect(wanted).toContain("old_parts_lifetime = 1,");
  const ten = wanted.replace("old_parts_lifetime = 1,", "old_parts_lifetime = 10,");
  expect(await statements({ of_ten_seconds: ten, as_wanted: wanted }, 1)).toEqual([`ALTER TABLE of_ten_seconds MODIFY SETTING ${wanted}`]);
});
