/** `npm run demo`: keeps a given number of demo calls going against a running Earshot, and ends them all on Ctrl-C. */
import { parseArgs } from "node:util";
import { EarshotError } from "@earshot/proto/errors.ts";
import { placeDemoCall } from "./demo-call.ts";
import { loadDialogue, scenarioIds } from "./dialogue.ts";

const usage = `npm run demo -- [options]
  --calls N        calls at once (default 1, at most 500)
  --minutes N      for how long (default 10, at most 120)
  --scenario NAME  one of: ${scenarioIds().join(", ")}; default: all in turn
  --loss PERCENT   packets that never arrive       --jitter MS     packets late by up to MS
  --reorder PERCENT                                --swap          agent and caller on each other's stream
  --one-way        the caller's stream is silent  --codec NAME     both streams in G722, PCMA or PCMU
  --to HOST:PORT   where Earshot listens for SIP (default 127.0.0.1:5060, or EARSHOT_SIP_PORT)`;

const number = (text: string | undefined, name: string, fallback: number, max: number): number => {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0 || value > max) fail(`--${name} takes a number from 0 to ${max}, not "${text}".`);
  return value;
};

function fail(message: string): never {
  console.error(`${message}\n\n${usage}`);
  process.exit(2);
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        calls: { type: "string" },
        minutes: { type: "string" },
        scenario: { type: "string" },
        loss: { type: "string" },
        jitter: { type: "string" },
        reorder: { type: "string" },
        swap: { type: "boolean" },
        "one-way": { type: "boolean" },
        to: { type: "string" },
        codec: { type: "string" },
        help: { type: "boolean" },
      },
    });
    return values;
  } catch (error) {
    return fail((error as Error).message);
  }
}

const given = options();
if (given.help === true) {
  console.log(usage);
  process.exit(0);
}
const calls = number(given.calls, "calls", 1, 500);
const minutes = number(given.minutes, "minutes", 10, 120);
const scenarios = given.scenario === undefined ? scenarioIds() : [given.scenario];
for (const id of scenarios) if (!scenarioIds().includes(id)) fail(`There is no demo call "${id}".`);
const [host = "127.0.0.1", port = process.env.EARSHOT_SIP_PORT ?? "5060"] = (given.to ?? "").split(":").filter((part) => part !== "");
const codec = (["G722", "PCMA", "PCMU"] as const).find((name) => name === given.codec);
if (given.codec !== undefined && codec === undefined) fail(`--codec takes G722, PCMA or PCMU, not "${given.codec}".`);
const impairment = {
  ...(given.loss === undefined ? {} : { lossPercent: number(given.loss, "loss", 0, 50) }),
  ...(given.jitter === undefined ? {} : { jitterMs: number(given.jitter, "jitter", 0, 500) }),
  ...(given.reorder === undefined ? {} : { reorderPercent: number(given.reorder, "reorder", 0, 50) }),
  ...(given.swap === true ? { swapChannels: true } : {}),
  ...(given["one-way"] === true ? { oneWay: true } : {}),
};

const abort = new AbortController();
process.once("SIGINT", () => abort.abort());
process.once("SIGTERM", () => abort.abort());
const until = performance.now() + minutes * 60_000;
console.log(`${calls} demo call(s) at once towards ${host}:${port} for ${minutes} min; Ctrl-C ends them.`);

let turn = 0;
let failures = 0;
async function keepCalling(line: number): Promise<void> {
  // Spread out, so that the calls are not all at the same word.
  await new Promise((resolve) => setTimeout(resolve, Math.min(line * 700, 60_000)));
  while (!abort.signal.aborted && performance.now() < until) {
    const scenario = scenarios[turn++ % scenarios.length]!;
    try {
      const call = await placeDemoCall({
        scenario,
        recorder: { address: host, port: Number(port) },
        impairment,
        codec,
        signal: abort.signal,
      });
      console.log(`line ${line + 1}: ${loadDialogue(scenario).title}`);
      const why = await call.ended;
      if (why === "recorder") console.log(`line ${line + 1}: ended by the recorder`);
    } catch (error) {
      failures++;
      const known = error instanceof EarshotError ? `${error.message} ${error.remedy}` : String(error);
      console.error(`line ${line + 1}: ${known}`);
      if (abort.signal.aborted || failures > calls * 20) return;
      await new Promise((resolve) => setTimeout(resolve, 5_000));
    }
  }
}
await Promise.all(Array.from({ length: calls }, (_, line) => keepCalling(line)));
process.exitCode = failures === 0 ? 0 : 1;
