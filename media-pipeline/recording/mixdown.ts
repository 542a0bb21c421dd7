/** Joins the tracks of a call into one WAV: agent (or first leg) left, caller right; one mixed leg gives mono. */
import { type FileHandle, open } from "node:fs/promises";
import { Speaker } from "@earshot/proto/gen/earshot/v1/events_pb.js";
import { type LegRole, sidesOf } from "../call/sides.ts";
import { Resampler } from "../leg/resampler.ts";
import { Peaks } from "./peaks.ts";
import { wavHeader } from "./wav.ts";

export type MixTrack = { readonly leg: number; readonly sampleRate: number; readonly path: string; readonly length: number };

export type MixPlan = {
  readonly sampleRate: number;
  readonly frames: number;
  /** Tracks of each channel; the first is the channel's own leg. */
  readonly channels: readonly (readonly MixTrack[])[];
};

/** Which leg is heard where: agent left, caller right; one mixed leg alone is mono. */
export function planMix(tracks: readonly MixTrack[], legs: readonly LegRole[]): MixPlan {
  const ordered = [...tracks].sort((a, b) => a.leg - b.leg);
  const sampleRate = ordered.some((track) => track.sampleRate > 8000) ? 16000 : 8000;
  const frames = ordered.reduce((most, track) => Math.max(most, Math.ceil((track.length * sampleRate) / track.sampleRate)), 0);
  const sides = sidesOf(legsOf(ordered, legs));
  const first = ordered[0];
  const mixed = first !== undefined && legs.find((leg) => leg.index === first.leg)?.speaker === Speaker.MIXED;
  if (ordered.length === 1 && (legs.length <= 1 || mixed)) return { sampleRate, frames, channels: [ordered] };
  const side = (indices: readonly number[]): MixTrack[] => ordered.filter((track) => indices.includes(track.leg));
  return { sampleRate, frames, channels: [side(sides.agent), side(sides.caller)] };
}

/** Legs as signalling told them, and those of which only audio is known. */
function legsOf(tracks: readonly MixTrack[], legs: readonly LegRole[]): LegRole[] {
  const all = [...legs];
  for (const track of tracks) {
    if (!all.some((leg) => leg.index === track.leg)) all.push({ index: track.leg, speaker: Speaker.UNSPECIFIED });
  }
  return all;
}

const blockFrames = 16_000;

class TrackReader {
  readonly #track: MixTrack;
  readonly #file: FileHandle;
  readonly #raw: Int16Array;
  readonly #resampler: Resampler | undefined;
  readonly #made: Int16Array;
  #position = 0;
  #held = 0;

  constructor(track: MixTrack, file: FileHandle, sampleRate: number) {
    this.#track = track;
    this.#file = file;
    const block = (blockFrames * track.sampleRate) / sampleRate;
    this.#raw = new Int16Array(block);
    this.#resampler = track.sampleRate === sampleRate ? undefined : new Resampler(track.sampleRate, sampleRate, block);
    this.#made = new Int16Array(blockFrames + 64);
    // Reads ahead by the filter's delay, so that channels of different rates stay in time with each other.
    this.#position = this.#resampler?.delay ?? 0;
  }

  /** Adds the next block to one channel of `mix`. */
  async add(mix: Int32Array, channel: number, channels: number): Promise<void> {
    const bytes = new Uint8Array(this.#raw.buffer);
    let read = 0;
    while (read < bytes.length) {
      const part = await this.#file.read(bytes, read, bytes.length - read, this.#position * 2 + read);
      if (part.bytesRead === 0) break;
      read += part.bytesRead;
    }
    this.#raw.fill(0, read >> 1);
    this.#position += this.#raw.length;
    let source = this.#raw;
    let count = this.#raw.length;
    if (this.#resampler !== undefined) {
      count = this.#held + this.#resampler.process(this.#raw, this.#raw.length, this.#made.subarray(this.#held));
      source = this.#made;
    }
    const usable = Math.min(count, blockFrames);
    for (let i = 0, at = channel; i < usable; i++, at += channels) mix[at] = mix[at]! + source[i]!;
    this.#held = count - usable;
    if (this.#held > 0) source.copyWithin(0, usable, count);
  }

  get leg(): number {
    return this.#track.leg;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** The bytes of the WAV, block by block. `peaks` is complete when the last block has been taken. */
export async function* mixdown(plan: MixPlan, peaks: Peaks): AsyncGenerator<Uint8Array> {
  const channels = plan.channels.length;
  const readers: TrackReader[][] = [];
  try {
    for (const tracks of plan.channels) {
      const row: TrackReader[] = [];
      readers.push(row);
      for (const track of tracks) row.push(new TrackReader(track, await open(track.path, "r"), plan.sampleRate));
    }
    yield wavHeader(plan.sampleRate, channels, plan.frames * channels * 2);
    const mix = new Int32Array(blockFrames * channels);
    for (let frame = 0; frame < plan.frames; frame += blockFrames) {
      mix.fill(0);
      for (let channel = 0; channel < channels; channel++) for (const reader of readers[channel]!) await reader.add(mix, channel, channels);
      const frames = Math.min(blockFrames, plan.frames - frame);
      const block = new Int16Array(frames * channels);
      for (let i = 0; i < block.length; i++) block[i] = Math.max(-32768, Math.min(32767, mix[i]!));
      peaks.add(block, frames);
      yield new Uint8Array(block.buffer);
    }
  } finally {
    for (const row of readers) for (const reader of row) await reader.close();
  }
}

/** Stands in `channelLegs` for a channel that belongs to no leg. */
export const noLeg = 0xffffffff;

/** @returns leg index of each channel, in order; a side that never sent anything still names its leg */
export function channelLegs(plan: MixPlan, legs: readonly LegRole[]): number[] {
  const heard = plan.channels.flat().map((track) => track.leg);
  const sides = [Speaker.AGENT, Speaker.CALLER];
  return plan.channels.map((tracks, channel) => {
    if (tracks.length > 0) return tracks[0]!.leg;
    const mute = legs.filter((leg) => !heard.includes(leg.index));
    return (mute.find((leg) => leg.speaker === sides[channel]) ?? mute[0])?.index ?? noLeg;
  });
}

export function createPeaks(plan: MixPlan): Peaks {
  return new Peaks(plan.channels.length, plan.sampleRate, plan.frames);
}
