import { expect, it } from "vitest";
import { type Channel, differs, joined, meanOf, modelMean, unheard } from "./channel.ts";
import { decodeFairly } from "./decode-fairly.ts";
import { findInstallation } from "./find-installation.ts";
import type { Decoder } from "./library.ts";
import { spoken } from "./library.ts";
import type { FromWorker } from "./messages.ts";

/** Notes what it decodes; hears the channel it is told. */
function decoder(channel: Channel = unheard) {
  const log: string[] = [];
  let samples = 0;
  const made: Decoder = {
    start(mean) {
      samples = 0;
      log.push(`start ${mean[0]!.toFixed(0)}`);
    },
    process(pcm) {
      if (pcm[0] === -1) throw new Error("bad audio");
      samples += pcm.length;
    },
    partial: () => ({ text: `so far ${samples}`, words: [] }),
    finish() {
      log.push(`finish ${samples}`);
      return { text: `all ${samples}`, words: [] };
    },
    heard: () => channel,
    free: () => log.push("free"),
  };
  return { made, log };
}

const begin = (id: number, channel = unheard) => ({ kind: "begin" as const, id, partials: true, channel });

it("gives each utterance one slice in turn, and a short one its end before a long one", () => {
  const sent: FromWorker[] = [];
  const fairly = decodeFairly(
    () => decoder().made,
    100_000,
    (message) => sent.push(message),
  );
  for (const [id, samples] of [
    [1, 8000],
    [2, 1600],
  ] as const) {
    fairly.receive(begin(id));
    fairly.receive({ kind: "audio", id, pcm: new Int16Array(samples) });
    fairly.receive({ kind: "end", id });
  }
  while (fairly.turn());
  expect(sent.flatMap((m) => (m.kind === "progress" ? [m.id] : []))).toEqual([1, 2, 1, 1, 1, 1]);
  expect(sent.flatMap((m) => (m.kind === "final" ? [m.text] : []))).toEqual(["all 1600", "all 8000"]);
});

it("decodes again, from the first sample, where the channel proves to be another; counts no audio twice", () => {
  const loud: Channel = { sum: modelMean.map((value) => value * 200 * 2), frames: 200 };
  const sent: FromWorker[] = [];
  const { made, log } = decoder(loud);
  const fairly = decodeFairly(
    () => made,
    3200,
    (message) => sent.push(message),
  );
  fairly.receive(begin(1));
  for (let i = 0; i < 20; i++) fairly.receive({ kind: "audio", id: 1, pcm: new Int16Array(1000) });
  fairly.receive({ kind: "end", id: 1 });
  while (fairly.turn());
  expect(log[0]).toBe("start 41");
  expect(log[1]).toMatch(/^finish 1[67]/);
  expect(Number(log[2]!.split(" ")[1])).toBeGreaterThan(70);
  expect(log.at(-1)).toBe("finish 20000");
  expect(sent.reduce((sum, m) => sum + (m.kind === "progress" ? m.samples : 0), 0)).toBe(20_000);
});

it("begins with the leg's own mean, and does not decode again where it fits", () => {
  const channel: Channel = { sum: modelMean.map((value) => value * 500 * 1.5), frames: 500 };
  const { made, log } = decoder({ sum: modelMean.map((value) => value * 100 * 1.5), frames: 100 });
  const fairly = decodeFairly(
    () => made,
    100_000,
    () => {},
  );
  fairly.receive(begin(1, channel));
  fairly.receive({ kind: "audio", id: 1, pcm: new Int16Array(20_000) });
  fairly.receive({ kind: "end", id: 1 });
  while (fairly.turn());
  expect(log).toEqual(["start 61", "finish 20000"]);
});

it("a failing utterance loses its decoder and no other", () => {
  const sent: FromWorker[] = [];
  const decoders = [decoder(), decoder(), decoder()];
  let next = 0;
  const fairly = decodeFairly(
    () => decoders[next++]!.made,
    100_000,
    (message) => sent.push(message),
  );
  fairly.receive(begin(1));
  fairly.receive(begin(2));
  fairly.receive({ kind: "audio", id: 1, pcm: new Int16Array(1600).fill(-1) });
  fairly.receive({ kind: "audio", id: 2, pcm: new Int16Array(1600) });
  fairly.receive({ kind: "end", id: 2 });
  while (fairly.turn());
  expect(sent.find((m) => m.kind === "failed")).toMatchObject({ id: 1, reason: "bad audio" });
  expect(decoders[0]!.log).toContain("free");
  expect(sent.find((m) => m.kind === "final")).toMatchObject({ id: 2 });
  // The healthy decoder is used again.
  fairly.receive(begin(3));
  expect(next).toBe(2);
});

it("a channel fades: old audio counts for ten seconds at most", () => {
  const quiet: Channel = { sum: modelMean.map(() => 0), frames: 5000 };
  const loud: Channel = { sum: modelMean.map((value) => value * 1000), frames: 1000 };
  expect(joined(quiet, loud).frames).toBe(1000);
  expect(differs(meanOf(unheard), modelMean)).toBe(false);
  expect(differs(meanOf(joined(unheard, quiet)), modelMean)).toBe(true);
});

it("shows words, not the dictionary's variants or noises", () => {
  expect(["the(2)", "<sil>", "[NOISE]", "++um++", "don't"].map(spoken)).toEqual(["the", "", "", "", "don't"]);
});

it("names what is missing of an installation", () => {
  const found = findInstallation({ library: "/nonexistent", model: "/nonexistent" });
  expect(found).toMatchObject({
    missing: [expect.stringContaining("libpocketsphinx"), expect.stringContaining("libsphinxbase"), expect.stringContaining("model")],
  });
});
