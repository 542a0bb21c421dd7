/** The recording of one call: tracks in the spool while it runs, one WAV in the object store when it has ended. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";
import type { LegRole } from "../call/sides.ts";
import { AudioParts, encodePart, type Stretch } from "./audio-parts.ts";
import { channelLegs, createPeaks, type MixTrack, mixdown, planMix } from "./mixdown.ts";
import type { SpoolBudget } from "./spool-budget.ts";
import { SpoolTrack } from "./spool-track.ts";

export type StoredRecording = {
  readonly objectKey: string;
  readonly bytes: number;
  readonly durationMs: number;
  readonly sampleRate: number;
  readonly channels: number;
  readonly sha256: string;
  readonly peaks: Uint8Array[];
  readonly peakMs: number;
  readonly channelLegs: number[];
};

export type RecorderOptions = {
  readonly tenantId: TenantId;
  readonly callId: CallId;
  /** The call's own folder in the spool. */
  readonly folder: string;
  readonly budget: SpoolBudget;
  readonly maxRecordingMs: number;
  readonly objectStore: ObjectStore;
  /** Workers that had the call before; undefined = its audio is kept in the spool alone. */
  readonly run: number | undefined;
  onFailure(error: unknown): void;
};

/** What another worker has kept safe of a leg. */
export type RecordedLeg = { readonly leg: number; readonly sampleRate: number; readonly toMs: number };

/** Most audio of one part; what an outage of the object store has heaped up goes in several. */
const mostPartSamples = 2_000_000;
const trackName = /^leg-(\d{1,4})-(8000|16000)\.pcm$/;

export class CallRecorder {
  readonly #options: RecorderOptions;
  readonly #tracks: SpoolTrack[] = [];
  readonly #parts: AudioParts | undefined;
  /** Audio that is nowhere any more, milliseconds: not in a part, not in the spool, not in the event log. */
  lostMs = 0;
  #failureTold = false;
  #fetched = false;
  /** On its way into a part: safe only once that is stored. */
  #storing: readonly Stretch[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: RecorderOptions) {
    this.#options = options;
    if (options.run !== undefined) this.#parts = new AudioParts(options.objectStore, options.tenantId, options.callId, options.run);
  }

  /**
   * Makes the folder and takes up tracks that a run before this one left.
   * @param recorded what is kept safe of each leg; it is not written again
   * @throws EarshotError unavailable `spool_failed`: a full disk or too many open files pass, so the call may be opened again
   */
  async open(recorded: readonly RecordedLeg[] = []): Promise<void> {
    try {
      await this.#open();
    } catch (cause) {
      this.#giveBack();
      throw new EarshotError("unavailable", "spool_failed", "The folder of a call cannot be made in the spool.", {
        cause,
        remedy: "Make room on the disk of EARSHOT_SPOOL_DIR, let Earshot write there, and let it open enough files.",
        details: { reason: (cause as NodeJS.ErrnoException).code ?? "unknown" },
      });
    }
    for (const { leg, sampleRate, toMs } of recorded) this.#track(leg, sampleRate).keepBefore(Math.floor((toMs * sampleRate) / 1000));
  }

  async #open(): Promise<void> {
    await mkdir(this.#options.folder, { recursive: true });
    for (const name of await readdir(this.#options.folder)) {
      const match = trackName.exec(name);
      if (match === null) continue;
      const track = this.#track(Number(match[1]), Number(match[2]));
      const { size } = await stat(track.path);
      track.resume(size >> 1);
      if (this.#options.budget.take(size)) track.bytesTaken = size;
    }
  }

  write(leg: number, sampleRate: number, pcm: Int16Array, length: number, position: number): void {
    this.#track(leg, sampleRate).write(pcm, length, position);
  }

  /** Audio heard again from the event log, for what the disk had refused. */
  refill(leg: number, sampleRate: number, pcm: Int16Array, length: number, position: number): void {
    this.#track(leg, sampleRate).refill(pcm, length, position);
  }

  /** Audio that the recording lacks for good, milliseconds: a limit was reached, or it was lost. */
  get omittedMs(): number {
    return this.lostMs + this.#tracks.reduce((most, track) => Math.max(most, (track.omitted * 1000) / track.sampleRate), 0);
  }

  /** Audio that the disk has refused and that is not filled in yet, milliseconds. */
  get missingMs(): number {
    return this.#tracks.reduce((most, track) => Math.max(most, (track.missing.samples * 1000) / track.sampleRate), 0);
  }

  /** Something is missing, and the disk takes audio again. */
  get canRefill(): boolean {
    return this.#tracks.some((track) => !track.missing.isEmpty && !track.failing);
  }

  /** What is missing cannot be had again. */
  giveUpMissing(): void {
    this.lostMs += this.missingMs;
    for (const track of this.#tracks) track.missing.take();
  }

  /** Everything of this leg before this outlives the process (with parts: the machine), milliseconds from the start of the call. */
  safeToMs(leg: number): number {
    const track = this.#tracks.find((one) => one.leg === leg);
    if (track === undefined) return 0;
    let safe = track.writtenTo;
    if (this.#parts !== undefined) {
      safe = Math.min(safe, track.fresh.first ?? safe);
      for (const { leg: of, sampleRate, from } of this.#storing)
        if (of === leg && sampleRate === track.sampleRate) safe = Math.min(safe, from);
    }
    return (safe * 1000) / track.sampleRate;
  }

  /** Bytes that are in no part yet. */
  get freshBytes(): number {
    return this.#tracks.reduce((sum, track) => sum + track.fresh.samples * 2, 0);
  }

  async flush(): Promise<void> {
    await Promise.all(this.#tracks.map((track) => track.flush()));
  }

  /**
   * Puts what is new into the object store. @returns bytes stored
   * @throws EarshotError of the object store; what was not stored stays new
   */
  storePart(): Promise<number> {
    const stored = this.#turn.then(() => this.#storePart());
    this.#turn = stored.catch(() => {});
    return stored;
  }

  async #storePart(): Promise<number> {
    if (this.#parts === undefined) return 0;
    await this.flush();
    let stored = 0;
    for (;;) {
      const stretches = this.#takeFresh();
      if (stretches.length === 0) return stored;
      this.#storing = stretches;
      try {
        const part = await encodePart(stretches, (stretch, target) =>
          this.#track(stretch.leg, stretch.sampleRate).read(stretch.from, stretch.to, target),
        );
        await this.#parts.put(part);
        stored += part.length;
      } catch (error) {
        for (const { leg, sampleRate, from, to } of stretches) this.#track(leg, sampleRate).fresh.add(from, to);
        throw error;
      } finally {
        this.#storing = [];
      }
    }
  }

  #takeFresh(): Stretch[] {
    const taken: Stretch[] = [];
    let room = mostPartSamples;
    for (const { leg, sampleRate, fresh } of this.#tracks) {
      for (const [from, to] of fresh.take()) {
        const end = Math.min(to, from + room);
        if (end > from) taken.push({ leg, sampleRate, from, to: end });
        if (end < to) fresh.add(Math.max(from, end), to);
        room -= end - from;
      }
    }
    return taken;
  }

  /** Leaves the spool as it is. */
  async suspend(): Promise<void> {
    await Promise.all(this.#tracks.map((track) => track.close()));
    this.#giveBack();
  }

  /**
   * Stores the recording: what other workers heard comes from their parts. Nothing of the spool or the parts goes: see `discard`.
   * @returns undefined where no audio ever came: then there is no object
   * @throws EarshotError of the object store; it may be tried again
   */
  async store(legs: readonly LegRole[]): Promise<StoredRecording | undefined> {
    await this.#fetch();
    await this.flush();
    const tracks: MixTrack[] = this.#tracks.filter((track) => track.heard > 0 && track.length > 0);
    if (tracks.length === 0) return undefined;
    const plan = planMix(tracks, legs);
    const peaks = createPeaks(plan);
    const name = `recordings/${this.#options.callId}.wav`;
    const info = await this.#options.objectStore.put(this.#options.tenantId, name, mixdown(plan, peaks));
    return {
      objectKey: name,
      bytes: info.bytes,
      durationMs: Math.round((plan.frames * 1000) / plan.sampleRate),
      sampleRate: plan.sampleRate,
      channels: plan.channels.length,
      sha256: info.sha256,
      peaks: peaks.channels,
      peakMs: peaks.peakMs,
      channelLegs: channelLegs(plan, legs),
    };
  }

  async #fetch(): Promise<void> {
    if (this.#fetched || this.#options.run === undefined || this.#options.run === 0) return;
    for await (const stretches of this.#parts!.all()) {
      for (const { leg, sampleRate, from, pcm } of stretches) this.#track(leg, sampleRate).restore(pcm, from);
      await this.flush();
    }
    if (this.missingMs > 0) {
      throw new EarshotError("unavailable", "spool_full", "The spool takes no more audio; the recording waits.", {
        remedy: "Make room on the disk of EARSHOT_SPOOL_DIR.",
      });
    }
    this.#fetched = true;
  }

  /** Nothing of the call is needed any more: its spool goes. */
  async discard(): Promise<void> {
    await this.suspend();
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  /** @throws EarshotError of the object store */
  async deleteParts(): Promise<void> {
    await this.#parts?.delete();
  }

  #giveBack(): void {
    for (const track of this.#tracks) {
      this.#options.budget.giveBack(track.bytesTaken);
      track.bytesTaken = 0;
    }
  }

  #track(leg: number, sampleRate: number): SpoolTrack {
    for (const track of this.#tracks) if (track.leg === leg && track.sampleRate === sampleRate) return track;
    const { folder, budget, maxRecordingMs } = this.#options;
    const track = new SpoolTrack(leg, sampleRate, join(folder, `leg-${leg}-${sampleRate}.pcm`), {
      budget,
      maxSamples: Math.round((maxRecordingMs * sampleRate) / 1000),
      onFailure: (error) => {
        if (!this.#failureTold) this.#options.onFailure(error);
        this.#failureTold = true;
      },
    });
    this.#tracks.push(track);
    return track;
  }
}
