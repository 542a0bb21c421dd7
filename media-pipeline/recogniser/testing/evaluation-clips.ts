/** Recordings with their true words, grouped as the legs of calls: clips of one leg follow each other. */
import { readFileSync } from "node:fs";
import { evaluationFile } from "../../testing/evaluation-data.ts";
import { parseWav } from "../../testing/wav-file.ts";

export type Clip = { readonly set: string; readonly leg: string; readonly truth: string /** 16 kHz. */; readonly pcm: Int16Array };

/** @returns undefined where the data is not on this machine */
export function evaluationClips(): Clip[] | undefined {
  const librivox = evaluationFile("asr/pocketsphinx/librivox/transcription");
  const cards = evaluationFile("asr/pocketsphinx/cards/cards.transcription");
  const goForward = evaluationFile("asr/pocketsphinx/goforward.raw");
  const digits = evaluationFile("asr/vosk/test.wav");
  const speech = evaluationFile("asr/whisper.cpp/jfk.wav");
  if (librivox === undefined || cards === undefined || goForward === undefined || digits === undefined || speech === undefined)
    return undefined;
  const one = (set: string, path: string, truth: string): Clip => ({ set, leg: set, truth, pcm: wav(path) });
  return [
    ...transcribed("librivox", librivox),
    ...transcribed("cards", cards),
    { set: "goforward", leg: "goforward", truth: "go forward ten meters", pcm: samplesOf(readFileSync(goForward)) },
    one("digits", digits, "one zero zero zero one nine oh two one oh zero one eight zero three"),
    one("jfk", speech, "and so my fellow americans ask not what your country can do for you ask what you can do for your country"),
  ];
}

/** Lines such as `<s> ten of clubs </s> (001)`, the file beside them. */
function transcribed(set: string, path: string): Clip[] {
  const folder = path.slice(0, path.lastIndexOf("/"));
  return [...readFileSync(path, "utf8").matchAll(/^<s> (.*?) <\/s> \((.*)\)$/gm)].map(([, truth, name]) => ({
    set,
    leg: set,
    truth: truth!.trim(),
    pcm: wav(`${folder}/${name}.wav`),
  }));
}

const wav = (path: string) => parseWav(readFileSync(path)).pcm;

export function samplesOf(bytes: Uint8Array): Int16Array {
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.byteLength & ~1)));
}
