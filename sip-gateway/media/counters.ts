/** Packet counters as plain numbers: a metric per packet would cost more than the packet. The plane passes the growth on every second. */
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";

export type MediaCounters = {
  received: number;
  foreign: number;
  malformed: number;
  unknownPayloadType: number;
  srtpRejected: number;
  rateLimited: number;
  oversize: number;
  /** Came while the stream was inactive. */
  inactive: number;
  /** Came for a port that serves no call. */
  stray: number;
  sourceChanges: number;
  digits: number;
  rtcpReceived: number;
  rtcpMalformed: number;
  rtcpSent: number;
  /** Reports that no valid port was known for. */
  rtcpUnsendable: number;
  /** Legs that were closed because something of theirs threw. */
  legFaults: number;
  chunks: number;
  chunksLost: number;
  chunkBytes: number;
};

export function zeroCounters(): MediaCounters {
  return {
    received: 0,
    foreign: 0,
    malformed: 0,
    unknownPayloadType: 0,
    srtpRejected: 0,
    rateLimited: 0,
    oversize: 0,
    inactive: 0,
    stray: 0,
    sourceChanges: 0,
    digits: 0,
    rtcpReceived: 0,
    rtcpMalformed: 0,
    rtcpSent: 0,
    rtcpUnsendable: 0,
    legFaults: 0,
    chunks: 0,
    chunksLost: 0,
    chunkBytes: 0,
  };
}

const dropReasons = {
  foreign: "foreign_source",
  malformed: "malformed",
  unknownPayloadType: "unknown_payload_type",
  srtpRejected: "srtp_rejected",
  rateLimited: "rate_limited",
  oversize: "oversize",
  inactive: "inactive",
  stray: "no_call",
} as const satisfies Partial<Record<keyof MediaCounters, string>>;

/** @returns a function that adds what has grown since its last call to the metrics */
export function counterExport(counters: MediaCounters, metrics: Metrics): () => void {
  const received = metrics.counter("earshot_rtp_packets_received_total", "RTP packets taken from a leg's own source");
  const dropped = metrics.counter("earshot_rtp_packets_dropped_total", "RTP packets dropped, by reason", ["reason"]);
  const sources = metrics.counter("earshot_rtp_source_changes_total", "Changes of SSRC within a leg");
  const digits = metrics.counter("earshot_dtmf_digits_total", "RFC 4733 digits");
  const rtcp = metrics.counter("earshot_rtcp_packets_total", "RTCP packets, by kind", ["kind"]);
  const chunks = metrics.counter("earshot_media_chunks_total", "Chunks appended to media.v1");
  const chunkBytes = metrics.counter("earshot_media_chunk_bytes_total", "Bytes appended to media.v1");
  const faults = metrics.counter("earshot_media_leg_faults_total", "Legs closed because of a fault in their processing");
  const lost = metrics.counter("earshot_media_chunks_lost_total", "Chunks that the event log did not take");
  const seen = zeroCounters();
  const grown = (name: keyof MediaCounters): number => {
    const growth = counters[name] - seen[name];
    seen[name] = counters[name];
    return growth;
  };
  return () => {
    received.inc(grown("received"));
    for (const [name, reason] of Object.entries(dropReasons)) dropped.inc({ reason }, grown(name as keyof typeof dropReasons));
    sources.inc(grown("sourceChanges"));
    digits.inc(grown("digits"));
    rtcp.inc({ kind: "received" }, grown("rtcpReceived"));
    rtcp.inc({ kind: "malformed" }, grown("rtcpMalformed"));
    rtcp.inc({ kind: "sent" }, grown("rtcpSent"));
    rtcp.inc({ kind: "unsendable" }, grown("rtcpUnsendable"));
    faults.inc(grown("legFaults"));
    chunks.inc(grown("chunks"));
    chunkBytes.inc(grown("chunkBytes"));
    lost.inc(grown("chunksLost"));
  };
}
