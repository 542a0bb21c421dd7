/** Memory that the detector shares with its worker. */
import { windowSamples } from "./detector.ts";
import { contextSamples, stateSize } from "./window-queue.ts";

export const maxBatch = 64;
/** One batch is computed while the next is filled and the last one read: the model never waits for the thread that receives audio. */
export const slots = 2;
export const inputSamples = contextSamples + windowSamples;

export type SharedMemory = {
  readonly input: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
};

export function createSharedMemory(): SharedMemory {
  return {
    input: new SharedArrayBuffer(slots * maxBatch * inputSamples * 4),
    state: new SharedArrayBuffer(slots * 2 * maxBatch * stateSize * 4),
    output: new SharedArrayBuffer(slots * maxBatch * 4),
  };
}

/** What travels to the worker. A count of 0 asks it to end. */
export type BatchRequest = { readonly slot: number; readonly count: number };
/** `failure` is empty where the batch was judged. */
export type BatchReply = { readonly slot: number; readonly failure: string };
