/** Keeps rows of `bench/cost-growth.ts` in bench/results: figures as JSON, tables and a plot made of them, beside those measured in real time. */
import { writeFileSync } from "node:fs";
import type { MachineUse } from "../calls-on-kafka/cpu-watch.ts";
import { keepRows, keptRows, markdownTable, resultFile } from "../calls-on-kafka/kept-rows.ts";
import { linePlot } from "../calls-on-kafka/line-plot.ts";
import { type CallsRow, callsName } from "../calls-on-kafka/results.ts";

export type GrowthRow = MachineUse & {
  readonly workers: number;
  readonly calls: number;
  /** Each call's length. */
  readonly seconds: number;
  /** Milliseconds of CPU per call and second of call: the workers together, Kafka meanwhile, and Kafka while the audio was written. */
  readonly pipeline: number;
  readonly kafkaRead: number;
  readonly kafkaWrite: number;
  /** The same of storing what gateways and workers said: the ingest process, Kafka, and PostgreSQL with ClickHouse's engine. */
  readonly ingest: number;
  readonly ingestKafka: number;
  readonly ingestStores: number;
  /** Milliseconds of CPU of the workers per call for its end: last words, recording. */
  readonly endMs: number;
  /** Seconds of call that were heard in a second, over all calls: so many calls these cores hear in real time. */
  readonly callsInRealTime: number;
  /** Of the largest worker, with all of its calls up. */
  readonly residentMiB: number;
  /** How often a call's state was saved, and how many partial texts it had, per second of call. */
  readonly states: number;
  readonly partials: number;
  readonly finals: number;
  /** Calls with another number of segments than most calls of the same audio. */
  readonly cutOtherwise: number;
  /** Where a worker joined late: calls that moved to it, chunks that were heard more than once, and those handed over once more, of all chunks. */
  readonly moved?: { readonly calls: number; readonly heardAgain: number; readonly duplicates: number; readonly of: number };
  /** That the measurement took. */
  readonly wallSeconds: number;
};

const name = "cost-growth";

/** @returns what was written, for people */
export function keepGrowth(rows: readonly GrowthRow[]): string {
  const kept = keepRows(name, rows);
  writeFileSync(resultFile(`${name}.md`), report(kept.machine, kept.rows, keptRows<CallsRow>(callsName).rows));
  writeFileSync(resultFile(`${name}.svg`), plot(kept.rows));
  return `bench/results/${name}.json, .md, .svg`;
}

export function report(machine: string, rows: readonly GrowthRow[], inRealTime: readonly CallsRow[]): string {
  const two = (ms: number): string => ms.toFixed(2);
  const growth = rows.map((row) => [
    row.workers,
    row.calls,
    row.seconds,
    two(row.pipeline),
    two(row.kafkaWrite),
    two(row.kafkaRead),
    two(row.ingest),
    two(row.ingestKafka),
    two(row.ingestStores),
    row.endMs,
    row.callsInRealTime,
    row.residentMiB,
    row.states,
    row.partials,
    row.finals,
    row.cutOtherwise,
    `${row.machinePercent} %`,
    `${row.othersPercent} %`,
  ]);
  const both = rows.flatMap((row) => {
    const live = inRealTime.find(({ workers, calls }) => workers === row.workers && calls === row.calls);
    if (live === undefined) return [];
    const [pipeline, ingest, kafka] = [live.pipeline, live.ingest, live.kafka].map((ms) => ms / row.calls) as [number, number, number];
    const kafkaHere = row.kafkaWrite + row.kafkaRead + row.ingestKafka;
    return [[row.workers, row.calls, two(pipeline), two(row.pipeline), two(kafka), two(kafkaHere), two(ingest), two(row.ingest)]];
  });
  return `# How the cost of calls grows

Made by \`npm run bench -- cost-growth --call-seconds=10000 --keep\`; ${machine}. Nothing here is in real time: the calls' audio (two streams of G.711, the
demo dialogues) is written to Kafka, as gateways of 400 calls each write it, while the workers, which have shared out the partitions, are held still. Then
they hear it as fast as they can, and then one ingest process stores it. So more calls are up than the machine could hear in real time. A row stands only
where every call's every turn lies in final segments by half at least, no window went without the speech detector, no call moved between workers
and every recording was stored. One run of 2,000 calls with four workers failed by one turn of 709 ms, and the size was measured again.

What it cannot tell: delays; gateways and API, which are not in it; what more workers cost on cores of their own, since all share these. Workers, ingest
and Kafka find everything there and take it in larger pieces than in real time, so **read the cost per call as a lower bound**: the second table has both
where both were measured. Each row is one run of 5 to 18 s; the same size differed by up to 15 % for the workers, and by a factor of two and more for ingest,
which has little to do here.

Milliseconds of CPU per call and second of call: workers (all of them), Kafka while gateways write and while workers read, and ingest with Kafka and the
stores meanwhile. End: milliseconds of the workers per call for last words and recording. In real time: calls that these cores would hear, with Kafka
and workers alone on them. MiB: resident, of the largest worker with all its calls up. States and partials: per call and second. What the product does by
the clock is set to the pace that is expected of the calls; live it would be 0.2 states and some 2.6 partials, so rows of few calls lack partials, and rows of
500 and more have up to 2.5 times as many states. Cut otherwise: calls with another number of segments than most calls of the same audio; a sound that the
call's own beginning or end cuts off is a word or none by one window. Machine and others: what all of this, and other programs, took of the cores.

${markdownTable(
  [
    "workers",
    "calls",
    "s each",
    "workers'",
    "Kafka, writing",
    "reading",
    "ingest",
    "Kafka",
    "stores",
    "end",
    "in real time",
    "MiB",
    "states",
    "partials",
    "finals",
    "cut otherwise",
    "machine",
    "others",
  ],
  growth,
)}

![CPU per call](${name}.svg)

The same sizes in real time (\`${callsName}.md\`) and here:

${markdownTable(["workers", "calls", "workers' live", "here", "Kafka live", "here", "ingest live", "here"], both)}
`;
}

export function plot(rows: readonly GrowthRow[]): string {
  const counts = [...new Set(rows.map(({ workers }) => workers))];
  const lineOf = (title: string, workers: number, ms: (row: GrowthRow) => number) => ({
    name: title,
    points: rows.filter((row) => row.workers === workers).map((row) => ({ x: row.calls, y: ms(row) })),
  });
  return linePlot({
    title: "CPU per call, ms per second of call",
    xTitle: "calls at once",
    lines: [
      ...counts.map((count) => lineOf(`${count} ${count === 1 ? "worker" : "workers"}`, count, ({ pipeline }) => pipeline)),
      lineOf("Kafka, 1 worker", counts[0]!, ({ kafkaRead, kafkaWrite }) => kafkaRead + kafkaWrite),
    ],
  });
}
