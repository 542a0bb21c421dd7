/**
 * Memory that calls leave behind, told in minutes: rounds of many short calls, and after each, when what keeps a call for a while has let go,
 * what is still alive after a full collection. `npm run bench -- memory-collected [rounds] [calls]`; default 4 rounds of 1,000 calls. It forces
 * what `npm run bench -- memory` leaves to the process, and so finds what is held per call, not what the process takes.
 */
import { placeDemoCall } from "@earshot/deploy/demo-pbx/demo-call.ts";
import { scenarioIds } from "@earshot/deploy/demo-pbx/dialogue.ts";
import { runObserved } from "./memory/run-observed.ts";

const MiB = 2 ** 20;
const lines = 40;
/** Calls are settled two minutes after their end. */
const restMs = 150_000;

async function run(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 4);
  const calls = Number(process.argv[3] ?? 1000);
  const earshot = await runObserved();
  try {
    let before: number[] | undefined;
    for (let round = 1; round <= rounds; round++) {
      let left = calls;
      await Promise.all(
        Array.from({ length: lines }, async () => {
          while (left-- > 0) {
            const scenario = scenarioIds()[left % scenarioIds().length]!;
            const call = await placeDemoCall({ scenario, recorder: { address: "127.0.0.1", port: earshot.sipPort }, seconds: 1 });
            await call.ended;
          }
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, restMs));
      const heap = await earshot.collect();
      const { "js.arrayBuffers": buffers, "engine.jemalloc.allocated": engine } = await earshot.figures();
      const now = [heap, buffers!, engine!];
      const grown = now.map((bytes, i) =>
        before === undefined ? "" : ` (${((bytes - before[i]!) / calls / 1024).toFixed(2)} KiB per call)`,
      );
      const said = ["JavaScript heap", "buffers", "engine"].map((name, i) => `${name} ${(now[i]! / MiB).toFixed(1)} MiB${grown[i]}`);
      console.log(`after ${round * calls} calls, alive: ${said.join(", ")}`);
      before = now;
    }
  } finally {
    await earshot.stop();
  }
}

await run();
process.exit(0);
