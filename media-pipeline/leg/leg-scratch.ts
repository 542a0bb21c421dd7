/** Work space shared by all legs, of which every use ends before the next leg's turn. */
import type { OpusDecoders } from "./codec/opus.ts";
import { type AudioScratch, maxFrameSamples } from "./leg-audio.ts";
import type { FeedScratch } from "./utterance-run.ts";

export type LegScratch = AudioScratch & { readonly voice: Int16Array; readonly feed: FeedScratch };

/** @returns the work space for `LegOptions.scratch` */
export function createLegScratch(feed: FeedScratch, opus: OpusDecoders): LegScratch {
  return {
    frame: new Int16Array(maxFrameSamples),
    stored: new Int16Array(maxFrameSamples * 3),
    voice: new Int16Array(maxFrameSamples * 3),
    feed,
    opus,
  };
}
