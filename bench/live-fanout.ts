/**
 * Live fan-out: each event to 1,000 clients. Latency from the event to the client's socket, and the server's CPU (user + system) per event and
 * client, through the live hub (batches of 100 ms, written once) beside the naive way (JSON.stringify and one send per event and client) in the
 * same run. The clients are another process. Goal: p99 under 150 ms, at most a tenth of the naive CPU.
 *
 *   npm run bench -- live-fanout [--clients 1000] [--events-per-second 200] [--seconds 4]
 */
import { fork } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Listening } from "@earshot/analytics/live/listening.ts";
import { LiveCalls } from "@earshot/analytics/live/live-calls.ts";
import { LiveCursors } from "@earshot/analytics/live/live-cursor.ts";
import { LiveHub } from "@earshot/analytics/live/live-hub.ts";
import { liveSettings } from "@earshot/analytics/live/settings.ts";
import type { DirectoryStore } from "@earshot/analytics/store/port.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import { type WebSocket, WebSocketServer } from "ws";
import type { ClientsReport } from "./live-fanout/clients.ts";
import { callCount, started, transcript } from "./live-fanout/events.ts";

const { values: given } = parseArgs({
  options: {
    clients: { type: "string", default: "1000" },
    "events-per-second": { type: "string", default: "200" },
    seconds: { type: "string", default: "4" },
  },
});
const clients = Number(given.clients);
const perSecond = Number(given["events-per-second"]);
const events = perSecond * Number(given.seconds);
const tenantId = "bench";

type Result = { delivered: number; p50: number; p99: number; cpuMicros: number };

/** `emit` is paced in steps of 10 ms, as events come from many calls at once. */
async function measure(server: Server, emit: (index: number) => void): Promise<Result> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const child = fork(fileURLToPath(new URL("live-fanout/clients.ts", import.meta.url)), [String(port), String(clients)]);
  const message = <T>() => new Promise<T>((resolve) => child.once("message", (value) => resolve(value as T)));
  try {
    await message();
    // The first snapshots are out.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    child.send("reset");
    const before = process.cpuUsage();
    const from = performance.now();
    for (let sent = 0; sent < events; ) {
      const due = Math.min(events, Math.floor(((performance.now() - from) / 1000) * perSecond) + 1);
      while (sent < due) emit(sent++);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    let report: ClientsReport = { received: 0, latenciesMs: [] };
    const end = performance.now() + 30_000;
    while (report.received < events * clients && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      child.send("report");
      report = await message<ClientsReport>();
    }
    const { user, system } = process.cpuUsage(before);
    const sorted = report.latenciesMs.sort((a, b) => a - b);
    const percentile = (p: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
    return {
      delivered: report.received / (events * clients),
      p50: percentile(0.5),
      p99: percentile(0.99),
      cpuMicros: (user + system) / (events * clients),
    };
  } finally {
    child.disconnect();
    server.closeAllConnections();
    server.close();
  }
}

async function hub(): Promise<Result> {
  const { values } = readSettings({ live: liveSettings }, {});
  const common = { clock: systemClock, log: silentLog, metrics: createMetrics(), settings: values.live };
  const subscription = { lag: () => 0, drained: async () => {}, stop: async () => {} };
  const eventLog = { subscribe: async () => subscription, append: () => true } as unknown as EventLog;
  const tenant = { id: tenantId, name: "Bench", timezone: "UTC", suspended: false, language: "", vocabulary: [] };
  const directory = { tenantByApiKeyHash: async () => ({ tenant, keyId: "k", name: "bench" }) } as unknown as DirectoryStore;
  const calls = new LiveCalls({ ...common, eventLog });
  const speech = () => ({ engine: "none", usable: false, reason: "", remedy: "" });
  const listening = new Listening({ ...common, eventLog, calls, directory });
  const live = new LiveHub({
    ...common,
    cursors: async () => LiveCursors.withSecret("bench"),
    listening,
    calls,
    directory,
    publicOrigins: [],
    speech,
  });
  await live.start();
  const server = createServer();
  live.attach(server);
  for (let call = 0; call < callCount; call++) calls.apply(decodeEvent(started(tenantId, call)));
  try {
    return await measure(server, (index) => calls.apply(decodeEvent(transcript(tenantId, index))));
  } finally {
    await live.stop(1000);
  }
}

async function naive(): Promise<Result> {
  const server = createServer();
  const sockets: WebSocket[] = [];
  const accept = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
  server.on("upgrade", (request, socket, head) => accept.handleUpgrade(request, socket, head, (one) => sockets.push(one)));
  return measure(server, (index) => {
    const { payload } = decodeEvent(transcript(tenantId, index));
    if (payload.case !== "transcriptSegment") return;
    const { $typeName: _type, ...segment } = payload.value;
    const event = { type: "transcript.final", callId: `call-${index % callCount}`, segment };
    for (const socket of sockets) socket.send(JSON.stringify(event));
  });
}

console.log(`Live fan-out: ${clients} clients, ${perSecond} events/s, ${events} events`);
const rows = { hub: await hub(), naive: await naive() };
for (const [name, { delivered, p50, p99, cpuMicros }] of Object.entries(rows))
  console.log(
    `  ${name.padEnd(6)} delivered ${(delivered * 100).toFixed(1)} %   p50 ${p50.toFixed(0)} ms   p99 ${p99.toFixed(0)} ms   ${cpuMicros.toFixed(2)} µs CPU per event and client`,
  );
const ratio = rows.hub.cpuMicros / rows.naive.cpuMicros;
console.log(
  `  p99 ${rows.hub.p99 < 150 ? "within" : "OVER"} 150 ms; CPU hub / naive = ${ratio.toFixed(3)} (goal: at most 0.1, ${ratio <= 0.1 ? "reached" : "NOT reached"})`,
);
process.exit(0);
