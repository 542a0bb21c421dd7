/**
 * Cepstral mean normalisation per leg. The mean cepstrum of a leg is its channel: microphone, codec, level, voice. A decoder that begins with
 * another channel's mean recognises next to nothing on telephone audio, so each leg's mean is kept and given to the decoder anew.
 */

export const cepstrumSize = 13;

/** Where the model's own training material lies (`-cmninit` of the en-us model). */
export const modelMean: readonly number[] = [41, -5.29, -0.12, 5.09, 2.48, -4.07, -1.37, -1.78, -5.08, -2.05, -6.45, -1.42, 1.17];

/** Frames (10 ms) that the model's mean counts for beside what was heard. */
const modelWeight = 20;
/** What was heard earlier fades: at most 10 s count. */
const mostFrames = 1000;
/** Further apart than this, an utterance is worth decoding again with the better mean. */
const farApart = 4;

/** Sum of the cepstra heard. */
export type Channel = { readonly sum: readonly number[]; readonly frames: number };

export const unheard: Channel = { sum: new Array<number>(cepstrumSize).fill(0), frames: 0 };

export function meanOf(channel: Channel): number[] {
  return modelMean.map((value, i) => (value * modelWeight + channel.sum[i]!) / (modelWeight + channel.frames));
}

export function joined(before: Channel, heard: Channel): Channel {
  const frames = before.frames + heard.frames;
  const scale = frames > mostFrames ? mostFrames / frames : 1;
  return { sum: before.sum.map((value, i) => (value + heard.sum[i]!) * scale), frames: frames * scale };
}

export function differs(mean: readonly number[], other: readonly number[]): boolean {
  return Math.hypot(...mean.map((value, i) => value - other[i]!)) > farApart;
}
