/**
 * Dashboards on two API processes over one Kafka: every update of 50 live calls to every dashboard (a WebSocket each, half of them on each API).
 * Latency from the event's making to its arrival at the dashboard, beside the way through Kafka alone (a consumer in this process, same events);
 * CPU of the two APIs per update and dashboard. Goal: p99 under 200 ms at 1,000 dashboards.
 *
 *   npm run bench -- dashboards-on-kafka [--dashboards=1000] [--events-per-second=200] [--seconds=10]
 */
import { fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { clusterApiKey, clusterMissing, startTestCluster } from "@earshot/deploy/testing/cluster.ts";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { openEventLog } from "@earshot/platform/event-log/open.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { defaultPlatformSettings } from "@earshot/platform/settings.ts";
import { decodeEvent } from "@earshot/proto/event.ts";
import { allTopics, topics } from "@earshot/proto/topics.ts";
import { CpuWatch } from "./calls-on-kafka/cpu-watch.ts";
import type { ClientsReport } from "./live-fanout/clients.ts";
import { callCount, started, transcript } from "./live-fanout/events.ts";
import { percentile } from "./words-on-websocket/shown-words.ts";

const option = { type: "string" } as const;
const { values } = parseArgs({ options: { dashboards: option, "events-per-second": option, seconds: option } });
const dashboards = Number(values.dashboards ?? 1000);
const perSecond = Number(values["events-per-second"] ?? 200);
const seconds = Number(values.seconds ?? 10);
const events = perSecond * seconds;
const goalMs = 200;
const apis = ["api-1", "api-2"];

if (clusterMissing() !== "") throw new Error(clusterMissing());
const cluster = await startTestCluster({ gateways: 0, pipelines: 0, ingests: 0, apis: apis.length });
const eventLog = openEventLog({
  clock: systemClock,
  log: silentLog,
  metrics: createMetrics(),
  settings: { ...defaultPlatformSettings(), eventLog: cluster.servers.env.EARSHOT_EVENT_LOG! },
});
try {
  await eventLog.start();
  await eventLog.declare(allTopics);
  const tenantId = ((await (await cluster.request("/api/v1/tenant")).json()) as { id: string }).id;
  for (let call = 0; call < callCount; call++) await eventLog.publish(topics.calls.name, `call-${call}`, started(tenantId, call));

  const onLogMs: number[] = [];
  const subscription = await eventLog.subscribe({
    topics: [topics.transcripts.name],
    group: "bench",
    from: "latest",
    durable: false,
    handle(batch) {
      const now = performance.timeOrigin + performance.now();
      for (const { value } of batch) {
        const { payload } = decodeEvent(value);
        if (payload.case === "transcriptSegment") onLogMs.push(now - Number(payload.value.engine));
      }
    },
  });
  const clients = await Promise.all(
    apis.map(async (api) => {
      const file = fileURLToPath(new URL("live-fanout/clients.ts", import.meta.url));
      const child = fork(file, [String(cluster.role(api).ports.http), String(dashboards / apis.length), clusterApiKey]);
      const message = <T>() => new Promise<T>((resolve) => child.once("message", (value) => resolve(value as T)));
      await message();
      return {
        reset: () => child.send("reset"),
        report: () => {
          child.send("report");
          return message<ClientsReport>();
        },
        end: () => child.disconnect(),
      };
    }),
  );
  // The first snapshots are out.
  await sleep(2000);
  for (const client of clients) client.reset();
  const cpu = new CpuWatch(cluster.roles, cluster.servers.kafka?.pid);
  const from = performance.now();
  for (let sent = 0; sent < events; await sleep(10)) {
    const due = Math.min(events, Math.floor(((performance.now() - from) / 1000) * perSecond) + 1);
    for (; sent < due; sent++) eventLog.append(topics.transcripts.name, `call-${sent % callCount}`, transcript(tenantId, sent));
  }
  let reports: ClientsReport[] = [];
  const received = (): number => reports.reduce((sum, one) => sum + one.received, 0);
  for (const until = performance.now() + 20_000; performance.now() < until && received() < events * dashboards; await sleep(200))
    reports = await Promise.all(clients.map((client) => client.report()));
  const elapsed = (performance.now() - from) / 1000;
  const used = cpu.msPerSecond();
  for (const client of clients) client.end();
  await subscription.stop();

  const latencies = reports.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b);
  const log = onLogMs.sort((a, b) => a - b);
  const [p50, p99, logP50, logP99] = [percentile(latencies, 0.5), percentile(latencies, 0.99), percentile(log, 0.5), percentile(log, 0.99)];
  const perUpdate = (used.api * elapsed * 1000) / (events * dashboards);
  console.log(
    `${dashboards} dashboards on ${apis.length} APIs, ${perSecond} updates/s for ${seconds} s, machine at ${used.machinePercent} %`,
  );
  console.log(`  delivered ${((received() / (events * dashboards)) * 100).toFixed(1)} %`);
  console.log(`  to the dashboard   p50 ${p50.toFixed(0)} ms   p99 ${p99.toFixed(0)} ms (goal: under ${goalMs} ms)`);
  console.log(
    `  through Kafka only p50 ${logP50.toFixed(0)} ms   p99 ${logP99.toFixed(0)} ms   dashboard / Kafka at p99: ${(p99 / logP99).toFixed(1)} x`,
  );
  console.log(`  ${perUpdate.toFixed(2)} us CPU of the APIs per update and dashboard, ${used.api} ms/s of both; Kafka ${used.kafka} ms/s`);
} finally {
  await eventLog.stop(2000);
  await cluster.stop();
}
process.exit(0);
