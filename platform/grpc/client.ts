/** A gRPC client of a generated service: promises and async iterables, deadlines, cancellation, every failure an EarshotError. */
import type { DescMethod } from "@bufbuild/protobuf";
import { EarshotError } from "@earshot/proto/errors.ts";
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  connectivityState,
  type CallOptions as GrpcCallOptions,
  Client as GrpcJsClient,
  logVerbosity,
  Metadata,
  type StatusObject,
  setLogVerbosity,
  status,
} from "@grpc/grpc-js";
import type { Clock } from "../clock/clock.ts";
import { type ClientTls, channelCredentials } from "./credentials.ts";
import { type InputInit, type MethodShape, methodDefinition, type OutputOf, type Service } from "./method.ts";
import { clientError, errorOf } from "./status.ts";

export type CallOptions = { readonly timeoutMs?: number; readonly signal?: AbortSignal };

/** What comes back, message by message; leaving the loop cancels the call. Throws an EarshotError where the call does not end with OK. */
export type Responses<T> = AsyncIterable<T>;

export type BidiCall<I, O> = {
  readonly responses: Responses<O>;
  /** @returns false where more waits for the network than should: go on after `drained` */
  send(message: I): boolean;
  /** Resolves when the network has taken what was sent, and when the call is over. */
  drained(): Promise<void>;
  /** No more is sent. */
  end(): void;
  cancel(): void;
};

type ClientMethod<M> = MethodShape<
  M,
  (request: InputInit<M>, options?: CallOptions) => Promise<OutputOf<M>>,
  (request: InputInit<M>, options?: CallOptions) => Responses<OutputOf<M>>,
  (options?: CallOptions) => BidiCall<InputInit<M>, OutputOf<M>>
>;

export type ClientOptions = {
  /** "grpc://host:port" (plain text) or "grpcs://host:port" (TLS). */
  readonly url: string;
  readonly tls: ClientTls;
  /** What the other side is, for errors: "recogniser". */
  readonly peer: string;
  readonly clock: Clock;
  /** Of one message, received. */
  readonly messageBytes: number;
  /** Sent with every call as `authorization: Bearer`; empty = none. */
  readonly token: string;
  /** A connection on which nothing comes is asked for a sign of life after this, while calls are under way; undefined = never. */
  readonly keepaliveMs?: number;
};

export type GrpcClient<S extends Service> = {
  readonly call: { readonly [K in keyof S["method"]]: ClientMethod<S["method"][K]> };
  /** Connected now? Otherwise it begins to connect. */
  connected(): boolean;
  /** @throws EarshotError unavailable where there is no connection within `timeoutMs` */
  ready(timeoutMs: number): Promise<void>;
  close(): void;
};

const keepaliveTimeoutMs = 10_000;
/** A server that was started again is found again soon. */
const slowestReconnectMs = 3000;

/**
 * Connects when first used. Where the name has several addresses, calls take turns among them.
 * @throws EarshotError invalid_request where a TLS file cannot be used
 */
export function grpcClient<S extends Service>(service: S, options: ClientOptions): GrpcClient<S> {
  const { peer, clock } = options;
  setLogVerbosity(logVerbosity.NONE);
  const url = new URL(options.url);
  const client = new GrpcJsClient(`dns:///${url.hostname}:${url.port || "443"}`, channelCredentials(url, options.tls), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    // Retries are the caller's: by category, within its own time.
    "grpc.enable_retries": 0,
    // A proxy of the environment is meant for the web.
    "grpc.enable_http_proxy": 0,
    "grpc.initial_reconnect_backoff_ms": 250,
    "grpc.max_reconnect_backoff_ms": slowestReconnectMs,
    "grpc.max_receive_message_length": options.messageBytes,
    ...(options.keepaliveMs === undefined
      ? {}
      : { "grpc.keepalive_time_ms": options.keepaliveMs, "grpc.keepalive_timeout_ms": keepaliveTimeoutMs }),
  });

  const metadata = () => {
    const sent = new Metadata();
    if (options.token !== "") sent.set("authorization", `Bearer ${options.token}`);
    return sent;
  };
  const grpcOptions = ({ timeoutMs }: CallOptions): GrpcCallOptions =>
    timeoutMs === undefined ? {} : { deadline: clock.now() + timeoutMs };

  const bridge = (method: DescMethod) => {
    const { path, requestSerialize: write, responseDeserialize: read } = methodDefinition(service, method);
    switch (method.methodKind) {
      case "unary":
        return (request: unknown, given: CallOptions = {}) =>
          new Promise((resolve, reject) => {
            const call = client.makeUnaryRequest(path, write, read, request, metadata(), grpcOptions(given), (error, answer) => {
              if (error === null) resolve(answer);
              else reject(clientError(error, peer, canceller.used));
            });
            const canceller = new Canceller(call, given.signal);
          });
      case "server_streaming":
        return (request: unknown, given: CallOptions = {}) =>
          streamed(client.makeServerStreamRequest(path, write, read, request, metadata(), grpcOptions(given)), given.signal, peer)
            .responses;
      case "bidi_streaming":
        return (given: CallOptions = {}): BidiCall<unknown, unknown> => {
          const call = client.makeBidiStreamRequest(path, write, read, metadata(), grpcOptions(given));
          const { responses, canceller } = streamed(call, given.signal, peer);
          let over = false;
          call.once("status", () => {
            over = true;
          });
          return {
            responses,
            send: (message) => over || call.write(message),
            drained: () => drained(call, over),
            end: () => void (over || call.end()),
            cancel: () => canceller.cancel(),
          };
        };
      default:
        throw new EarshotError("bug", "grpc_kind_not_bridged", `${path} is of a kind that is not bridged.`);
    }
  };

  const channel = client.getChannel();
  return {
    call: Object.fromEntries(Object.entries(service.method).map(([name, method]) => [name, bridge(method)])) as GrpcClient<S>["call"],
    connected: () => channel.getConnectivityState(true) === connectivityState.READY,
    ready: (timeoutMs) =>
      new Promise((resolve, reject) =>
        client.waitForReady(clock.now() + timeoutMs, (cause) => {
          if (cause === undefined) resolve();
          else
            reject(
              new EarshotError("unavailable", "grpc_not_connected", `The ${peer} could not be reached.`, {
                remedy: "Check the server's address, its certificate and the network.",
                details: { peer, host: url.host },
                cause,
              }),
            );
        }),
      ),
    close: () => client.close(),
  };
}

/** Knows whether it was this side that gave a call up: a CANCELLED that nobody here asked for means that the server went away. */
class Canceller {
  used = false;
  readonly #call: { cancel(): void };

  constructor(call: { cancel(): void; on(event: "status", listener: () => void): unknown }, signal: AbortSignal | undefined) {
    this.#call = call;
    if (signal === undefined) return;
    const cancel = () => this.cancel();
    if (signal.aborted) cancel();
    signal.addEventListener("abort", cancel);
    call.on("status", () => signal.removeEventListener("abort", cancel));
  }

  cancel(): void {
    this.used = true;
    this.#call.cancel();
  }
}

function streamed(
  call: ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>,
  signal: AbortSignal | undefined,
  peer: string,
): { responses: Responses<unknown>; canceller: Canceller } {
  const canceller = new Canceller(call, signal);
  const ended = new Promise<StatusObject>((resolve) => call.once("status", resolve));
  // The status says the same; an error without a listener would end the process.
  call.on("error", () => {});
  const responses = {
    async *[Symbol.asyncIterator]() {
      let complete = false;
      try {
        yield* call.iterator({ destroyOnReturn: false });
        complete = true;
      } catch (error) {
        complete = true;
        throw clientError(error, peer, canceller.used);
      } finally {
        if (!complete) canceller.cancel();
      }
      const last = await ended;
      if (last.code !== status.OK) throw errorOf(last, peer, canceller.used);
    },
  };
  return { responses, canceller };
}

function drained(call: ClientDuplexStream<unknown, unknown>, over: boolean): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off("drain", done);
      call.off("status", done);
      resolve();
    };
    if (over || !call.writableNeedDrain) return resolve();
    call.once("drain", done);
    call.once("status", done);
  });
}
