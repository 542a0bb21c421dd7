/** The remote engines against a server on loopback that speaks their protocols: the common contract, and what a network does to it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ContractSubject, pause, recognise, recogniserContract, rejects, started } from "./contract.ts";
import type { EngineDeps } from "./engine.ts";
import { huggingfaceRecogniser } from "./huggingface/recogniser.ts";
import { openaiRecogniser } from "./openai/recogniser.ts";
import { openaiRealtimeRecogniser } from "./openai-realtime/recogniser.ts";
import type { Recogniser } from "./port.ts";
import type { RecogniserSettings } from "./settings.ts";
import { engineDeps } from "./testing/deps.ts";
import { toneOf, wordsFor } from "./testing/in-memory-recogniser.ts";
import { type Misbehaviour, type SpeechServer, startSpeechServer } from "./testing/speech-server.ts";

let server: SpeechServer;
beforeAll(async () => {
  server = await startSpeechServer();
});
beforeEach(() => {
  server.misbehave.length = 0;
  server.requests.length = 0;
  server.sessions.length = 0;
  server.hanging = false;
});
afterAll(() => server.close());

const key = "sk-test-of-the-contract";
const engines: Record<string, { make(deps: EngineDeps): Recogniser; samples: number; settings: Partial<RecogniserSettings> }> = {
  "openai with words": { make: openaiRecogniser, samples: 40_000, settings: { openaiModel: "whisper-1" } },
  "openai without words": { make: openaiRecogniser, samples: 40_000, settings: { openaiModel: "gpt-transcribe" } },
  "openai-realtime": { make: openaiRealtimeRecogniser, samples: 60_000, settings: {} },
  huggingface: { make: huggingfaceRecogniser, samples: 40_000, settings: {} },
};

for (const [name, engine] of Object.entries(engines)) {
  const realtime = name === "openai-realtime";
  const make = (settings: Partial<RecogniserSettings> = {}) =>
    engine.make(
      engineDeps({
        openaiApiKey: key,
        openaiBaseUrl: server.url,
        huggingfaceToken: "hf_test",
        huggingfaceEndpoint: `${server.url}/models/whisper`,
        ...engine.settings,
        ...settings,
      }),
    );
  const clips = [1, 2].map((seed) => {
    const pcm = toneOf(seed, engine.samples + seed * 160);
    return { pcm, isRight: (text: string) => text === wordsFor(pcm) };
  }) as unknown as ContractSubject["clips"];
  const subject: ContractSubject = {
    make,
    clips,
    crowded: realtime
      ? { settings: { openaiRealtimeSockets: 3 }, most: 3 }
      : { settings: { remoteConcurrency: 1, remoteWaiting: 2 }, most: 3 },
    tooLong: { utteranceAudioMs: 100 },
    tooSlow: { utteranceTimeoutMs: 300 },
    hang: () => {
      server.hanging = true;
    },
    ...(realtime ? { heldForLegs: () => server.sockets.size } : {}),
  };

  describe(`${name}: the contract`, () => {
    for (const check of recogniserContract) it(check.name, () => check.run(subject));
  });

  describe(`${name}: a failing server`, () => {
    const status = (code: number, more: Partial<Extract<Misbehaviour, { kind: "status" }>> = {}): Misbehaviour => ({
      kind: "status",
      status: code,
      ...more,
    });
    const failure = (code: number, headers?: Record<string, string>): Misbehaviour =>
      realtime
        ? { kind: "refuse", status: code, ...(headers === undefined ? {} : { headers }) }
        : status(code, headers === undefined ? {} : { headers });
    const first = clips[0];

    it("sends the key, and asks for what the model can give", () =>
      started(subject, {}, async (recogniser) => {
        await recognise(recogniser, first.pcm);
        expect(server.requests[0]?.authorization).toBe(name === "huggingface" ? "Bearer hf_test" : `Bearer ${key}`);
        if (realtime) {
          expect(server.requests[0]?.path).toBe("/v1/realtime?intent=transcription");
          expect(server.sessions[0]).toMatchObject({
            type: "transcription",
            audio: { input: { format: { type: "audio/pcm", rate: 24000 }, turn_detection: null, transcription: { language: "en" } } },
          });
        } else if (name !== "huggingface") {
          expect(server.requests[0]?.fields).toMatchObject({
            language: "en",
            response_format: recogniser.capabilities.words ? "verbose_json" : "json",
          });
        }
      }));

    it("429 with Retry-After: waits that long, then succeeds", () =>
      started(subject, {}, async (recogniser) => {
        server.misbehave.push(failure(429, { "retry-after": "1" }));
        const began = performance.now();
        const { text } = await recognise(recogniser, first.pcm);
        expect(first.isRight(text)).toBe(true);
        expect(performance.now() - began).toBeGreaterThanOrEqual(990);
      }));

    it("429 beyond the time left: rejects as rate_limited with the wait, at once", async () => {
      if (realtime) return;
      await started(subject, { utteranceTimeoutMs: 2000 }, async (recogniser) => {
        server.misbehave.push(failure(429, { "retry-after": "60" }));
        const error = await rejects(recognise(recogniser, first.pcm), "rate_limited");
        expect(error.retryAfterMs).toBe(60_000);
      });
    });

    it("500 once: tries again", () =>
      started(subject, {}, async (recogniser) => {
        server.misbehave.push(failure(500));
        expect(first.isRight((await recognise(recogniser, first.pcm)).text)).toBe(true);
      }));

    it("500 without end: rejects as unavailable after the retries", () =>
      started(subject, { remoteRetries: 1 }, async (recogniser) => {
        server.misbehave.push(failure(500), failure(500), failure(500));
        await rejects(recognise(recogniser, first.pcm), "unavailable");
        expect(server.misbehave).toHaveLength(1);
      }));

    it("401: rejects as unauthenticated without trying again, and does not show the key", () =>
      started(subject, {}, async (recogniser) => {
        server.misbehave.push(failure(401), failure(401));
        const error = await rejects(recognise(recogniser, first.pcm), "unauthenticated");
        expect(server.misbehave).toHaveLength(1);
        expect(JSON.stringify({ ...error, message: error.message })).not.toContain(key);
        expect(error.remedy).not.toBe("");
      }));

    it("no credit left: rejects as quota", async () => {
      if (name === "huggingface") return;
      await started(subject, {}, async (recogniser) => {
        server.misbehave.push(status(429, { code: "insufficient_quota" }));
        await rejects(recognise(recogniser, first.pcm), "quota");
      });
    });

    it("garbage: rejects as unavailable after the retries", () =>
      started(subject, { remoteRetries: 1 }, async (recogniser) => {
        server.misbehave.push({ kind: "garbage" }, { kind: "garbage" });
        await rejects(recognise(recogniser, first.pcm), "unavailable");
      }));

    it("a connection lost in mid-utterance: sends the audio again", () =>
      started(subject, {}, async (recogniser) => {
        server.misbehave.push({ kind: "disconnect" });
        expect(first.isRight((await recognise(recogniser, first.pcm)).text)).toBe(true);
      }));

    it("nobody listens: rejects as unavailable", () =>
      started(
        { make: (settings) => make({ ...settings, openaiBaseUrl: "http://127.0.0.1:1/v1", huggingfaceEndpoint: "http://127.0.0.1:1/" }) },
        { remoteRetries: 0 },
        async (recogniser) => {
          await rejects(recognise(recogniser, first.pcm), "unavailable");
        },
      ));
  });
}

describe("openai-realtime: sockets", () => {
  const make = (settings: Partial<RecogniserSettings> = {}) =>
    openaiRealtimeRecogniser(engineDeps({ openaiApiKey: key, openaiBaseUrl: server.url, ...settings }));

  it("keeps one socket per leg from utterance to utterance, and closes it when idle", () =>
    started({ make }, { openaiRealtimeIdleMs: 200 }, async (recogniser) => {
      for (let i = 0; i < 3; i++) await recognise(recogniser, toneOf(i, 24_000));
      expect(server.requests).toHaveLength(1);
      await recognise(recogniser, toneOf(1, 24_000), { leg: 1 });
      expect(server.requests).toHaveLength(2);
      await pause(700);
      expect(server.sockets.size).toBe(0);
    }));

  it("replaces a socket that the server closed between utterances", () =>
    started({ make }, {}, async (recogniser) => {
      await recognise(recogniser, toneOf(1, 24_000));
      for (const socket of server.sockets) socket.close(1001);
      await pause(50);
      const pcm = toneOf(2, 24_000);
      expect((await recognise(recogniser, pcm)).text).toBe(wordsFor(pcm));
    }));

  it("pads what is shorter than the server commits", () =>
    started({ make }, {}, async (recogniser) => {
      const { text } = await recognise(recogniser, toneOf(1, 480));
      expect(text).toContain("heard 2400");
    }));
});
