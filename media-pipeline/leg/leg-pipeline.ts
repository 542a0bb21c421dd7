/**
 * One leg, from chunk to words. Read top to bottom:
 * chunk → decoded audio in its place (leg-audio) → recording and listeners → ring → 8 kHz windows → energy gate → speech detector → segmenter →
 * utterance at the recogniser → segments.
 * Everything up to the detector is synchronous and allocates nothing per frame; the detector answers within some 20 ms, in order.
 */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";
import type { MediaChunkView } from "@earshot/proto/media-chunk-codec.ts";
import type { Recogniser } from "../recogniser/port.ts";
import type { MediaPipelineSettings } from "../settings.ts";
import { type VoiceDetector, type VoiceSink, type VoiceStream, type Window, windowMs, windowSamples } from "../voice/detector.ts";
import { AudioRing } from "./audio-ring.ts";
import { EnergyGate, levelDb } from "./energy-gate.ts";
import { LegAudio, type StoreRate } from "./leg-audio.ts";
import type { LegScratch } from "./leg-scratch.ts";
import type { LegSink, UtteranceInfo } from "./leg-sink.ts";
import { type BegunSegment, type LegPublished, PublishedSpeech } from "./published-speech.ts";
import { Resampler } from "./resampler.ts";
import { hysteresis, Segmenter } from "./segmenter.ts";
import { UtteranceRun } from "./utterance-run.ts";

const voiceRate = 8000;

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
  /** A whole call of which nothing comes for so long stands still: longer than the log may be late. */
  readonly stillMs: number;
  readonly resume?: LegResume;
};

/** What another worker knew of the leg. */
export type LegResume = {
  readonly published: LegPublished;
  /** Undefined where it had no audio yet. */
  readonly storeRate: StoreRate | undefined;
  readonly noiseFloorDb: number;
  /** Segments' revisions count from here: over those that were published before. */
  readonly firstRevision: number;
};

export type AcceptResult = "taken" | "duplicate" | "unusable";

export class LegPipeline implements VoiceSink {
  readonly index: number;
  readonly #options: LegOptions;
  readonly #stream: VoiceStream;
  readonly #segmenter: Segmenter;
  readonly #gate = new EnergyGate();

  readonly #audio: LegAudio;
  #storeRate: StoreRate | 0 = 0;
  #toVoice: Resampler | undefined;
  #ring = new AudioRing(1);
  #nextSequence = 0;

  readonly #window = new Int16Array(windowSamples);
  #windowFill = 0;
  /** The window began on the grid, before its audio. */
  #windowPadded = false;
  readonly #windowInfo: Window = { position: 0, ringStart: 0, levelDb: 0, lastVoicedAtMs: 0 };
  #voicePosition = 0;
  #runRingStart = 0;
  #runVoiceStart = 0;
  #lastVoicedAtMs = 0;

  #published: PublishedSpeech | undefined;
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
  /** When the newest chunk was sent, Unix milliseconds of the gateway. */
  heardToMs = 0;

  constructor(options: LegOptions) {
    this.#options = options;
    this.index = options.index;
    const { settings, resume } = options;
    this.#segmenter = new Segmenter({
      threshold: settings.vadThreshold,
      minSpeechWindows: Math.max(1, Math.round(settings.minSpeechMs / windowMs)),
      pauseWindows: Math.max(1, Math.round(settings.endpointPauseMs / windowMs)),
      maxWindows: Math.round(settings.maxUtteranceMs / windowMs),
    });
    this.#stream = options.detector.open(this);
    if (resume !== undefined) {
      this.#published = new PublishedSpeech(resume.published);
      this.#judgedToMs = resume.published.settledToMs;
      this.#gate.floorDb = resume.noiseFloorDb;
    }
    this.#audio = new LegAudio(
      options.scratch,
      {
        rate: (storeRate) => this.#rate(storeRate),
        samples: (pcm, length, position) => this.#samples(pcm, length, position),
        jumped: (position, sampleRate) => this.#jumped(position, sampleRate),
        lost: (ms, filled) => {
          this.lostMs += ms;
          if (filled && this.#info !== undefined) this.#info.lostMs += ms;
        },
      },
      resume?.storeRate,
    );
  }

  /** Takes the leg's next chunk. One that was taken before (same or lower sequence) changes nothing. */
  accept(chunk: MediaChunkView): AcceptResult {
    if (chunk.sequence < this.#nextSequence) return "duplicate";
    this.#lastVoicedAtMs = chunk.lastVoicedAtMs > 0 ? chunk.lastVoicedAtMs : chunk.occurredAtMs;
    if (!this.#audio.take(chunk)) return "unusable";
    this.heardToMs = chunk.occurredAtMs;
    this.#nextSequence = chunk.sequence + 1;
    this.#lastChunkAtMs = this.#options.clock.monotonicMs();
    this.#marked = false;
    return "taken";
  }

  /**
   * Where the stream has stopped for longer than the endpointing pause, what was said is finished without waiting for more audio.
   * @param callHeardToMs when the newest audio of any of the call's legs was sent, Unix milliseconds: others that go on show that this one does not
   */
  tick(nowMs: number, callHeardToMs: number): void {
    if (this.#marked || this.#nextSequence === 0) return;
    const { settings, stillMs } = this.#options;
    const shortestMs = settings.endpointPauseMs + 300;
    if (callHeardToMs - this.heardToMs < shortestMs && nowMs - this.#lastChunkAtMs < Math.max(shortestMs, stillMs)) return;
    this.#marked = true;
    this.#stream.mark("pause");
  }

  /** The stream's standing still is counted from now on. */
  listenAnew(nowMs: number): void {
    this.#lastChunkAtMs = nowMs;
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
    this.#audio.free();
  }

  /** The rate of recording and ring; 0 before the first chunk. */
  get storeRate(): StoreRate | 0 {
    return this.#storeRate;
  }

  /** Where the leg's audio ends so far, milliseconds from the start of the call. */
  get positionMs(): number {
    return this.#audio.positionMs;
  }

  /** The leg's noise as the energy gate knows it; a leg heard again from here needs it to judge alike. */
  get noiseFloorDb(): number {
    return this.#gate.floorDb;
  }

  /** Windows that wait for the speech detector. */
  get waitingWindows(): number {
    return this.#stream.waiting;
  }

  /** The stream stands still: since the last pause was marked no chunk has come. */
  get paused(): boolean {
    return this.#marked;
  }

  /** Utterances of which partials are out. */
  get begun(): BegunSegment[] {
    const all = this.#info === undefined ? [...this.#open] : [...this.#open, this.#info];
    return [...all.filter(({ shown }) => shown), ...(this.#published?.begun ?? [])];
  }

  /** Everything before this is in a final segment or was no speech, milliseconds from the start of the call. */
  get settledToMs(): number {
    let settled = this.#info?.startMs ?? this.#judgedToMs;
    for (const info of this.#open) settled = Math.min(settled, info.startMs);
    return settled;
  }

  #rate(storeRate: StoreRate): void {
    this.#storeRate = storeRate;
    this.#ring = new AudioRing(storeRate * 3);
    this.#toVoice = storeRate === voiceRate ? undefined : new Resampler(storeRate, voiceRate);
  }

  #jumped(position: number, sampleRate: number): void {
    this.#stream.mark("pause");
    this.#voicePosition = Math.round((position * voiceRate) / sampleRate);
    this.#runVoiceStart = this.#voicePosition;
    this.#runRingStart = this.#ring.head;
    // Windows lie on one grid from the start of the call, so that audio heard again by another worker is cut alike and gets the same ids.
    this.#windowFill = this.#voicePosition % windowSamples;
    this.#windowPadded = this.#windowFill > 0;
    this.#window.fill(0, 0, this.#windowFill);
    this.#voicePosition -= this.#windowFill;
    this.#toVoice?.reset();
  }

  /** Decoded audio: recording, ring, windows. */
  #samples(store: Int16Array, length: number, position: number): void {
    this.#options.sink.audio(this.#options.index, this.#storeRate, store, length, position);
    this.#ring.write(store, length);
    let source = store;
    let count = length;
    if (this.#toVoice !== undefined) {
      source = this.#options.scratch.voice;
      count = this.#toVoice.process(store, length, source);
    }
    const window = this.#window;
    for (let i = 0; i < count; ) {
      let fill = this.#windowFill;
      for (const end = Math.min(windowSamples, fill + count - i); fill < end; ) window[fill++] = source[i++]!;
      this.#windowFill = fill;
      if (fill === windowSamples) this.#windowFull();
    }
  }

  /** 32 ms at 8 kHz are together: energy gate, then the detector. */
  #windowFull(): void {
    const info = this.#windowInfo;
    this.#windowFill = 0;
    info.position = this.#voicePosition;
    // The first window of a run may begin before its audio, on the grid: never reach back into the audio of the run before.
    const sinceRun = Math.max(0, this.#voicePosition - this.#runVoiceStart);
    info.ringStart = this.#runRingStart + Math.round((sinceRun * this.#storeRate) / voiceRate);
    info.levelDb = levelDb(this.#window, 0, windowSamples);
    info.lastVoicedAtMs = this.#lastVoicedAtMs;
    this.#voicePosition += windowSamples;
    // A window that is silence in part tells nothing of the leg's noise.
    const isLoud = this.#gate.step(info.levelDb, !this.#windowPadded);
    const open = isLoud && this.#published?.isFarBefore(info.position / 8) !== true;
    this.#windowPadded = false;
    this.#stream.push(this.#window, info, open, open ? this.#gate.probability(info.levelDb) : 0);
  }

  /** The detector's answer for the next window. */
  judged(window: Readonly<Window>, probability: number): void {
    const number = this.#windowCount++;
    const segmenter = this.#segmenter;
    const fromMs = window.position / 8;
    if (this.#published !== undefined && this.#wasPublished(window, fromMs, probability)) return;
    const change = segmenter.step(number, probability, window.levelDb);
    const ringPerWindow = (windowSamples * this.#storeRate) / voiceRate;
    const windowEnd = window.ringStart + ringPerWindow;
    switch (change) {
      case "start": {
        const back = number - segmenter.startWindow;
        const startMs = fromMs - back * windowMs;
        const preRollMs = Math.min(this.#options.settings.preRollMs, startMs, this.#preRollRoom(window, back));
        this.#begin(
          startMs,
          startMs - preRollMs,
          window.ringStart - back * ringPerWindow - Math.round((preRollMs * this.#storeRate) / 1000),
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
      this.#dropVanished(Number.POSITIVE_INFINITY);
      this.#onEnd?.();
      this.#onEnd = undefined;
    }
  }

  /** After a hand-over. @returns true where the window needs no more: its speech has its words already */
  #wasPublished(window: Readonly<Window>, fromMs: number, probability: number): boolean {
    const published = this.#published!;
    this.#dropVanished(fromMs);
    const found = published.at(fromMs);
    if (found === "new") {
      if (published.isPast(fromMs)) this.#published = undefined;
      return false;
    }
    if (found === "settled") return true;
    if (found === "before-final" && this.#segmenter.speaking) return false;
    if (this.#segmenter.reset()) this.#finish(window.ringStart, fromMs);
    if (found === "final" && probability >= this.#options.settings.vadThreshold - hysteresis)
      this.#options.sink.speech(this.#options.index, fromMs, fromMs + windowMs);
    this.#judgedToMs = fromMs + windowMs;
    return true;
  }

  #dropVanished(fromMs: number): void {
    for (const segment of this.#published?.vanished(fromMs) ?? []) this.#options.sink.vanished(this.#options.index, segment);
  }

  /** Pre-roll never reaches back over a pause. */
  #preRollRoom(window: Readonly<Window>, back: number): number {
    const start = window.position - back * windowSamples;
    return start >= this.#runVoiceStart ? (start - this.#runVoiceStart) / 8 : 0;
  }

  #begin(startMs: number, feedStartMs: number, fromRing: number): void {
    const options = this.#options;
    const begun = this.#published?.adopt(startMs);
    const info: UtteranceInfo = {
      startMs: begun?.startMs ?? startMs,
      endMs: startMs,
      feedStartMs,
      lostMs: 0,
      lastVoicedAtMs: 0,
      revision: Math.max(options.resume?.firstRevision ?? 0, begun?.revision ?? 0),
      shown: begun !== undefined,
    };
    const { language, vocabulary } = options.hints();
    this.#info = info;
    this.#run = new UtteranceRun(
      {
        recogniser: options.recogniser,
        clock: options.clock,
        scratch: options.scratch.feed,
        ring: this.#ring,
        ringRate: this.#storeRate,
        tenantId: options.tenantId,
        callId: options.callId,
        leg: this.index,
        language,
        vocabulary,
        deadlineMs: options.settings.recognitionDeadlineMs,
      },
      fromRing,
      (text, words) => options.sink.partial(options.index, info, text, words),
    );
  }

  #voiced(window: Readonly<Window>, fromMs: number, toMs: number): void {
    const info = this.#info;
    if (info === undefined) return;
    info.endMs = toMs;
    info.lastVoicedAtMs = window.lastVoicedAtMs;
    this.#options.sink.speech(this.#options.index, fromMs, toMs);
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
      this.#options.sink.final(this.#options.index, info, result);
      if (this.#open.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }
}
