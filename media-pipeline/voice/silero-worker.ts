/**
 * Runs Silero VAD in a thread of its own: onnxruntime-node computes on the thread that calls it, and the caller of all others receives
 * the audio of every call. Audio and results pass through shared memory; messages carry only the size of the batch.
 */
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { inputSamples, maxBatch, type SharedMemory } from "./silero-memory.ts";
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

async function run(count: number): Promise<void> {
  const layer = count * stateSize;
  const packed = new Float32Array(2 * layer);
  packed.set(state.subarray(0, layer), 0);
  packed.set(state.subarray(maxBatch * stateSize, maxBatch * stateSize + layer), layer);
  const results = await session.run({
    input: new ort.Tensor("float32", input.slice(0, count * inputSamples), [count, inputSamples]),
    state: new ort.Tensor("float32", packed, [2, count, stateSize]),
    sr: rate,
  });
  const next = results.stateN!.data as Float32Array;
  state.set(next.subarray(0, layer), 0);
  state.set(next.subarray(layer, 2 * layer), maxBatch * stateSize);
  output.set(results.output!.data as Float32Array);
}

port.on("message", (count: number) => {
  if (count === 0) {
    port.close();
    return;
  }
  run(count).then(
    () => port.postMessage("done"),
    (error: unknown) => port.postMessage(`failed: ${error instanceof Error ? error.message : String(error)}`),
  );
});
port.postMessage("ready");
