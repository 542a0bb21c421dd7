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
    wordsLatency: metrics.histogram(
      "earshot_words_latency_ms",
      "From the last voiced packet to the published final words, without the endpointing pause",
      [25, 50, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000, 30_000],
    ),
  };
}
