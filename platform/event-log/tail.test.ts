import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { silentLog } from "../log/log.ts";
import { ChunkPool } from "./chunk.ts";
import { Cursor } from "./cursor.ts";
import { Partition, type WriteContext } from "./partition.ts";
import { Tail } from "./tail.ts";

const chunkBytes = 4096;
const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

async function partitions(count: number, tail: Tail): Promise<Partition[]> {
  const directory = await mkdtemp(join(tmpdir(), "earshot-tail-"));
  directories.push(directory);
  const context: WriteContext = {
    log: silentLog,
    pool: new ChunkPool(chunkBytes, 4),
    tail,
    bufferedBytes: 0,
    now: () => 0,
    inSyncGate: (work) => work(),
    wrote: () => {},
    writeFailed: () => {},
  };
  const limits = { segmentBytes: 1 << 20, maxBatchBytes: chunkBytes };
  const made = Array.from({ length: count }, (_, i) => new Partition(`t${i}`, 0, join(directory, String(i)), limits, context));
  for (const partition of made) await partition.open();
  return made;
}

async function fill(partition: Partition, records: number): Promise<void> {
  for (let i = 0; i < records; i++) partition.append("call", new Uint8Array(1000), 0);
  await partition.write();
}

test("the memory of all partitions together stays within the budget, however many have been written to", async () => {
  const tail = new Tail(16 * chunkBytes);
  const many = await partitions(10, tail);
  for (const partition of many) await fill(partition, 40);
  expect(tail.bytes).toBeLessThanOrEqual(16 * chunkBytes);
  // The quiet ones have given theirs to the one that was written last.
  expect(many[0]!.chunkFor(0)).toBeUndefined();
  expect(many[9]!.chunkFor(39)).toBeDefined();
  for (const partition of many) {
    const cursor = new Cursor(partition, 0, () => expect.unreachable());
    let read = 0;
    for (let batch = await cursor.fetch(100); batch.length > 0; batch = await cursor.fetch(100)) {
      read += batch.length;
      cursor.release();
    }
    expect(read).toBe(40);
    await partition.close();
  }
});

test("what is not in the file yet stays in memory, over the budget too, and goes once it is written", async () => {
  const tail = new Tail(2 * chunkBytes);
  const [one, other] = await partitions(2, tail);
  for (let i = 0; i < 40; i++) one!.append("call", new Uint8Array(1000), 0);
  await fill(other!, 1);
  expect(tail.bytes).toBeGreaterThan(10 * chunkBytes);
  await one!.write();
  expect(tail.bytes).toBe(2 * chunkBytes);
  await one!.close();
  await other!.close();
});
