/** Child process: the product's own media plane on an event log, receiving on as many legs as asked. */
import { randomUUID } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { openSpoolingEventLog } from "@earshot/platform/event-log/open.ts";
import type { EventLog } from "@earshot/platform/event-log/port.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import { createMediaPlane } from "@earshot/sip-gateway/media/media-plane.ts";
import type { LegMedia } from "@earshot/sip-gateway/media/port.ts";
import { mediaSettings } from "@earshot/sip-gateway/media/settings.ts";

/** `eventLog` as in EARSHOT_EVENT_LOG */
export type ReceiverRequest = { kind: "open"; calls: number; fromPort: number; eventLog: string } | { kind: "written" } | { kind: "stop" };
export type ReceiverAnswer =
  | { kind: "opened"; ports: number[] }
  /** What has gone out over TCP (to Kafka), and how many records of media.v1 the log has taken. */
  | { kind: "written"; tcpBytes: number; records: number }
  | { kind: "stopped"; received: number; lost: number; chunks: number; chunksLost: number; records: number; rssBytes: number };

const directory = await mkdtemp(join(tmpdir(), "earshot-bench-rtp-"));
const log = createLog({ level: "warn" });
const metrics = createMetrics();
const tcp: Socket[] = [];
subscribe("net.client.socket", (message) => tcp.push((message as { socket: Socket }).socket));
let eventLog: EventLog;
const settings = { ...readSettings({ media: mediaSettings }, {}).values.media, host: "127.0.0.1" };
const legs: LegMedia[] = [];
let plane: ReturnType<typeof createMediaPlane> | undefined;

async function open(calls: number, fromPort: number, url: string): Promise<number[]> {
  const platform = { ...defaultPlatformSettings(), dataDir: directory, eventLog: url };
  // As a gateway's: what goes to Kafka passes the spool's check.
  eventLog = openSpoolingEventLog({ clock: systemClock, log, metrics, settings: platform });
  await eventLog.start();
  await eventLog.declare([topics.media, topics.lineQuality]);
  plane = createMediaPlane({
    ports: { from: fromPort, to: fromPort + calls * 4 + 64 },
    settings,
    log,
    metrics,
    clock: systemClock,
    eventLog,
  });
  await plane.start();
  const formats = new Map([[8, { encoding: "PCMA", clockRate: 8000, channels: 1 } as const]]);
  const description = { remote: undefined, rtcpMux: false, formats, ptimeMs: 20, srtp: undefined, receiving: true };
  const tenant = tenantId(randomUUID());
  for (let call = 0; call < calls; call++) {
    // As long as a real one.
    const id = callId(randomUUID());
    for (let leg = 0; leg < 2; leg++) {
      const ports = await plane.allocate();
      const events = { onDtmf() {}, onFirstPacket() {} };
      legs.push(plane.open(tenant, id, leg, Date.now(), ports, description, events));
    }
  }
  return legs.map(({ ports }) => ports.rtpPort);
}

const value = async (name: string) => (await metrics.registry.getSingleMetric(name)!.get()).values[0]?.value ?? 0;

async function written(): Promise<ReceiverAnswer> {
  const { values } = await metrics.registry.getSingleMetric("earshot_event_log_written_records_total")!.get();
  return {
    kind: "written",
    tcpBytes: tcp.reduce((sum, socket) => sum + socket.bytesWritten, 0),
    records: values.find(({ labels }) => labels.topic === topics.media.name)?.value ?? 0,
  };
}

async function stop(): Promise<ReceiverAnswer> {
  let received = 0;
  let lost = 0;
  const rssBytes = process.memoryUsage.rss();
  for (const leg of legs) {
    const totals = leg.close();
    received += totals.packetsReceived;
    lost += totals.packetsLost;
  }
  await plane!.stop(1000);
  await eventLog.flush();
  let records = 0;
  for (const { first, next } of await eventLog.bounds(topics.media.name)) records += next - first;
  const chunks = await value("earshot_media_chunks_total");
  const chunksLost = await value("earshot_media_chunks_lost_total");
  await eventLog.stop(1000);
  await rm(directory, { recursive: true, force: true });
  return { kind: "stopped", received, lost, chunks, chunksLost, records, rssBytes };
}

process.on("message", async (request: ReceiverRequest) => {
  if (request.kind === "open")
    process.send!({ kind: "opened", ports: await open(request.calls, request.fromPort, request.eventLog) } satisfies ReceiverAnswer);
  else process.send!(request.kind === "written" ? await written() : await stop());
});
process.on("disconnect", async () => {
  await rm(directory, { recursive: true, force: true });
  process.exit(0);
});
