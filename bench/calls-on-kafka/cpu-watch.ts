/** CPU of a cluster's processes over a stretch of time, user and system, with their children (proc(5)). Linux only. */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { RoleProcess } from "@earshot/deploy/cluster/role-process.ts";

/** Milliseconds of CPU, each kind of process with all of its children. */
export type CpuTimes = {
  readonly gateway: number;
  /** All workers together, and so with every role. */
  readonly pipeline: number;
  readonly ingest: number;
  readonly api: number;
  readonly kafka: number;
  /** PostgreSQL and ClickHouse's engine. */
  readonly stores: number;
  /** This process: the demo PBX. */
  readonly pbx: number;
};

/** What all of these took of the machine, and what other programs took: where those take much, delays are not the product's. */
export type MachineUse = { readonly machinePercent: number; readonly othersPercent: number };

/** Per second of the time measured. */
export type CpuUsed = CpuTimes & MachineUse;

type Times = { -readonly [kind in keyof CpuTimes]: number };

const tickMs = 10;

function processes(): Map<number, { parent: number; ms: number }> {
  const found = new Map<number, { parent: number; ms: number }>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      found.set(Number(name), { parent: Number(fields[1]), ms: (Number(fields[11]) + Number(fields[12])) * tickMs });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

function machineTicks(): { busy: number; all: number } {
  const [, ...fields] = readFileSync("/proc/stat", "latin1").split("\n")[0]!.split(/\s+/);
  const ticks = fields.slice(0, 8).map(Number);
  const all = ticks.reduce((sum, one) => sum + one, 0);
  return { all, busy: all - ticks[3]! - ticks[4]! };
}

export class CpuWatch {
  readonly #kinds = new Map<number, keyof Times>();
  readonly #before: Times;
  readonly #machineBefore = machineTicks();
  readonly #began = performance.now();

  constructor(roles: readonly RoleProcess[], kafkaPid: number | undefined) {
    const kinds = { "sip-gateway": "gateway", "media-pipeline": "pipeline", "analytics-ingest": "ingest", "analytics-api": "api" } as const;
    for (const { role, process } of roles) if (process.pid !== undefined) this.#kinds.set(process.pid, kinds[role]);
    if (kafkaPid !== undefined) this.#kinds.set(kafkaPid, "kafka");
    this.#kinds.set(process.pid, "pbx");
    this.#before = this.#times();
  }

  /** Since this watch was made. */
  used(): MachineUse & { readonly seconds: number; readonly ms: CpuTimes } {
    const seconds = (performance.now() - this.#began) / 1000;
    const machine = machineTicks();
    const ms = this.#times();
    for (const kind of Object.keys(ms) as (keyof Times)[]) ms[kind] -= this.#before[kind];
    const of = (share: number): number => Math.max(0, Math.round(share * 100));
    const own = Object.values(ms).reduce((sum, one) => sum + one, 0) / seconds / 1000 / availableParallelism();
    const busy = (machine.busy - this.#machineBefore.busy) / (machine.all - this.#machineBefore.all);
    return { seconds, ms, machinePercent: of(own), othersPercent: of(busy - own) };
  }

  /** Since this watch was made. */
  msPerSecond(): CpuUsed {
    const { seconds, ms, machinePercent, othersPercent } = this.used();
    const perSecond = Object.fromEntries(Object.entries(ms).map(([kind, each]) => [kind, Math.round(each / seconds)])) as CpuTimes;
    return { ...perSecond, machinePercent, othersPercent };
  }

  #times(): Times {
    const times: Times = { gateway: 0, pipeline: 0, ingest: 0, api: 0, kafka: 0, stores: 0, pbx: 0 };
    const all = processes();
    for (const [pid, { ms }] of all) {
      let kind: keyof Times | undefined;
      for (let at = pid; at > 1 && kind === undefined; at = all.get(at)?.parent ?? 0) {
        kind = this.#kinds.get(at);
        // What this process started and is none of the others.
        if (kind === "pbx" && at !== pid) kind = "stores";
      }
      if (kind !== undefined) times[kind] += ms;
    }
    return times;
  }
}
