/** A demo call's two streams as RTP payloads, 20 ms each, encoded once per scenario however many calls play it. */
import { readFileSync } from "node:fs";
import { audioFolder, type DemoCodec, type Dialogue, loadDialogue, loadTruth } from "./dialogue.ts";
import { encodeALaw, encodeMuLaw } from "./g711-encoder.ts";
import { encodeG722 } from "./g722-encoder.ts";
import { readMuLawWav } from "./stereo-wav.ts";

export const ptimeMs = 20;

/** RTP time runs at 8 kHz for all three codecs (G.722 too: RFC 3551 4.5.2), and each gives 160 bytes per 20 ms. */
export const bytesPerFrame = 160;

export type PressedDigit = { digit: string; startFrame: number; frames: number };
export type StreamAudio = { codec: DemoCodec; payload: Uint8Array; frames: number; digits: PressedDigit[] };
export type CallAudio = { dialogue: Dialogue; durationMs: number; streams: [StreamAudio, StreamAudio] };

const cache = new Map<string, CallAudio>();

export type AudioOptions = {
  /** The agent's voice on the caller's stream and the other way round (a PBX with its channels crossed). */
  swapped?: boolean;
  /** For both streams, in place of the scenario's own. */
  codec?: DemoCodec;
};

export function loadCallAudio(id: string, { swapped = false, codec }: AudioOptions = {}): CallAudio {
  const key = `${id} ${swapped} ${codec}`;
  const cached = cache.get(key);
  if (cached !== undefined) return cached;
  const own = loadDialogue(id);
  const dialogue: Dialogue = codec === undefined ? own : { ...own, codecs: [codec, codec] };
  const truth = loadTruth(id);
  const { left, right } = readMuLawWav(readFileSync(`${audioFolder}${id}.wav`));
  const stream = (pcm: Int16Array, side: "agent" | "caller", codec: DemoCodec): StreamAudio => {
    const payload = codec === "G722" ? encodeG722(pcm) : (codec === "PCMA" ? encodeALaw : encodeMuLaw)(halve(pcm));
    const digits = truth.turns
      .filter((turn) => turn.speaker === side && turn.digits !== undefined)
      .flatMap((turn) => {
        const each = (turn.endMs - turn.startMs) / turn.digits!.length;
        return [...turn.digits!].map((digit, i) => ({ digit, startFrame: Math.round((turn.startMs + i * each) / ptimeMs), frames: 6 }));
      });
    return { codec, payload, frames: Math.floor(payload.length / bytesPerFrame), digits };
  };
  const audio: CallAudio = {
    dialogue,
    durationMs: truth.durationMs,
    streams: swapped
      ? [stream(right, "caller", dialogue.codecs[0]), stream(left, "agent", dialogue.codecs[1])]
      : [stream(left, "agent", dialogue.codecs[0]), stream(right, "caller", dialogue.codecs[1])],
  };
  cache.set(key, audio);
  return audio;
}

// Half-band low-pass (Kaiser window, 40 dB down from 4.6 kHz): every other tap but the middle one is zero.
const halfBand = [-0.0105, 0, 0.0266, 0, -0.0765, 0, 0.3078, 0.5, 0.3078, 0, -0.0765, 0, 0.0266, 0, -0.0105];

/** 16 kHz to 8 kHz. */
function halve(pcm: Int16Array): Int16Array {
  const out = new Int16Array(pcm.length >> 1);
  const middle = halfBand.length >> 1;
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let tap = 0; tap < halfBand.length; tap++) sum += (pcm[i * 2 + tap - middle] ?? 0) * halfBand[tap]!;
    out[i] = Math.max(-32_768, Math.min(32_767, Math.round(sum)));
  }
  return out;
}
