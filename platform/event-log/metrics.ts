/** What the event log counts. */
import type { Metrics } from "../metrics/metrics.ts";

export function eventLogMetrics(metrics: Metrics) {
  return {
    records: metrics.counter("earshot_event_log_written_records_total", "Records written to the event log", ["topic"]),
    bytes: metrics.counter("earshot_event_log_written_bytes_total", "Bytes written to the event log", ["topic"]),
    refused: metrics.counter("earshot_event_log_refused_total", "Appends refused because the write buffer was full", ["topic"]),
    writeFailures: metrics.counter("earshot_event_log_write_failures_total", "Writes that failed; the data is kept and tried again", [
      "topic",
    ]),
    handled: metrics.counter("earshot_event_log_handled_total", "Records handled by a consumer group", ["topic", "group"]),
    lost: metrics.counter("earshot_event_log_lost_total", "Records a consumer group never got: deleted by retention first, or damaged", [
      "topic",
      "group",
      "reason",
    ]),
    deadLetters: metrics.counter("earshot_event_log_dead_letters_total", "Records put aside on dead-letter.v1", ["topic", "group"]),
    dropped: metrics.counter("earshot_event_log_dropped_total", "Records passed over, as their error says", ["topic", "group", "code"]),
    lag: metrics.gauge("earshot_event_log_lag_records", "Records appended and not yet handled", ["topic", "group"]),
    buffered: metrics.gauge("earshot_event_log_buffered_bytes", "Bytes appended and not yet written"),
    tail: metrics.gauge("earshot_event_log_tail_bytes", "Bytes in memory for readers at the head of the log, over all partitions"),
  };
}
