/** The bridge over real sockets, with the two services of this product and toy handlers. */
import { connect as connectSocket } from "node:net";
import { type Category, categories, categoryOfGrpcStatus, EarshotError } from "@earshot/proto/errors.ts";
import { CallControl } from "@earshot/proto/gen/earshot/control/v1/call_control_pb.js";
import { type RecogniseRequest, Recogniser } from "@earshot/proto/gen/earshot/recogniser/v1/recogniser_pb.js";
import { Client, credentials, makeGenericClientConstructor } from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../clock/clock.ts";
import { createLog, silentLog } from "../log/log.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { makeCertificates } from "../testing/certificates.ts";
import { type ClientOptions, grpcClient } from "./client.ts";
import type { ClientTls } from "./credentials.ts";
import { GrpcServer, type GrpcServerOptions, type Handlers } from "./server.ts";

const noTls: ClientTls = { caFile: "", certFile: "", keyFile: "" };
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Recogniser_ = typeof Recogniser;
const echo: Handlers<Recogniser_> = {
  describe: async (_request, call) => ({ id: call.header("authorization") ?? "", version: call.address }),
  async *recognise(requests) {
    let bytes = 0;
    for await (const { message } of requests) {
      bytes += message.case === "audio" ? message.value.pcm.length : 0;
      yield { message: { case: "partial", value: { text: `${bytes}` } } };
    }
    yield { message: { case: "final", value: { text: `all ${bytes}` } } };
  },
};

async function serve(handlers: Partial<Handlers<Recogniser_>> = {}, more: Partial<GrpcServerOptions> = {}) {
  const server = new GrpcServer({ ...serverOptions(), ...more });
  server.add(Recogniser, { ...echo, ...handlers });
  await server.start();
  closing.push(() => server.stop(0));
  return server;
}

function client(port: number | undefined, more: Partial<ClientOptions> = {}) {
  const made = grpcClient(Recogniser, { ...clientOptions(port), ...more });
  closing.push(() => made.close());
  return made;
}

const audio = (bytes: number): { message: { case: "audio"; value: { pcm: Uint8Array } } } => ({
  message: { case: "audio", value: { pcm: new Uint8Array(bytes) } },
});

async function collect<T>(responses: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of responses) all.push(one);
  return all;
}

const failure = async (promise: Promise<unknown>): Promise<EarshotError> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(EarshotError);
  return error as EarshotError;
};

describe("calls", () => {
  it("unary: the message, the token and the caller's address", async () => {
    const server = await serve();
    const answer = await client(server.port, { token: "secret" }).call.describe({});
    expect(answer).toMatchObject({ id: "Bearer secret", version: "127.0.0.1" });
  });

  it("both ways at once, answer by answer, and the end after the half-close", async () => {
    const server = await serve();
    const call = client(server.port).call.recognise();
    const seen: string[] = [];
    call.send(audio(10));
    for await (const { message } of call.responses) {
      seen.push(message.value!.text);
      if (seen.length === 1) call.send(audio(20));
      if (seen.length === 2) call.end();
    }
    expect(seen).toEqual(["10", "30", "all 30"]);
  });

  it("one request, many answers; leaving the loop cancels the call at the server", async () => {
    let ended = false;
    const server = new GrpcServer({ ...serverOptions(), name: "control" });
    const nothing = async () => ({});
    server.add(CallControl, {
      listCalls: nothing,
      pauseRecording: nothing,
      resumeRecording: nothing,
      stopRecording: nothing,
      async *watchCalls() {},
      async *listen(_request, { signal }) {
        try {
          for (let positionMs = 0; !signal.aborted; positionMs += 100) {
            yield { positionMs };
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        } finally {
          ended = true;
        }
      },
    });
    await server.start();
    closing.push(() => server.stop(0));
    const control = grpcClient(CallControl, { ...clientOptions(server.port), peer: "control" });
    closing.push(() => control.close());
    const positions: number[] = [];
    for await (const { positionMs } of control.call.listen({ callId: "c" })) {
      positions.push(positionMs);
      if (positions.length === 3) break;
    }
    expect(positions).toEqual([0, 100, 200]);
    await until(() => ended);
    expect(await collect(control.call.watchCalls({}))).toEqual([]);
  });
});

describe("the error table", () => {
  it.each(Object.keys(categories) as Category[])("%s arrives as it was thrown (a bug of the server's as unavailable)", async (category) => {
    const lines: string[] = [];
    const thrown = new EarshotError(category, "some_code", "What went wrong.", { remedy: "Do this – now.", retryAfterMs: 1500 });
    const server = await serve(
      {
        describe: async () => {
          throw thrown;
        },
        // biome-ignore lint/correctness/useYield: it fails before the first answer
        async *recognise() {
          throw thrown;
        },
      },
      { log: createLog({ level: "error", destination: { write: (line) => lines.push(line) } }) },
    );
    const { call } = client(server.port);
    const stream = call.recognise();
    for (const error of [await failure(call.describe({})), await failure(collect(stream.responses))]) {
      if (category === "bug") expect(error).toMatchObject({ category: "unavailable", code: "grpc_unavailable" });
      else
        expect(error).toMatchObject({
          category,
          code: "some_code",
          message: "What went wrong.",
          remedy: "Do this – now.",
          retryAfterMs: 1500,
        });
    }
    expect(lines.length > 0).toBe(category === "bug");
  });

  it("what nobody expected is answered without its text", async () => {
    const server = await serve({
      describe: async () => {
        throw new Error("the caller said 4711");
      },
    });
    const error = await failure(client(server.port).call.describe({}));
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain("4711");
  });

  it("every status of gRPC has a category, and a status of the table its own", () => {
    for (let status = 1; status <= 16; status++) expect(Object.keys(categories)).toContain(categoryOfGrpcStatus(status));
    expect([3, 4, 5, 7, 8, 13, 14, 16, 99].map(categoryOfGrpcStatus)).toEqual([
      "invalid_request",
      "timeout",
      "not_found",
      "forbidden",
      "rate_limited",
      "unavailable",
      "unavailable",
      "unauthenticated",
      "unavailable",
    ]);
  });
});

describe("limits", () => {
  const hanging: Partial<Handlers<Recogniser_>> = {
    describe: (_request, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve({}))),
  };

  it("a deadline ends the call on both sides", async () => {
    let aborted = false;
    const server = await serve({
      describe: (_request, { signal }) =>
        new Promise((resolve) =>
          signal.addEventListener("abort", () => {
            aborted = true;
            resolve({});
          }),
        ),
    });
    expect((await failure(client(server.port).call.describe({}, { timeoutMs: 100 }))).category).toBe("timeout");
    await until(() => aborted);
  });

  it("the caller's signal cancels", async () => {
    const server = await serve(hanging);
    const controller = new AbortController();
    const answer = failure(client(server.port).call.describe({}, { signal: controller.signal }));
    setTimeout(() => controller.abort(), 50);
    expect((await answer).category).toBe("cancelled");
  });

  it("a call beyond the limit is refused, naming the setting, and one is taken when another has ended", async () => {
    const server = await serve(hanging, { limits: { messageBytes: 1000, calls: 1, callsEnv: "EARSHOT_SOME_CALLS" } });
    const { call } = client(server.port);
    const controller = new AbortController();
    const first = failure(call.describe({}, { signal: controller.signal }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const refused = await failure(call.describe({}));
    expect(refused).toMatchObject({ category: "rate_limited", code: "too_many_calls" });
    expect(refused.remedy).toContain("EARSHOT_SOME_CALLS");
    controller.abort();
    await first;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await failure(call.describe({}, { timeoutMs: 100 }))).category).toBe("timeout");
  });

  it("a message that is too large ends its call only", async () => {
    const server = await serve({}, { limits: { messageBytes: 1000, calls: 10, callsEnv: "" } });
    const { call } = client(server.port);
    const stream = call.recognise();
    stream.send(audio(2000));
    expect((await failure(collect(stream.responses))).category).toBe("rate_limited");
    await call.describe({});
  });

  it("a handler that does not read holds the sender back, and nothing is lost when it goes on", async () => {
    let read: () => void = () => {};
    const mayRead = new Promise<void>((resolve) => {
      read = resolve;
    });
    const server = await serve({
      async *recognise(requests: AsyncIterable<RecogniseRequest>) {
        await mayRead;
        yield* echo.recognise(requests, undefined as never);
      },
    });
    const stream = client(server.port).call.recognise();
    let sent = 0;
    while (stream.send(audio(50_000))) {
      sent++;
      await new Promise((resolve) => setTimeout(resolve, 2));
      expect(sent).toBeLessThan(200);
    }
    sent++;
    read();
    await stream.drained();
    stream.end();
    const answers = await collect(stream.responses);
    expect(answers.at(-1)?.message.value?.text).toBe(`all ${sent * 50_000}`);
  });

  it("garbage on the port harms nobody", async () => {
    const server = await serve();
    for (const bytes of [
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.alloc(10_000, 0xff),
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x7f"),
    ]) {
      const socket = connectSocket(server.port!, "127.0.0.1");
      socket.on("error", () => {});
      socket.write(bytes);
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.destroy();
    }
    const raw = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    closing.push(() => raw.close());
    const bytes = (value: Buffer) => value;
    const answer = new Promise((resolve) =>
      raw.makeUnaryRequest("/earshot.recogniser.v1.Recogniser/Describe", bytes, bytes, Buffer.alloc(50, 0xff), (error) =>
        resolve(error?.code),
      ),
    );
    expect(await answer).toBeGreaterThan(0);
    await client(server.port).call.describe({});
  });
});

describe("connections", () => {
  it("nobody listens: unavailable with a remedy; a server that comes back is found again", async () => {
    const first = await serve();
    const { call, ready, connected } = client(first.port);
    await call.describe({});
    expect(connected()).toBe(true);
    const { port } = first;
    await first.stop(0);
    const error = await failure(ready(200));
    expect(error).toMatchObject({ category: "unavailable", code: "grpc_not_connected" });
    expect(error.remedy).not.toBe("");
    expect((await failure(call.describe({}))).category).toBe("unavailable");
    await serve({}, { port: port! });
    await ready(10_000);
    await call.describe({});
  });

  it("a server that cuts its calls off is unavailable: only who cancels reads that it was cancelled", async () => {
    const server = await serve();
    const call = client(server.port).call.recognise();
    call.send(audio(10));
    const answers = call.responses[Symbol.asyncIterator]();
    await answers.next();
    const next = failure(answers.next());
    await server.stop(0);
    expect((await next).category).toBe("unavailable");
  });

  it("a port that is taken is named, with the setting", async () => {
    const first = await serve();
    const error = await failure(serve({}, { port: first.port!, portEnv: "EARSHOT_GRPC_PORT" }));
    expect(error).toMatchObject({ category: "unavailable", code: "grpc_port_unavailable" });
    expect(error.remedy).toContain("EARSHOT_GRPC_PORT");
  });

  it("stop lets calls finish within its deadline, and says through the health service that it serves no more", async () => {
    const server = await serve({
      describe: async () => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        return { id: "finished" };
      },
    });
    const Health = makeGenericClientConstructor(healthService as never, "Health");
    const health = new Health(`127.0.0.1:${server.port}`, credentials.createInsecure()) as never as {
      check(request: { service: string }, done: (error: unknown, answer?: { status: string }) => void): void;
      close(): void;
    };
    closing.push(() => health.close());
    const check = (service: string) =>
      new Promise((resolve) => health.check({ service }, (error, answer) => resolve(error ?? answer?.status)));
    expect(await check("")).toBe("SERVING");
    expect(await check("earshot.recogniser.v1.Recogniser")).toBe("SERVING");
    server.setServing(false);
    expect(await check("earshot.recogniser.v1.Recogniser")).toBe("NOT_SERVING");
    const answer = client(server.port).call.describe({});
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.stop(5000);
    expect((await answer).id).toBe("finished");
  });
});

const certificates = makeCertificates("client.example.com");
afterAll(() => certificates?.remove());
describe.skipIf(certificates === undefined)("TLS (needs openssl)", () => {
  const { caFile, certFile, keyFile, clientCertFile, clientKeyFile } = certificates!;
  let mutual: GrpcServer;
  beforeEach(async () => {
    mutual = await serve({}, { tls: { certFile, keyFile, clientCaFile: caFile } });
  });

  it("serves who shows a certificate of the authority, and nobody else", async () => {
    const url = `grpcs://localhost:${mutual.port}`;
    await client(0, { url, tls: { caFile, certFile: clientCertFile, keyFile: clientKeyFile } }).call.describe({});
    for (const tls of [{ caFile, certFile: "", keyFile: "" }, noTls])
      expect((await failure(client(0, { url, tls }).call.describe({}))).category).toBe("unavailable");
    expect((await failure(client(mutual.port).call.describe({}, { timeoutMs: 2000 }))).category).toBe("unavailable");
  });

  it("a file that is missing or is no certificate is named", async () => {
    expect(() => client(0, { url: "grpcs://localhost:1", tls: { ...noTls, caFile: "/nonexistent/ca.pem" } })).toThrow(
      "/nonexistent/ca.pem",
    );
    expect((await failure(serve({}, { tls: { certFile: "/nonexistent.pem", keyFile, clientCaFile: "" } }))).code).toBe(
      "tls_file_unreadable",
    );
    expect((await failure(serve({}, { tls: { certFile: keyFile, keyFile, clientCaFile: "" } }))).code).toBe("tls_files_unusable");
  });
});

function serverOptions(): GrpcServerOptions {
  return {
    name: "test",
    host: "127.0.0.1",
    port: 0,
    portEnv: "PORT",
    tls: undefined,
    limits: { messageBytes: 100_000, calls: 10, callsEnv: "CALLS" },
    log: silentLog,
    metrics: createMetrics(),
    clock: systemClock,
  };
}

function clientOptions(port: number | undefined): ClientOptions {
  return { url: `grpc://127.0.0.1:${port}`, tls: noTls, peer: "recogniser", clock: systemClock, messageBytes: 100_000, token: "" };
}

async function until(check: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !check(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(check()).toBe(true);
}
