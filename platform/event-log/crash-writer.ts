/** A process that writes as fast as it can until it is killed, and says on stdout which publishes were acknowledged. For the crash test. */
import { systemClock } from "../clock/clock.ts";
import { silentLog } from "../log/log.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { defaultPlatformSettings } from "../settings.ts";
import { createEmbeddedEventLog } from "./embedded.ts";

const topic = "t.v1";
const log = createEmbeddedEventLog({
  directory: process.argv[2]!,
  clock: systemClock,
  log: silentLog,
  metrics: createMetrics(),
  settings: { ...defaultPlatformSettings(), segmentBytes: 256 * 1024 },
});
await log.start();
await log.declare([
  {
    name: topic,
    partitions: 1,
    retentionMs: 1e9,
    retentionBytes: 1 << 30,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "test",
  },
]);
const bytes = new Uint8Array(1000);
const view = new DataView(bytes.buffer);
const end = performance.now() + 20_000;
for (let i = 0; performance.now() < end; i++) {
  view.setUint32(0, i);
  log.append(topic, "appended", bytes);
  const published = log.publish(topic, "published", bytes);
  void published.then(() => process.stdout.write(`${i}\n`));
  if (i % 10 === 9) await published;
}
process.exit(0);
