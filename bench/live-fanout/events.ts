/** Events as gateway and pipeline send them, for benches of the live socket. */
import { encodeEvent } from "@earshot/proto/event.ts";

/** Calls that are up. */
export const callCount = 50;

/** A partial transcript as the pipeline sends it, about 400 bytes of JSON; the engine's name carries when it was made, for the clients to compare. */
export function transcript(tenantId: string, index: number): Uint8Array {
  const at = (performance.timeOrigin + performance.now()).toFixed(3);
  return encodeEvent({
    id: `${tenantId}-e${index}`,
    tenantId,
    callId: `call-${index % callCount}`,
    occurredAtMs: Date.now(),
    payload: {
      case: "transcriptSegment",
      value: {
        segmentId: `call-${index % callCount}-1-${index}`,
        leg: 1,
        startMs: index,
        endMs: index + 500,
        text: "I would like to know why I was charged twice this month",
        final: true,
        revision: 1,
        engine: at,
        engineVersion: "1",
        confidence: 0.9,
        speaker: 2,
      },
    },
  });
}

export function started(tenantId: string, call: number): Uint8Array {
  const legs = [1, 2].map((speaker) => ({
    index: speaker - 1,
    label: String(speaker),
    speaker,
    participant: { name: "n", address: "sip:n@x" },
    codec: 1,
  }));
  return encodeEvent({
    id: `${tenantId}-s${call}`,
    tenantId,
    callId: `call-${call}`,
    occurredAtMs: Date.now(),
    payload: { case: "callStarted", value: { startedAtMs: Date.now(), legs } },
  });
}
