/** Events of one call as gateway and pipeline send them. */
import type { EventInit } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";

export const startedAtMs = Date.now() - 5000;

export function callStarted(tenantId: TenantId, callId: string): EventInit & { tenantId: string; callId: string } {
  const leg = (index: number, label: string, speaker: number, name: string) => ({
    index,
    label,
    speaker,
    speakerReason: "label-order",
    participant: { name, address: `sip:${name.toLowerCase()}@pbx.example` },
    codec: 1,
    state: "active",
    agentName: "",
  });
  return {
    id: `${callId}-started`,
    tenantId,
    callId,
    occurredAtMs: startedAtMs,
    payload: {
      case: "callStarted",
      value: {
        startedAtMs,
        trunkId: "t",
        trunkName: "PBX",
        legs: [leg(0, "1", 1, "Ada"), leg(1, "2", 2, "Grace")],
        sipCallId: "sip",
        direction: "inbound",
        queue: "support",
        source: "siprec",
        peer: "127.0.0.1",
        userAgent: "test",
      },
    },
  };
}

export function words(
  tenantId: TenantId,
  callId: string,
  text: string,
  options: { revision?: number; final?: boolean; startMs?: number } = {},
) {
  const { revision = 1, final = false, startMs = 1000 } = options;
  return {
    id: `${callId}-words-${startMs}-${revision}`,
    tenantId,
    callId,
    occurredAtMs: startedAtMs + startMs,
    payload: {
      case: "transcriptSegment" as const,
      value: {
        segmentId: `${callId}-1-${startMs}`,
        leg: 1,
        startMs,
        endMs: startMs + 500,
        text,
        words: [],
        final,
        revision,
        engine: "scripted",
        engineVersion: "1",
        language: "en",
        confidence: -1,
        lostMs: 0,
        lastVoicedAtMs: 0,
        error: "",
        speaker: 2,
      },
    },
  };
}

export function callEnded(tenantId: TenantId, callId: string) {
  return {
    id: `${callId}-ended`,
    tenantId,
    callId,
    occurredAtMs: Date.now(),
    payload: {
      case: "callEnded" as const,
      value: { endedAtMs: Date.now(), termination: "bye", detail: "", startedAtMs, legs: [], packetsReceived: 1, packetsLost: 0 },
    },
  };
}
