import { create } from "@bufbuild/protobuf";
import { CallCheckpointSchema, LegCheckpointSchema, TranscriptSegmentSchema } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import { describe, expect, it } from "vitest";
import { begunOf, decodeCallState, deltas, encodeCallState, notePublished, undoDeltas } from "./call-state.ts";

const newLeg = (leg: number) => create(LegCheckpointSchema, { leg });
const segment = (startMs: number, final: boolean, more: { text?: string; revision?: number; error?: string; leg?: number } = {}) =>
  create(TranscriptSegmentSchema, { segmentId: `s-${startMs}`, startMs, endMs: startMs + 900, final, text: "one two", ...more });

describe("a call's state", () => {
  it("comes back as it was, however long the call", () => {
    const speech = Array.from({ length: 8000 }, (_, i) => i * 1800 + (i % 7));
    const checkpoint = create(CallCheckpointSchema, { startedAtMs: 1, stage: "live", streams: [{ leg: 1, speech: deltas(speech) }] });
    const call = { tenantId: tenantId("t"), callId: callId("c"), traceparent: "" };
    const bytes = encodeCallState({ call, checkpoint }, 5);
    // Four hours of speech in 4,000 stretches.
    expect(bytes.length).toBeLessThan(20_000);
    const back = decodeCallState(bytes)!;
    expect(back.call).toEqual(call);
    expect(undoDeltas(back.checkpoint.streams[0]!.speech)).toEqual(speech);
  });

  it("learns of the words that were published after it was saved, and counts none twice", () => {
    const known = create(LegCheckpointSchema, { leg: 0, settledToMs: 2000, finals: deltas([5000, 5900]), words: 10, begun: [3000, 4] });
    const checkpoint = create(CallCheckpointSchema, { segments: 3, streams: [known] });
    const published = [
      segment(1000, true),
      segment(5000, true),
      segment(3000, false, { revision: 6 }),
      segment(7000, false, { revision: 2 }),
      segment(7000, true),
      segment(8000, true, { text: "", error: "engine_down" }),
      segment(9000, false, { revision: 1 }),
      segment(400, true, { leg: 1 }),
    ];
    notePublished(checkpoint, published, newLeg);
    const [first, second] = checkpoint.streams;
    expect(undoDeltas(first!.finals)).toEqual([5000, 5900, 7000, 7900, 8000, 8900]);
    expect(begunOf(first!)).toEqual([
      { startMs: 3000, revision: 6 },
      { startMs: 9000, revision: 1 },
    ]);
    expect([first!.words, second!.words, checkpoint.segments, checkpoint.failedSegments]).toEqual([12, 2, 5, 1]);
    notePublished(
      checkpoint,
      published.filter(({ final }) => final),
      newLeg,
    );
    expect([first!.words, second!.words, checkpoint.segments, checkpoint.failedSegments]).toEqual([12, 2, 5, 1]);
  });
});
