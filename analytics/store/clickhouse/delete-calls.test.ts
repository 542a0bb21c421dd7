import { tenantId } from "@earshot/proto/ids.ts";
import { expect, it } from "vitest";
import { tablesOfCalls } from "./call-tables.ts";
import type { ColumnStoreConnection } from "./column-store.ts";
import { deleteCalls } from "./delete-calls.ts";

it.each([undefined, "main"])(
  "deletes each call from each table, on a cluster in pieces that a keeper takes (cluster: %s)",
  async (cluster) => {
    const ran: { table: string; ids: string[] }[] = [];
    const connection = {
      cluster,
      execute: async (sql: string, { ids }: { ids: string[] }) => void ran.push({ table: /^DELETE FROM (\w+) /.exec(sql)![1]!, ids }),
    } as unknown as ColumnStoreConnection;
    const ids = Array.from({ length: 4100 }, (_, i) => String(i).padStart(256, "x"));
    await deleteCalls(connection, tenantId("tenant"), ids);
    for (const table of tablesOfCalls) expect(ran.filter((one) => one.table === table).flatMap((one) => one.ids)).toEqual(ids);
    // jute.maxbuffer; half of it, since quotes of an id are written as two characters.
    const largest = Math.max(...ran.map((one) => JSON.stringify(one.ids).length));
    if (cluster === undefined) expect(ran).toHaveLength(tablesOfCalls.length);
    else expect(largest).toBeLessThan(512 * 1024);
  },
);
