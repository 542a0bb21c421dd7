/** The speech detector's port: windows of many legs go in, each leg gets its judgements back in order. */
import type { Component } from "@earshot/platform/lifecycle/component.ts";

/** 32 ms at 8 kHz. */
export const windowSamples = 256;
export const windowMs = 32;

/** What a leg knows of a window when it hands it over; comes back with the judgement. */
export type Window = {
  /** First sample at 8 kHz, from the start of the call. */
  position: number;
  /** Count of the leg's audio ring at the window's start. */
  ringStart: number;
  levelDb: number;
  /** Arrival of the newest voiced packet, Unix milliseconds; 0 = none. */
  lastVoicedAtMs: number;
};

export interface VoiceSink {
  /** The object is reused: copy what is kept. */
  judged(window: Readonly<Window>, probability: number): void;
  /** All windows before a `mark` have been judged. */
  marked(kind: "pause" | "end"): void;
}

export interface VoiceStream {
  /**
   * Hands over one window; copied.
   * @param open what the energy gate says: a closed window is silence, without asking the model
   * @param energyProbability the judgement where the model cannot be asked
   */
  push(pcm: Int16Array, window: Readonly<Window>, open: boolean, energyProbability: number): void;
  /** Comes back through `marked` behind all windows pushed before it. */
  mark(kind: "pause" | "end"): void;
  close(): void;
  /** Windows and marks not yet judged. */
  readonly waiting: number;
}

export interface VoiceDetector extends Component {
  readonly kind: "silero" | "energy";
  /** For the status page: why this one. */
  readonly reason: string;
  open(sink: VoiceSink): VoiceStream;
}
