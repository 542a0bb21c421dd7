/** The gRPC side of the API: where it listens, and its limits. */
import { setting, z } from "@earshot/platform/config/settings.ts";

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const file = z.string().trim();

export const grpcSettings = {
  port: setting({
    env: "EARSHOT_GRPC_PORT",
    schema: whole(0, 65_535),
    default: 0,
    describe: "port of call control over gRPC (deploy/docs/call-control.md), at the address of EARSHOT_HTTP_HOST; 0 = it is not served",
  }),
  certFile: setting({
    env: "EARSHOT_GRPC_CERT_FILE",
    schema: file,
    default: "",
    describe: "PEM file of the certificate of EARSHOT_GRPC_PORT; empty = plain text, for a proxy that ends TLS or for loopback",
  }),
  keyFile: setting({ env: "EARSHOT_GRPC_KEY_FILE", schema: file, default: "", describe: "PEM file of the key of EARSHOT_GRPC_CERT_FILE" }),
  clientCaFile: setting({
    env: "EARSHOT_GRPC_CLIENT_CA_FILE",
    schema: file,
    default: "",
    describe: "PEM file of the authority whose certificate a caller must show beside its API key (mutual TLS); empty = none",
  }),
  calls: setting({
    env: "EARSHOT_GRPC_CALLS",
    schema: whole(1, 100_000),
    default: 1000,
    describe: "gRPC calls under way at once over all clients; a watch and a listening are one each for as long as they last",
    atLimit: "a further one is refused with RESOURCE_EXHAUSTED",
  }),
  streamsPerTenant: setting({
    env: "EARSHOT_GRPC_STREAMS",
    schema: whole(1, 10_000),
    default: 100,
    describe:
      "watches and listenings of one tenant over gRPC at once, counted by each API process for itself: behind a load balancer a tenant may have " +
      "that many on every one of them",
    atLimit: "a further one is refused with RESOURCE_EXHAUSTED",
  }),
  pageCalls: setting({
    env: "EARSHOT_GRPC_PAGE_CALLS",
    schema: whole(1, 10_000),
    default: 100,
    describe:
      "calls in one answer to ListCalls; where calls have very many legs more than these may not fit a client's largest message (4 MB, mostly)",
    atLimit: "the answer names the token of the next page",
  }),
  watchedChanges: setting({
    env: "EARSHOT_GRPC_WATCH_CHANGES",
    schema: whole(10, 1_000_000),
    default: 10_000,
    describe: "changed calls that wait for a watcher that reads slowly; of each call only the newest state waits",
    atLimit: "the watch is ended with RESOURCE_EXHAUSTED; the client begins another, which tells every call that is up",
  }),
  recheckMs: setting({
    env: "EARSHOT_GRPC_RECHECK_MS",
    schema: whole(100, 600_000),
    default: 10_000,
    describe: "how often the API key behind a watch or a listening is looked up again (ms)",
    atLimit: "where it was withdrawn, or its tenant suspended, the stream is ended with UNAUTHENTICATED",
  }),
  messageBytes: setting({
    env: "EARSHOT_GRPC_MESSAGE_BYTES",
    schema: whole(1024, 16 * 1024 * 1024),
    default: 64 * 1024,
    describe: "largest request that is taken over gRPC",
    atLimit: "it is refused with RESOURCE_EXHAUSTED",
  }),
};
