/** Keeps rows of `bench/calls-on-kafka.ts` in bench/results: figures as JSON, a table and a plot made of them. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import type { CpuUsed } from "./cpu-watch.ts";
import { linePlot } from "./line-plot.ts";

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

type Kept = { readonly machine: string; readonly rows: readonly CallsRow[] };

const folder = new URL("../results/", import.meta.url);
const file = (name: string): URL => new URL(name, folder);

/** @returns what was written, for people */
export function keepRows(rows: readonly CallsRow[]): string {
  const path = file("calls-on-kafka.json");
  const kept: Kept = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Kept) : { machine: "", rows: [] };
  const isNew = ({ workers, calls }: CallsRow) => rows.every((row) => row.workers !== workers || row.calls !== calls);
  const all = [...kept.rows.filter(isNew), ...rows].sort((a, b) => a.workers - b.workers || a.calls - b.calls);
  const machine = `${cpus().length} cores, ${cpus()[0]?.model ?? "unknown"}`;
  writeFileSync(path, `${JSON.stringify({ machine, rows: all } satisfies Kept, undefined, 2)}\n`);
  writeFileSync(file("calls-on-kafka.md"), table(machine, all));
  writeFileSync(file("calls-on-kafka.svg"), plot(all));
  return "bench/results/calls-on-kafka.json, .md, .svg";
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
    "machine busy",
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
      `${row.wordsP50Ms} ms`,
      `${row.wordsP95Ms} ms`,
      `${row.lagSeconds} s`,
    ];
  });
  const line = (each: readonly (string | number)[]): string => `| ${each.join(" | ")} |`;
  return `# Calls on Kafka

Made by \`npm run bench -- calls-on-kafka --keep\`; ${machine}, which Kafka, the stores and the PBX share. Gateway to PBX: milliseconds of CPU per call and
second, each call two streams of G.711; product = gateway, workers, ingest and API. Words: from a turn's last packet to its text on the live socket,
less the endpointing pause, with an engine that takes no time. Lag: of media.v1, at most. A machine that is all busy is past what it can carry.

${line(head)}
${line(head.map(() => "---:"))}
${cells.map(line).join("\n")}

![CPU per call](calls-on-kafka.svg)
`;
}

function plot(rows: readonly CallsRow[]): string {
  const counts = [...new Set(rows.map(({ workers }) => workers))];
  return linePlot({
    title: "CPU of the product per call, ms per second",
    xTitle: "calls at once",
    lines: counts.map((count) => ({
      name: `${count} ${count === 1 ? "worker" : "workers"}`,
      points: rows.filter(({ workers }) => workers === count).map((row) => ({ x: row.calls, y: productMs(row) / row.calls })),
    })),
  });
}
