/** Memory that the detector shares with its worker. */
import { windowSamples } from "./detector.ts";
import { contextSamples, stateSize } from "./window-queue.ts";

export const maxBatch = 64;
/** One batch is computed while the next is filled and the last one read: the model never waits for the thread that receives audio. */
export const slots = 2;
/** Windows of one leg that a batch takes one after the other: a chunk of 100 ms goes there and back once. */
export const maxSteps = 4;
export const inputSamples = contextSamples + windowSamples;

export type SharedMemory = {
  readonly input: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
};

export function createSharedMemory(): SharedMemory {
  return {
    input: new SharedArrayBuffer(slots * maxSteps * maxBatch * inputSamples * 4),
    state: new SharedArrayBuffer(slots * 2 * maxBatch * stateSize * 4),
    output: new SharedArrayBuffer(slots * maxSteps * maxBatch * 4),
  };
}

/** What travels to the worker: how many legs, from the first on, have a window in each step. No steps asks it to end. */
export type BatchRequest = { readonly slot: number; readonly counts: readonly number[] };
/** `failure` is empty where the batch was judged. */
export type BatchReply = { readonly slot: number; readonly failure: string };
