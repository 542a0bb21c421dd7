/**
 * How the cost of calls grows beyond what one machine carries in real time: so many calls' audio is written to a real Kafka first, then one to four
 * pipeline workers hear it as fast as they can, then one ingest process stores what they said. Prints CPU per call and second of call of each part,
 * and how many calls the cores would hear in real time; fails where not all was heard. What it can tell and what not: bench/results/cost-growth.md.
 *
 *   npm run bench -- cost-growth [--calls=100,200,500,1000,2000] [--workers=1,2,3,4] [--call-seconds=20000] [--limit=150] [--keep | --late=1]
 *
 * Each call lasts --call-seconds divided by the number of calls, from 10 s to 100 s. A part of a size that takes longer than --limit seconds ends the
 * bench. --keep puts the rows into bench/results; of several of one size the one stays that other programs disturbed least.
 * --late: so many of the workers join when a quarter of the chunks have been heard; their start counts, so such rows are compared with each other only.
 */
import { parseArgs } from "node:util";
import { clusterMissing } from "@earshot/deploy/testing/cluster.ts";
import { measurePoint } from "./cost-growth/point.ts";
import { keepGrowth } from "./cost-growth/results.ts";

const option = { type: "string" } as const;
const { values } = parseArgs({
  options: { calls: option, workers: option, "call-seconds": option, limit: option, keep: { type: "boolean" }, late: option },
});
const numbers = (text: string): number[] => text.split(",").map(Number);
const callSeconds = Number(values["call-seconds"] ?? 20_000);
const limitMs = Number(values.limit ?? 150) * 1000;
const [shortest, longest] = [10, 100];

const late = Number(values.late ?? 0);
if (values.keep === true && late > 0) {
  console.error("--keep and --late: rows with workers that join late are not kept. Leave one of them out.");
  process.exit(2);
}
const missing = clusterMissing();
if (missing !== "") {
  console.log(missing);
  process.exit(0);
}
const sizes = numbers(values.workers ?? "1,2,3,4");
if (sizes.some((workers) => workers <= late)) {
  console.error(`--late=${late}: a size of --workers has no more than so many workers. One at least begins at once.`);
  process.exit(2);
}
for (const workers of sizes) {
  // Calls that so many workers hear in real time, as the size before has shown.
  let carried = workers === 1 ? 350 : 500;
  for (const calls of numbers(values.calls ?? "100,200,500,1000,2000")) {
    const seconds = Math.min(longest, Math.max(shortest, Math.round(callSeconds / calls)));
    const row = await measurePoint({ workers, calls, seconds, late, speed: carried / calls, limitMs });
    carried = row.callsInRealTime;
    console.log(
      `${calls} calls of ${seconds} s, ${workers} ${workers === 1 ? "worker" : "workers"}: ms of CPU per call and second: workers ${row.pipeline}, Kafka ${row.kafkaWrite} while gateways write, ${row.kafkaRead} while workers read; ` +
        `ingest ${row.ingest}, Kafka ${row.ingestKafka}, stores ${row.ingestStores}; end of a call ${row.endMs} ms\n` +
        `  in ${row.wallSeconds} s: so many would be heard in real time: ${row.callsInRealTime}; ${row.finals} finals, every turn in one, ${row.cutOtherwise} calls cut otherwise than their like; ${row.states} states and ${row.partials} partials per call and second; ` +
        `largest worker ${row.residentMiB} MiB; of the machine ${row.machinePercent} %, other programs ${row.othersPercent} %`,
    );
    if (row.moved !== undefined)
      console.log(
        `  ${row.moved.calls} calls moved; of ${row.moved.of} chunks ${row.moved.heardAgain} were heard again, ${row.moved.duplicates} handed over once more`,
      );
    if (values.keep === true) console.log(`kept: ${keepGrowth([row])}`);
  }
}
process.exit(0);
