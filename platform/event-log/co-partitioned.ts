/** Topics that one subscription shares out together. */
import { EarshotError } from "@earshot/proto/errors.ts";

/** @throws EarshotError invalid_request where there is no topic, or their numbers of partitions differ */
export function mustBeCoPartitioned(topics: readonly { readonly name: string; readonly partitions: number }[]): void {
  const first = topics[0];
  if (first !== undefined && topics.every(({ partitions }) => partitions === first.partitions)) return;
  throw new EarshotError(
    "invalid_request",
    "event_log_not_co_partitioned",
    "Topics of one subscription must have the same number of partitions.",
    {
      remedy: "Subscribe to them one by one.",
      details: { topics: topics.map(({ name, partitions }) => `${name}: ${partitions}`).join(", ") },
    },
  );
}
