/** The contract notices every fault it is meant to notice, and passes an engine that keeps it. */
import { describe, expect, it } from "vitest";
import { type ContractSubject, recogniserContract } from "./contract.ts";
import type { Recogniser } from "./port.ts";
import type { RecogniserSettings } from "./settings.ts";
import {
  brokenRecogniser,
  type Fault,
  faults,
  type InMemoryLimits,
  inMemoryRecogniser,
  toneOf,
  wordsFor,
} from "./testing/in-memory-recogniser.ts";

const clips = [1, 2].map((seed) => {
  const pcm = toneOf(seed, 40_000 + seed);
  return { pcm, isRight: (text: string) => text === wordsFor(pcm) };
}) as unknown as ContractSubject["clips"];

function subjectOf(make: (limits: InMemoryLimits) => Recogniser): ContractSubject {
  return {
    make(settings: Partial<RecogniserSettings> = {}) {
      const tooSlow = settings.utteranceTimeoutMs !== undefined;
      return make({
        ...(settings.remoteConcurrency === undefined ? {} : { concurrency: settings.remoteConcurrency, waiting: settings.remoteWaiting }),
        ...(settings.utteranceAudioMs === undefined ? {} : { audioMs: settings.utteranceAudioMs }),
        ...(tooSlow ? { timeoutMs: settings.utteranceTimeoutMs, delayMs: 500 } : {}),
      });
    },
    clips,
    crowded: { settings: { remoteConcurrency: 1, remoteWaiting: 2 }, most: 3 },
    tooLong: { utteranceAudioMs: 100 },
    tooSlow: { utteranceTimeoutMs: 50 },
  };
}

describe("an engine that keeps the contract", () => {
  for (const { name, run } of recogniserContract) it(name, () => run(subjectOf((limits) => inMemoryRecogniser(limits))));
});

describe("an engine that is broken on purpose", () => {
  for (const [fault, noticedBy] of Object.entries(faults) as [Fault, RegExp][])
    it(`${fault}: the contract notices`, async () => {
      const subject = subjectOf((limits) => brokenRecogniser(fault, limits));
      const meant = recogniserContract.filter(({ name }) => noticedBy.test(name));
      const failed = await Promise.all(
        meant.map(async ({ name, run }) => {
          const outOfTime = new Promise<string>((resolve) => setTimeout(resolve, 3000, name));
          return Promise.race([
            run(subject).then(
              () => undefined,
              () => name,
            ),
            outOfTime,
          ]);
        }),
      );
      expect(failed.filter((name) => name !== undefined)).not.toEqual([]);
    });
});
