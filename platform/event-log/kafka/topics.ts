/** Topics on Kafka: created as the topic table says, and kept that way. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TopicSpec } from "@earshot/proto/topics.ts";
import { type Admin, ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from "@platformatic/kafka";
import { asEarshotError, said } from "./connection.ts";

export type TopicLayout = { readonly minPartitions: number; readonly replicas: number; readonly maxMessageBytes: number };

/** Topics keyed by call are spread wider than on one machine; a topic of one partition stays one. */
export function partitionsOf(spec: TopicSpec, minPartitions: number): number {
  return spec.key === "callId" && spec.partitions > 1 ? Math.max(spec.partitions, minPartitions) : spec.partitions;
}

const minSegmentBytes = 1024 * 1024;

function configOf(spec: TopicSpec, partitions: number, maxMessageBytes: number): Record<string, string> {
  const bytes = Math.floor(spec.retentionBytes / partitions);
  const segment = {
    "segment.bytes": `${Math.max(minSegmentBytes, Math.min(64 * minSegmentBytes, Math.floor(bytes / 4)))}`,
    "segment.ms": `${Math.max(60_000, Math.floor(spec.retentionMs / 4))}`,
    "max.message.bytes": `${maxMessageBytes}`,
    "cleanup.policy": spec.cleanup,
    // The broker's time: it refuses records whose own is more than an hour ahead, and a machine's clock may be wrong.
    "message.timestamp.type": "LogAppendTime",
  };
  if (spec.cleanup === "compact") return { ...segment, "min.cleanable.dirty.ratio": "0.5", "delete.retention.ms": "86400000" };
  return { ...segment, "retention.ms": `${spec.retentionMs}`, "retention.bytes": `${bytes}` };
}

/**
 * Creates what is missing and corrects the configuration of what is there.
 * @returns the number of partitions by topic
 * @throws EarshotError conflict where a topic has another number of partitions than is declared, or as the broker says
 */
export async function declareTopics(
  admin: Admin,
  prefix: string,
  specs: readonly TopicSpec[],
  layout: TopicLayout,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  try {
    const there = new Set(await admin.listTopics());
    for (const spec of specs) {
      const name = prefix + spec.name;
      const partitions = partitionsOf(spec, layout.minPartitions);
      const config = Object.entries(configOf(spec, partitions, layout.maxMessageBytes)).map(([key, value]) => ({ name: key, value }));
      counts.set(spec.name, partitions);
      if (!there.has(name)) {
        try {
          await admin.createTopics({ topics: [name], partitions, replicas: layout.replicas, configs: config });
          continue;
        } catch (error) {
          // Another process of the installation was quicker.
          if (!said(error, "TOPIC_ALREADY_EXISTS")) throw error;
        }
      }
      await admin.incrementalAlterConfigs({
        resources: [
          {
            resourceType: ConfigResourceTypes.TOPIC,
            resourceName: name,
            configs: config.map((one) => ({ ...one, configOperation: IncrementalAlterConfigOperationTypes.SET })),
          },
        ],
      });
    }
    const names = specs.map((spec) => prefix + spec.name);
    const metadata = await whenKnown(admin, names);
    for (const spec of specs) {
      const stored = metadata.topics.get(prefix + spec.name)!.partitionsCount;
      if (stored === counts.get(spec.name)) continue;
      throw new EarshotError(
        "conflict",
        "event_log_partitions_changed",
        "A topic's number of partitions cannot change: keys would lose their order.",
        {
          remedy: "Keep EARSHOT_KAFKA_PARTITIONS as it was when the topics were created, or use a new prefix in EARSHOT_EVENT_LOG.",
          details: { topic: spec.name, stored, declared: counts.get(spec.name) },
        },
      );
    }
  } catch (error) {
    throw asEarshotError(error);
  }
  return counts;
}

/** A new topic has no leaders for a moment. */
async function whenKnown(admin: Admin, names: string[]) {
  for (let attempts = 1; ; attempts++) {
    try {
      const metadata = await admin.metadata({ topics: names, forceUpdate: true });
      if (names.every((name) => metadata.topics.get(name)?.partitions.every(({ leader }) => leader >= 0))) return metadata;
      if (attempts >= 50)
        throw new EarshotError("unavailable", "kafka_no_leader", "A Kafka topic has no leader.", { remedy: "Check the brokers." });
    } catch (error) {
      if (attempts >= 50) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
