/** What holds of every call after every fault: the recording has all that was acknowledged, the transcript nothing twice. */
import type { CallDetail } from "@earshot/proto/api/calls.ts";
import { expect } from "vitest";
import type { TestCluster } from "../testing/cluster.ts";

/**
 * @param seconds how long the caller's audio was sent and taken
 * @param longest where what was taken is known only as a range
 */
export async function expectWhole(
  cluster: TestCluster,
  call: CallDetail,
  seconds: number,
  longest = seconds + 3,
  api?: string,
): Promise<void> {
  const wav = await cluster.recording(call.id, 60_000, api);
  expect(wav.toString("latin1", 0, 4)).toBe("RIFF");
  const bytesPerSecond = wav.readUInt32LE(28);
  expect((wav.length - 44) / bytesPerSecond, `recording of ${call.id}`).toBeGreaterThan(seconds - 0.5);
  expect((wav.length - 44) / bytesPerSecond, `recording of ${call.id}`).toBeLessThan(longest);

  const segments = await cluster.transcript(call.id, api);
  expect(segments.length, `segments of ${call.id}`).toBeGreaterThan(0);
  expect(new Set(segments.map(({ segmentId }) => segmentId)).size, `ids of ${call.id}`).toBe(segments.length);
  for (const speaker of ["agent", "caller"] as const) {
    const said = segments.filter((segment) => segment.speaker === speaker).sort((a, b) => a.startMs - b.startMs);
    // Said twice is two segments over the same stretch of one speaker's audio.
    for (let i = 1; i < said.length; i++)
      expect(said[i]!.startMs, `${speaker} of ${call.id} at ${said[i]!.startMs} ms`).toBeGreaterThanOrEqual(said[i - 1]!.endMs - 50);
  }
}
