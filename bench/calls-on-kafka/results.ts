/** Keeps rows of `bench/calls-on-kafka.ts` in bench/results: figures as JSON, a table and a plot made of them. */
import { writeFileSync } from "node:fs";
import type { CpuUsed } from "./cpu-watch.ts";
import { keepRows, markdownTable, resultFile } from "./kept-rows.ts";
import { linePlot } from "./line-plot.ts";

export const callsName = "calls-on-kafka";

export type CallsRow = CpuUsed & {
  readonly workers: number;
  readonly calls: number;
  readonly turns: number;
  /** After the endpointing pause. */
  readonly wordsP50Ms: number;
  readonly wordsP95Ms: number;
  /** At most, of media.v1. */
  readonly lagSeconds: number;
};

/** @returns what was written, for people */
export function keepCalls(rows: readonly CallsRow[]): string {
  const kept = keepRows(callsName, rows);
  writeFileSync(resultFile(`${callsName}.md`), table(kept.machine, kept.rows));
  writeFileSync(resultFile(`${callsName}.svg`), plot(kept.rows));
  return `bench/results/${callsName}.json, .md, .svg`;
}

const productMs = ({ gateway, pipeline, ingest, api }: CallsRow): number => gateway + pipeline + ingest + api;

function table(machine: string, rows: readonly CallsRow[]): string {
  const head = [
    "workers",
    "calls",
    "gateway",
    "workers'",
    "ingest",
    "API",
    "Kafka",
    "stores",
    "product",
    "PBX",
    "machine",
    "others",
    "words p50",
    "words p95",
    "lag",
  ];
  const cells = rows.map((row) => {
    const perCall = (ms: number): string => (ms / row.calls).toFixed(2);
    const { gateway, pipeline, ingest, api, kafka, stores, pbx } = row;
    return [
      row.workers,
      row.calls,
      ...[gateway, pipeline, ingest, api, kafka, stores, productMs(row), pbx].map(perCall),
      `${row.machinePercent} %`,
      `${row.othersPercent} %`,
      `${row.wordsP50Ms} ms`,
      `${row.wordsP95Ms} ms`,
      `${row.lagSeconds} s`,
    ];
  });
  return `# Calls on Kafka

Made by \`npm run bench -- calls-on-kafka --keep\`; ${machine}, which Kafka, the stores and the PBX share. Gateway to PBX: milliseconds of CPU
per call and second, each call two streams of G.711; product = gateway, workers, ingest and API. Words: from a turn's last packet to its text on the
live socket, less the endpointing pause, with an engine that takes no time. Lag: of media.v1, at most. Machine: what all of it took of the cores;
others: what other programs took. Where the two come near 100 % the delays tell of the machine, not of the product. Rows with a lag of 1 s or more are
more calls than the machine carries: not all of their work was done, so their cost per call is too small, and the plot leaves them out.

${markdownTable(head, cells)}

![CPU per call](calls-on-kafka.svg)
`;
}

function plot(rows: readonly CallsRow[]): string {
  const carried = rows.filter(({ lagSeconds }) => lagSeconds < 1);
  const counts = [...new Set(carried.map(({ workers }) => workers))];
  return linePlot({
    title: "CPU of the product per call, ms per second",
    xTitle: "calls at once",
    lines: counts.map((count) => ({
      name: `${count} ${count === 1 ? "worker" : "workers"}`,
      points: carried.filter(({ workers }) => workers === count).map((row) => ({ x: row.calls, y: productMs(row) / row.calls })),
    })),
  });
}
