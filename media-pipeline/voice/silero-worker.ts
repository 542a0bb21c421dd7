/**
 * Runs Silero VAD in a thread of its own: onnxruntime-node computes on the thread that calls it, and the caller of all others receives
 * the audio of every call. Audio and results pass through shared memory; messages carry only the size of the batch.
 */
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { type BatchReply, type BatchRequest, inputSamples, maxBatch, maxSteps, type SharedMemory } from "./silero-memory.ts";
import { stateSize } from "./window-queue.ts";

const port = parentPort;
if (port === null) throw new Error("runs as a worker thread only");
const memory = workerData as SharedMemory;
const input = new Float32Array(memory.input);
const state = new Float32Array(memory.state);
const output = new Float32Array(memory.output);

const require = createRequire(import.meta.url);
const ort = require("onnxruntime-node") as typeof import("onnxruntime-node");
const session: InferenceSession = await ort.InferenceSession.create(require.resolve("@ricky0123/vad-web/dist/silero_vad_v5.onnx"), {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: "sequential",
});
const rate: Tensor = new ort.Tensor("int64", BigInt64Array.of(8000n), []);

/** One window of `count` legs; their states go on in place. */
async function step(slot: number, number: number, count: number): Promise<void> {
  const layer = count * stateSize;
  const low = slot * 2 * maxBatch * stateSize;
  const high = low + maxBatch * stateSize;
  const row = (slot * maxSteps + number) * maxBatch;
  const packed = new Float32Array(2 * layer);
  packed.set(state.subarray(low, low + layer), 0);
  packed.set(state.subarray(high, high + layer), layer);
  const results = await session.run({
    input: new ort.Tensor("float32", input.slice(row * inputSamples, (row + count) * inputSamples), [count, inputSamples]),
    state: new ort.Tensor("float32", packed, [2, count, stateSize]),
    sr: rate,
  });
  const next = results.stateN!.data as Float32Array;
  state.set(next.subarray(0, layer), low);
  state.set(next.subarray(layer, 2 * layer), high);
  output.set(results.output!.data as Float32Array, row);
}

async function run({ slot, counts }: BatchRequest): Promise<void> {
  for (let number = 0; number < counts.length; number++) await step(slot, number, counts[number]!);
}

const reply = (message: BatchReply): void => port.postMessage(message);

port.on("message", (request: BatchRequest) => {
  if (request.counts.length === 0) {
    port.close();
    return;
  }
  run(request).then(
    () => reply({ slot: request.slot, failure: "" }),
    (error: unknown) => reply({ slot: request.slot, failure: error instanceof Error ? error.message : String(error) }),
  );
});
port.postMessage("ready");
