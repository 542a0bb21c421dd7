/**
 * Makes audio/*.wav and audio/*.json from dialogues/*.json with flite: two channels (agent left, caller right), 16 kHz, G.711 mu-law
 * in a WAV file, and beside it the true words with their times, from flite's own phone durations.
 * Run: node deploy/demo-pbx/make-audio.ts (needs the flite program; the results are part of the repository).
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { audioFolder, type Dialogue, loadDialogue, scenarioIds, type TrueWord, type Truth } from "./dialogue.ts";
import { encodeMuLaw } from "./g711-encoder.ts";
import { muLawWav } from "./stereo-wav.ts";

const sampleRate = 16_000;
const digitMs = 120;
const digitGapMs = 180;

function speak(voice: string, text: string, scratch: string): Int16Array {
  const file = join(scratch, "line.wav");
  execFileSync("flite", ["-voice", voice, "-t", text, "-o", file]);
  const wav = readFileSync(file);
  const data = wav.indexOf("data", 12, "latin1") + 8;
  return new Int16Array(wav.buffer.slice(wav.byteOffset + data, wav.byteOffset + wav.length - ((wav.length - data) % 2)));
}

function phones(voice: string, text: string): { phone: string; endMs: number }[] {
  return execFileSync("flite", ["-voice", voice, "-psdur", "-t", text, "none"], { encoding: "utf8" })
    .trim()
    .split(/\s+/)
    .map((entry) => ({ phone: entry.slice(0, entry.indexOf(":")), endMs: Math.round(Number(entry.slice(entry.indexOf(":") + 1)) * 1000) }));
}

const phonesOfWord = new Map<string, number>();
/** How many phones flite gives the word when it stands alone. */
function phoneCount(voice: string, word: string): number {
  const key = `${voice} ${word}`;
  let count = phonesOfWord.get(key);
  if (count === undefined) {
    count = phones(voice, word).filter(({ phone }) => phone !== "pau").length;
    phonesOfWord.set(key, count);
  }
  return count;
}

/** Hands the line's phones out to its words in order; where a word is reduced in context the rest is spread evenly. */
function wordTimes(voice: string, text: string): TrueWord[] {
  const words = text.toLowerCase().match(/[a-z']+/g) ?? [];
  const spoken: { startMs: number; endMs: number }[] = [];
  let before = 0;
  for (const { phone, endMs } of phones(voice, text)) {
    if (phone !== "pau") spoken.push({ startMs: before, endMs });
    before = endMs;
  }
  const counts = words.map((word) => phoneCount(voice, word));
  const scale = spoken.length / counts.reduce((sum, count) => sum + count, 0);
  const times: TrueWord[] = [];
  let used = 0;
  words.forEach((word, i) => {
    const first = Math.min(spoken.length - 1, Math.round(used * scale));
    used += counts[i]!;
    const last = Math.min(spoken.length - 1, Math.max(first, Math.round(used * scale) - 1));
    times.push({ word, startMs: spoken[first]!.startMs, endMs: spoken[last]!.endMs });
  });
  return times;
}

function make(id: string, dialogue: Dialogue, scratch: string): void {
  const placed: { turn: Truth["turns"][number]; samples: Int16Array }[] = [];
  let endOfLast = 0;
  for (const line of dialogue.lines) {
    const startMs = Math.max(0, endOfLast + line.gapMs);
    const voice = dialogue[line.speaker].voice;
    if (line.text !== undefined) {
      const samples = speak(voice, line.text, scratch);
      const words = wordTimes(voice, line.text).map((w) => ({ ...w, startMs: w.startMs + startMs, endMs: w.endMs + startMs }));
      const endMs = words.at(-1)?.endMs ?? startMs;
      placed.push({ turn: { speaker: line.speaker, startMs, endMs, text: line.text, words }, samples });
      endOfLast = endMs;
    } else if (line.digits !== undefined) {
      const endMs = startMs + line.digits.length * (digitMs + digitGapMs);
      placed.push({ turn: { speaker: line.speaker, startMs, endMs, digits: line.digits, words: [] }, samples: new Int16Array(0) });
      endOfLast = endMs;
    }
  }
  const durationMs = endOfLast + 600;
  const length = Math.ceil((durationMs * sampleRate) / 1000);
  const channels = { agent: new Int16Array(length), caller: new Int16Array(length) };
  for (const { turn, samples } of placed) {
    const at = Math.round((turn.startMs * sampleRate) / 1000);
    channels[turn.speaker].set(samples.subarray(0, Math.max(0, length - at)), at);
  }
  writeFileSync(`${audioFolder}${id}.wav`, muLawWav(sampleRate, [encodeMuLaw(channels.agent), encodeMuLaw(channels.caller)]));
  const truth: Truth = { sampleRate, durationMs, turns: placed.map(({ turn }) => turn) };
  writeFileSync(`${audioFolder}${id}.json`, `${JSON.stringify(truth, null, 1)}\n`);
  console.log(`${id}: ${(durationMs / 1000).toFixed(1)} s, ${truth.turns.length} turns`);
}

const scratch = mkdtempSync(join(tmpdir(), "earshot-audio-"));
try {
  for (const id of scenarioIds()) make(id, loadDialogue(id), scratch);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
