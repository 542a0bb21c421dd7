/**
 * Memory: what one live call adds to the process (goal: at most 1 MB), and whether it stays flat while calls come and go.
 * `npm run bench -- memory [calls] [minutes] [seconds] [file]`; default 60 calls, 4 minutes, turnover by calls of 8 seconds. An hour:
 * `npm run bench -- memory 60 60`. Nothing is collected by force; a line a minute says where the memory is, and `file` gets every figure of it
 * as JSON lines. Speech recognition is off: an engine's memory is its own (pocketsphinx runs in processes of its own).
 */
import { appendFileSync } from "node:fs";
import { placeDemoCall } from "@earshot/deploy/demo-pbx/demo-call.ts";
import { scenarioIds } from "@earshot/deploy/demo-pbx/dialogue.ts";
import type { Figures } from "./memory/inside-figures.ts";
import { residentMiB } from "./memory/outside-figures.ts";
import { runObserved } from "./memory/run-observed.ts";
import { floors, type Point, settled, type Trend, trend } from "./memory/trend.ts";

const MiB = 2 ** 20;
/** What the line of each minute says, and what has a slope of its own in the end. */
const columns: Record<string, (figures: Figures) => number> = {
  resident: (of) => of.resident! / MiB,
  // Less V8's young generation and the room that V8 and malloc hold free: they grow and shrink by a hundred MiB as they see fit.
  "in use": (of) => (of.resident! - of["js.physical"]! + of["js.used"]! - of["js.new_space.used"]! - of["malloc.free"]!) / MiB,
  "mapped files": (of) => of["resident.files"]! / MiB,
  "JS used": (of) => of["js.used"]! / MiB,
  "JS total": (of) => of["js.total"]! / MiB,
  buffers: (of) => of["js.arrayBuffers"]! / MiB,
  "malloc used": (of) => (of["malloc.used"]! + of["malloc.mapped"]!) / MiB,
  "malloc free": (of) => of["malloc.free"]! / MiB,
  "engine used": (of) => of["engine.jemalloc.allocated"]! / MiB,
  "engine resident": (of) => of["engine.jemalloc.resident"]! / MiB,
  "replaced parts": (of) => of["engine.replaced.parts"] ?? 0,
  threads: (of) => of.threads!,
  files: (of) => of.files!,
};
const inMiB = Object.keys(columns).slice(0, 10);

async function run(): Promise<void> {
  const calls = Math.min(400, Number(process.argv[2] ?? 60));
  const minutes = Math.min(120, Number(process.argv[3] ?? 4));
  const seconds = Number(process.argv[4] ?? 8);
  const file = process.argv[5];
  const earshot = await runObserved();
  const abort = new AbortController();
  try {
    const place = (playFor: number) =>
      placeDemoCall({
        scenario: scenarioIds()[Math.floor(Math.random() * scenarioIds().length)]!,
        recorder: { address: "127.0.0.1", port: earshot.sipPort },
        seconds: playFor,
        signal: abort.signal,
      });
    // The window's own session with the engine belongs to the base.
    await earshot.figures();
    // The first calls load models and compile code; they are not what a call costs.
    await Promise.all((await Promise.all(Array.from({ length: 10 }, () => place(5)))).map((call) => call.ended));
    await wait(12_000);
    const base = await earshot.figures();
    const up = [];
    for (let i = 0; i < calls; i++) up.push(await place(40));
    await wait(25_000);
    const loaded = await earshot.figures();
    await Promise.all(up.map((call) => call.ended));
    const added = (name: string): string => ((columns[name]!(loaded) - columns[name]!(base)) / calls).toFixed(2);
    console.log(
      `memory at ${calls} calls: ${columns.resident!(loaded).toFixed(0)} MiB, base ${columns.resident!(base).toFixed(0)} MiB: ${added("resident")} MiB per call, goal 1, ratio ${added("resident")}`,
    );
    // Much of it comes with the first calls, however many: pages of the engine's code, its threads, buffers that fill up to their bound.
    console.log(
      `  of it ${inMiB
        .slice(2)
        .map((name) => `${name} ${added(name)}`)
        .join(", ")}`,
    );

    const startedAt = performance.now();
    const hours = (): number => (performance.now() - startedAt) / 3_600_000;
    const over = (): boolean => hours() * 60 >= minutes;
    const resident: Point[] = [];
    const details: { at: number; figures: Figures }[] = [];
    let placed = 0;
    const lines = Array.from({ length: Math.ceil(calls / 2) }, async () => {
      while (!over()) {
        await place(seconds).then((call) => call.ended);
        placed++;
      }
    });
    console.log(`minute  calls  ${Object.keys(columns).join("  ")}  (MiB, numbers)`);
    const detailEveryHours = minutes > 15 ? 1 / 60 : 1 / 240;
    while (!over()) {
      await wait(2_000);
      resident.push([hours(), residentMiB(earshot.pid)]);
      if (hours() < details.length * detailEveryHours) continue;
      const figures = await earshot.figures();
      details.push({ at: hours(), figures });
      if (file !== undefined) appendFileSync(file, `${JSON.stringify({ minute: hours() * 60, calls: placed, ...figures })}\n`);
      const values = Object.entries(columns).map(([name, of]) => of(figures).toFixed(0).padStart(name.length));
      console.log(`${(hours() * 60).toFixed(1).padStart(6)}  ${String(placed).padStart(5)}  ${values.join("  ")}`);
    }
    await Promise.all(lines);
    const perCall = (trend: Trend): string =>
      `${((trend.perHour * minutes * 1024) / 60 / placed).toFixed(1)} ± ${((trend.margin * minutes * 1024) / 60 / placed).toFixed(1)} KiB per call`;
    const levels = settled(resident);
    const slope = trend(levels);
    console.log(
      `turnover: ${placed} calls in ${minutes} min; after the first quarter resident ${levels.at(0)?.[1].toFixed(0)} to ${levels.at(-1)?.[1].toFixed(0)} MiB ` +
        `(least ${Math.min(...levels.map(([, mib]) => mib)).toFixed(0)}, most ${Math.max(...levels.map(([, mib]) => mib)).toFixed(0)}), ` +
        `slope ${said(slope)} MiB per hour, ${perCall(slope)} (95 %): ${verdict(slope)}`,
    );
    console.log(
      `  least of each sixth of the whole run: ${floors(resident, 6)
        .map((mib) => mib.toFixed(0))
        .join(", ")} MiB`,
    );
    for (const name of inMiB.slice(1)) {
      const part = trend(settled(details).map(({ at, figures }): Point => [at, columns[name]!(figures)]));
      console.log(`  ${name.padEnd(15)} slope ${said(part)} MiB per hour, ${perCall(part)}: ${verdict(part)}`);
    }
  } finally {
    abort.abort();
    await earshot.stop();
  }
}

const said = ({ perHour, margin }: Trend): string => `${perHour.toFixed(1)} ± ${margin.toFixed(1)}`;

function verdict({ perHour, margin }: Trend): string {
  if (Math.abs(perHour) <= margin) return "not to be told from none";
  return perHour > 0 ? "grows" : "shrinks";
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

await run();
process.exit(0);
