/** A gRPC server as a component: handlers are plain async functions and async iterables, limits are named, health is told. */
import type { Readable, Writable } from "node:stream";
import type { DescMethod } from "@bufbuild/protobuf";
import { EarshotError } from "@earshot/proto/errors.ts";
import {
  logVerbosity,
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { Clock } from "../clock/clock.ts";
import type { Component } from "../lifecycle/component.ts";
import type { Log } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { type ServerTls, serverCredentials } from "./credentials.ts";
import { type InputOf, type MethodShape, methodDefinition, type OutputInit, type Service } from "./method.ts";
import { statusOf } from "./status.ts";

type SurfaceCall = Pick<ServerUnaryCall<unknown, unknown>, "metadata" | "getPeer"> & Pick<NodeJS.EventEmitter, "on">;

/** One call that is served. */
export type ServerCall = {
  /** Aborted when the client cancels, its deadline passes, its connection is lost, or `end` was called: a handler then ends soon. */
  readonly signal: AbortSignal;
  /** Aborted when the server stops: a handler that would go on for ever ends its call then, others may finish. */
  readonly stopping: AbortSignal;
  /** Ends the call with this error from outside the handler's own flow, also where the client reads nothing of what was sent. */
  end(error: EarshotError): void;
  /** The client's address, without port. */
  readonly address: string;
  /** A value of the request's metadata. */
  header(name: string): string | undefined;
};

/** Throws an EarshotError to answer with its status. Streams are read and written no faster than the other side goes along. */
export type Handler<M> = MethodShape<
  M,
  (request: InputOf<M>, call: ServerCall) => Promise<OutputInit<M>>,
  (request: InputOf<M>, call: ServerCall) => AsyncIterable<OutputInit<M>>,
  (requests: AsyncIterable<InputOf<M>>, call: ServerCall) => AsyncIterable<OutputInit<M>>
>;
export type Handlers<S extends Service> = { readonly [K in keyof S["method"]]: Handler<S["method"][K]> };

export type GrpcServerOptions = {
  readonly name: string;
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** The setting to change where the port cannot be bound. */
  readonly portEnv: string;
  readonly tls: ServerTls | undefined;
  readonly limits: {
    /** Of one message, received. */
    readonly messageBytes: number;
    /** Calls under way at once over all clients; a further one is refused as rate_limited. */
    readonly calls: number;
    /** The setting of `calls`. */
    readonly callsEnv: string;
    /** A connection is asked to close after this, so that clients look for new servers; undefined = never. */
    readonly connectionAgeMs?: number;
  };
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
};

/** A stopping server waits so long for clients to take the end of their calls. */
const takeEndMs = 1000;

export class GrpcServer implements Component {
  readonly name: string;
  readonly #options: GrpcServerOptions;
  readonly #log: Log;
  readonly #server: Server;
  readonly #health = new HealthImplementation({ "": "NOT_SERVING" });
  readonly #services: string[] = [];
  readonly #answered;
  readonly #inFlight;
  readonly #stopping = new AbortController();
  #calls = 0;
  /** Told when no handler is at work any more. */
  #idle = () => {};
  #port: number | undefined;

  constructor(options: GrpcServerOptions) {
    const { limits, metrics } = options;
    this.name = options.name;
    this.#options = options;
    this.#log = options.log.child({ component: options.name });
    this.#answered = metrics.counter("earshot_grpc_calls_total", "gRPC calls served, by outcome", ["method", "outcome"]);
    this.#inFlight = metrics.gauge("earshot_grpc_calls", "gRPC calls under way", ["server"]);
    this.#server = new Server({
      "grpc.max_receive_message_length": limits.messageBytes,
      "grpc.keepalive_time_ms": 60_000,
      "grpc.keepalive_timeout_ms": 10_000,
      ...(limits.connectionAgeMs === undefined ? {} : { "grpc.max_connection_age_ms": limits.connectionAgeMs }),
    });
    // What goes wrong comes back as an error; the library would print it too.
    setLogVerbosity(logVerbosity.NONE);
    this.#health.addToServer(this.#server);
  }

  /** To be called before `start`. */
  add<S extends Service>(service: S, handlers: Handlers<S>): void {
    const definition: Record<string, ReturnType<typeof methodDefinition>> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries(service.method)) {
      definition[name] = methodDefinition(service, method);
      implementation[name] = this.#serve(method, `${service.typeName}/${method.name}`, handlers[name] as Handler<unknown>);
    }
    this.#server.addService(definition, implementation);
    this.#services.push(service.typeName);
  }

  /** Where it listens; undefined before `start`. */
  get port(): number | undefined {
    return this.#port;
  }

  /** For grpc.health.v1: does every service here serve? True from `start` to `stop` unless told otherwise. */
  setServing(serving: boolean): void {
    for (const service of ["", ...this.#services]) this.#health.setStatus(service, serving ? "SERVING" : "NOT_SERVING");
  }

  async start(): Promise<void> {
    const { host, port, portEnv, tls } = this.#options;
    const credentials = serverCredentials(tls);
    const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(where, credentials, (cause, bound) => {
        if (cause === null) return resolve(bound);
        reject(
          new EarshotError("unavailable", "grpc_port_unavailable", `Port ${port} cannot be bound.`, {
            remedy: `Stop what uses it, or set ${portEnv} to another.`,
            details: { host, port },
            cause,
          }),
        );
      });
    });
    this.setServing(true);
  }

  /** Clients are told to go elsewhere; calls under way may go on until the deadline. A client that does not take the end of its call is cut off. */
  async stop(deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    this.setServing(false);
    await new Promise<void>((resolve) => {
      const cutOff = (): void => {
        this.#server.forceShutdown();
        resolve();
      };
      const cancels = [clock.after(deadlineMs, cutOff)];
      this.#idle = () => void cancels.push(clock.after(Math.min(takeEndMs, deadlineMs), cutOff));
      this.#server.tryShutdown(() => {
        for (const cancel of cancels) cancel();
        resolve();
      });
      if (this.#calls === 0) this.#idle();
      this.#stopping.abort();
    });
    this.#idle = () => {};
    this.#port = undefined;
  }

  #serve(method: DescMethod, path: string, handler: Handler<unknown>): UntypedServiceImplementation[string] {
    type Unary = (request: unknown, call: ServerCall) => Promise<unknown>;
    type Streaming = (request: unknown, call: ServerCall) => AsyncIterable<unknown>;
    switch (method.methodKind) {
      case "unary":
        return (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) => {
          void this.#run(path, call, async (context) => callback(null, await (handler as Unary)(call.request, context))).then(
            (failure) => failure !== undefined && callback(statusOf(failure)),
          );
        };
      case "server_streaming":
        return (call: ServerWritableStream<unknown, unknown>) => {
          void this.#run(path, call, (context) => pump((handler as Streaming)(call.request, context), call, context.signal)).then(
            (failure) => failure !== undefined && call.emit("error", statusOf(failure)),
          );
        };
      case "bidi_streaming":
        return (call: ServerDuplexStream<unknown, unknown>) => {
          void this.#run(path, call, (context) => pump((handler as Streaming)(requestsOf(call), context), call, context.signal)).then(
            (failure) => failure !== undefined && call.emit("error", statusOf(failure)),
          );
        };
      default:
        throw new EarshotError("bug", "grpc_kind_not_bridged", `${path} is of a kind that is not bridged.`);
    }
  }

  /** @returns what to answer instead of a message */
  async #run(path: string, call: SurfaceCall, answer: (context: ServerCall) => Promise<unknown>): Promise<unknown> {
    const { limits, name } = this.#options;
    const controller = new AbortController();
    let ended: EarshotError | undefined;
    // A stream of a lost client errs; that it is lost is told by `cancelled`.
    call.on("error", () => {});
    call.on("cancelled", () => controller.abort());
    const context: ServerCall = {
      signal: controller.signal,
      stopping: this.#stopping.signal,
      end: (error) => {
        if (controller.signal.aborted) return;
        ended = error;
        controller.abort();
      },
      address: call.getPeer().replace(/:\d+$/, ""),
      header: (key) => call.metadata.get(key)[0]?.toString(),
    };
    this.#inFlight.set({ server: name }, ++this.#calls);
    try {
      if (this.#calls > limits.calls)
        throw new EarshotError("rate_limited", "too_many_calls", "As many calls are under way as this server takes.", {
          remedy: `Try again, use another server, or raise ${limits.callsEnv}.`,
          retryAfterMs: 1000,
        });
      await answer(context);
      if (ended !== undefined) throw ended;
      this.#answered.inc({ method: path, outcome: "ok" });
      return undefined;
    } catch (failure) {
      const error = ended ?? failure;
      const outcome =
        ended !== undefined
          ? ended.category
          : controller.signal.aborted
            ? "cancelled"
            : error instanceof EarshotError
              ? error.category
              : "bug";
      this.#answered.inc({ method: path, outcome });
      if (outcome === "bug") this.#log.error({ err: error, method: path }, "A gRPC call failed");
      return error;
    } finally {
      this.#inFlight.set({ server: name }, --this.#calls);
      if (this.#calls === 0) this.#idle();
    }
  }
}

/** Reading goes on no further than the handler has come, and a handler that leaves early does not tear the stream down. */
function requestsOf(call: Readable): AsyncIterable<unknown> {
  return { [Symbol.asyncIterator]: () => call.iterator({ destroyOnReturn: false }) };
}

async function pump(source: AsyncIterable<unknown>, call: Writable, signal: AbortSignal): Promise<void> {
  for await (const message of source) {
    if (signal.aborted) return;
    if (!call.write(message)) await drained(call, signal);
  }
  if (!signal.aborted) call.end();
}

function drained(call: Writable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    if (signal.aborted) return resolve();
    call.once("drain", done);
    signal.addEventListener("abort", done);
  });
}
