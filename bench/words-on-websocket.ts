/**
 * Words on the screen: from the last voiced RTP packet of a turn, as the demo PBX sent it, to the final text on the live socket, through the
 * whole product in a process of its own, with an engine that takes no time. `npm run bench -- words-on-websocket [calls,calls,...] [seconds]`
 * All streams are G.711, as SIPREC clients send it. The endpointing pause is a setting and printed apart; goal for the rest: p95 at most 300 ms. Partials: at least every 500 ms.
 */
import { fileURLToPath } from "node:url";
import { placeDemoCall } from "@earshot/deploy/demo-pbx/demo-call.ts";
import { loadTruth, scenarioIds } from "@earshot/deploy/demo-pbx/dialogue.ts";
import { startEarshot } from "@earshot/deploy/testing/earshot-process.ts";
import { mediaPipelineSettings } from "@earshot/media-pipeline/settings.ts";
import type { CallDetail } from "@earshot/proto/api/calls.ts";
import type { ServerMessage } from "@earshot/proto/api/live.ts";

const callCounts = (process.argv[2] ?? "1,50,200").split(",").map((count) => Math.min(400, Number(count)));
const seconds = Math.min(50, Number(process.argv[3] ?? 30));
const pauseMs = mediaPipelineSettings.endpointPauseMs.default;
/** A segment's end and the turn's true end are the same when they are this close. */
const sameEndMs = 450;

type Shown = { callId: string; speaker: string; endMs: number; atMs: number };

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

async function measure(calls: number): Promise<void> {
  const script = fileURLToPath(new URL("./words-on-websocket/scripted-earshot.ts", import.meta.url));
  const earshot = await startEarshot({ script, env: { EARSHOT_RTP_PORTS: "40000-47999" } });
  const finals: Shown[] = [];
  const lastPartial = new Map<string, number>();
  const gaps: number[] = [];
  const socket = new WebSocket(`ws://127.0.0.1:${earshot.httpPort}/api/v1/live`, [`bearer.${earshot.apiKey}`]);
  socket.addEventListener("message", ({ data }) => {
    const atMs = Date.now();
    const message = JSON.parse(String(data)) as ServerMessage;
    if (message.type !== "batch") return;
    for (const event of message.events) {
      if (event.type !== "transcript.partial" && event.type !== "transcript.final") continue;
      const { segmentId, speaker, endMs } = event.segment;
      if (event.type === "transcript.final") finals.push({ callId: event.callId, speaker, endMs, atMs });
      else {
        const before = lastPartial.get(segmentId);
        if (before !== undefined) gaps.push(atMs - before);
        lastPartial.set(segmentId, atMs);
      }
    }
  });
  try {
    const scenarios = scenarioIds().filter((id) => id !== "bad-line");
    const placed = [];
    for (let i = 0; i < calls; i++) {
      const scenario = scenarios[i % scenarios.length]!;
      placed.push({
        scenario,
        call: await placeDemoCall({ scenario, recorder: { address: "127.0.0.1", port: earshot.sipPort }, seconds, codec: "PCMA" }),
      });
    }
    await Promise.all(placed.map(({ call }) => call.ended));
    await wait(2_000);

    const { data } = await earshot.get<{ data: { id: string }[] }>("/api/v1/calls?perPage=200");
    const rest: number[] = [];
    for (const { id } of data.slice(0, 200)) {
      const { sipCallId, startedAt } = await earshot.get<CallDetail>(`/api/v1/calls/${id}`);
      const mine = placed.find(({ call }) => call.sipCallId === sipCallId);
      if (mine === undefined) continue;
      for (const turn of loadTruth(mine.scenario).turns) {
        const spokenUntil = mine.call.playingSinceMs + turn.endMs;
        const inCall = spokenUntil - Date.parse(startedAt);
        const shown = finals.find(
          (final) => final.callId === id && final.speaker === turn.speaker && Math.abs(final.endMs - inCall) < sameEndMs,
        );
        if (turn.text !== undefined && shown !== undefined) rest.push(shown.atMs - spokenUntil - pauseMs);
      }
    }
    console.log(
      `  ${String(calls).padStart(4)} calls: ${rest.length} turns; pause ${pauseMs} ms + p50 ${percentile(rest, 0.5).toFixed(0)}, p95 ${percentile(rest, 0.95).toFixed(0)} ms ` +
        `(goal 300, ratio ${(percentile(rest, 0.95) / 300).toFixed(2)}); partials every p50 ${percentile(gaps, 0.5)}, p95 ${percentile(gaps, 0.95)} ms (goal 500, ratio ${(percentile(gaps, 0.95) / 500).toFixed(2)})`,
    );
  } finally {
    socket.close();
    await earshot.stop();
  }
}

console.log("words on the live socket, after the last voiced packet was sent");
for (const calls of callCounts) await measure(calls);
process.exit(0);
