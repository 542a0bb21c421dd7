/** What a demo call in G.711 leaves behind where nothing goes wrong: the samples that were sent, and the stretches of speech in them. */
import { muLawTable } from "@earshot/media-pipeline/leg/codec/g711.ts";
import { PipelineHarness } from "@earshot/media-pipeline/testing/harness.ts";
import { bytesPerFrame, loadCallAudio, ptimeMs } from "../demo-pbx/call-audio.ts";
import { loadTruth, type Side } from "../demo-pbx/dialogue.ts";

export type Stretch = { readonly speaker: Side; readonly startMs: number; readonly endMs: number };

export type UndisturbedCall = {
  /** What was sent of each side, 16-bit linear at 8 kHz, from the first frame on. */
  readonly samples: Readonly<Record<Side, Int16Array>>;
  /** The final segments of each side, in order; milliseconds from the first frame. */
  readonly segments: readonly Stretch[];
  /** The true words, milliseconds from the first frame; only those that were played to their end. */
  readonly words: readonly (Stretch & { readonly word: string })[];
};

const sides = ["agent", "caller"] as const;
const known = new Map<string, Promise<UndisturbedCall>>();

/**
 * The same audio through a pipeline of its own that stands on memory alone and takes it as fast as it can.
 * @param seconds of the call that are played
 */
export function undisturbedCall(scenario: string, seconds: number): Promise<UndisturbedCall> {
  const key = `${scenario} ${seconds}`;
  const made = known.get(key) ?? makeUndisturbed(scenario, seconds);
  known.set(key, made);
  return made;
}

async function makeUndisturbed(scenario: string, seconds: number): Promise<UndisturbedCall> {
  const { streams } = loadCallAudio(scenario, { codec: "PCMU" });
  const bytes = ((seconds * 1000) / ptimeMs) * bytesPerFrame;
  const [agent, caller] = streams.map(({ payload }) => Int16Array.from(payload.subarray(0, bytes), (code) => muLawTable[code]!));
  const samples = { agent: agent!, caller: caller! };
  const harness = await PipelineHarness.start({ vad: "auto" });
  try {
    harness.started(scenario);
    harness.media(scenario, ...sides.map((side, leg) => harness.chunks(scenario, leg, samples[side])));
    harness.ended(scenario, seconds * 1000);
    await harness.finished(scenario, 60_000);
    const segments = harness.finals().map(({ leg, startMs, endMs }) => ({ speaker: sides[leg]!, startMs, endMs }));
    const words = loadTruth(scenario)
      .turns.flatMap((turn) => turn.words.map((word) => ({ ...word, speaker: turn.speaker })))
      .filter(({ endMs }) => endMs <= seconds * 1000);
    return { samples, segments, words };
  } finally {
    await harness.close();
  }
}
