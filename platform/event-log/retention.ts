/**
 * Retention: whole segments go, oldest first, by age and by the topic's size; of a compacted topic, what is newest of its key is carried on
 * first. Readers in mid-segment read on; see SegmentFile.delete.
 */
import type { TopicSpec } from "@earshot/proto/topics.ts";
import type { Log } from "../log/log.ts";
import { compact } from "./compaction.ts";
import type { Partition } from "./partition.ts";

export async function enforceRetention(
  topics: readonly { readonly spec: TopicSpec; readonly partitions: readonly Partition[] }[],
  nowMs: number,
  log: Log,
): Promise<void> {
  for (const { spec, partitions } of topics) {
    try {
      if (spec.cleanup === "compact") {
        for (const partition of partitions) await compact(partition);
        continue;
      }
      for (const partition of partitions) {
        // A segment ends at the latest when a quarter of the retention has passed, so that a quiet topic forgets too.
        await partition.rollOlderThan(spec.retentionMs / 4);
        while ((partition.oldestSealed?.lastAppendedMs ?? Number.POSITIVE_INFINITY) < nowMs - spec.retentionMs)
          await partition.deleteOldest();
      }
      let bytes = 0;
      for (const partition of partitions) bytes += partition.bytes;
      while (bytes > spec.retentionBytes) {
        let oldest: Partition | undefined;
        for (const partition of partitions) {
          const age = partition.oldestSealed?.lastAppendedMs;
          if (age !== undefined && (oldest === undefined || age < oldest.oldestSealed!.lastAppendedMs)) oldest = partition;
        }
        const freed = (await oldest?.deleteOldest()) ?? 0;
        if (oldest === undefined) break;
        bytes -= freed;
      }
    } catch (err) {
      log.error({ err, topic: spec.name }, "event log: retention failed, tried again at the next turn");
    }
  }
}
