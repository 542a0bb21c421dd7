/** What the pipeline counts. */
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";

export type PipelineMetrics = ReturnType<typeof createPipelineMetrics>;

export function createPipelineMetrics(metrics: Metrics) {
  return {
    chunks: metrics.counter("earshot_pipeline_chunks_total", "Media chunks, by what became of them", ["outcome"]),
    lost: metrics.counter("earshot_pipeline_lost_seconds_total", "Audio that never arrived and was concealed or left silent"),
    sessions: metrics.gauge("earshot_pipeline_calls", "Calls being processed"),
    utterances: metrics.counter("earshot_utterances_total", "Utterances, by what the recogniser made of them", ["outcome"]),
    recordings: metrics.counter("earshot_recordings_total", "Recordings of ended calls, by outcome", ["outcome"]),
    handOvers: metrics.counter("earshot_pipeline_partition_moves_total", "Partitions taken over or given up by this worker, by why", [
      "why",
    ]),
    restored: metrics.counter(
      "earshot_pipeline_restored_calls_total",
      "Calls taken up where another worker, or this one before a restart, left them",
    ),
    takeOver: metrics.histogram(
      "earshot_pipeline_take_over_seconds",
      "From the assignment of a partition with calls to the first new chunk of one of them",
      [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30],
    ),
    checkpoints: metrics.counter("earshot_pipeline_checkpoints_total", "States of calls saved, by outcome", ["outcome"]),
    checkpointBytes: metrics.counter(
      "earshot_pipeline_checkpoint_bytes_total",
      "Audio of calls under way put into the object store, bytes",
    ),
    wordsLatency: metrics.histogram(
      "earshot_words_latency_ms",
      "From the last voiced packet to the published final words, without the endpointing pause",
      [25, 50, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000, 30_000],
    ),
  };
}
