/** What strangers can make the gateway hold: transactions, connections, handshakes. Each has a bound, and the next honest call gets through. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { ManualClock } from "@earshot/platform/clock/manual-clock.ts";
import { makeCertificates } from "@earshot/platform/testing/certificates.ts";
import { afterEach, expect, test } from "vitest";
import { GatewayUnderTest } from "./testing/gateway-under-test.ts";
import { metadata, twoStreams } from "./testing/recording-client.ts";
import { headerOf } from "./testing/sip-client.ts";

let under: GatewayUnderTest;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await under.stop();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function raw(transport: "tcp" | "tls" = "tcp"): Promise<Socket> {
  const socket = connect(under.target(transport).port, "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "connect");
  return socket;
}
const dropped = async (reason: string): Promise<number> =>
  Number(new RegExp(`dropped_total\\{reason="${reason}"\\} (\\d+)`).exec(await under.metrics.expose())?.[1] ?? 0);

test("an unknown source gets one 403 for each INVITE it sends, also for a repeated one, and nothing unasked", async () => {
  under = await GatewayUnderTest.start({ trunk: { sourceNetworks: ["192.0.2.0/24"] } });
  const client = await under.client();
  const answer = await client.invite({ sdp: twoStreams() });
  await pause(1700);
  expect([answer.status, client.wire.inbox.length]).toEqual([403, 0]);
  client.wire.send(client.lastInvite);
  expect((await client.wire.response("INVITE")).text).toBe(answer.text);
});

test("INVITEs in hand have a bound in all; beyond it 503 without a trace", async () => {
  under = await GatewayUnderTest.start({ settings: { maxPendingInvites: 2, retryAfterSeconds: 7 } });
  // Refused for what they ask (no Require: siprec), and never acknowledged.
  for (let i = 0; i < 2; i++) expect((await (await under.client()).invite({ sdp: twoStreams(), headers: [] })).status).toBe(421);
  const client = await under.client();
  const refused = await client.invite({ sdp: twoStreams(), metadata: metadata() });
  expect([refused.status, headerOf(refused, "retry-after")]).toEqual([503, "7"]);
  client.wire.send(client.lastInvite);
  expect((await client.wire.response("INVITE")).status).toBe(503);
  expect([await dropped("too_many_invites"), under.gateway.liveCalls(), under.media.usedPairs]).toEqual([2, 0, 0]);
});

test("a flood of keep-alives closes its connection; a keep-alive now and then is answered", async () => {
  under = await GatewayUnderTest.start({ settings: { maxMessagesPerSecond: 100 } });
  const flood = await raw();
  let pongs = 0;
  flood.on("data", (bytes) => {
    pongs += bytes.length / 2;
  });
  flood.write("\r\n\r\n");
  await under.until(() => pongs === 1, "pong");
  flood.write("\r\n\r\n".repeat(10_000));
  await once(flood, "close", { signal: AbortSignal.timeout(3000) });
  expect([pongs, await dropped("keep_alive_rate")]).toEqual([1, 1]);
  const honest = await under.client("tcp");
  expect((await honest.start()).status).toBe(200);
});

test("connections of one source have a bound of their own; a closed one gives its place back", async () => {
  under = await GatewayUnderTest.start({ settings: { maxConnectionsPerSource: 2 } });
  const [first] = [await raw(), await raw()];
  const third = await raw();
  await once(third, "close", { signal: AbortSignal.timeout(3000) });
  expect(await dropped("too_many_connections_of_source")).toBe(1);
  first.destroy();
  await pause(50);
  expect((await (await under.client("tcp")).start()).status).toBe(200);
});

test("keep-alives alone keep no connection that never carried a call; one that did, they keep", async () => {
  const clock = new ManualClock();
  under = await GatewayUnderTest.start({ clock, settings: { connectionIdleMs: 10_000, mediaTimeoutMs: 1e9 } });
  const [unused, used] = [await raw(), await under.client("tcp")];
  await used.start();
  let closed = false;
  unused.on("close", () => {
    closed = true;
  });
  clock.advance(30_000);
  expect(used.wire.closed).toBe(false);
  expect((await used.bye()).status).toBe(200);
  await under.until(() => closed, "the silent connection's end");
  const pinging = await raw();
  const ended = once(pinging, "close", { signal: AbortSignal.timeout(3000) });
  for (let i = 0; i < 6; i++) {
    pinging.write("\r\n\r\n");
    used.wire.send("\r\n\r\n");
    await pause(20);
    clock.advance(2500);
  }
  await ended;
  expect((await used.request("OPTIONS")).status).toBe(200);
});

const certificates = makeCertificates("sbc.example.com");

test.skipIf(certificates === undefined)("TLS: what never finishes its handshake holds a place, and not for long", async () => {
  under = await GatewayUnderTest.start({
    settings: {
      tlsCertFile: certificates!.certFile,
      tlsKeyFile: certificates!.keyFile,
      tlsHandshakeMs: 700,
      maxConnections: 3,
    },
  });
  const silent: Socket[] = [];
  let closed = 0;
  for (let i = 0; i < 8; i++) {
    const socket = await raw("tls");
    socket.on("close", () => closed++);
    silent.push(socket);
  }
  await under.until(() => closed >= 5, "refusal of five");
  await pause(100);
  expect([closed, await dropped("too_many_connections")]).toEqual([5, 5]);
  await under.until(() => closed === 8, "the end of those without handshake");
  const client = await under.client("tls");
  expect((await client.start()).status).toBe(200);
  certificates!.remove();
});
