/** Memory that the detector shares with its worker. */
import { windowSamples } from "./detector.ts";
import { contextSamples, stateSize } from "./window-queue.ts";

export const maxBatch = 64;
export const inputSamples = contextSamples + windowSamples;

export type SharedMemory = {
  readonly input: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
};

export function createSharedMemory(): SharedMemory {
  return {
    input: new SharedArrayBuffer(maxBatch * inputSamples * 4),
    state: new SharedArrayBuffer(2 * maxBatch * stateSize * 4),
    output: new SharedArrayBuffer(maxBatch * 4),
  };
}
