/** The gRPC engine against real servers on loopback: our own service over an engine, and servers that misbehave. */
import { connect } from "node:net";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { GrpcServer, type Handlers } from "@earshot/platform/grpc/server.ts";
import { createLog, silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { makeCertificates } from "@earshot/platform/testing/certificates.ts";
import { type Category, EarshotError } from "@earshot/proto/errors.ts";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { chooseRecogniser } from "../choose.ts";
import { type ContractSubject, feed, options, pause, recognise, recogniserContract, rejects, started } from "../contract.ts";
import { fallbackRecogniser } from "../fallback.ts";
import type { Recogniser, Utterance } from "../port.ts";
import type { RecogniserSettings } from "../settings.ts";
import { engineDeps } from "../testing/deps.ts";
import { inMemoryRecogniser, toneOf, wordsFor } from "../testing/in-memory-recogniser.ts";
import { grpcRecogniser } from "./recogniser.ts";
import { RecogniserService, recogniserService } from "./service.ts";

type Service = Handlers<typeof RecogniserService>;

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(handlers: Service, more: Partial<ConstructorParameters<typeof GrpcServer>[0]> = {}): Promise<GrpcServer> {
  const server = new GrpcServer({
    name: "recogniser",
    host: "127.0.0.1",
    port: 0,
    portEnv: "EARSHOT_RECOGNISER_PORT",
    tls: undefined,
    limits: { messageBytes: 1 << 20, calls: 100, callsEnv: "EARSHOT_RECOGNISER_CALLS" },
    log: silentLog,
    metrics: createMetrics(),
    clock: systemClock,
    ...more,
  });
  server.add(RecogniserService, handlers);
  await server.start();
  closing.push(() => server.stop(0));
  return server;
}

const limits = { token: "", idleMs: 10_000, audioMs: 60_000 };
/** An engine that hears which audio it got, with a partial for every piece of it. */
async function serveEngine(engine = inMemoryRecogniser({ concurrency: 50, waiting: 50 }), more: Partial<typeof limits> = {}) {
  await engine.start();
  closing.push(() => engine.stop(0));
  const speaking: Recogniser = {
    ...engine,
    capabilities: { ...engine.capabilities, partials: true },
    utterance(given) {
      const inner = engine.utterance(given);
      let heard = 0;
      return {
        feed(pcm) {
          inner.feed(pcm);
          heard += pcm.length;
          given.onPartial?.(`heard ${heard}`, []);
        },
        end: () => inner.end(),
        abort: () => inner.abort(),
      };
    },
  };
  return recogniserService(speaking, { ...limits, ...more }, systemClock);
}

const make = (port: number | undefined, settings: Partial<RecogniserSettings> = {}) =>
  grpcRecogniser(engineDeps({ grpcUrl: `grpc://127.0.0.1:${port}`, grpcConnectMs: 2000, ...settings }));

const clips = [1, 2].map((seed) => {
  const pcm = toneOf(seed, 40_000 + seed * 160);
  return { pcm, isRight: (text: string) => text === wordsFor(pcm) };
}) as unknown as ContractSubject["clips"];
const [{ pcm }] = clips;

describe("grpc: the contract", () => {
  let server: GrpcServer;
  let hanging = false;
  beforeEach(async () => {
    hanging = false;
    const service = await serveEngine();
    server = await serve({
      ...service,
      async *recognise(requests, call) {
        if (hanging) await new Promise<void>((resolve) => call.signal.addEventListener("abort", () => resolve()));
        yield* service.recognise(requests, call);
      },
    });
  });
  const subject: ContractSubject = {
    make: (settings) => make(server.port, settings),
    clips,
    crowded: { settings: { grpcUtterances: 3 }, most: 3 },
    tooLong: { utteranceAudioMs: 100 },
    tooSlow: { utteranceTimeoutMs: 300 },
    hang: () => {
      hanging = true;
    },
  };
  for (const check of recogniserContract) it(check.name, () => check.run(subject));
});

describe("grpc: what the server says of itself", () => {
  it("stands beside the words, and decides what the engine promises", async () => {
    const service = await serveEngine();
    const server = await serve({
      ...service,
      describe: async () => ({ id: "acme", version: "7", languages: ["de", "fr"], capabilities: { words: true, concurrency: 4 } }),
    });
    await started({ make: () => make(server.port) }, {}, async (recogniser) => {
      expect(recogniser.version).toBe("acme 7");
      expect(recogniser.capabilities).toEqual({
        partials: false,
        words: true,
        vocabulary: false,
        languages: ["de", "fr"],
        sampleRate: 16000,
        concurrency: 4,
      });
      expect(await recognise(recogniser, pcm)).toMatchObject({ text: wordsFor(pcm), engine: "acme", engineVersion: "7" });
      // A chain of it promises what it has learnt, too.
      expect(fallbackRecogniser([recogniser, inMemoryRecogniser()], engineDeps()).capabilities).toMatchObject({ partials: false });
    });
  });

  it("the config names the call, the language and the vocabulary; the token goes along", async () => {
    const seen: unknown[] = [];
    const server = await serve({
      describe: async () => ({}),
      async *recognise(requests, call) {
        seen.push(call.header("authorization"));
        for await (const { message } of requests) if (message.case === "config") seen.push({ ...message.value, $typeName: undefined });
        yield { message: { case: "final", value: { text: "yes", language: "de", confidence: 0.5 } } };
      },
    });
    await started({ make: () => make(server.port, { grpcToken: "open-sesame" }) }, {}, async (recogniser) => {
      const heard = await recognise(recogniser, pcm, { language: "de-DE", vocabulary: ["Tarif"], leg: 1 });
      expect(heard).toMatchObject({ text: "yes", language: "de", confidence: 0.5 });
    });
    expect(seen).toEqual([
      "Bearer open-sesame",
      {
        $typeName: undefined,
        sampleRate: 16000,
        language: "de-DE",
        vocabulary: ["Tarif"],
        partials: false,
        tenantId: "tenant",
        callId: "call",
        leg: 1,
      },
    ]);
  });

  it("auto prefers it when its address is set, and says why", async () => {
    const chosen = await chooseRecogniser(engineDeps({ grpcUrl: "grpc://127.0.0.1:1", openaiApiKey: "sk-x" }));
    expect(chosen.status).toMatchObject({ engine: "grpc", usable: true, reason: expect.stringContaining("EARSHOT_GRPC_ASR_URL") });
    await expect(chooseRecogniser(engineDeps({ asr: "grpc" }))).rejects.toMatchObject({
      remedy: expect.stringContaining("EARSHOT_GRPC_ASR_URL"),
    });
  });
});

describe("grpc: a server that fails", () => {
  /** Each attempt meets the next of these, then the engine. */
  async function misbehaving(...faults: Service["recognise"][]) {
    const service = await serveEngine();
    let attempts = 0;
    const server = await serve({
      ...service,
      recognise: (requests, call) => (faults[attempts++] ?? service.recognise)(requests, call),
    });
    return { port: server.port, attempts: () => attempts };
  }
  const refusing = (category: Category, retryAfterMs?: number): Service["recognise"] =>
    // biome-ignore lint/correctness/useYield: it refuses at once
    async function* () {
      throw new EarshotError(category, "refused", "No.", { ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    };
  const saying = (...messages: unknown[]): Service["recognise"] =>
    async function* (requests) {
      for await (const _ of requests);
      for (const message of messages) yield { message } as never;
    };
  const word = (startMs: number, endMs: number, more = {}) => ({
    case: "final",
    value: { text: "x", words: [{ text: "x", startMs, endMs, ...more }] },
  });

  it.each<[string, Service["recognise"]]>([
    ["unavailable", refusing("unavailable")],
    ["full", refusing("rate_limited", 100)],
    ["a bug of its own", refusing("bug")],
    ["no final words", saying({ case: "partial", value: { text: "x" } })],
    ["two final words", saying({ case: "final", value: { text: "x" } }, { case: "final", value: { text: "y" } })],
    ["an empty message", saying({ case: undefined })],
    ["a word before the utterance", saying(word(-1, 5))],
    ["a word that ends before it starts", saying(word(10, 5))],
    ["a word that is no time at all", saying(word(Number.NaN, 5))],
    ["a word after the utterance", saying(word(1e6, 1e6))],
    ["a confidence that is none", saying(word(0, 5, { confidence: 7 }))],
  ])("%s once: the whole audio is sent again", async (name, fault) => {
    const { port, attempts } = await misbehaving(fault);
    await started({ make: () => make(port) }, {}, async (recogniser) => {
      const { text } = await recognise(recogniser, pcm);
      // The first final words count; what comes after them changes nothing.
      expect(text).toBe(name === "two final words" ? "x" : wordsFor(pcm));
      expect(attempts()).toBe(name === "two final words" ? 1 : 2);
    });
  });

  it("final words before the end of the audio are none: it is sent again", async () => {
    const { port } = await misbehaving(async function* () {
      yield { message: { case: "final", value: { text: "already" } } };
    });
    await started({ make: () => make(port) }, {}, async (recogniser) => {
      const utterance = recogniser.utterance(options());
      feed(utterance, pcm, recogniser.capabilities);
      await pause(50);
      expect((await utterance.end()).text).toBe(wordsFor(pcm));
    });
  });

  it.each<[Category, number]>([
    ["invalid_request", 1],
    ["unauthenticated", 1],
    ["unavailable", 3],
    ["rate_limited", 3],
  ])("%s without end: rejects as that after %i attempts", async (category, most) => {
    const { port, attempts } = await misbehaving(...Array.from({ length: 5 }, () => refusing(category)));
    await started({ make: () => make(port, { remoteRetries: 2 }) }, {}, async (recogniser) => {
      await rejects(recognise(recogniser, pcm), category);
      expect(attempts()).toBe(most);
    });
  });

  it("an answer larger than may be: made again, then given up", async () => {
    const huge = saying({ case: "final", value: { text: "x".repeat(10_000) } });
    const { port } = await misbehaving(huge, huge);
    await started({ make: () => make(port, { grpcAnswerBytes: 5000, remoteRetries: 1 }) }, {}, async (recogniser) => {
      await rejects(recognise(recogniser, pcm), "rate_limited");
    });
  });

  it("hangs without reading: timeout, its audio stays bounded, and the chain's next engine has the words", async () => {
    const hang: Service["recognise"] = async function* (_requests, { signal }) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    };
    const { port } = await misbehaving(hang, hang);
    const chain = fallbackRecogniser([make(port, { utteranceTimeoutMs: 200 }), inMemoryRecogniser({}, "second")], engineDeps());
    await started({ make: () => chain }, {}, async (recogniser) => {
      expect(await recognise(recogniser, pcm)).toMatchObject({ text: wordsFor(pcm), engine: "second" });
    });
  });

  it("what it says goes nowhere near the log or the error", async () => {
    const lines: string[] = [];
    const { port } = await misbehaving(
      // biome-ignore lint/correctness/useYield: it fails
      async function* () {
        throw new Error("the caller said 4711");
      },
    );
    const deps = {
      ...engineDeps({ grpcUrl: `grpc://127.0.0.1:${port}`, remoteRetries: 0 }),
      log: createLog({ level: "debug", destination: { write: (line) => lines.push(line) } }),
    };
    await started({ make: () => grpcRecogniser(deps) }, {}, async (recogniser) => {
      const error = await rejects(recognise(recogniser, pcm), "unavailable");
      expect(JSON.stringify({ ...error, message: error.message }) + lines.join()).not.toContain("4711");
    });
  });
});

describe("grpc: a server that goes and comes", () => {
  it("is away at the start: the start goes on, and an utterance waits for it", async () => {
    const first = await serve(await serveEngine());
    const { port } = first;
    await first.stop(0);
    await started({ make: () => make(port, { grpcConnectMs: 300, remoteRetries: 5 }) }, {}, async (recogniser) => {
      const utterance = recogniser.utterance(options());
      feed(utterance, pcm, recogniser.capabilities);
      const end = utterance.end();
      await pause(200);
      await serve(await serveEngine(), { port: port! });
      expect((await end).text).toBe(wordsFor(pcm));
      await pause(200);
      expect(recogniser.version).toBe("in-memory 1");
    });
  });

  it("ends in mid-utterance and starts again: the words are those of the whole utterance", async () => {
    const first = await serve(await serveEngine());
    await started({ make: () => make(first.port) }, {}, async (recogniser) => {
      const partials: string[] = [];
      const utterance = recogniser.utterance(options({ onPartial: (text) => partials.push(text) }));
      utterance.feed(pcm.subarray(0, 16_000));
      await pause(100);
      expect(partials.at(-1)).toBe("heard 16000");
      const { port } = first;
      await first.stop(0);
      utterance.feed(pcm.subarray(16_000, 24_000));
      await pause(100);
      await serve(await serveEngine(), { port: port! });
      utterance.feed(pcm.subarray(24_000));
      expect((await utterance.end()).text).toBe(wordsFor(pcm));
    });
  });

  it.each([
    ["unauthenticated", "token", { token: "right" }],
    ["not_found", "address", undefined],
  ] as const)("is not the one that is meant: the start fails as %s and names the %s", async (category, remedy, given) => {
    const server =
      given === undefined
        ? new GrpcServer({
            name: "other",
            host: "127.0.0.1",
            port: 0,
            portEnv: "",
            tls: undefined,
            limits: { messageBytes: 1000, calls: 1, callsEnv: "" },
            log: silentLog,
            metrics: createMetrics(),
            clock: systemClock,
          })
        : await serve(await serveEngine(undefined, given));
    if (given === undefined) {
      await server.start();
      closing.push(() => server.stop(0));
    }
    const error = await rejects(make(server.port).start(), category);
    expect(error.remedy.toLowerCase()).toContain(remedy);
  });
});

describe("grpc: our service", () => {
  const certificates = makeCertificates("client.example.com");
  afterAll(() => certificates?.remove());

  it.skipIf(certificates === undefined)("over mutual TLS (needs openssl)", async () => {
    const { caFile, certFile, keyFile, clientCertFile, clientKeyFile } = certificates!;
    const server = await serve(await serveEngine(), { tls: { certFile, keyFile, clientCaFile: caFile } });
    const grpcUrl = `grpcs://localhost:${server.port}`;
    const tls = { grpcCaFile: caFile, grpcCertFile: clientCertFile, grpcKeyFile: clientKeyFile };
    await started({ make: () => make(0, { grpcUrl, ...tls }) }, {}, async (recogniser) => {
      expect((await recognise(recogniser, pcm)).text).toBe(wordsFor(pcm));
    });
    // Without a certificate there is no connection: the start goes on, the utterance fails.
    await started(
      { make: () => make(0, { grpcUrl, grpcCaFile: caFile, grpcConnectMs: 300, remoteRetries: 0 }) },
      {},
      async (recogniser) => {
        await rejects(recognise(recogniser, pcm), "unavailable");
      },
    );
  });

  it("an engine that is full: RESOURCE_EXHAUSTED, tried again, and every utterance gets its words", async () => {
    const server = await serve(await serveEngine(inMemoryRecogniser({ concurrency: 1, waiting: 1, delayMs: 50 })));
    await started({ make: () => make(server.port, { remoteRetries: 8 }) }, {}, async (recogniser) => {
      const texts = await Promise.all(
        [1, 2, 3, 4, 5].map(async (seed, leg) => (await recognise(recogniser, toneOf(seed, 8000), { leg })).text),
      );
      expect(texts).toEqual([1, 2, 3, 4, 5].map((seed) => wordsFor(toneOf(seed, 8000))));
    });
  });

  it("reads no further than the engine has come: what is sent beyond waits at the client", async () => {
    let fed = 0;
    let caughtUp: () => void = () => {};
    const engine = inMemoryRecogniser();
    const slow: Recogniser = {
      ...engine,
      utterance(given): Utterance {
        const inner = engine.utterance(given);
        return {
          feed(samples) {
            fed += samples.length;
            inner.feed(samples);
          },
          drained: () =>
            new Promise((resolve) => {
              caughtUp = resolve;
            }),
          end: () => inner.end(),
          abort: () => inner.abort(),
        };
      },
    };
    await engine.start();
    closing.push(() => engine.stop(0));
    const server = await serve(recogniserService(slow, limits, systemClock));
    await started({ make: () => make(server.port) }, {}, async (recogniser) => {
      const utterance = recogniser.utterance(options());
      feed(utterance, pcm, recogniser.capabilities);
      const end = utterance.end();
      await pause(200);
      expect(fed).toBe(1600);
      const pump = setInterval(() => caughtUp(), 1);
      expect((await end).text).toBe(wordsFor(pcm));
      clearInterval(pump);
    });
  });

  it("a caller that says nothing, or too much, is ended", async () => {
    const server = await serve(await serveEngine(undefined, { idleMs: 200, audioMs: 1000 }));
    await started({ make: () => make(server.port, { remoteRetries: 0 }) }, {}, async (recogniser) => {
      const silent = recogniser.utterance(options());
      await pause(500);
      silent.feed(pcm);
      await rejects(silent.end(), "timeout");
      await rejects(recognise(recogniser, pcm), "invalid_request");
    });
  });

  it("arbitrary messages end their own stream with a status, and nothing else", async () => {
    const server = await serve(await serveEngine(undefined, { idleMs: 500 }), { limits: { messageBytes: 4096, calls: 100, callsEnv: "" } });
    const { grpcClient } = await import("@earshot/platform/grpc/client.ts");
    const client = grpcClient(RecogniserService, {
      url: `grpc://127.0.0.1:${server.port}`,
      tls: { caFile: "", certFile: "", keyFile: "" },
      peer: "recogniser",
      clock: systemClock,
      messageBytes: 4096,
      token: "",
    });
    closing.push(async () => client.close());
    // Deterministic, so that a failure can be repeated.
    let state = 1;
    const below = (limit: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    const pick = <T>(...choices: T[]): T => choices[below(choices.length)]!;
    const message = (): unknown =>
      pick(
        {
          case: "config",
          value: { sampleRate: pick(16000, 16000, 8000, 0), language: pick("", "en", "\0"), callId: pick("", "c"), partials: true },
        },
        { case: "audio", value: { pcm: new Uint8Array(below(5000)).fill(below(256)) } },
        { case: undefined },
      );
    for (let run = 0; run < 150; run++) {
      const call = client.call.recognise({ timeoutMs: 5000 });
      for (let sent = below(7); sent > 0; sent--) call.send({ message: message() as never });
      call.end();
      try {
        for await (const _ of call.responses);
      } catch (error) {
        expect(error).toBeInstanceOf(EarshotError);
        expect((error as EarshotError).category).toMatch(/invalid_request|rate_limited|cancelled/);
      }
    }
    const socket = connect(server.port!, "127.0.0.1").on("error", () => {});
    socket.end(Buffer.alloc(5000, 0x5a));
    await started({ make: () => make(server.port) }, {}, async (recogniser) => {
      expect((await recognise(recogniser, toneOf(1, 1000))).text).toBe(wordsFor(toneOf(1, 1000)));
    });
  });
});
