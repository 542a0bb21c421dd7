/** What of a call must outlive its worker: the checkpoint, its bytes, and what the log knows that is newer. */
import { decodeEvent, encodeEvent, type PayloadOf } from "@earshot/proto/event.ts";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import type { CallContext } from "../events/publisher.ts";
import type { BegunSegment } from "../leg/published-speech.ts";

export type Checkpoint = PayloadOf<"callCheckpoint">;
export type LegCheckpoint = Checkpoint["streams"][number];
/** live: audio comes; ended: the last words are awaited; said: only the recording is open; stored: only the parts are still there. */
export type CallStage = "live" | "ended" | "said" | "stored";
export type CallState = { readonly call: CallContext; readonly checkpoint: Checkpoint };
type Segment = PayloadOf<"transcriptSegment">;

export function encodeCallState({ call, checkpoint }: CallState, atMs: number): Uint8Array {
  return encodeEvent({
    id: `${call.callId}-checkpoint`,
    tenantId: call.tenantId,
    callId: call.callId,
    occurredAtMs: atMs,
    traceparent: call.traceparent,
    payload: { case: "callCheckpoint", value: checkpoint },
  });
}

/** @returns undefined where the event is no checkpoint. @throws EarshotError corrupt */
export function decodeCallState(bytes: Uint8Array): CallState | undefined {
  const event = decodeEvent(bytes);
  if (event.payload.case !== "callCheckpoint") return undefined;
  const call = { tenantId: tenantId(event.tenantId), callId: callId(event.callId), traceparent: event.traceparent };
  return { call, checkpoint: event.payload.value };
}

/** Milliseconds that only grow become small numbers: each counts on from the one before. */
export function deltas(bounds: readonly number[]): number[] {
  let last = 0;
  return bounds.map((bound) => {
    const whole = Math.max(last, Math.round(bound));
    const delta = whole - last;
    last = whole;
    return delta;
  });
}

export function undoDeltas(numbers: readonly number[]): number[] {
  let last = 0;
  return numbers.map((delta) => (last += delta));
}

/** Words of a segment, counted where the engine names none. */
export function wordCount(text: string, words: readonly unknown[]): number {
  if (words.length > 0) return words.length;
  const trimmed = text.trim();
  return trimmed === "" ? 0 : trimmed.split(/\s+/).length;
}

/**
 * Brings a checkpoint up to date with the segments of its call that are on the log. Those that it knows already change nothing.
 * @param segments in the order of the log
 */
export function notePublished(checkpoint: Checkpoint, segments: readonly Segment[], newLeg: (leg: number) => LegCheckpoint): void {
  for (const segment of segments) {
    let stream = checkpoint.streams.find(({ leg }) => leg === segment.leg);
    if (stream === undefined) {
      stream = newLeg(segment.leg);
      checkpoint.streams.push(stream);
    }
    if (segment.startMs < stream.settledToMs) continue;
    const finals = undoDeltas(stream.finals);
    if (finals.some((bound, i) => i % 2 === 0 && bound === segment.startMs)) continue;
    const begun = begunOf(stream).filter(({ startMs }) => startMs !== segment.startMs);
    if (segment.final) {
      const stretches: [number, number][] = [[segment.startMs, Math.max(segment.startMs + 1, segment.endMs)]];
      for (let i = 0; i < finals.length; i += 2) stretches.push([finals[i]!, finals[i + 1]!]);
      stream.finals = deltas(stretches.sort((a, b) => a[0] - b[0]).flat());
      stream.words += wordCount(segment.text, segment.words);
      if (segment.error !== "") checkpoint.failedSegments++;
      else if (segment.text !== "") checkpoint.segments++;
    } else {
      const before = begunOf(stream).find(({ startMs }) => startMs === segment.startMs)?.revision ?? 0;
      begun.push({ startMs: segment.startMs, revision: Math.max(before, segment.revision) });
    }
    stream.begun = begun.flatMap(({ startMs, revision }) => [startMs, revision]);
  }
}

export function begunOf({ begun }: LegCheckpoint): BegunSegment[] {
  const all: BegunSegment[] = [];
  for (let i = 0; i < begun.length; i += 2) all.push({ startMs: begun[i]!, revision: begun[i + 1]! });
  return all;
}
