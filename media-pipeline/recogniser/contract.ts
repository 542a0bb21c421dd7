/**
 * The one contract of every speech engine, as named checks: run against each adapter, and against recognisers broken on purpose, each of which
 * must fail. A check throws where the contract is not kept.
 */
import assert from "node:assert/strict";
import { type Category, categoryOf, EarshotError } from "@earshot/proto/errors.ts";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import type { Capabilities, Recogniser, Recognition, Utterance, UtteranceOptions } from "./port.ts";
import type { RecogniserSettings } from "./settings.ts";

export type ContractClip = { /** At the engine's rate. */ readonly pcm: Int16Array; isRight(text: string): boolean };

export type ContractSubject = {
  /** A new recogniser, not started. */
  make(settings?: Partial<RecogniserSettings>): Recogniser;
  /** Two that differ in their words, the first at least 2 s long. */
  readonly clips: readonly [ContractClip, ContractClip];
  /** Settings under which at most this many utterances are taken; undefined = the engine takes none at all. */
  readonly crowded: { readonly settings: Partial<RecogniserSettings>; readonly most: number };
  /** Settings under which the first clip is too long. */
  readonly tooLong: Partial<RecogniserSettings>;
  /** Settings under which the engine is too slow, or has been made to hang. */
  readonly tooSlow: Partial<RecogniserSettings>;
  /** Makes the engine's server hang, for `tooSlow`. */
  hang?(): void;
  /** Sockets or decoders held for legs; undefined = the engine holds none. */
  heldForLegs?(recogniser: Recogniser): number | Promise<number>;
};

export type Check = { readonly name: string; run(subject: ContractSubject): Promise<void> };

/**
 * The main loop may not compute longer at a stretch; decoding a clip of some seconds on it takes much longer. Counted in the thread's own CPU
 * time, which a busy machine does not stretch.
 */
const mostBlockedMs = 150;
const feedMs = 100;

export const recogniserContract: readonly Check[] = [
  check("gives the words of an utterance, and names the engine that heard them", async (recogniser, { clips }) => {
    const heard = await recognise(recogniser, clips[0].pcm);
    assert.ok(clips[0].isRight(heard.text), `wrong words: ${heard.text}`);
    assert.notEqual(heard.engine, "");
    assert.notEqual(heard.engineVersion, "");
  }),

  check("joins pieces of any size in the order they were fed", async (recogniser, { clips }) => {
    const utterance = recogniser.utterance(options());
    const { pcm } = clips[0];
    const sizes = [1, 77, 1600, 333, 5000, 160];
    for (let at = 0, i = 0; at < pcm.length; i++) {
      const size = sizes[i % sizes.length]!;
      utterance.feed(pcm.subarray(at, at + size));
      at += size;
    }
    const { text } = await utterance.end();
    assert.ok(clips[0].isRight(text), `wrong words: ${text}`);
  }),

  check("copies what is fed", async (recogniser, { clips }) => {
    const utterance = recogniser.utterance(options());
    const buffer = new Int16Array(1600);
    for (let at = 0; at < clips[0].pcm.length; at += buffer.length) {
      const piece = clips[0].pcm.subarray(at, at + buffer.length);
      buffer.set(piece);
      utterance.feed(buffer.subarray(0, piece.length));
      buffer.fill(0);
    }
    const { text } = await utterance.end();
    assert.ok(clips[0].isRight(text), `wrong words: ${text}`);
  }),

  check("never holds up the main loop", async (recogniser, { clips }) => {
    const cpuMs = () => {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    };
    let longest = 0;
    let last = cpuMs();
    const look = () => {
      longest = Math.max(longest, cpuMs() - last);
      last = cpuMs();
    };
    const timer = setInterval(look, 5);
    try {
      const utterances = [0, 1, 2].map((leg) => recogniser.utterance(options({ leg })));
      for (const utterance of utterances) {
        feed(utterance, clips[0].pcm, recogniser.capabilities);
        look();
      }
      await Promise.all(utterances.map((utterance) => utterance.end()));
      look();
    } finally {
      clearInterval(timer);
    }
    assert.ok(longest < mostBlockedMs, `held up for ${longest.toFixed(0)} ms`);
  }),

  check("keeps utterances apart that are open at once", async (recogniser, { clips }) => {
    const [first, second] = clips.map((_, leg) => recogniser.utterance(options({ leg }))) as [Utterance, Utterance];
    const chunk = chunkOf(recogniser.capabilities);
    for (let at = 0; at < Math.max(clips[0].pcm.length, clips[1].pcm.length); at += chunk) {
      first.feed(clips[0].pcm.subarray(at, at + chunk));
      second.feed(clips[1].pcm.subarray(at, at + chunk));
    }
    const [one, other] = await Promise.all([first.end(), second.end()]);
    assert.ok(clips[0].isRight(one.text), `wrong words of the first: ${one.text}`);
    assert.ok(clips[1].isRight(other.text), `wrong words of the second: ${other.text}`);
  }),

  check("gives partials exactly where it promises them, and none after the final words", async (recogniser, { clips }) => {
    const partials: string[] = [];
    const utterance = recogniser.utterance(options({ onPartial: (text) => partials.push(text) }));
    await feedSlowly(utterance, clips[0].pcm, recogniser.capabilities);
    await utterance.end();
    const atEnd = partials.length;
    if (recogniser.capabilities.partials) assert.ok(atEnd > 0, "no partial came");
    else assert.equal(atEnd, 0, "partials came that were not promised");
    assert.ok(
      partials.every((text) => text !== ""),
      "an empty partial came",
    );
    await pause(50);
    assert.equal(partials.length, atEnd, "a partial came after the final words");
  }),

  check("gives words with times inside the utterance where it promises them", async (recogniser, { clips }) => {
    const { text, words } = await recognise(recogniser, clips[0].pcm);
    if (recogniser.capabilities.words) assert.equal(words.map((word) => word.text).join(" "), text);
    const lengthMs = (clips[0].pcm.length * 1000) / recogniser.capabilities.sampleRate;
    let before = 0;
    for (const word of words) {
      assert.ok(word.startMs >= before && word.endMs >= word.startMs && word.endMs <= lengthMs + 50, "a word's times are out of order");
      if (word.confidence !== undefined) assert.ok(word.confidence >= 0 && word.confidence <= 1, "a confidence is not within 0..1");
      before = word.startMs;
    }
  }),

  check("hears no words where nothing was fed", async (recogniser) => {
    const { text } = await recogniser.utterance(options()).end();
    assert.equal(text, "");
  }),

  check("is silent after abort, and end then rejects as cancelled", async (recogniser, { clips }) => {
    let partials = 0;
    const utterance = recogniser.utterance(options({ onPartial: () => partials++ }));
    feed(utterance, clips[0].pcm, recogniser.capabilities);
    utterance.abort();
    const atAbort = partials;
    utterance.feed(clips[0].pcm);
    await rejects(utterance.end(), "cancelled");
    await pause(100);
    assert.equal(partials, atAbort, "a partial came after abort");
  }),

  check("abort rejects an end that is waiting, as cancelled", async (recogniser, { clips }) => {
    const utterance = recogniser.utterance(options());
    feed(utterance, clips[0].pcm, recogniser.capabilities);
    const end = ending(utterance);
    utterance.abort();
    await rejects(end, "cancelled");
    utterance.abort();
  }),

  check("refuses a second end and leaves the first alone", async (recogniser, { clips }) => {
    const utterance = recogniser.utterance(options());
    feed(utterance, clips[0].pcm, recogniser.capabilities);
    const end = ending(utterance);
    await rejects(utterance.end(), "conflict");
    utterance.feed(clips[1].pcm);
    const { text } = await end;
    assert.ok(clips[0].isRight(text), `wrong words: ${text}`);
    await rejects(utterance.end(), "conflict");
  }),

  crowdedCheck(
    "refuses utterances beyond its limit as rate_limited, and takes new ones when others are done",
    async (recogniser, { crowded }) => {
      const taken = Array.from({ length: crowded.most }, (_, leg) => recogniser.utterance(options({ leg })));
      throwsCategory(() => recogniser.utterance(options({ leg: crowded.most })), "rate_limited");
      const ends = taken.map((utterance) => utterance.end().catch(() => {}));
      taken[0]!.abort();
      await Promise.all(ends);
      recogniser.utterance(options()).abort();
    },
  ),

  {
    name: "drops audio beyond its limit, and end then rejects naming the limit",
    run: (subject) =>
      started(subject, subject.tooLong, async (recogniser) => {
        const utterance = recogniser.utterance(options());
        utterance.feed(subject.clips[0].pcm);
        const error = await rejects(utterance.end());
        assert.match(error.code, /^(utterance_too_long|recogniser_backlog_full)$/);
        assert.notEqual(error.remedy, "");
      }),
  },

  {
    name: "rejects as timeout what takes too long",
    run: (subject) =>
      started(subject, subject.tooSlow, async (recogniser) => {
        subject.hang?.();
        const utterance = recogniser.utterance(options());
        feed(utterance, subject.clips[0].pcm, recogniser.capabilities);
        await rejects(utterance.end(), "timeout");
      }),
  },

  {
    name: "takes no utterance before start and after stop",
    async run(subject) {
      const recogniser = subject.make();
      throwsCategory(() => recogniser.utterance(options()), "unavailable");
      await recogniser.start();
      await recogniser.stop(0);
      throwsCategory(() => recogniser.utterance(options()), "unavailable");
    },
  },

  check("stop rejects what is under way, ended or not", async (recogniser, { clips }) => {
    const [ended, speaking] = [recogniser.utterance(options()), recogniser.utterance(options({ leg: 1 }))];
    feed(ended, clips[0].pcm, recogniser.capabilities);
    feed(speaking, clips[0].pcm, recogniser.capabilities);
    const end = ending(ended);
    await recogniser.stop(0);
    await rejects(end, "unavailable");
    await rejects(speaking.end(), "unavailable");
  }),

  check("stop lets what is under way finish within its deadline", async (recogniser, { clips }) => {
    const utterance = recogniser.utterance(options());
    feed(utterance, clips[0].pcm, recogniser.capabilities);
    const end = ending(utterance);
    const began = performance.now();
    await recogniser.stop(50_000);
    const { text } = await end;
    assert.ok(clips[0].isRight(text), `wrong words: ${text}`);
    assert.ok(performance.now() - began < 49_000, "stop waited although all was done");
  }),

  check("frees what it holds for a leg that has ended, and serves other legs on", async (recogniser, subject) => {
    const { clips } = subject;
    for (const leg of [0, 1]) await recognise(recogniser, clips[1].pcm, { leg });
    const before = (await subject.heldForLegs?.(recogniser)) ?? 0;
    recogniser.legEnded(callId("call"), 0);
    recogniser.legEnded(callId("call"), 7);
    await pause(50);
    if (subject.heldForLegs !== undefined) {
      assert.ok(before > 0, "the subject says that things are held for legs, but none were");
      assert.ok((await subject.heldForLegs(recogniser)) < before, "nothing was freed");
    }
    const { text } = await recognise(recogniser, clips[0].pcm, { leg: 1 });
    assert.ok(clips[0].isRight(text), `wrong words: ${text}`);
  }),
];

function check(name: string, run: (recogniser: Recogniser, subject: ContractSubject) => Promise<void>): Check {
  return { name, run: (subject) => started(subject, {}, (recogniser) => run(recogniser, subject)) };
}

function crowdedCheck(name: string, run: (recogniser: Recogniser, subject: ContractSubject) => Promise<void>): Check {
  return { name, run: (subject) => started(subject, subject.crowded.settings, (recogniser) => run(recogniser, subject)) };
}

/** A started recogniser for the time of `run`. */
export async function started<T>(
  subject: Pick<ContractSubject, "make">,
  settings: Partial<RecogniserSettings>,
  run: (recogniser: Recogniser) => Promise<T>,
): Promise<T> {
  const recogniser = subject.make(settings);
  await recogniser.start();
  try {
    return await run(recogniser);
  } finally {
    await recogniser.stop(0);
  }
}

export function options(more: Partial<UtteranceOptions> = {}): UtteranceOptions {
  return { tenantId: tenantId("tenant"), callId: callId("call"), leg: 0, language: "en", vocabulary: [], ...more };
}

export async function recognise(recogniser: Recogniser, pcm: Int16Array, more: Partial<UtteranceOptions> = {}): Promise<Recognition> {
  const utterance = recogniser.utterance(options(more));
  feed(utterance, pcm, recogniser.capabilities);
  return utterance.end();
}

const chunkOf = ({ sampleRate }: Capabilities) => (sampleRate * feedMs) / 1000;

export function feed(utterance: Utterance, pcm: Int16Array, capabilities: Capabilities): void {
  const chunk = chunkOf(capabilities);
  for (let at = 0; at < pcm.length; at += chunk) utterance.feed(pcm.subarray(at, at + chunk));
}

/** Lets the loop turn between chunks, as a live call does, but ten times as fast. */
async function feedSlowly(utterance: Utterance, pcm: Int16Array, capabilities: Capabilities): Promise<void> {
  const chunk = chunkOf(capabilities);
  for (let at = 0; at < pcm.length; at += chunk) {
    utterance.feed(pcm.subarray(at, at + chunk));
    await pause(feedMs / 10);
  }
}

/** @returns the EarshotError it rejects with; any other outcome fails the check */
export async function rejects(promise: Promise<unknown>, category?: Category): Promise<EarshotError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof EarshotError, `not an EarshotError: ${String(error)}`);
    if (category !== undefined) assert.equal(categoryOf(error), category);
    return error;
  }
  throw new assert.AssertionError({ message: "it resolved instead of rejecting" });
}

/** `end`, whose rejection may come before anybody listens. */
function ending(utterance: Utterance): Promise<Recognition> {
  const end = utterance.end();
  end.catch(() => {});
  return end;
}

function throwsCategory(act: () => unknown, category: Category): void {
  assert.throws(act, (error) => categoryOf(error) === category);
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
