/** A recogniser of one's own behind gRPC (proto/schema/earshot/recogniser/v1): one stream per utterance, audio as it is spoken. */
import { grpcClient } from "@earshot/platform/grpc/client.ts";
import { type EarshotError, isRetryable } from "@earshot/proto/errors.ts";
import {
  type DescribeResponse,
  type RecogniseResponse,
  Recogniser as RecogniserService,
} from "@earshot/proto/gen/earshot/recogniser/v1/recogniser_pb.js";
import type { EngineDeps } from "../engine.ts";
import { tooManyUtterances } from "../failures.ts";
import { unreadableAnswer } from "../http-failure.ts";
import type { Capabilities, Recogniser, UtteranceOptions } from "../port.ts";
import { type Attempt, type AttemptListener, StreamedUtterances } from "../streamed-utterances.ts";
import type { UtteranceAudio } from "../utterance-audio.ts";
import { readPartial, readRecognition, sampleRate } from "./messages.ts";

const id = "grpc";
/** 100 ms a message: small enough for partials, large enough not to cost more than the audio. */
const pieceSamples = sampleRate / 10;
/** A server that keeps the stream open after its final words is left after this. */
const lingerMs = 5000;
/** A dead peer is noticed after this, and not only when the utterances on it run out of time. */
const keepaliveMs = 30_000;

export function grpcRecogniser(deps: EngineDeps): Recogniser {
  const { settings, clock } = deps;
  const log = deps.log.child({ component: "recogniser:grpc" });
  const client = grpcClient(RecogniserService, {
    url: settings.grpcUrl,
    tls: { caFile: settings.grpcCaFile, certFile: settings.grpcCertFile, keyFile: settings.grpcKeyFile },
    peer: "speech recogniser",
    clock,
    messageBytes: settings.grpcAnswerBytes,
    token: settings.grpcToken,
    keepaliveMs,
  });
  let described: DescribeResponse | undefined;
  /** The server was not reached since it last said what it is: it may be another one by now. */
  let stale = true;
  let describing = false;

  const describe = async (): Promise<void> => {
    describing = true;
    try {
      await client.ready(settings.grpcConnectMs);
      described = await client.call.describe({}, { timeoutMs: settings.grpcConnectMs });
      stale = false;
      log.info({ engine: described.id, version: described.version }, "speech recogniser is connected");
    } finally {
      describing = false;
    }
  };
  const signature = () => ({ engine: described?.id || id, engineVersion: described?.version || "unknown" });

  const attempt = (options: UtteranceOptions, listener: AttemptListener): Attempt => {
    if (stale && !describing) void describe().catch(() => {});
    const stream = new UtteranceStream(options, {
      ...listener,
      failed(error) {
        stale ||= error.category === "unavailable";
        listener.failed(error);
      },
    });
    if (client.connected()) stream.open(client.call.recognise());
    else
      client.ready(settings.grpcConnectMs).then(
        () => stream.released || stream.open(client.call.recognise()),
        (error: EarshotError) => stream.listener.failed(error),
      );
    return stream;
  };

  class UtteranceStream implements Attempt {
    readonly listener: AttemptListener;
    readonly #options: UtteranceOptions;
    #call: ReturnType<typeof client.call.recognise> | undefined;
    #audio: UtteranceAudio | undefined;
    #sent = 0;
    #ended = false;
    #halfClosed = false;
    #waiting = false;
    released = false;

    constructor(options: UtteranceOptions, listener: AttemptListener) {
      this.#options = options;
      this.listener = listener;
    }

    open(call: ReturnType<typeof client.call.recognise>): void {
      const { language, vocabulary, tenantId, callId, leg, onPartial } = this.#options;
      this.#call = call;
      const partials = onPartial !== undefined;
      call.send({
        message: { case: "config", value: { sampleRate, language, vocabulary: [...vocabulary], partials, tenantId, callId, leg } },
      });
      this.#read(call.responses).catch((error: EarshotError) => this.listener.failed(error));
      this.#pump();
    }

    flow(audio: UtteranceAudio, ended: boolean): void {
      this.#audio = audio;
      this.#ended = ended;
      this.#pump();
    }

    release(why: "done" | "given-up" | "silent"): void {
      this.released = true;
      const call = this.#call;
      if (why === "done") clock.after(lingerMs, () => call?.cancel());
      else call?.cancel();
    }

    /** What the network does not take stays in the utterance's audio, and goes when it takes more. */
    #pump(): void {
      const call = this.#call;
      const audio = this.#audio;
      if (call === undefined || audio === undefined || this.#waiting || this.#halfClosed || this.released) return;
      while (audio.samples - this.#sent >= pieceSamples || (this.#ended && this.#sent < audio.samples)) {
        const pcm = audio.slice(this.#sent, Math.min(this.#sent + pieceSamples, audio.samples));
        this.#sent += pcm.length;
        if (call.send({ message: { case: "audio", value: { pcm: new Uint8Array(pcm.buffer) } } })) continue;
        this.#waiting = true;
        void call.drained().then(() => {
          this.#waiting = false;
          this.#pump();
        });
        return;
      }
      if (!this.#ended) return;
      this.#halfClosed = true;
      call.end();
    }

    async #read(responses: AsyncIterable<RecogniseResponse>): Promise<void> {
      let final = false;
      for await (const { message } of responses) {
        if (final || message.case === undefined) throw unreadableAnswer(id);
        if (message.case === "partial") {
          const { text, words } = readPartial(message.value);
          this.listener.partial(text, words);
        } else {
          // Of words before the end of the audio nobody knows which audio they are for.
          if (!this.#halfClosed) throw unreadableAnswer(id);
          final = true;
          this.listener.final({ ...readRecognition(message.value, (this.#sent * 1000) / sampleRate), ...signature() });
        }
      }
      if (!final) throw unreadableAnswer(id);
    }
  }

  const utterances = new StreamedUtterances({ id, sampleRate, signature, attempt }, deps);

  return {
    name: "recogniser:grpc",
    id,
    get version() {
      return described === undefined ? "" : `${described.id} ${described.version}`;
    },
    get capabilities(): Capabilities {
      const { partials = true, words = false, vocabulary = false, concurrency = 0 } = described?.capabilities ?? {};
      const languages = described?.languages ?? [];
      return {
        partials,
        words,
        vocabulary,
        languages: languages.length === 0 ? "any" : languages,
        sampleRate,
        concurrency: Math.min(settings.grpcUtterances, concurrency || settings.grpcUtterances),
      };
    },

    /** A server that is away now is no reason not to start: recognition and the rest are started and stopped apart. */
    async start() {
      try {
        await describe();
      } catch (error) {
        if (!isRetryable(error)) {
          client.close();
          throw error;
        }
        log.warn({ err: error }, "speech recogniser is not reachable yet; calls are taken, and their words wait for it");
      }
      utterances.start();
    },

    async stop(deadlineMs) {
      await utterances.stop(deadlineMs);
      client.close();
    },

    utterance(options) {
      if (utterances.size >= settings.grpcUtterances) throw tooManyUtterances(id, settings.grpcUtterances, "EARSHOT_GRPC_ASR_UTTERANCES");
      return utterances.open(options);
    },

    legEnded() {},
  };
}
