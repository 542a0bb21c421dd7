/** The demo calls: what is said (dialogues/*.json), and the audio made of it (audio/*.wav with the true words and times in audio/*.json). */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export type Side = "agent" | "caller";
export type DemoCodec = "G722" | "PCMA" | "PCMU";

export type Impairment = {
  /** Packets that never arrive, per cent. */
  lossPercent?: number;
  /** Each packet is late by up to this. */
  jitterMs?: number;
  /** Packets that change places with their successor, per cent. */
  reorderPercent?: number;
  /** The agent's audio is sent on the caller's stream and the other way round. */
  swapChannels?: boolean;
  /** Only the agent's stream carries sound. */
  oneWay?: boolean;
};

export type Dialogue = {
  title: string;
  queue: string;
  direction: "inbound" | "outbound";
  agent: { name: string; extension: string; voice: string };
  caller: { name: string; number: string; voice: string };
  /** Of the agent's and the caller's stream. */
  codecs: [DemoCodec, DemoCodec];
  impairment?: Impairment;
  /** `gapMs` after the end of the line before; negative = they talk over each other. A line is spoken text or pressed digits. */
  lines: { speaker: Side; gapMs: number; text?: string; digits?: string }[];
};

export type TrueWord = { word: string; startMs: number; endMs: number };
export type Truth = {
  sampleRate: number;
  durationMs: number;
  turns: { speaker: Side; startMs: number; endMs: number; text?: string; digits?: string; words: TrueWord[] }[];
};

const folder = (name: string): string => fileURLToPath(new URL(`./${name}/`, import.meta.url));
export const dialogueFolder = folder("dialogues");
export const audioFolder = folder("audio");

export function scenarioIds(): string[] {
  return readdirSync(dialogueFolder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort();
}

export function loadDialogue(id: string): Dialogue {
  return JSON.parse(readFileSync(`${dialogueFolder}${id}.json`, "utf8")) as Dialogue;
}

export function loadTruth(id: string): Truth {
  return JSON.parse(readFileSync(`${audioFolder}${id}.json`, "utf8")) as Truth;
}
