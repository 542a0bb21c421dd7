/** A recogniser that takes no time and says what it is told: for tests of everything around the engine, and for benches. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Capabilities, RecognisedWord, Recogniser, Recognition, Utterance, UtteranceOptions } from "../recogniser/port.ts";

export type ScriptedOptions = {
  /** Words of the n-th utterance of a leg. Default: "one two three". */
  words?(utterance: { readonly callId: string; readonly leg: number; readonly number: number }): readonly string[];
  /** A partial for each further stretch of audio fed; 0 = none. */
  readonly partialEveryMs?: number;
  readonly sampleRate?: Capabilities["sampleRate"];
  readonly failWith?: EarshotError;
  /** `end` never answers. */
  readonly hang?: boolean;
};

export type FedUtterance = {
  readonly options: UtteranceOptions;
  readonly number: number;
  samples: number;
  /** Sum of squares, to tell silence from sound. */
  energy: number;
  ended: boolean;
  aborted: boolean;
};

export class ScriptedRecogniser implements Recogniser {
  readonly name = "scripted-recogniser";
  readonly id: string = "scripted";
  readonly version = "1";
  readonly capabilities: Capabilities;
  /** Every utterance so far, for tests to look at. */
  readonly utterances: FedUtterance[] = [];
  readonly legsEnded: string[] = [];
  readonly #script: ScriptedOptions;
  readonly #counts = new Map<string, number>();
  /** Keeps no record of utterances: for benches that run long. */
  readonly #remember: boolean;

  constructor(script: ScriptedOptions = {}, remember = true) {
    this.#script = script;
    this.#remember = remember;
    this.capabilities = {
      partials: (script.partialEveryMs ?? 0) > 0,
      words: true,
      languages: "any",
      sampleRate: script.sampleRate ?? 16000,
      concurrency: Number.MAX_SAFE_INTEGER,
    };
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  utterance(options: UtteranceOptions): Utterance {
    const key = `${options.callId}/${options.leg}`;
    const number = this.#counts.get(key) ?? 0;
    this.#counts.set(key, number + 1);
    const fed: FedUtterance = { options, number, samples: 0, energy: 0, ended: false, aborted: false };
    if (this.#remember) this.utterances.push(fed);
    const said = this.#script.words?.({ callId: options.callId, leg: options.leg, number }) ?? ["one", "two", "three"];
    const { sampleRate } = this.capabilities;
    const partialSamples = ((this.#script.partialEveryMs ?? 0) * sampleRate) / 1000;
    const timed = (count: number): RecognisedWord[] => {
      const stepMs = (fed.samples * 1000) / sampleRate / Math.max(1, count);
      return said
        .slice(0, count)
        .map((text, i) => ({ text, startMs: Math.round(i * stepMs), endMs: Math.round((i + 1) * stepMs), confidence: 0.9 }));
    };
    let partials = 0;
    return {
      feed: (pcm) => {
        fed.samples += pcm.length;
        for (let i = 0; i < pcm.length; i += 8) fed.energy += pcm[i]! * pcm[i]!;
        if (partialSamples > 0 && fed.samples >= (partials + 1) * partialSamples && !fed.aborted) {
          partials++;
          const words = timed(Math.min(partials, said.length));
          options.onPartial?.(words.map((word) => word.text).join(" "), words);
        }
      },
      end: () => {
        fed.ended = true;
        if (this.#script.hang === true) return new Promise<Recognition>(() => {});
        if (this.#script.failWith !== undefined) return Promise.reject(this.#script.failWith);
        const words = timed(said.length);
        return Promise.resolve({
          text: said.join(" "),
          words,
          language: options.language === "" ? "en" : options.language,
          confidence: 0.9,
          engine: this.id,
          engineVersion: this.version,
        });
      },
      abort: () => {
        fed.aborted = true;
      },
    };
  }

  legEnded(call: string, leg: number): void {
    this.#counts.delete(`${call}/${leg}`);
    this.legsEnded.push(`${call}/${leg}`);
  }
}

/** For `failWith`. */
export const engineDown = new EarshotError("unavailable", "engine_down", "The scripted engine is down.", { remedy: "Start it." });
