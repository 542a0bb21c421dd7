/** A process that writes to Kafka through a spool until it is killed; says on stdout what is on disk or acknowledged. For the fault test. */
import { spoolOver } from "../spooling-harness.ts";
import { makeOn } from "./harness.ts";

const [, , url, directory, topic] = process.argv;
const log = spoolOver(makeOn(url!, { retryMaxMs: 500 }), directory!);
await log.start();
await log.declare([
  {
    name: topic!,
    partitions: 1,
    retentionMs: 1e9,
    retentionBytes: 1 << 26,
    cleanup: "delete",
    key: "callId",
    message: "Event",
    writtenBy: "test",
  },
]);
const end = performance.now() + 60_000;
for (let i = 0; performance.now() < end; i++) {
  void log.publish(topic!, "k", new TextEncoder().encode(`${i}`)).then(() => process.stdout.write(`${i}\n`));
  await new Promise((resolve) => setTimeout(resolve, 2));
}
process.exit(0);
