/**
 * A gateway on Kafka beside the same gateway on the embedded event log, the same calls in the same run: CPU (user and system, all threads) from
 * socket to event log per RTP packet, and bytes that go to the broker for each byte of G.711. People talk on the lines (rtp-packet/line-audio.ts).
 *
 *   npm run bench -- gateway-on-kafka [calls,calls,...] [seconds]
 *
 * Goals at 1,000 calls: at most 1.3 x the CPU of the embedded log, at most 1.10 x the bytes of G.711 on the wire.
 */
import { KafkaBroker, kafkaMissing } from "@earshot/platform/event-log/testing/kafka-broker.ts";
import { ahead } from "./rtp-packet/priority.ts";
import { measureEarshot } from "./rtp-packet.ts";

const callCounts = (process.argv[2] ?? "200,1000").split(",").map(Number);
const seconds = Number(process.argv[3] ?? 10);
const cpuGoal = 1.3;
const wireGoal = 1.1;
/** Of one record of media.v1: 100 ms at 8 kHz. */
const audioBytes = 800;

const missing = kafkaMissing();
if (missing !== "") {
  console.log(missing);
  process.exit(0);
}
if (ahead().length === 0) console.log("Real-time scheduling is not permitted: figures depend on what else runs.");
const broker = await KafkaBroker.start();
try {
  // A broker that was just started gives no producer its number for a while.
  await measureEarshot({ calls: 10, seconds: 1, fromPort: 19_000, eventLog: `${broker.url}/first` });
  let fromPort = 20_002 + 2 * Math.floor(Math.random() * 500);
  for (const calls of callCounts) {
    const run = async (eventLog: string) => {
      const measured = await measureEarshot({ calls, seconds, fromPort, eventLog, speech: true });
      fromPort += calls * 4 + 100;
      return measured;
    };
    const embedded = await run("embedded:");
    const kafka = await run(`${broker.url}/calls-${calls}`);
    const cpu = kafka.microseconds / embedded.microseconds;
    const wire = kafka.tcpBytes / (kafka.written * audioBytes);
    console.log(
      `${calls} calls: CPU per packet embedded ${embedded.microseconds.toFixed(2)} µs, Kafka ${kafka.microseconds.toFixed(2)} µs: x ${cpu.toFixed(2)} (goal ${cpuGoal}, ratio ${(cpu / cpuGoal).toFixed(2)}); ` +
        `wire / G.711 x ${wire.toFixed(3)} (goal ${wireGoal}, ratio ${(wire / wireGoal).toFixed(2)})`,
    );
    for (const [name, one] of [
      ["embedded", embedded],
      ["Kafka", kafka],
    ] as const)
      console.log(
        `  ${name}: sent ${one.sent}, received ${one.received}, kernel dropped ${one.kernelDrops}; chunks ${one.chunks}, lost ${one.chunksLost}, records ${one.records}, of those in the time measured ${one.written}; ` +
          `${(one.rssBytes / 1e6).toFixed(0)} MB rss; sender late by at most ${one.behindMs.toFixed(0)} ms`,
      );
  }
} finally {
  await broker.dispose();
}
process.exit(0);
