/** Several utterances on one core: each in turn gets one slice of audio decoded, so that a long one never starves a short one. */
import { type Channel, differs, joined, meanOf } from "./channel.ts";
import type { Decoder } from "./library.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** One turn decodes at most this much: 100 ms at 16 kHz. */
const sliceSamples = 1600;
/** The channel is first looked at after 1 s, when its mean begins to mean something. */
const firstLookSamples = 16_000;
/** Audio kept to decode an utterance again; a longer one has enough to find its channel on the way. */
const keptSamples = 20 * 16_000;

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
  /** The leg's, from earlier utterances. */
  readonly channel: Channel;
  mean: readonly number[];
  /** All audio received, as long as it may be decoded again. */
  kept: Int16Array[] | undefined;
  keptSamples: number;
  /** Samples still to be decoded a second time: they are no progress, and give no partials. */
  again: number;
  lookedEarly: boolean;
  lookedAtEnd: boolean;
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

  const take = (job: Job, pcm: Int16Array) => {
    job.queue.push(pcm);
    job.keptSamples += pcm.length;
    if (job.keptSamples > keptSamples) job.kept = undefined;
    else job.kept?.push(pcm);
  };

  /** Begins the utterance's audio again where its channel turns out to be another than the decoder began with. `finished` = the decoder is. */
  const decodeAgain = (job: Job, finished: boolean): boolean => {
    if (job.kept === undefined) return false;
    const better = meanOf(joined(job.channel, job.decoder.heard()));
    if (!differs(job.mean, better)) return false;
    job.mean = better;
    const rest = job.queue.length > 0 ? [job.queue[0]!.subarray(job.offset), ...job.queue.slice(1)] : [];
    job.again = job.decoded;
    job.decoded = 0;
    job.partialAt = 0;
    job.offset = 0;
    job.queue.length = 0;
    job.queue.push(...upTo(job.kept, job.again), ...rest);
    if (!finished) job.decoder.finish();
    job.decoder.start(better);
    return true;
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
    const repeated = Math.min(job.again, slice.length);
    job.again -= repeated;
    if (slice.length > repeated) send({ kind: "progress", id: job.id, samples: slice.length - repeated });
    if (!job.lookedEarly && job.decoded >= firstLookSamples) {
      job.lookedEarly = true;
      if (decodeAgain(job, false)) return;
    }
    if (job.partials && job.again === 0 && job.decoded - job.partialAt >= partialSamples) {
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
          const mean = meanOf(message.channel);
          decoder.start(mean);
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
            channel: message.channel,
            mean,
            kept: [],
            keptSamples: 0,
            again: 0,
            lookedEarly: false,
            lookedAtEnd: false,
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
        if (message.pcm.length > 0) take(job, message.pcm);
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
            const first = !job.lookedAtEnd;
            job.lookedAtEnd = true;
            if (first && decodeAgain(job, true)) return;
            send({ kind: "final", id: job.id, text, words, channel: joined(job.channel, job.decoder.heard()) });
            release(job, true);
          }
        });
        return true;
      }
      return false;
    },
  };
}

/** The first `samples` of the chunks. */
function upTo(chunks: readonly Int16Array[], samples: number): Int16Array[] {
  const first: Int16Array[] = [];
  let left = samples;
  for (const chunk of chunks) {
    if (left <= 0) break;
    first.push(chunk.subarray(0, left));
    left -= chunk.length;
  }
  return first;
}
