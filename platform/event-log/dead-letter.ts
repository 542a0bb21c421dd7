/** What becomes of a record that a consumer group cannot handle: it is put aside on dead-letter.v1, under its own key, with the error's code. */
import { fromBinary } from "@bufbuild/protobuf";
import { categoryOf, EarshotError } from "@earshot/proto/errors.ts";
import { encodeEvent } from "@earshot/proto/event.ts";
import { EventSchema } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { MediaChunkSchema } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import { topicNamed } from "@earshot/proto/topics.ts";
import type { LogRecord } from "./port.ts";

/** The code a dead letter and the metrics carry: an EarshotError's own, or the class of anything else. */
export function errorCode(error: unknown): string {
  if (error instanceof EarshotError) return error.code;
  return error instanceof Error ? `unexpected_${error.name}` : "unexpected_throw";
}

/** @returns an Event with a DeadLetter; its id is deterministic, so a redelivered poison record makes the same letter again */
export function encodeDeadLetter(record: LogRecord, group: string, error: unknown, attempts: number, nowMs: number): Uint8Array {
  return encodeEvent({
    id: `dead-${group}-${record.topic}-${record.partition}-${record.offset}`,
    tenantId: tenantOf(record),
    callId: record.key,
    occurredAtMs: nowMs,
    payload: {
      case: "deadLetter",
      value: {
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        group,
        errorCode: errorCode(error),
        errorCategory: categoryOf(error),
        attempts,
        value: record.value,
      },
    },
  });
}

/** Whose record it is, where that much of it can be read; else nobody's, and only the installation's own administrators see it. */
function tenantOf(record: LogRecord): string {
  const ofMedia = topicNamed(record.topic)?.message === "MediaChunk";
  try {
    return fromBinary(ofMedia ? MediaChunkSchema : EventSchema, record.value).tenantId;
  } catch {
    return "";
  }
}
