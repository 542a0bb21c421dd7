/** OpenAI's Realtime transcription socket, or a compatible server's: one socket per leg, kept from utterance to utterance. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { EngineDeps } from "../engine.ts";
import { tooManyUtterances } from "../failures.ts";
import { openaiBaseUrl, openaiKey } from "../openai/client.ts";
import type { Recogniser, UtteranceOptions } from "../port.ts";
import { type Attempt, type AttemptListener, StreamedUtterances } from "../streamed-utterances.ts";
import { LegSocket, type SocketUser } from "./leg-socket.ts";

const samplesPerMs = 24;
/** The server refuses to commit less than 100 ms of audio. */
const leastSamples = 100 * samplesPerMs;
/** 100 ms per append: small enough for partials, large enough not to flood. */
const appendSamples = 100 * samplesPerMs;

type Leg = { readonly key: string; readonly socket: LegSocket };

export function openaiRealtimeRecogniser(deps: EngineDeps): Recogniser {
  const { settings, clock } = deps;
  const id = "openai-realtime";
  const model = settings.openaiModel;
  const sockets = new Set<Leg>();
  const socketCount = deps.metrics.gauge("earshot_realtime_sockets", "Realtime transcription sockets open");
  let cancelSweep = () => {};

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

  const attempt = (options: UtteranceOptions, listener: AttemptListener): Attempt => {
    const socket = socketFor(`${options.callId}/${options.leg}`, options);
    let sent = 0;
    let committed = false;
    let partial = "";
    const user: SocketUser = {
      text(delta) {
        partial += delta;
        listener.partial(partial.trim(), []);
      },
      final: (transcript) => listener.final({ text: transcript.trim(), words: [], ...signature() }),
      failed: listener.failed,
    };
    socket.begin(user);
    return {
      /** In pieces of 100 ms; at the end also the rest, then the commit. */
      flow(audio, ended) {
        const unsent = audio.samples - sent;
        const to = sent + (ended ? unsent : unsent - (unsent % appendSamples));
        for (; sent < to; sent += appendSamples)
          if (!socket.append(audio.slice(sent, Math.min(to, sent + appendSamples)))) throw backlogFull();
        sent = to;
        if (!ended || committed) return;
        committed = true;
        if (sent < leastSamples) socket.append(new Int16Array(leastSamples - sent));
        socket.commit();
      },
      release(why) {
        socket.release(user);
        // A server that says nothing at all is no use to the leg's next utterance either.
        if (why === "silent") socket.close();
      },
    };
  };
  const signature = () => ({ engine: id, engineVersion: model });
  const utterances = new StreamedUtterances({ id, sampleRate: 24000, signature, attempt }, deps);

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
      utterances.start();
      const sweepMs = Math.min(10_000, settings.openaiRealtimeIdleMs);
      cancelSweep = clock.every(sweepMs, () => {
        const before = clock.monotonicMs() - settings.openaiRealtimeIdleMs;
        for (const { socket } of [...sockets]) if (socket.idle && socket.idleSinceMs <= before) socket.close();
      });
    },

    async stop(deadlineMs) {
      cancelSweep();
      await utterances.stop(deadlineMs);
      for (const { socket } of [...sockets]) socket.close();
    },

    utterance: (options) => utterances.open(options),

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
