/** Any of our engines as a server of earshot.recogniser.v1: the other end of recogniser.ts. */
import { timingSafeEqual } from "node:crypto";
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Handlers, ServerCall } from "@earshot/platform/grpc/server.ts";
import { hashToken } from "@earshot/platform/secrets/token.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type RecogniseRequest, Recogniser as RecogniserService } from "@earshot/proto/gen/earshot/recogniser/v1/recogniser_pb.js";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import { utteranceTooLong } from "../failures.ts";
import type { RecognisedWord, Recogniser, Recognition, Utterance } from "../port.ts";
import { resample } from "../resample.ts";
import { sampleRate, writeRecognition } from "./messages.ts";
import type { RecogniserServerSettings } from "./server-settings.ts";

export { RecogniserService };

/** @param recogniser started and stopped by whoever made it; it refuses utterances beyond what it takes */
export function recogniserService(
  recogniser: Recogniser,
  settings: Pick<RecogniserServerSettings, "token" | "idleMs" | "audioMs">,
  clock: Clock,
): Handlers<typeof RecogniserService> {
  const authorise = (call: ServerCall): void => {
    if (settings.token === "" || same(call.header("authorization") ?? "", `Bearer ${settings.token}`)) return;
    throw new EarshotError("unauthenticated", "token_required", "The recogniser needs its token.", {
      remedy: "Set EARSHOT_GRPC_ASR_TOKEN to the recogniser's EARSHOT_RECOGNISER_TOKEN.",
    });
  };

  return {
    async describe(_request, call) {
      authorise(call);
      const { id, version, capabilities } = recogniser;
      const { partials, words, vocabulary = false, languages, concurrency } = capabilities;
      return {
        id,
        version,
        languages: languages === "any" ? [] : [...languages],
        capabilities: { partials, words, vocabulary, concurrency },
      };
    },

    async *recognise(requests, call) {
      authorise(call);
      const input = requests[Symbol.asyncIterator]();
      let partial: { text: string; words: readonly RecognisedWord[] } | undefined;
      let outcome: { recognition: Recognition } | { error: unknown } | undefined;
      let wake = (): void => {};
      const utterance = begin(recogniser, await inTime(input.next(), settings.idleMs, clock), (text, words) => {
        partial = { text, words };
        wake();
      });
      call.signal.addEventListener("abort", () => utterance.abort());
      hear(recogniser, utterance, input, settings, clock)
        .then(
          (recognition) => {
            outcome = { recognition };
          },
          (error: unknown) => {
            outcome = { error };
          },
        )
        .finally(() => wake());
      try {
        while (outcome === undefined) {
          if (partial === undefined)
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          // A client that reads slowly gets the newest words only.
          if (partial === undefined || outcome !== undefined) continue;
          const { text, words } = partial as { text: string; words: readonly RecognisedWord[] };
          partial = undefined;
          yield { message: { case: "partial", value: { text, words: words.map((word) => ({ ...word })) } } };
        }
        if ("error" in outcome) throw (outcome as { error: unknown }).error;
        yield { message: { case: "final", value: writeRecognition((outcome as { recognition: Recognition }).recognition) } };
      } finally {
        utterance.abort();
      }
    },
  };
}

function begin(
  recogniser: Recogniser,
  first: IteratorResult<RecogniseRequest>,
  onPartial: (text: string, words: readonly RecognisedWord[]) => void,
): Utterance {
  const message = first.done === true ? undefined : first.value.message;
  if (message?.case !== "config")
    throw new EarshotError("invalid_request", "config_missing", "The first message of a stream is the utterance's config.");
  const { value: config } = message;
  if (config.sampleRate !== sampleRate)
    throw new EarshotError("invalid_request", "sample_rate_not_supported", `Audio is taken at ${sampleRate} Hz.`, {
      details: { sampleRate: config.sampleRate },
    });
  return recogniser.utterance({
    tenantId: tenantId(config.tenantId),
    callId: callId(config.callId),
    leg: config.leg,
    language: config.language,
    vocabulary: config.vocabulary,
    ...(config.partials && recogniser.capabilities.partials ? { onPartial } : {}),
  });
}

/** Reads audio no faster than the engine decodes it: what is not read holds the client back. */
async function hear(
  recogniser: Recogniser,
  utterance: Utterance,
  input: AsyncIterator<RecogniseRequest>,
  settings: Pick<RecogniserServerSettings, "idleMs" | "audioMs">,
  clock: Clock,
): Promise<Recognition> {
  let samples = 0;
  for (;;) {
    const next = await inTime(input.next(), settings.idleMs, clock);
    if (next.done === true) return utterance.end();
    const { message } = next.value;
    if (message.case !== "audio" || message.value.pcm.length % 2 !== 0)
      throw new EarshotError("invalid_request", "audio_expected", "After the config come whole 16-bit samples.");
    const bytes = message.value.pcm;
    samples += bytes.length / 2;
    if (samples > (settings.audioMs * sampleRate) / 1000) throw utteranceTooLong(recogniser.id, settings.audioMs);
    // A copy: samples must lie at an even address.
    const pcm = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    utterance.feed(resample(pcm, sampleRate, recogniser.capabilities.sampleRate));
    await utterance.drained?.();
  }
}

async function inTime<T>(next: Promise<T>, idleMs: number, clock: Clock): Promise<T> {
  let cancel = (): void => {};
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(idleMs, () =>
      reject(new EarshotError("timeout", "utterance_idle", "No audio came for too long.", { remedy: "Raise EARSHOT_RECOGNISER_IDLE_MS." })),
    );
  });
  try {
    return await Promise.race([next, late]);
  } finally {
    cancel();
  }
}

const same = (one: string, other: string): boolean => timingSafeEqual(Buffer.from(hashToken(one)), Buffer.from(hashToken(other)));
