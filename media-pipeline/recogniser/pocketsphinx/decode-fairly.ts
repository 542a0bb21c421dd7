/** Several utterances on one core: each in turn gets one slice of audio decoded, so that a long one never starves a short one. */
import type { Decoder } from "./library.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** One turn decodes at most this much: 100 ms at 16 kHz. */
const sliceSamples = 1600;

type Job = {
  readonly id: number;
  readonly decoder: Decoder;
  readonly partials: boolean;
  readonly queue: Int16Array[];
  /** Consumed from queue[0]. */
  offset: number;
  decoded: number;
  partialAt: number;
  partialText: string;
  ended: boolean;
};

export type Fairly = {
  receive(message: Exclude<ToWorker, { kind: "setup" }>): void;
  /** Decodes one slice of the next utterance. @returns false where nothing is to do */
  turn(): boolean;
};

/**
 * @param makeDecoder called where no decoder is idle; decoders are kept and used again
 * @param partialSamples audio between two partial results
 */
export function decodeFairly(makeDecoder: () => Decoder, partialSamples: number, send: (message: FromWorker) => void): Fairly {
  const idle: Decoder[] = [];
  const jobs = new Map<number, Job>();

  const release = (job: Job, healthy: boolean) => {
    jobs.delete(job.id);
    if (healthy) idle.push(job.decoder);
    else job.decoder.free();
    send({ kind: "released", id: job.id });
  };
  const guarded = (job: Job, work: () => void) => {
    try {
      work();
    } catch (error) {
      send({ kind: "failed", id: job.id, reason: error instanceof Error ? error.message : String(error) });
      release(job, false);
    }
  };

  const decodeSlice = (job: Job) => {
    const chunk = job.queue[0]!;
    const slice = chunk.subarray(job.offset, job.offset + sliceSamples);
    job.decoder.process(slice);
    job.offset += slice.length;
    job.decoded += slice.length;
    if (job.offset >= chunk.length) {
      job.queue.shift();
      job.offset = 0;
    }
    send({ kind: "progress", id: job.id, samples: slice.length });
    if (job.partials && job.decoded - job.partialAt >= partialSamples) {
      job.partialAt = job.decoded;
      const { text, words } = job.decoder.partial();
      if (text !== "" && text !== job.partialText) {
        job.partialText = text;
        send({ kind: "partial", id: job.id, text, words });
      }
    }
  };

  return {
    receive(message) {
      if (message.kind === "begin") {
        try {
          const decoder = idle.pop() ?? makeDecoder();
          decoder.start();
          jobs.set(message.id, {
            id: message.id,
            decoder,
            partials: message.partials,
            queue: [],
            offset: 0,
            decoded: 0,
            partialAt: 0,
            partialText: "",
            ended: false,
          });
        } catch (error) {
          send({ kind: "failed", id: message.id, reason: error instanceof Error ? error.message : String(error) });
          send({ kind: "released", id: message.id });
        }
        return;
      }
      const job = jobs.get(message.id);
      if (job === undefined) return;
      if (message.kind === "audio") {
        if (message.pcm.length > 0) job.queue.push(message.pcm);
      } else if (message.kind === "end") job.ended = true;
      else
        guarded(job, () => {
          job.decoder.finish();
          release(job, true);
        });
    },
    turn() {
      for (const job of jobs.values()) {
        if (job.queue.length === 0 && !job.ended) continue;
        // To the back of the line: Map keeps insertion order.
        jobs.delete(job.id);
        jobs.set(job.id, job);
        guarded(job, () => {
          if (job.queue.length > 0) decodeSlice(job);
          else {
            const { text, words } = job.decoder.finish();
            send({ kind: "final", id: job.id, text, words });
            release(job, true);
          }
        });
        return true;
      }
      return false;
    },
  };
}
