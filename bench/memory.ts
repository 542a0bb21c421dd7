/**
 * Memory: what one live call adds to the process (goal: at most 1 MB), and whether it stays flat while calls come and go.
 * `npm run bench -- memory [calls] [minutes]`; default 60 calls, 4 minutes. An hour: `npm run bench -- memory 60 60`.
 * Speech recognition is off: an engine's memory is its own (pocketsphinx runs in processes of its own).
 */
import { readFileSync } from "node:fs";
import { placeDemoCall } from "@earshot/deploy/demo-pbx/demo-call.ts";
import { scenarioIds } from "@earshot/deploy/demo-pbx/dialogue.ts";
import { startEarshot } from "@earshot/deploy/testing/earshot-process.ts";

async function run(): Promise<void> {
  const calls = Math.min(400, Number(process.argv[2] ?? 60));
  const minutes = Math.min(120, Number(process.argv[3] ?? 4));
  const earshot = await startEarshot({ env: { EARSHOT_ASR: "none", EARSHOT_RTP_PORTS: "40000-47999" } });
  const abort = new AbortController();
  try {
    const place = (seconds?: number) =>
      placeDemoCall({
        scenario: scenarioIds()[Math.floor(Math.random() * scenarioIds().length)]!,
        recorder: { address: "127.0.0.1", port: earshot.sipPort },
        seconds,
        signal: abort.signal,
      });
    // The first calls load models and compile code; they are not what a call costs.
    await Promise.all((await Promise.all(Array.from({ length: 10 }, () => place(5)))).map((call) => call.ended));
    await wait(12_000);
    const base = residentMiB(earshot.pid);
    const up = [];
    for (let i = 0; i < calls; i++) up.push(await place(40));
    await wait(25_000);
    const loaded = residentMiB(earshot.pid);
    await Promise.all(up.map((call) => call.ended));
    console.log(
      `memory at ${calls} calls: ${loaded.toFixed(0)} MiB, base ${base.toFixed(0)} MiB: ${((loaded - base) / calls).toFixed(2)} MiB per call, goal 1, ratio ${((loaded - base) / calls).toFixed(2)}`,
    );

    const until = performance.now() + minutes * 60_000;
    const points: [number, number][] = [];
    const heap: [number, number][] = [];
    let placed = 0;
    const lines = Array.from({ length: Math.ceil(calls / 2) }, async () => {
      while (performance.now() < until) {
        await place(8).then((call) => call.ended);
        placed++;
      }
    });
    while (performance.now() < until) {
      await wait(2_000);
      const hours = performance.now() / 3_600_000;
      points.push([hours, residentMiB(earshot.pid)]);
      const metrics = await (await earshot.request("/metrics")).text();
      const of = (name: string): number => Number(new RegExp(`^${name} (\\S+)`, "m").exec(metrics)?.[1] ?? 0) / 2 ** 20;
      heap.push([hours, of("nodejs_heap_size_used_bytes") + of("nodejs_external_memory_bytes")]);
    }
    await Promise.all(lines);
    // The first half still fills caches and pools, whose bounds are settings.
    const settled = (all: [number, number][]) => all.slice(all.length >> 1);
    const perHour = (all: [number, number][]) => slope(settled(all));
    const kibPerCall = (all: [number, number][]) => (perHour(all) * (minutes / 60) * 1024) / placed;
    const levels = settled(points).map(([, mib]) => mib);
    console.log(
      `turnover: ${placed} calls in ${minutes} min; second half: resident ${levels.at(0)?.toFixed(0)} to ${levels.at(-1)?.toFixed(0)} MiB ` +
        `(least ${Math.min(...levels).toFixed(0)}, most ${Math.max(...levels).toFixed(0)}), ` +
        `slope ${perHour(points).toFixed(0)} MiB per hour or ${kibPerCall(points).toFixed(1)} KiB per call; ` +
        `of it JavaScript heap and buffers ${perHour(heap).toFixed(0)} MiB per hour or ${kibPerCall(heap).toFixed(1)} KiB per call`,
    );
  } finally {
    abort.abort();
    await earshot.stop();
  }
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}

/** Least squares. */
function slope(points: readonly [number, number][]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  return points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

await run();
process.exit(0);
