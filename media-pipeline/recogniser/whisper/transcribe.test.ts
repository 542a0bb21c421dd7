import { silentLog } from "@earshot/platform/log/log.ts";
import { expect, it, vi } from "vitest";
import { showProgress } from "./progress.ts";
import { type SpeechPipeline, transcribe } from "./transcribe.ts";

const second = new Int16Array(16_000).fill(16_384);

it("gives the model floats from -1 to 1 and asks for word times", async () => {
  const speech = vi.fn<SpeechPipeline>(async () => ({
    text: " Hello there.",
    chunks: [
      { text: " Hello", timestamp: [0.1, 0.5] },
      { text: " there.", timestamp: [0.5, null] },
    ],
  }));
  const heard = await transcribe(speech, second, "en-GB", { wordTimes: true, languages: ["en", "de"] });
  expect(speech.mock.calls[0]![0][0]).toBe(0.5);
  expect(speech.mock.calls[0]![1]).toMatchObject({ return_timestamps: "word", language: "en", task: "transcribe" });
  expect(heard).toEqual({
    text: "Hello there.",
    words: [
      { text: "Hello", startMs: 100, endMs: 500 },
      { text: "there.", startMs: 500, endMs: 1000 },
    ],
  });
});

it("asks for no times where the model has none, for English where no language is given, and tells an English model none at all", async () => {
  const speech = vi.fn<SpeechPipeline>(async () => ({ text: "Hello" }));
  expect(await transcribe(speech, second, "", { wordTimes: false, languages: ["en", "de"] })).toEqual({ text: "Hello", words: [] });
  await transcribe(speech, second, "en", { wordTimes: false, languages: undefined });
  expect(speech.mock.calls.map(([, options]) => options)).toEqual([
    { return_timestamps: false, chunk_length_s: 30, language: "en", task: "transcribe" },
    { return_timestamps: false, chunk_length_s: 30 },
  ]);
});

it("hears nothing where the model says times and no words between them, and fails as the model does otherwise", async () => {
  const fails =
    (message: string): SpeechPipeline =>
    () =>
      Promise.reject(new Error(message));
  const abilities = { wordTimes: true, languages: ["en"] };
  expect(await transcribe(fails("token_ids must be a non-empty array of integers."), second, "en", abilities)).toEqual({
    text: "",
    words: [],
  });
  await expect(transcribe(fails("out of memory"), second, "en", abilities)).rejects.toThrow("out of memory");
});

it("keeps words within the audio", async () => {
  const speech: SpeechPipeline = async () => ({ text: "Thank you.", chunks: [{ text: "Thank you.", timestamp: [0.98, 29.98] }] });
  const { words } = await transcribe(speech, second, "en", { wordTimes: true, languages: ["en"] });
  expect(words).toEqual([{ text: "Thank you.", startMs: 980, endMs: 1000 }]);
});

it("refuses what is no transcription", async () => {
  await expect(transcribe(async () => ({ surprise: 1 }), second, "", { wordTimes: false, languages: undefined })).rejects.toThrow(
    "no text",
  );
});

it("draws one bar over all files on a terminal", () => {
  const written: string[] = [];
  const progress = showProgress("whisper-base", silentLog, { isTTY: true, write: (text) => written.push(text) });
  progress.show("encoder.onnx", 50_000_000, 100_000_000);
  progress.show("decoder.onnx", 100_000_000, 100_000_000);
  progress.end();
  expect(written[0]).toContain("50 of 100 MB");
  expect(written[1]).toMatch(/\[#{23}\.{7}\] 150 of 200 MB/);
  expect(written.at(-1)).toBe("\n");
});

it("logs each tenth elsewhere", () => {
  const info = vi.fn();
  const progress = showProgress("whisper-base", { ...silentLog, info }, { write: () => {} });
  for (let loaded = 0; loaded <= 100; loaded++) progress.show("encoder.onnx", loaded, 100);
  expect(info.mock.calls.map(([fields]) => fields.percent)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
});
