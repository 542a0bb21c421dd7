/**
 * One leg, from chunk to words. Read top to bottom:
 * chunk → frames: decode, mute digits, conceal loss → store rate → recording and listeners → ring → 8 kHz windows → energy gate →
 * speech detector → segmenter → utterance at the recogniser → segments.
 * Everything up to the detector is synchronous and allocates nothing per frame; the detector answers within some 20 ms, in order.
 */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import { Codec } from "@earshot/proto/gen/earshot/v1/media_pb.js";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";
import { frameFlag, type MediaChunkView } from "@earshot/proto/media-chunk-codec.ts";
import type { RecognisedWord, Recogniser } from "../recogniser/port.ts";
import type { MediaPipelineSettings } from "../settings.ts";
import { type VoiceDetector, type VoiceSink, type VoiceStream, type Window, windowMs, windowSamples } from "../voice/detector.ts";
import { AudioRing } from "./audio-ring.ts";
import { createFrameDecoder, type FrameDecoder } from "./codec/frame-decoder.ts";
import type { OpusDecoders } from "./codec/opus.ts";
import { Concealment } from "./concealment.ts";
import { EnergyGate, levelDb } from "./energy-gate.ts";
import { Resampler } from "./resampler.ts";
import { Segmenter } from "./segmenter.ts";
import { type FeedScratch, type UtteranceResult, UtteranceRun } from "./utterance-run.ts";

/** Longest frame there is: 120 ms at 48 kHz. */
export const maxFrameSamples = 5760;
const voiceRate = 8000;
/** A hole up to this long is filled sample by sample; a longer one ends the utterance like a pause. */
const concealableGapMs = 2000;

/** Shared by all legs: work space, of which every use ends before the next leg's turn, and decoders made ahead. */
export type LegScratch = {
  readonly frame: Int16Array;
  readonly stored: Int16Array;
  readonly voice: Int16Array;
  readonly feed: FeedScratch;
  readonly opus: OpusDecoders;
};

export type UtteranceInfo = {
  /** First voiced sample, milliseconds from the start of the call. */
  readonly startMs: number;
  endMs: number;
  /** Where the audio given to the recogniser begins; the engine's word times count from here. */
  readonly feedStartMs: number;
  lostMs: number;
  lastVoicedAtMs: number;
  /** Of the segment's events; counts up. */
  revision: number;
};

export interface LegSink {
  /** Decoded audio at `storeRate`, in order; `position` in samples from the start of the call. Valid during the call only. */
  audio(leg: LegPipeline, pcm: Int16Array, length: number, position: number): void;
  /** Speech of an utterance, growing; called per voiced window. */
  speech(leg: LegPipeline, fromMs: number, toMs: number): void;
  partial(leg: LegPipeline, info: UtteranceInfo, text: string, words: readonly RecognisedWord[]): void;
  /** Exactly once per utterance. */
  final(leg: LegPipeline, info: UtteranceInfo, result: UtteranceResult): void;
}

export type LegOptions = {
  readonly tenantId: TenantId;
  readonly callId: CallId;
  readonly index: number;
  readonly settings: MediaPipelineSettings;
  readonly clock: Clock;
  readonly detector: VoiceDetector;
  readonly recogniser: Recogniser;
  readonly scratch: LegScratch;
  readonly sink: LegSink;
  /** Asked at the start of each utterance, because settings change while calls run. */
  hints(): { readonly language: string; readonly vocabulary: readonly string[] };
  /** After a restart: speech before this was transcribed already. */
  readonly transcribedToMs?: number;
  /** Segments' revisions count from here: over those that an earlier process may have published. */
  readonly firstRevision?: number;
};

export type AcceptResult = "taken" | "duplicate" | "unusable";

export class LegPipeline implements VoiceSink {
  readonly index: number;
  readonly #options: LegOptions;
  readonly #stream: VoiceStream;
  readonly #segmenter: Segmenter;
  readonly #gate = new EnergyGate();

  #codec = Codec.UNSPECIFIED;
  #sourceRate = 0;
  #channels = 0;
  #decoder: FrameDecoder | undefined;
  #concealment = new Concealment(voiceRate);
  /** 8000 for narrowband, 16000 for everything wider: the rate of recording and ring. */
  storeRate = 0;
  #toStore: Resampler | undefined;
  #toVoice: Resampler | undefined;
  #ring = new AudioRing(1);

  #nextSequence = 0;
  /** Next expected sample, in the codec's rate, from the start of the call. */
  #nextPosition = -1;
  /** Next sample of the store, in the store's rate. */
  #storePosition = 0;

  readonly #window = new Int16Array(windowSamples);
  #windowFill = 0;
  readonly #windowInfo: Window = { position: 0, ringStart: 0, levelDb: 0, lastVoicedAtMs: 0 };
  #voicePosition = 0;
  #runRingStart = 0;
  #runVoiceStart = 0;
  #lastVoicedAtMs = 0;

  #windowCount = 0;
  #run: UtteranceRun | undefined;
  #info: UtteranceInfo | undefined;
  /** Utterances whose words are awaited. */
  readonly #open = new Set<UtteranceInfo>();
  #judgedToMs = 0;
  #onEnd: (() => void) | undefined;
  #idle: (() => void)[] = [];
  /** When the last chunk came, by the monotonic clock. */
  #lastChunkAtMs = 0;
  #marked = false;

  /** Audio that never arrived, milliseconds. */
  lostMs = 0;

  constructor(options: LegOptions) {
    this.#options = options;
    this.index = options.index;
    const { settings } = options;
    this.#segmenter = new Segmenter({
      threshold: settings.vadThreshold,
      minSpeechWindows: Math.max(1, Math.round(settings.minSpeechMs / windowMs)),
      pauseWindows: Math.max(1, Math.round(settings.endpointPauseMs / windowMs)),
      maxWindows: Math.round(settings.maxUtteranceMs / windowMs),
    });
    this.#stream = options.detector.open(this);
  }

  /** Takes the leg's next chunk. One that was taken before (same or lower sequence) changes nothing. */
  accept(chunk: MediaChunkView): AcceptResult {
    if (chunk.sequence < this.#nextSequence) return "duplicate";
    if (!this.#prepare(chunk)) return "unusable";
    this.#nextSequence = chunk.sequence + 1;
    this.#lastChunkAtMs = this.#options.clock.monotonicMs();
    this.#marked = false;
    this.#lastVoicedAtMs = chunk.lastVoicedAtMs > 0 ? chunk.lastVoicedAtMs : chunk.occurredAtMs;

    const skip = this.#align(chunk);
    const { frame } = this.#options.scratch;
    const { frameBytes, frameFlags, frameSamples } = chunk;
    let offset = 0;
    for (let i = 0; i < frameBytes.length; i++) {
      const bytes = frameBytes[i]!;
      const flags = frameFlags.length === 0 ? 0 : frameFlags[i]!;
      if (i < skip) {
        offset += bytes;
        continue;
      }
      if ((flags & frameFlag.dtmf) !== 0 || (flags & frameFlag.comfortNoise) !== 0) {
        frame.fill(0, 0, frameSamples);
        this.#concealment.good(frame, frameSamples);
      } else {
        const decoded = bytes === 0 ? -1 : this.#decoder!.decode(chunk.payload, offset, bytes, frame);
        if (decoded > 0) {
          if (decoded < frameSamples) frame.fill(0, decoded, frameSamples);
          this.#concealment.good(frame, frameSamples);
        } else this.#lost(frame, frameSamples);
      }
      offset += bytes;
      this.#frame(frame, frameSamples);
    }
    return "taken";
  }

  /** The stream has stopped for longer than the endpointing pause: what was said is finished without waiting for more audio. */
  tick(nowMs: number): void {
    if (this.#marked || this.#nextSequence === 0) return;
    if (nowMs - this.#lastChunkAtMs < this.#options.settings.endpointPauseMs + 300) return;
    this.#marked = true;
    this.#stream.mark("pause");
  }

  /** No more audio. Resolves when every utterance has been settled. */
  async end(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onEnd = resolve;
      this.#stream.mark("end");
    });
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Gives up what is under way and releases everything. */
  close(): void {
    this.#run?.abort();
    this.#stream.close();
    this.#decoder?.free();
    this.#decoder = undefined;
  }

  /** Where the leg's audio ends so far, milliseconds from the start of the call. */
  get positionMs(): number {
    return this.storeRate === 0 ? 0 : (this.#storePosition * 1000) / this.storeRate;
  }

  /** Everything before this is in a final segment or was no speech, milliseconds from the start of the call. */
  get settledToMs(): number {
    let settled = this.#info?.startMs ?? this.#judgedToMs;
    for (const info of this.#open) settled = Math.min(settled, info.startMs);
    return settled;
  }

  get nextSequence(): number {
    return this.#nextSequence;
  }

  get codec(): Codec {
    return this.#codec;
  }

  /** After a restart: chunks before this were taken already. */
  resumeAt(sequence: number): void {
    this.#nextSequence = Math.max(this.#nextSequence, sequence);
  }

  /** Decoder and resamplers for what the chunk carries. @returns false where it cannot be used */
  #prepare(chunk: MediaChunkView): boolean {
    if (chunk.frameSamples <= 0 || chunk.frameSamples > maxFrameSamples || chunk.sampleRate < 8000 || chunk.sampleRate > 48000)
      return false;
    if (chunk.codec === this.#codec && chunk.sampleRate === this.#sourceRate && chunk.channels === this.#channels) return true;
    const decoder = createFrameDecoder(chunk.codec, chunk.channels, this.#options.scratch.opus);
    if (decoder === undefined) return false;
    this.#decoder?.free();
    this.#decoder = decoder;
    if (chunk.sampleRate !== this.#sourceRate) {
      if (this.#nextPosition >= 0) this.#nextPosition = Math.round((this.#nextPosition * chunk.sampleRate) / this.#sourceRate);
      if (this.storeRate === 0) {
        this.storeRate = chunk.sampleRate > 8000 ? 16000 : 8000;
        this.#ring = new AudioRing(this.storeRate * 3);
        this.#toVoice = this.storeRate === voiceRate ? undefined : new Resampler(this.storeRate, voiceRate);
      }
      this.#toStore = chunk.sampleRate === this.storeRate ? undefined : new Resampler(chunk.sampleRate, this.storeRate, maxFrameSamples);
      this.#concealment = new Concealment(chunk.sampleRate);
    }
    this.#codec = chunk.codec;
    this.#sourceRate = chunk.sampleRate;
    this.#channels = chunk.channels;
    return true;
  }

  /** Sets the clock of the leg by the chunk's position. @returns frames at its start that were heard already */
  #align(chunk: MediaChunkView): number {
    if (this.#nextPosition < 0) {
      this.#jump(chunk.position);
      return 0;
    }
    const gap = chunk.position - this.#nextPosition;
    if (gap === 0) return 0;
    if (gap < 0) {
      if (-gap < chunk.frameSamples) return 0;
      return Math.min(chunk.frameBytes.length, Math.ceil(-gap / chunk.frameSamples));
    }
    const gapMs = (gap * 1000) / this.#sourceRate;
    if (chunk.afterPause || gapMs > concealableGapMs) {
      if (!chunk.afterPause) this.lostMs += gapMs;
      this.#stream.mark("pause");
      this.#concealment.reset();
      this.#jump(chunk.position);
      return 0;
    }
    const { frame } = this.#options.scratch;
    for (let left = gap; left > 0; ) {
      const samples = Math.min(left, chunk.frameSamples);
      this.#lost(frame, samples);
      this.#frame(frame, samples);
      left -= samples;
    }
    return 0;
  }

  #jump(position: number): void {
    this.#nextPosition = position;
    this.#storePosition = Math.round((position * this.storeRate) / this.#sourceRate);
    this.#voicePosition = Math.round((position * voiceRate) / this.#sourceRate);
    this.#runVoiceStart = this.#voicePosition;
    this.#runRingStart = this.#ring.head;
    // Windows lie on one grid from the start of the call, so that audio read again after a restart is cut alike and gets the same ids.
    this.#windowFill = this.#voicePosition % windowSamples;
    this.#window.fill(0, 0, this.#windowFill);
    this.#voicePosition -= this.#windowFill;
    this.#toStore?.reset();
    this.#toVoice?.reset();
  }

  #lost(frame: Int16Array, samples: number): void {
    this.#concealment.lost(frame, samples);
    const ms = (samples * 1000) / this.#sourceRate;
    this.lostMs += ms;
    if (this.#info !== undefined) this.#info.lostMs += ms;
  }

  /** One decoded frame at the codec's rate: store, ring, windows. */
  #frame(pcm: Int16Array, samples: number): void {
    const { stored, voice } = this.#options.scratch;
    this.#nextPosition += samples;
    let store = pcm;
    let storeSamples = samples;
    if (this.#toStore !== undefined) {
      storeSamples = this.#toStore.process(pcm, samples, stored);
      store = stored;
    }
    this.#options.sink.audio(this, store, storeSamples, this.#storePosition);
    this.#storePosition += storeSamples;
    this.#ring.write(store, storeSamples);
    let voiceSamples = storeSamples;
    let source = store;
    if (this.#toVoice !== undefined) {
      voiceSamples = this.#toVoice.process(store, storeSamples, voice);
      source = voice;
    }
    const window = this.#window;
    for (let i = 0; i < voiceSamples; i++) {
      window[this.#windowFill++] = source[i]!;
      if (this.#windowFill === windowSamples) this.#windowFull();
    }
  }

  /** 32 ms at 8 kHz are together: energy gate, then the detector. */
  #windowFull(): void {
    const info = this.#windowInfo;
    this.#windowFill = 0;
    info.position = this.#voicePosition;
    // The first window of a run may begin before its audio, on the grid: never reach back into the audio of the run before.
    const sinceRun = Math.max(0, this.#voicePosition - this.#runVoiceStart);
    info.ringStart = this.#runRingStart + Math.round((sinceRun * this.storeRate) / voiceRate);
    info.levelDb = levelDb(this.#window, 0, windowSamples);
    info.lastVoicedAtMs = this.#lastVoicedAtMs;
    this.#voicePosition += windowSamples;
    const open = this.#gate.step(info.levelDb);
    this.#stream.push(this.#window, info, open, open ? this.#gate.probability(info.levelDb) : 0);
  }

  /** The detector's answer for the next window. */
  judged(window: Readonly<Window>, probability: number): void {
    const number = this.#windowCount++;
    const segmenter = this.#segmenter;
    const fromMs = window.position / 8;
    if (fromMs < (this.#options.transcribedToMs ?? 0)) return;
    const change = segmenter.step(number, probability, window.levelDb);
    const ringPerWindow = (windowSamples * this.storeRate) / voiceRate;
    const windowEnd = window.ringStart + ringPerWindow;
    switch (change) {
      case "start": {
        const back = number - segmenter.startWindow;
        const startMs = fromMs - back * windowMs;
        const preRollMs = Math.min(this.#options.settings.preRollMs, startMs, this.#preRollRoom(window, back));
        this.#begin(
          startMs,
          startMs - preRollMs,
          window.ringStart - back * ringPerWindow - Math.round((preRollMs * this.storeRate) / 1000),
        );
        this.#voiced(window, startMs, fromMs + windowMs);
        break;
      }
      case "voiced":
        this.#voiced(window, fromMs, fromMs + windowMs);
        break;
      case "end":
        this.#finish(windowEnd, fromMs + windowMs);
        return;
      case "split": {
        const cutBack = number - segmenter.splitWindow;
        const cutMs = fromMs - cutBack * windowMs;
        const cutRing = window.ringStart - cutBack * ringPerWindow;
        this.#finish(cutRing, cutMs);
        this.#begin(cutMs, cutMs, cutRing);
        this.#voiced(window, cutMs, fromMs + windowMs);
        break;
      }
      case "none":
        break;
    }
    if (this.#run === undefined) {
      if (!segmenter.candidate) this.#judgedToMs = fromMs + windowMs;
      return;
    }
    const held = segmenter.holdFromWindow;
    this.#run.feed(held === Number.POSITIVE_INFINITY ? windowEnd : windowEnd - (number + 1 - held) * ringPerWindow);
  }

  marked(kind: "pause" | "end"): void {
    const open = this.#segmenter.reset();
    if (open && this.#info !== undefined) this.#finish(this.#ring.head, this.#info.endMs);
    if (kind === "end") {
      this.#onEnd?.();
      this.#onEnd = undefined;
    }
  }

  /** Pre-roll never reaches back over a pause. */
  #preRollRoom(window: Readonly<Window>, back: number): number {
    const start = window.position - back * windowSamples;
    return start >= this.#runVoiceStart ? (start - this.#runVoiceStart) / 8 : 0;
  }

  #begin(startMs: number, feedStartMs: number, fromRing: number): void {
    const options = this.#options;
    const info: UtteranceInfo = {
      startMs,
      endMs: startMs,
      feedStartMs,
      lostMs: 0,
      lastVoicedAtMs: 0,
      revision: options.firstRevision ?? 0,
    };
    const { language, vocabulary } = options.hints();
    this.#info = info;
    this.#run = new UtteranceRun(
      {
        recogniser: options.recogniser,
        clock: options.clock,
        scratch: options.scratch.feed,
        ring: this.#ring,
        ringRate: this.storeRate,
        tenantId: options.tenantId,
        callId: options.callId,
        leg: this.index,
        language,
        vocabulary,
        deadlineMs: options.settings.recognitionDeadlineMs,
      },
      fromRing,
      (text, words) => options.sink.partial(this, info, text, words),
    );
  }

  #voiced(window: Readonly<Window>, fromMs: number, toMs: number): void {
    const info = this.#info;
    if (info === undefined) return;
    info.endMs = toMs;
    info.lastVoicedAtMs = window.lastVoicedAtMs;
    this.#options.sink.speech(this, fromMs, toMs);
  }

  #finish(toRing: number, settledMs: number): void {
    const run = this.#run;
    const info = this.#info;
    this.#run = undefined;
    this.#info = undefined;
    if (run === undefined || info === undefined) return;
    info.endMs = Math.min(info.endMs, settledMs);
    run.feed(toRing);
    this.#open.add(info);
    this.#judgedToMs = settledMs;
    void run.end().then((result) => {
      this.#open.delete(info);
      this.#options.sink.final(this, info, result);
      if (this.#open.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }
}

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
