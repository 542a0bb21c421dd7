/** The binary audio message of `proto/api/live.ts`, taken apart. */

export interface AudioChunk {
  callId: string;
  sampleRate: number;
  positionMs: number;
  /** -1..1 per side. */
  agent: Float32Array<ArrayBuffer>;
  caller: Float32Array<ArrayBuffer>;
}

/** Null for anything that is not a whole two-channel message of version 1. */
export function readAudioMessage(buffer: ArrayBuffer): AudioChunk | null {
  if (buffer.byteLength < 13) return null;
  const view = new DataView(buffer);
  if (view.getUint8(0) !== 0x45 || view.getUint8(1) !== 0x41 || view.getUint8(2) !== 1 || view.getUint8(3) !== 2) return null;
  const sampleRate = view.getUint32(4, true);
  const idLength = view.getUint8(12);
  const start = 13 + idLength;
  if (buffer.byteLength < start || sampleRate < 8000 || sampleRate > 96_000) return null;
  let callId = "";
  for (let index = 13; index < start; index += 1) callId += String.fromCharCode(view.getUint8(index));
  const frames = Math.floor((buffer.byteLength - start) / 4);
  const agent = new Float32Array(frames);
  const caller = new Float32Array(frames);
  for (let frame = 0; frame < frames; frame += 1) {
    agent[frame] = view.getInt16(start + frame * 4, true) / 32_768;
    caller[frame] = view.getInt16(start + frame * 4 + 2, true) / 32_768;
  }
  return { callId, sampleRate, positionMs: view.getUint32(8, true), agent, caller };
}
