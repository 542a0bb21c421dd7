/** The chain keeps the contract of an engine, and hands utterances on where one fails. */

import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { describe, expect, it } from "vitest";
import { type ContractSubject, feed, options, recognise, recogniserContract, rejects, started } from "./contract.ts";
import { fallbackRecogniser } from "./fallback.ts";
import type { Recogniser, Utterance } from "./port.ts";
import type { RecogniserSettings } from "./settings.ts";
import { engineDeps } from "./testing/deps.ts";
import { inMemoryRecogniser, toneOf, wordsFor } from "./testing/in-memory-recogniser.ts";

/** Fails every utterance as it is told, at its end or at its beginning. */
function failing(how: {
  at: "begin" | "end" | "start";
  broken: boolean;
  calls: number;
  category?: "unavailable" | "invalid_request";
}): Recogniser {
  const sound = inMemoryRecogniser({}, "first");
  const error = () => new EarshotError(how.category ?? "unavailable", "engine_down", "It is down.");
  return {
    ...sound,
    async start() {
      if (how.at === "start") throw error();
      await sound.start();
    },
    utterance(given): Utterance {
      how.calls++;
      if (how.broken && how.at === "begin") throw error();
      const inner = sound.utterance(given);
      return {
        feed: (pcm) => inner.feed(pcm),
        async end() {
          const heard = await inner.end();
          if (how.broken) throw error();
          return heard;
        },
        abort: () => inner.abort(),
      };
    },
  };
}

const clips = [1, 2].map((seed) => {
  const pcm = toneOf(seed, 40_000 + seed);
  return { pcm, isRight: (text: string) => text === wordsFor(pcm) };
}) as unknown as ContractSubject["clips"];

describe("fallback: the contract, with a first engine that always fails", () => {
  const subject: ContractSubject = {
    make(settings: Partial<RecogniserSettings> = {}) {
      const crowded = settings.remoteConcurrency !== undefined;
      const slow = settings.utteranceTimeoutMs !== undefined;
      return fallbackRecogniser(
        [
          failing({ at: "begin", broken: true, calls: 0 }),
          inMemoryRecogniser(
            { ...(crowded ? { concurrency: 1, waiting: 2 } : {}), ...(slow ? { timeoutMs: 50, delayMs: 500 } : {}) },
            "second",
          ),
        ],
        engineDeps(settings),
      );
    },
    clips,
    crowded: { settings: { remoteConcurrency: 1 }, most: 3 },
    tooLong: { utteranceAudioMs: 100 },
    tooSlow: { utteranceTimeoutMs: 50 },
  };
  for (const check of recogniserContract) it(check.name, () => check.run(subject));
});

describe("fallback: taking over", () => {
  const { pcm } = clips[0];
  for (const at of ["begin", "end", "start"] as const)
    it(`the second engine gets the whole audio where the first fails at the ${at}`, async () => {
      const chain = fallbackRecogniser([failing({ at, broken: true, calls: 0 }), inMemoryRecogniser({}, "second")], engineDeps());
      await started({ make: () => chain }, {}, async (recogniser) => {
        const heard = await recognise(recogniser, pcm);
        expect(heard).toMatchObject({ text: wordsFor(pcm), engine: "second" });
      });
    });

  it("rejects with the last engine's failure where all fail", () =>
    started(
      {
        make: () =>
          fallbackRecogniser(
            [failing({ at: "end", broken: true, calls: 0 }), failing({ at: "end", broken: true, calls: 0, category: "invalid_request" })],
            engineDeps(),
          ),
      },
      {},
      async (recogniser) => {
        await rejects(recognise(recogniser, pcm), "invalid_request");
      },
    ));

  it("fails the start only where every engine does", async () => {
    const all = [failing({ at: "start", broken: true, calls: 0 }), failing({ at: "start", broken: true, calls: 0 })];
    await rejects(fallbackRecogniser(all, engineDeps()).start(), "unavailable");
  });

  it("opens the circuit after failures in a row, tries once when half-open, and closes it on success", async () => {
    const clock = new ManualClock();
    const how = { at: "end" as const, broken: true, calls: 0 };
    const deps = { ...engineDeps({ breakerFailures: 2, breakerOpenMs: 1000 }), clock };
    const chain = fallbackRecogniser([failing(how), inMemoryRecogniser({}, "second")], deps);
    await chain.start();
    const engineOf = async () => (await recognise(chain, pcm)).engine;
    expect([await engineOf(), await engineOf(), how.calls]).toEqual(["second", "second", 2]);
    expect(chain.fault).toBe("passed over: first");
    // Open: not even asked.
    expect([await engineOf(), how.calls]).toEqual(["second", 2]);
    clock.advance(1000);
    // Half-open: one of two at once may try it, and it fails again.
    expect([await Promise.all([engineOf(), engineOf()]), how.calls]).toEqual([["second", "second"], 3]);
    expect([await engineOf(), how.calls]).toEqual(["second", 3]);
    clock.advance(1000);
    how.broken = false;
    expect([await engineOf(), await engineOf(), how.calls]).toEqual(["first", "first", 5]);
    expect(chain.fault).toBeUndefined();
    await chain.stop(0);
  });

  it("an utterance given up says nothing about the engine", async () => {
    const clock = new ManualClock();
    const how = { at: "end" as const, broken: true, calls: 0 };
    const chain = fallbackRecogniser([failing(how), inMemoryRecogniser({}, "second")], {
      ...engineDeps({ breakerFailures: 1, breakerOpenMs: 1000 }),
      clock,
    });
    await chain.start();
    await recognise(chain, pcm);
    clock.advance(1000);
    const trial = chain.utterance(options());
    feed(trial, pcm, chain.capabilities);
    trial.abort();
    how.broken = false;
    expect((await recognise(chain, pcm)).engine).toBe("first");
    await chain.stop(0);
  });

  it("promises only what every engine can do", () => {
    const partial = {
      ...inMemoryRecogniser(),
      capabilities: { ...inMemoryRecogniser().capabilities, partials: true, words: true, languages: ["en"] },
    };
    const { capabilities, id } = fallbackRecogniser([partial, inMemoryRecogniser()], engineDeps());
    expect(id).toBe("fallback(in-memory,in-memory)");
    expect(capabilities).toMatchObject({ partials: false, words: false, languages: ["en"], sampleRate: 16000, concurrency: 8 });
  });
});
