/** The recording of one call: tracks in the spool while it runs, one WAV in the object store when it has ended. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ObjectStore } from "@earshot/platform/object-store/port.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { CallId, TenantId } from "@earshot/proto/ids.ts";
import type { LegRole } from "../call/sides.ts";
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
  onFailure(error: unknown): void;
};

const trackName = /^leg-(\d{1,4})-(8000|16000)\.pcm$/;

export class CallRecorder {
  readonly #options: RecorderOptions;
  readonly #tracks: SpoolTrack[] = [];
  failure: unknown;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /**
   * Makes the folder and takes up tracks that a run before this one left.
   * @throws EarshotError unavailable `spool_failed`: a full disk or too many open files pass, so the call may be opened again
   */
  async open(): Promise<void> {
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

  /** Audio left out because a limit was reached or the disk failed, milliseconds. */
  get omittedMs(): number {
    return this.#tracks.reduce((most, track) => Math.max(most, (track.omitted * 1000) / track.sampleRate), 0);
  }

  /** Everything of this leg before this is on disk, milliseconds from the start of the call. */
  writtenToMs(leg: number): number {
    const track = this.#tracks.find((one) => one.leg === leg);
    return track === undefined ? 0 : (track.writtenTo * 1000) / track.sampleRate;
  }

  async flush(): Promise<void> {
    await Promise.all(this.#tracks.map((track) => track.flush()));
  }

  /** Leaves the spool as it is, for the next start. */
  async suspend(): Promise<void> {
    await Promise.all(this.#tracks.map((track) => track.close()));
  }

  /**
   * Stores the recording. The spool's files go only when the object is stored.
   * @returns undefined where no audio ever came: then there is no object
   * @throws EarshotError of the object store; the spool is kept
   */
  async finish(legs: readonly LegRole[]): Promise<StoredRecording | undefined> {
    await this.suspend();
    const tracks: MixTrack[] = this.#tracks.filter((track) => track.heard > 0 && track.length > 0);
    let stored: StoredRecording | undefined;
    if (tracks.length > 0) {
      const plan = planMix(tracks, legs);
      const peaks = createPeaks(plan);
      const name = `recordings/${this.#options.callId}.wav`;
      const info = await this.#options.objectStore.put(this.#options.tenantId, name, mixdown(plan, peaks));
      stored = {
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
    this.#giveBack();
    await rm(this.#options.folder, { recursive: true, force: true });
    return stored;
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
        if (this.failure === undefined) this.#options.onFailure(error);
        this.failure ??= error;
      },
    });
    this.#tracks.push(track);
    return track;
  }
}
