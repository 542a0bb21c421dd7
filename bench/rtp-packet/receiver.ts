/** Child process: the product's own media plane on the embedded event log, receiving on as many legs as asked. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { createEmbeddedEventLog } from "@earshot/platform/event-log/embedded.ts";
import { createLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import { callId, tenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import { createMediaPlane } from "@earshot/sip-gateway/media/media-plane.ts";
import type { LegMedia } from "@earshot/sip-gateway/media/port.ts";
import { mediaSettings } from "@earshot/sip-gateway/media/settings.ts";

export type ReceiverRequest = { kind: "open"; calls: number; fromPort: number } | { kind: "stop" };
export type ReceiverAnswer =
  | { kind: "opened"; ports: number[] }
  | { kind: "stopped"; received: number; lost: number; chunks: number; chunksLost: number; records: number; rssBytes: number };

const directory = await mkdtemp(join(tmpdir(), "earshot-bench-rtp-"));
const log = createLog({ level: "warn" });
const metrics = createMetrics();
const eventLog = createEmbeddedEventLog({ directory, clock: systemClock, log, metrics, settings: defaultPlatformSettings() });
const settings = { ...readSettings({ media: mediaSettings }, {}).values.media, host: "127.0.0.1" };
const legs: LegMedia[] = [];
let plane: ReturnType<typeof createMediaPlane> | undefined;

async function open(calls: number, fromPort: number): Promise<number[]> {
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
  for (let call = 0; call < calls; call++) {
    for (let leg = 0; leg < 2; leg++) {
      const ports = await plane.allocate();
      const events = { onDtmf() {}, onFirstPacket() {} };
      legs.push(plane.open(tenantId("bench"), callId(`call-${call}`), leg, Date.now(), ports, description, events));
    }
  }
  return legs.map(({ ports }) => ports.rtpPort);
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
  const value = async (name: string) => (await metrics.registry.getSingleMetric(name)!.get()).values[0]?.value ?? 0;
  const chunks = await value("earshot_media_chunks_total");
  const chunksLost = await value("earshot_media_chunks_lost_total");
  await eventLog.stop(1000);
  await rm(directory, { recursive: true, force: true });
  return { kind: "stopped", received, lost, chunks, chunksLost, records, rssBytes };
}

process.on("message", async (request: ReceiverRequest) => {
  if (request.kind === "open")
    process.send!({ kind: "opened", ports: await open(request.calls, request.fromPort) } satisfies ReceiverAnswer);
  else process.send!(await stop());
});
process.on("disconnect", async () => {
  await rm(directory, { recursive: true, force: true });
  process.exit(0);
});
