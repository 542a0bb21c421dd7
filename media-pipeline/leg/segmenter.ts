/** Cuts a leg's speech probabilities, one per 32 ms window, into utterances. */

export type SegmenterOptions = {
  /** Windows from which a sound is speech. */
  readonly threshold: number;
  readonly minSpeechWindows: number;
  /** Unvoiced windows that end an utterance: the endpointing pause. */
  readonly pauseWindows: number;
  readonly maxWindows: number;
};

/** What a window changes. A window can both split and begin: then `split` is reported and the new utterance runs on. */
export type SegmentChange = "none" | "voiced" | "start" | "end" | "split";

/** Speech stays speech down to this much under the threshold. */
export const hysteresis = 0.15;
/** A candidate that falls silent for this long before it has enough speech was a noise. */
const candidatePatience = 5;
/** An utterance at its limit is split at the quietest of this many newest windows (one second). */
const splitSearchWindows = 31;

export class Segmenter {
  readonly #options: SegmenterOptions;
  #state: "idle" | "candidate" | "speech" = "idle";
  #window = -1;
  #voicedWindows = 0;
  #unvoicedRun = 0;
  /** Level of the newest windows, by window number modulo its length. */
  readonly #levels = new Float32Array(splitSearchWindows + 1);

  /** Number of the first voiced window of the utterance at hand. */
  startWindow = 0;
  /** Number of the last voiced window so far. */
  lastVoicedWindow = 0;
  /** After `split`: the window before which the utterance was cut. */
  splitWindow = 0;

  constructor(options: SegmenterOptions) {
    this.#options = options;
  }

  get speaking(): boolean {
    return this.#state === "speech";
  }

  get candidate(): boolean {
    return this.#state === "candidate";
  }

  /** Windows close to the limit are to be held back from the recogniser, because the cut may fall before them. */
  get holdFromWindow(): number {
    const limit = this.startWindow + this.#options.maxWindows;
    return this.#window >= limit - splitSearchWindows ? limit - splitSearchWindows : Number.POSITIVE_INFINITY;
  }

  /** @param window number of the window; they come in order, and `reset` comes before a jump */
  step(window: number, probability: number, levelDb: number): SegmentChange {
    this.#window = window;
    this.#levels[window % this.#levels.length] = levelDb;
    const inside = this.#state !== "idle";
    const voiced = probability >= (inside ? this.#options.threshold - hysteresis : this.#options.threshold);
    if (!inside) {
      if (!voiced) return "none";
      this.#state = "candidate";
      this.startWindow = window;
      this.#voicedWindows = 0;
    }
    if (voiced) {
      this.#voicedWindows++;
      this.#unvoicedRun = 0;
      this.lastVoicedWindow = window;
    } else this.#unvoicedRun++;

    if (this.#state === "candidate") {
      if (this.#voicedWindows >= this.#options.minSpeechWindows) {
        this.#state = "speech";
        return "start";
      }
      if (this.#unvoicedRun >= candidatePatience) this.#state = "idle";
      return "none";
    }
    if (this.#unvoicedRun >= this.#options.pauseWindows) {
      this.#state = "idle";
      return "end";
    }
    if (window - this.startWindow + 1 >= this.#options.maxWindows) {
      this.splitWindow = this.#quietest(window);
      this.startWindow = this.splitWindow;
      this.#voicedWindows = 0;
      return "split";
    }
    return voiced ? "voiced" : "none";
  }

  /** Ends whatever is under way (pause, end of the leg). @returns true where an utterance was open */
  reset(): boolean {
    const open = this.#state === "speech";
    this.#state = "idle";
    this.#unvoicedRun = 0;
    return open;
  }

  #quietest(window: number): number {
    let best = window;
    let bestLevel = Number.POSITIVE_INFINITY;
    for (let at = window - splitSearchWindows + 1; at <= window; at++) {
      const level = this.#levels[at % this.#levels.length]!;
      if (level < bestLevel) {
        bestLevel = level;
        best = at;
      }
    }
    return best;
  }
}
