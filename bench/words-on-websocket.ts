/**
 * Words on the screen: from the last voiced RTP packet of a turn, as the demo PBX sent it, to the final text on the live socket, through the
 * whole product in a process of its own, with an engine that takes no time. `npm run bench -- words-on-websocket [calls,calls,...] [seconds]`
 * All streams are G.711, as SIPREC clients send it. The endpointing pause is a setting and printed apart; goal for the rest: p95 at most 300 ms. Partials: at least every 500 ms.
 */
import { fileURLToPath } from "node:url";
import { placeDemoCall } from "@earshot/deploy/demo-pbx/demo-call.ts";
import { scenarioIds } from "@earshot/deploy/demo-pbx/dialogue.ts";
import { startEarshot } from "@earshot/deploy/testing/earshot-process.ts";
import { mediaPipelineSettings } from "@earshot/media-pipeline/settings.ts";
import { type PlacedCall, percentile, ShownWords } from "./words-on-websocket/shown-words.ts";

const callCounts = (process.argv[2] ?? "1,50,200").split(",").map((count) => Math.min(400, Number(count)));
const seconds = Math.min(50, Number(process.argv[3] ?? 30));
const pauseMs = mediaPipelineSettings.endpointPauseMs.default;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function measure(calls: number): Promise<void> {
  const script = fileURLToPath(new URL("./words-on-websocket/scripted-earshot.ts", import.meta.url));
  const earshot = await startEarshot({ script, env: { EARSHOT_RTP_PORTS: "40000-47999" } });
  const shown = new ShownWords(earshot.httpPort, earshot.apiKey);
  try {
    const scenarios = scenarioIds().filter((id) => id !== "bad-line");
    const placed: PlacedCall[] = [];
    for (let i = 0; i < calls; i++) {
      const scenario = scenarios[i % scenarios.length]!;
      placed.push({
        scenario,
        call: await placeDemoCall({ scenario, recorder: { address: "127.0.0.1", port: earshot.sipPort }, seconds, codec: "PCMA" }),
      });
    }
    await Promise.all(placed.map(({ call }) => call.ended));
    await wait(2_000);

    const rest = (await shown.delaysMs(placed, earshot.get)).map((delay) => delay - pauseMs);
    const { gapsMs: gaps } = shown;
    console.log(
      `  ${String(calls).padStart(4)} calls: ${rest.length} turns; pause ${pauseMs} ms + p50 ${percentile(rest, 0.5).toFixed(0)}, p95 ${percentile(rest, 0.95).toFixed(0)} ms ` +
        `(goal 300, ratio ${(percentile(rest, 0.95) / 300).toFixed(2)}); partials every p50 ${percentile(gaps, 0.5)}, p95 ${percentile(gaps, 0.95)} ms (goal 500, ratio ${(percentile(gaps, 0.95) / 500).toFixed(2)})`,
    );
  } finally {
    shown.close();
    await earshot.stop();
  }
}

console.log("words on the live socket, after the last voiced packet was sent");
for (const calls of callCounts) await measure(calls);
process.exit(0);
