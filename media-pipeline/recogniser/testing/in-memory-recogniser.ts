/** An engine that keeps the contract without any model: it says which audio it got. And the same one, broken on purpose. */

import { systemClock } from "@earshot/platform/clock/clock.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import type { EarshotError } from "@earshot/proto/errors.ts";
import type { Recogniser, Recognition, Utterance, UtteranceOptions } from "../port.ts";
import { wholeUtteranceRecogniser } from "../whole-utterance.ts";

/** "heard N of C": how many samples, and a checksum that their order changes. */
export function wordsFor(pcm: Int16Array): string {
  let sum = 0;
  for (let i = 0; i < pcm.length; i++) sum = (Math.imul(sum, 31) + pcm[i]!) | 0;
  return `heard ${pcm.length} of ${(sum >>> 0).toString(36)}`;
}

/** Audio whose every sample matters to `wordsFor`; `seed` makes it another. */
export function toneOf(seed: number, samples: number): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) => Math.round(8000 * Math.sin(i * (0.05 + seed / 100)) + ((i * seed) % 97)));
}

export type InMemoryLimits = { concurrency?: number; waiting?: number; audioMs?: number; timeoutMs?: number; delayMs?: number };

export function inMemoryRecogniser(limits: InMemoryLimits = {}, id = "in-memory"): Recogniser {
  return wholeUtteranceRecogniser(
    {
      id,
      version: "1",
      capabilities: { words: false, languages: "any", sampleRate: 16000 },
      concurrency: limits.concurrency ?? 8,
      waiting: limits.waiting ?? 8,
      limitEnv: "no setting",
      audioMs: limits.audioMs ?? 60_000,
      timeoutMs: limits.timeoutMs ?? 10_000,
      retries: 0,
      async transcribe(pcm) {
        await new Promise((resolve) => setTimeout(resolve, limits.delayMs ?? 20));
        return { text: wordsFor(pcm), words: [] };
      },
    },
    systemClock,
    createMetrics(),
  );
}

/** What can be wrong with an engine, each by itself; the value says which check must notice. */
export const faults = {
  "swaps pieces": /order/,
  "keeps the caller's buffer": /copies/,
  "blocks the loop": /main loop/,
  "mixes utterances": /apart/,
  "sends partials it does not promise": /partials/,
  "speaks after abort": /abort/,
  "resolves after abort": /abort/,
  "answers a second end": /second end/,
  "takes any number": /beyond its limit/,
  "drops audio without a word": /drops audio/,
  "never gives up": /too long/,
  "throws plain errors": /cancelled|conflict|timeout|second end/,
  "serves after stop": /after stop/,
  "forgets what is under way at stop": /stop rejects/,
  "cuts off at stop": /stop lets/,
  "names no engine": /names the engine/,
} as const;
export type Fault = keyof typeof faults;

export function brokenRecogniser(fault: Fault, limits: InMemoryLimits): Recogniser {
  const mended: InMemoryLimits =
    fault === "takes any number"
      ? { ...limits, waiting: 1000 }
      : fault === "never gives up"
        ? { ...limits, timeoutMs: 60_000 }
        : fault === "drops audio without a word"
          ? { ...limits, audioMs: 60_000 }
          : limits;
  const inner = inMemoryRecogniser(mended);
  let shared: Int16Array[] = [];
  let stoppedOnce = false;

  const wrap = (options: UtteranceOptions): Utterance => {
    const utterance = stoppedOnce ? deaf() : inner.utterance(options);
    const pieces: Int16Array[] = [];
    let over = false;
    let result: Promise<Recognition> | undefined;
    return {
      feed(pcm) {
        if (fault === "swaps pieces" || fault === "keeps the caller's buffer") pieces.push(fault === "swaps pieces" ? pcm.slice() : pcm);
        else if (fault === "mixes utterances") shared.push(pcm.slice());
        else utterance.feed(pcm);
        if (fault === "sends partials it does not promise") options.onPartial?.("so far", []);
        if (fault === "blocks the loop")
          for (const until = process.threadCpuUsage().user + 20_000; process.threadCpuUsage().user < until; );
      },
      async end() {
        if (fault === "answers a second end" && result !== undefined) return result;
        if (fault === "resolves after abort" && over) return { text: "still here", words: [], engine: "broken", engineVersion: "1" };
        if (fault === "swaps pieces") pieces.reverse();
        for (const piece of fault === "mixes utterances" ? shared : pieces) utterance.feed(piece);
        shared = [];
        result = utterance.end();
        try {
          const heard = await result;
          return fault === "names no engine" ? { ...heard, engine: "" } : heard;
        } catch (error) {
          if (fault === "throws plain errors") throw new Error("something went wrong");
          if (fault === "forgets what is under way at stop" && (error as EarshotError).code === "recogniser_stopped")
            return new Promise(() => {});
          throw error;
        }
      },
      abort() {
        over = true;
        utterance.abort();
        if (fault === "speaks after abort") setTimeout(() => options.onPartial?.("and another thing", []), 10);
      },
    };
  };

  return {
    name: inner.name,
    id: "broken",
    version: "1",
    capabilities: inner.capabilities,
    start: () => inner.start(),
    async stop(deadlineMs) {
      await inner.stop(fault === "cuts off at stop" ? 0 : deadlineMs);
      stoppedOnce = fault === "serves after stop";
    },
    utterance: wrap,
    legEnded: (call, leg) => inner.legEnded(call, leg),
  };
}

const deaf = (): Utterance => ({ feed() {}, end: async () => ({ text: "", words: [], engine: "broken", engineVersion: "1" }), abort() {} });
