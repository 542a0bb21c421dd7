/** OpenAI's Realtime transcription socket, or a compatible server's: one socket per leg, kept from utterance to utterance. */
import { EarshotError, isRetryable } from "@earshot/proto/errors.ts";
import type { EngineDeps } from "../engine.ts";
import { aborted, endedTwice, notStarted, stopped, timedOut, tooManyUtterances, utteranceTooLong } from "../failures.ts";
import { openaiBaseUrl, openaiKey } from "../openai/client.ts";
import type { Recogniser, Recognition, Utterance, UtteranceOptions } from "../port.ts";
import { UtteranceAudio } from "../utterance-audio.ts";
import { LegSocket, type SocketUser } from "./leg-socket.ts";

const samplesPerMs = 24;
/** The server refuses to commit less than 100 ms of audio. */
const leastSamples = 100 * samplesPerMs;
const firstRetryMs = 250;
/** 100 ms per append: small enough for partials, large enough not to flood. */
const appendSamples = 100 * samplesPerMs;

type Leg = { readonly key: string; readonly socket: LegSocket };

export function openaiRealtimeRecogniser(deps: EngineDeps): Recogniser {
  const { settings, clock } = deps;
  const id = "openai-realtime";
  const model = settings.openaiModel;
  const sockets = new Set<Leg>();
  const open = new Set<{ fail(error: EarshotError): void }>();
  const socketCount = deps.metrics.gauge("earshot_realtime_sockets", "Realtime transcription sockets open");
  let running = false;
  let cancelSweep = () => {};
  let drained: (() => void) | undefined;

  const url = new URL(`${openaiBaseUrl(settings).replace(/\/+$/, "")}/realtime?intent=transcription`);
  url.protocol = url.protocol === "http:" ? "ws:" : "wss:";

  const socketFor = (key: string, options: UtteranceOptions): LegSocket => {
    for (const leg of sockets) if (leg.key === key && leg.socket.free) return leg.socket;
    if (sockets.size >= settings.openaiRealtimeSockets) {
      const idle = [...sockets].filter((leg) => leg.socket.idle).sort((a, b) => a.socket.idleSinceMs - b.socket.idleSinceMs)[0];
      if (idle === undefined) throw tooManyUtterances(id, settings.openaiRealtimeSockets, "EARSHOT_OPENAI_REALTIME_SOCKETS");
      idle.socket.close();
    }
    const leg: Leg = {
      key,
      socket: new LegSocket(
        {
          engine: id,
          url,
          key: openaiKey(settings),
          model,
          language: options.language,
          vocabulary: options.vocabulary,
          backlogBytes: settings.utteranceAudioMs * samplesPerMs * 3,
        },
        clock,
        () => {
          sockets.delete(leg);
          socketCount.set(sockets.size);
        },
      ),
    };
    sockets.add(leg);
    socketCount.set(sockets.size);
    return leg.socket;
  };

  return {
    name: "recogniser:openai-realtime",
    id,
    version: model,
    capabilities: {
      partials: true,
      words: false,
      languages: "any",
      sampleRate: 24000,
      vocabulary: true,
      concurrency: settings.openaiRealtimeSockets,
    },

    async start() {
      running = true;
      const sweepMs = Math.min(10_000, settings.openaiRealtimeIdleMs);
      cancelSweep = clock.every(sweepMs, () => {
        const before = clock.monotonicMs() - settings.openaiRealtimeIdleMs;
        for (const { socket } of [...sockets]) if (socket.idle && socket.idleSinceMs <= before) socket.close();
      });
    },

    async stop(deadlineMs) {
      running = false;
      cancelSweep();
      if (open.size > 0 && deadlineMs > 0)
        await new Promise<void>((resolve) => {
          const cancel = clock.after(deadlineMs, resolve);
          drained = () => {
            cancel();
            resolve();
          };
        });
      for (const utterance of [...open]) utterance.fail(stopped(id));
      for (const { socket } of [...sockets]) socket.close();
    },

    utterance(options): Utterance {
      if (!running) throw notStarted(id);
      const key = `${options.callId}/${options.leg}`;
      // Kept until the words are there: a socket lost on the way is replaced, and the audio sent again.
      const audio = new UtteranceAudio(settings.utteranceAudioMs * samplesPerMs);
      let socket: LegSocket | undefined;
      let sent = 0;
      let ended = false;
      let settled = false;
      let retries = 0;
      let partial = "";
      let failure: EarshotError | undefined;
      let resolveEnd: (recognition: Recognition) => void = () => {};
      let rejectEnd: (error: EarshotError) => void = () => {};
      let cancelTimeout = () => {};
      let cancelRetry = () => {};

      const finish = () => {
        settled = true;
        cancelTimeout();
        cancelRetry();
        audio.clear();
        open.delete(handle);
        if (open.size === 0) drained?.();
      };
      const handle = {
        fail(error: EarshotError) {
          if (settled) return;
          failure = error;
          finish();
          socket?.release(user);
          rejectEnd(error);
        },
      };
      const user: SocketUser = {
        text(delta) {
          partial += delta;
          const text = partial.trim();
          if (!settled && text !== "") options.onPartial?.(text, []);
        },
        final(transcript) {
          if (settled) return;
          finish();
          resolveEnd({ text: transcript.trim(), words: [], engine: id, engineVersion: model });
        },
        failed(error) {
          if (settled) return;
          socket = undefined;
          if (!isRetryable(error) || retries >= settings.remoteRetries) return handle.fail(error);
          const waitMs = error.retryAfterMs ?? firstRetryMs * 2 ** retries;
          retries++;
          cancelRetry = clock.after(waitMs, () => {
            try {
              connect();
            } catch (refusal) {
              handle.fail(refusal as EarshotError);
            }
          });
        },
      };
      /** Sends what has not been sent in pieces of 100 ms; at the end also the rest, then the commit. */
      const flush = () => {
        if (socket === undefined) return;
        if (ended && sent === audio.samples) return commit(socket);
        if (audio.samples - sent < appendSamples && !ended) return;
        const rest = audio.joined().subarray(sent);
        const whole = ended ? rest.length : rest.length - (rest.length % appendSamples);
        for (let at = 0; at < whole; at += appendSamples)
          if (!socket.append(rest.subarray(at, Math.min(whole, at + appendSamples)))) return handle.fail(backlogFull());
        sent += whole;
        if (ended) commit(socket);
      };
      const commit = (on: LegSocket) => {
        if (audio.samples < leastSamples) on.append(new Int16Array(leastSamples - audio.samples));
        on.commit();
      };
      const connect = () => {
        socket = socketFor(key, options);
        socket.begin(user);
        sent = 0;
        partial = "";
        flush();
      };

      connect();
      open.add(handle);
      return {
        feed(pcm) {
          if (settled || ended) return;
          audio.append(pcm);
          flush();
        },
        end() {
          if (ended) return Promise.reject(endedTwice());
          ended = true;
          if (failure !== undefined) return Promise.reject(failure);
          return new Promise<Recognition>((resolve, reject) => {
            resolveEnd = resolve;
            rejectEnd = reject;
            if (audio.overflowed) return handle.fail(utteranceTooLong(id, settings.utteranceAudioMs));
            if (audio.samples === 0) {
              finish();
              socket?.release(user);
              return resolve({ text: "", words: [], engine: id, engineVersion: model });
            }
            cancelTimeout = clock.after(settings.utteranceTimeoutMs, () => {
              // A server that says nothing at all is no use to the leg's next utterance either.
              const silent = socket;
              handle.fail(timedOut(id, settings.utteranceTimeoutMs));
              silent?.close();
            });
            flush();
          });
        },
        abort() {
          handle.fail(aborted());
        },
      };
    },

    legEnded(call, leg) {
      const key = `${call}/${leg}`;
      for (const entry of [...sockets]) if (entry.key === key && entry.socket.idle) entry.socket.close();
    },
  };
}

const backlogFull = () =>
  new EarshotError("unavailable", "recogniser_backlog_full", "The network to the speech engine is too slow for the audio.", {
    remedy: "Use an engine nearer by, or a faster line.",
  });
