/** Silero VAD v5 at 8 kHz: windows of all legs gathered into batches, judged in a worker thread. */
import { Worker } from "node:worker_threads";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { VoiceDetector, VoiceSink, VoiceStream, Window } from "./detector.ts";
import { type BatchReply, type BatchRequest, createSharedMemory, inputSamples, maxBatch, maxSteps, slots } from "./silero-memory.ts";
import { slotKind, stateSize, WindowQueue } from "./window-queue.ts";

/** After this many windows without the model its memory of the leg is of no use (half a second). */
const forgetAfterWindows = 16;
/**
 * In the middle of loud, certain speech two windows in a row go without the model, most of a chunk of 100 ms; where it grows quieter the model is
 * asked at once. On telephone speech one window in a hundred is judged otherwise than by the model alone, nearly all at the end of a word.
 */
const certain = 0.9;
const mostCertain = 2;
const steadyDb = 10;
const loadTimeoutMs = 20_000;

type Deps = { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics };
type Options = { readonly batchIntervalMs: number; readonly queueWindows: number };

class Stream implements VoiceStream {
  readonly queue: WindowQueue;
  readonly sink: VoiceSink;
  /** Its head is with the model now. */
  inBatch = false;
  /** Stands in the list of legs that wait for the model. */
  listed = false;
  /** What the model said of the window before, and how loud that was; 0 = it was not asked. */
  lastProbability = 0;
  lastLevelDb = 0;
  /** Windows since then that went without it. */
  skipped = 0;
  /** Windows of it in its batch. */
  steps = 0;
  closed = false;
  readonly #owner: SileroDetector;

  constructor(owner: SileroDetector, sink: VoiceSink, capacity: number) {
    this.#owner = owner;
    this.sink = sink;
    this.queue = new WindowQueue(capacity);
  }

  push(pcm: Int16Array, window: Readonly<Window>, open: boolean, energyProbability: number): void {
    if (this.queue.full) this.#owner.overflow(this);
    this.queue.push(open ? slotKind.open : slotKind.closed, pcm, window, energyProbability);
    this.#owner.advance(this);
  }

  mark(kind: "pause" | "end"): void {
    if (this.queue.full) this.#owner.overflow(this);
    this.queue.push(slotKind[kind], undefined, undefined, 0);
    this.#owner.advance(this);
  }

  close(): void {
    this.closed = true;
  }

  get waiting(): number {
    return this.queue.length;
  }
}

export class SileroDetector implements VoiceDetector {
  readonly name = "silero-detector";
  readonly kind = "silero";
  readonly reason = "Silero VAD v5 through onnxruntime";
  readonly #deps: Deps;
  readonly #options: Options;
  readonly #memory = createSharedMemory();
  readonly #input = new Float32Array(this.#memory.input);
  readonly #state = new Float32Array(this.#memory.state);
  readonly #output = new Float32Array(this.#memory.output);
  #worker: Worker | undefined;
  #waiting: Stream[] = [];
  /** What is with the worker, by slot. */
  readonly #batches: (Stream[] | undefined)[] = Array.from({ length: slots }, () => undefined);
  #timer: (() => void) | undefined;
  readonly #windows;
  readonly #batchCount;

  constructor(deps: Deps, options: Options) {
    this.#deps = deps;
    this.#options = options;
    this.#windows = deps.metrics.counter("earshot_vad_windows_total", "Windows of 32 ms judged, by what judged them", ["how"]);
    this.#batchCount = deps.metrics.counter("earshot_vad_batches_total", "Batches run by the speech detector");
  }

  /** @throws EarshotError unavailable `vad_unavailable` where onnxruntime or the model does not load */
  async start(): Promise<void> {
    const worker = new Worker(new URL("./silero-worker.ts", import.meta.url), { workerData: this.#memory });
    worker.unref();
    try {
      await new Promise<void>((resolve, reject) => {
        const cancel = this.#deps.clock.after(loadTimeoutMs, () => reject(new Error("the model did not load in time")));
        worker.once("message", () => {
          cancel();
          resolve();
        });
        worker.once("error", reject);
        worker.once("exit", () => reject(new Error("the detector's thread ended")));
      });
    } catch (cause) {
      await worker.terminate();
      throw new EarshotError("unavailable", "vad_unavailable", "The speech detector cannot be loaded.", {
        cause,
        remedy: "Reinstall the packages onnxruntime-node and @ricky0123/vad-web, or set EARSHOT_VAD=energy.",
      });
    }
    for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
    worker.on("message", (reply: BatchReply) => this.#ran(reply));
    worker.on("error", (error) => this.#lost(error));
    worker.on("exit", () => this.#lost(new Error("the detector's thread ended")));
    this.#worker = worker;
  }

  async stop(deadlineMs: number): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#timer?.();
    this.#timer = undefined;
    if (worker === undefined) return;
    for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    worker.ref();
    worker.postMessage({ slot: 0, counts: [] } satisfies BatchRequest);
    let cancel = (): void => {};
    await Promise.race([ended, new Promise<void>((resolve) => (cancel = this.#deps.clock.after(Math.max(1, deadlineMs), resolve)))]);
    cancel();
    await worker.terminate();
  }

  open(sink: VoiceSink): VoiceStream {
    return new Stream(this, sink, this.#options.queueWindows);
  }

  /** Judges the head by energy, to make room. */
  overflow(stream: Stream): void {
    if (stream.inBatch) {
      // The model's answer for it comes too late now; its state goes on from the window behind.
      stream.inBatch = false;
      for (const batch of this.#batches) {
        const at = batch?.indexOf(stream) ?? -1;
        if (at >= 0) batch![at] = gone;
      }
    }
    this.#windows.inc({ how: "overflow" });
    const probability = stream.queue.headEnergyProbability();
    const kind = stream.queue.headKind();
    stream.queue.pop();
    if (kind <= slotKind.open) stream.sink.judged(stream.queue.head, probability);
    else stream.sink.marked(kind === slotKind.pause ? "pause" : "end");
  }

  /** Settles every window at the head that needs no model, and lists the stream where one does. */
  advance(stream: Stream): void {
    const { queue, sink } = stream;
    while (queue.length > 0 && !stream.inBatch && !stream.listed) {
      const kind = queue.headKind();
      if (kind === slotKind.open) {
        if (stream.lastProbability >= certain && queue.headLevelDb() > stream.lastLevelDb - steadyDb) {
          const probability = stream.lastProbability;
          if (++stream.skipped >= mostCertain) stream.lastProbability = 0;
          this.#windows.inc({ how: "certain" });
          queue.pop();
          sink.judged(queue.head, probability);
          continue;
        }
        if (this.#worker !== undefined && !stream.closed) {
          stream.listed = true;
          this.#waiting.push(stream);
          this.#schedule();
          return;
        }
        this.#windows.inc({ how: "energy" });
        const probability = queue.headEnergyProbability();
        queue.pop();
        sink.judged(queue.head, probability);
      } else if (kind === slotKind.closed) {
        queue.pop();
        stream.lastProbability = 0;
        if (++queue.closedRun === forgetAfterWindows) queue.state.fill(0);
        sink.judged(queue.head, 0);
      } else {
        stream.lastProbability = 0;
        queue.pop();
        queue.state.fill(0);
        queue.context.fill(0);
        sink.marked(kind === slotKind.pause ? "pause" : "end");
      }
    }
  }

  #schedule(): void {
    if (this.#waiting.length >= maxBatch && this.#batches.includes(undefined)) this.#run();
    else this.#timer ??= this.#deps.clock.after(this.#options.batchIntervalMs, () => this.#run());
  }

  #run(): void {
    this.#timer?.();
    this.#timer = undefined;
    const slot = this.#batches.indexOf(undefined);
    // Where both slots are taken, the reply of the next one runs what waits.
    if (slot < 0 || this.#worker === undefined) return;
    const batch: Stream[] = [];
    const settled: Stream[] = [];
    for (const stream of this.#waiting.splice(0, maxBatch)) {
      stream.listed = false;
      stream.steps = stream.queue.openRun(maxSteps);
      // An overflow may have taken the window away that the stream was listed for.
      if (stream.steps === 0) settled.push(stream);
      else batch.push(stream);
    }
    // Legs with most windows first, so that each step concerns the first few.
    batch.sort((a, b) => b.steps - a.steps);
    const counts: number[] = [];
    let windows = 0;
    for (let count = 0; count < batch.length; count++) {
      const stream = batch[count]!;
      const { queue, steps } = stream;
      stream.inBatch = true;
      for (let step = 0; step < steps; step++) {
        queue.fill(step, this.#input, ((slot * maxSteps + step) * maxBatch + count) * inputSamples);
        counts[step] = count + 1;
      }
      windows += steps;
      const low = (slot * 2 * maxBatch + count) * stateSize;
      const high = low + maxBatch * stateSize;
      for (let i = 0; i < stateSize; i++) {
        this.#state[low + i] = queue.state[i]!;
        this.#state[high + i] = queue.state[stateSize + i]!;
      }
    }
    if (batch.length > 0) {
      this.#batches[slot] = batch;
      this.#batchCount.inc();
      this.#windows.inc({ how: "silero" }, windows);
      this.#worker.postMessage({ slot, counts } satisfies BatchRequest);
    }
    for (const stream of settled) this.advance(stream);
    if (this.#waiting.length > 0) this.#schedule();
  }

  #ran({ slot, failure }: BatchReply): void {
    const ok = failure === "";
    if (!ok) this.#deps.log.error({ failure }, "the speech detector failed on a batch; judged by energy");
    const batch = this.#batches[slot] ?? [];
    this.#batches[slot] = undefined;
    for (let i = 0; i < batch.length; i++) {
      const stream = batch[i]!;
      if (stream === gone) continue;
      const { queue, sink } = stream;
      stream.inBatch = false;
      if (ok) {
        const low = (slot * 2 * maxBatch + i) * stateSize;
        const high = low + maxBatch * stateSize;
        for (let at = 0; at < stateSize; at++) {
          queue.state[at] = this.#state[low + at]!;
          queue.state[stateSize + at] = this.#state[high + at]!;
        }
      }
      queue.closedRun = 0;
      for (let step = 0; step < stream.steps; step++) {
        const probability = ok ? this.#output[(slot * maxSteps + step) * maxBatch + i]! : queue.headEnergyProbability();
        queue.pop();
        stream.lastProbability = ok ? probability : 0;
        stream.lastLevelDb = queue.head.levelDb;
        stream.skipped = 0;
        sink.judged(queue.head, probability);
      }
      this.advance(stream);
    }
    // Windows behind those just judged have waited already.
    if (this.#waiting.length > 0) this.#run();
  }

  #lost(error: unknown): void {
    if (this.#worker === undefined) return;
    this.#deps.log.error({ err: error }, "the speech detector's thread is gone; speech is judged by energy alone");
    this.#worker = undefined;
    for (let slot = 0; slot < slots; slot++) this.#ran({ slot, failure: "thread gone" });
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const stream of waiting) {
      stream.listed = false;
      this.advance(stream);
    }
  }
}

/** Stands in a batch for a stream whose window was taken out. */
const gone = { queue: undefined, sink: undefined } as unknown as Stream;
