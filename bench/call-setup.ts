/**
 * Call set-up: 100 SIPREC INVITEs (two streams, metadata) per second with 500 calls up, on one gateway process, beside the same rate of
 * SIP OPTIONS (which sets up nothing) in the same run. Goal: p99 of the final answer under 100 ms, on less than one core.
 */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { SipLoad } from "./call-setup/load.ts";
import { ahead } from "./rtp-packet/priority.ts";

type Usage = { cpuMicros: number; liveCalls: number; residentBytes: number };

const goalMs = 100;

/** @param options.seconds length of each measured part */
export async function run(options: { perSecond?: number; up?: number; seconds?: number } = {}): Promise<void> {
  const { perSecond = 100, up = 500, seconds = 15 } = options;
  const before = ahead();
  // The sender too: an answer that waits for its reader's turn would count as the gateway's.
  if (before.length > 0) spawnSync("chrt", ["--rr", "--all-tasks", "--pid", "10", String(process.pid)]);
  const gateway = fileURLToPath(new URL("call-setup/gateway-process.ts", import.meta.url));
  const [command = process.execPath, ...args] = [...before, process.execPath, "--disable-warning=ExperimentalWarning", gateway];
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const answer = <T>() =>
    new Promise<T>((resolve, reject) => {
      child.once("message", (message) => resolve(message as T));
      child.once("exit", (code) => reject(new Error(`the gateway process ended with ${code}`)));
    });
  const { port } = await answer<{ port: number }>();
  const usage = () => {
    const told = answer<Usage>();
    child.send("cpu");
    return told;
  };
  const load = new SipLoad(port);
  await load.open();
  try {
    const measured = async (kind: "INVITE" | "OPTIONS") => {
      const before = await usage();
      const began = performance.now();
      const latencies = await load.run(kind, perSecond, seconds, up);
      const after = await usage();
      const cpuMicros = after.cpuMicros - before.cpuMicros;
      return { ...latencies, cpuMicros: cpuMicros / latencies.sent, corePercent: cpuMicros / (performance.now() - began) / 10, after };
    };
    await load.run("INVITE", perSecond, Math.ceil(up / perSecond), up);
    const idle = await usage();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const idlePercent = ((await usage()).cpuMicros - idle.cpuMicros) / 30_000;
    const options = await measured("OPTIONS");
    const invites = await measured("INVITE");
    const line = (name: string, one: typeof invites) =>
      `${name.padEnd(28)} p50 ${one.p50Ms.toFixed(2)} ms  p99 ${one.p99Ms.toFixed(2)} ms  max ${one.maxMs.toFixed(1)} ms  ${one.cpuMicros.toFixed(0)} µs CPU each  ${one.corePercent.toFixed(1)} % of a core  ${one.answered}/${one.sent} answered, ${one.failed} refused`;
    console.log(
      `call set-up at ${perSecond}/s with ${invites.after.liveCalls} calls up (no RTP), ${seconds} s each; ${up} calls up and idle take ${idlePercent.toFixed(1)} % of a core${before.length > 0 ? "" : "; real-time scheduling was not permitted"}`,
    );
    console.log(line("OPTIONS", options));
    console.log(line("INVITE + ACK + BYE", invites));
    console.log(
      `INVITE / OPTIONS: p99 x${(invites.p99Ms / options.p99Ms).toFixed(1)}, CPU x${(invites.cpuMicros / options.cpuMicros).toFixed(1)}`,
    );
    console.log(
      `p99 / goal (${goalMs} ms): x${(invites.p99Ms / goalMs).toFixed(3)}; resident ${(invites.after.residentBytes / 1024 ** 2).toFixed(0)} MB`,
    );
    await load.endAll();
    console.log(`calls left after every BYE: ${(await usage()).liveCalls}`);
  } finally {
    load.close();
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.send("stop");
    const kill = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(kill);
  }
}

if (import.meta.main) await run();
