/** Memory as the process under test sees it from inside: bytes and counts by name. */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";

export type Figures = Record<string, number>;

export async function insideFigures(): Promise<Figures> {
  return { ...v8Figures(), ...glibcFigures(), ...(await engineFigures()) };
}

function v8Figures(): Figures {
  const { heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const { malloced_memory, total_physical_size, total_global_handles_size } = getHeapStatistics();
  return {
    "js.used": heapUsed,
    "js.total": heapTotal,
    "js.physical": total_physical_size,
    "js.external": external,
    "js.arrayBuffers": arrayBuffers,
    "js.malloced": malloced_memory,
    "js.globalHandles": total_global_handles_size,
    ...Object.fromEntries(
      getHeapSpaceStatistics().flatMap((space) => [
        [`js.${space.space_name}.used`, space.space_used_size],
        [`js.${space.space_name}.total`, space.space_size],
      ]),
    ),
  };
}

type Mallinfo = Record<"arena" | "hblkhd" | "uordblks" | "fordblks", number>;
let mallinfo2: (() => Mallinfo) | undefined;

/** glibc's malloc, all arenas (mallinfo2(3)): array buffers, Node itself, ONNX Runtime. What is free there may still be resident. */
function glibcFigures(): Figures {
  if (mallinfo2 === undefined) {
    const koffi = createRequire(import.meta.resolve("@earshot/media-pipeline/pipeline.ts"))("koffi");
    const fields = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"];
    const struct = koffi.struct("mallinfo2", Object.fromEntries(fields.map((field) => [field, "size_t"])));
    mallinfo2 = koffi.load("libc.so.6").func("mallinfo2", struct, []) as () => Mallinfo;
  }
  const { arena, hblkhd, uordblks, fordblks } = mallinfo2();
  return { "malloc.arenas": arena, "malloc.mapped": hblkhd, "malloc.used": uordblks, "malloc.free": fordblks };
}

const metricsQuery = `SELECT name, value FROM system.metrics
  WHERE value != 0 AND match(name, 'Memory|Cache.*(Bytes|Cells|Files|Count|Entries|Size)$|^Parts|Thread$|ThreadActive$|^OpenFile')`;
const partsQuery = `SELECT if(active, 'active', 'replaced') AS kind, count() AS parts, sum(primary_key_bytes_in_memory_allocated) AS keys,
  sum(index_granularity_bytes_in_memory_allocated) AS granules, sum(rows) AS rows FROM system.parts GROUP BY kind`;

async function engineFigures(): Promise<Figures> {
  const figures: Figures = {};
  for (const { name, value } of await rows<{ name: string; value: number }>(metricsQuery)) figures[`engine.${name}`] = Number(value);
  for (const { kind, ...sums } of await rows<{ kind: string }>(partsQuery))
    for (const [name, value] of Object.entries(sums)) figures[`engine.${kind}.${name}`] = Number(value);
  // The engine brings its own jemalloc. Dirty pages are given back after five seconds; what is retained is address space alone.
  const [{ stats } = { stats: "" }] = await rows<{ stats: string }>("SELECT stats FROM system.jemalloc_stats");
  for (const [, name, value] of (/^Allocated:.*$/m.exec(stats)?.[0] ?? "").matchAll(/(\w+): (\d+)/g))
    figures[`engine.jemalloc.${name!.toLowerCase()}`] = Number(value);
  return figures;
}

type Client = { query(options: { query: string; format: "JSONEachRow" }): Promise<{ json(): Promise<unknown> }> };
let client: Client | undefined;

/** A session of its own on the engine's directory, opened at the first question: the engine is open by then. */
async function rows<T>(query: string): Promise<T[]> {
  if (client === undefined) {
    const require = createRequire(import.meta.resolve("@earshot/analytics/store/clickhouse/connection.ts"));
    const path = resolve(process.env.EARSHOT_DATA_DIR!, "clickhouse");
    client = require("@clickhouse/client").createClient({
      connection: require("chdb/connection").createChdbConnection({ path }),
    }) as Client;
  }
  return (await (await client.query({ query, format: "JSONEachRow" })).json()) as T[];
}
