import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeHeard } from "./write-heard.ts";

const folder = mkdtempSync(join(tmpdir(), "earshot-heard-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the header of a WAV file says. */
function headerOf(file: Buffer) {
  expect([file.toString("latin1", 0, 4), file.toString("latin1", 8, 16), file.toString("latin1", 36, 40)]).toEqual([
    "RIFF",
    "WAVEfmt ",
    "data",
  ]);
  return {
    riffBytes: file.readUInt32LE(4),
    channels: file.readUInt16LE(22),
    rate: file.readUInt32LE(24),
    bits: file.readUInt16LE(34),
    dataBytes: file.readUInt32LE(40),
  };
}

test("a file is a WAV that can be played while it grows, and says its length at the end", async () => {
  const file = join(folder, "call.wav");
  let whileWritten: ReturnType<typeof headerOf> | undefined;
  const rates: number[] = [];
  async function* chunks() {
    yield { sampleRate: 16_000, pcm: Uint8Array.of(1, 2, 3, 4) };
    yield { sampleRate: 16_000, pcm: Uint8Array.of(5, 6, 7, 8) };
    whileWritten = headerOf(readFileSync(file));
  }
  await writeHeard(chunks(), file, (rate) => rates.push(rate));
  expect(rates).toEqual([16_000]);
  expect(whileWritten).toMatchObject({ riffBytes: 0xffff_ffff, rate: 16_000, dataBytes: 0xffff_ffff - 36 });
  const written = readFileSync(file);
  expect(headerOf(written)).toEqual({ riffBytes: 44, channels: 2, rate: 16_000, bits: 16, dataBytes: 8 });
  expect([...written.subarray(44)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test("what was heard before the listening broke off is a whole file", async () => {
  const file = join(folder, "broken.wav");
  async function* chunks() {
    yield { sampleRate: 8000, pcm: new Uint8Array(400) };
    throw new Error("the connection was lost");
  }
  await expect(writeHeard(chunks(), file, () => {})).rejects.toThrow("the connection was lost");
  expect(headerOf(readFileSync(file))).toMatchObject({ riffBytes: 436, rate: 8000, dataBytes: 400 });
});

test("a file that cannot be written is said", async () => {
  async function* chunks() {
    yield { sampleRate: 8000, pcm: new Uint8Array(4) };
  }
  await expect(writeHeard(chunks(), join(folder, "no", "such.wav"), () => {})).rejects.toMatchObject({ code: "audio_not_written" });
});

test("to the standard output go the samples alone", async () => {
  const script = `
    const { writeHeard } = await import(${JSON.stringify(new URL("./write-heard.ts", import.meta.url).href)});
    await writeHeard((async function* () { yield { sampleRate: 8000, pcm: Uint8Array.of(9, 8, 7, 6) }; })(), "-", (rate) => console.error(rate));`;
  const [out, err] = await new Promise<[Buffer, string]>((resolve) =>
    execFile(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script],
      { encoding: "buffer" },
      (_, stdout, stderr) => resolve([stdout, stderr.toString()]),
    ),
  );
  expect([[...out], err]).toEqual([[9, 8, 7, 6], "8000\n"]);
});
